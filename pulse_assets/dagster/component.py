"""The graph as a Dagster component, for `defs.yaml` and `dg scaffold defs`."""

import re
import types
from typing import Annotated, Any, Final, Union, get_args, get_origin

import dagster as dg
from dagster.components.resolved.base import Resolvable
from pydantic import BaseModel, Field, create_model

from pulse_assets.dagster.definitions import build_definitions
from pulse_assets.dagster.partitions import show_batches
from pulse_assets.dagster.resources import describe_option
from pulse_assets.settings import Settings, TrainingConfig, TrainingOptions
from pulse_assets.settings.config_file import environment_config

#: Types of which a field may be in YAML; any other is a text or what its setting takes.
_PLAIN: Final = (int, float, str, bool, type(None))


def _in_yaml(annotation: Any) -> Any:  # noqa: ANN401 - a type
    """Return the type that a setting has in YAML: dates are texts.

    Example:
        >>> _in_yaml(list[int]), _in_yaml(bytes)
        (list[int], typing.Any)
    """
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation in _PLAIN:
        return annotation
    if origin in (Union, types.UnionType):
        return Union[tuple(_in_yaml(part) for part in parts)]  # noqa: UP007 - made at run time
    if origin is list:
        return list[_in_yaml(parts[0])]  # pyright: ignore[reportInvalidTypeArguments]
    return Any


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """Describe the settings of a model as fields that may be left out."""
    schema = model.model_json_schema()["properties"]
    return {
        name: (_described(_in_yaml(field.annotation) | None, describe_option(schema[name])), None)
        for name, field in model.model_fields.items()
    }


def _described(annotation: Any, text: str) -> Any:  # noqa: ANN401 - types
    """Return a type whose description the schema of the component has."""
    return Annotated[annotation, dg.Resolver.default(description=text)]


_Attributes = create_model(
    "_Attributes", __base__=dg.Model, **_fields(Settings), **_fields(TrainingOptions)
)


class _Scaffolder(dg.Scaffolder[Any]):
    """Write a `defs.yaml` that loads beside other assets: the bundled data, below a prefix."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        """Write the attributes that a deployment needs; its folder names the prefix."""
        prefix = re.sub(r"\W", "_", request.target_path.name, flags=re.ASCII)
        dg.scaffold_component(request, {"key_prefix": [prefix], "source": "sample"})


@dg.scaffold_with(_Scaffolder)
class RetrodictionComponent(dg.Component, _Attributes, Resolvable):
    """Retrodiction training: rules predict past dates, and the scores say which to trust.

    Attributes that are left out come from the environment, as in `pulse_assets.definitions`. With a
    key prefix and no `store`, the store is a place of that name below the store of the environment,
    so that two components never write to one store without being told to.
    """

    key_prefix: Annotated[
        list[str],
        dg.Resolver.default(
            description="parts of the keys of all assets before their own name; needed beside "
            "other assets or another deployment"
        ),
    ] = Field(default_factory=list)
    group: Annotated[
        str | None,
        dg.Resolver.default(description="the group of all assets; default: four groups"),
    ] = None
    resource_prefix: Annotated[
        str,
        dg.Resolver.default(
            description="what the names of the resources begin with; default: the key prefix"
        ),
    ] = ""

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the definitions of the deployment that the attributes describe.

        Raises:
            ConfigurationError: an attribute cannot be used.
        """
        names = {"key_prefix", "group", "resource_prefix"}
        given = self.model_dump(exclude=names, exclude_unset=True)
        config = TrainingConfig(**environment_config() | given)
        settings = config.settings()
        if "store" not in given:
            store = "/".join([settings.store.rstrip("/"), *self.key_prefix])
            settings = settings.model_copy(update={"store": store})
        show_batches(settings)
        return build_definitions(
            settings,
            options=config.options(),
            key_prefix=self.key_prefix,
            group=self.group,
            resource_prefix=self.resource_prefix,
        )
