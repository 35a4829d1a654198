"""The graph as a Dagster component, for `defs.yaml` and `dg scaffold defs`."""

import types
from typing import Annotated, Any, Final, Union, get_args, get_origin

import dagster as dg
from dagster.components.resolved.base import Resolvable
from pydantic import BaseModel, Field, create_model

from pulse_assets.dagster.definitions import build_definitions
from pulse_assets.dagster.resources import describe_option
from pulse_assets.settings import Settings, TrainingConfig, TrainingOptions
from pulse_assets.settings.config_file import environment_config

#: Types of which a field may be in YAML; any other is a text or what its setting takes.
_PLAIN: Final = (int, float, str, bool, type(None))


def _in_yaml(annotation: Any) -> Any:  # noqa: ANN401 - a type
    """Return the type that a setting has in YAML: dates are texts.

    Example:
        >>> _in_yaml(list[int] | None), _in_yaml(Final)
        (list[int] | None, typing.Any)
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


class RetrodictionComponent(dg.Component, _Attributes, Resolvable):
    """Retrodiction training: rules predict past dates, and the scores say which to trust.

    Attributes that are left out come from the environment, as in `pulse_assets.definitions`.
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
        given = self.model_dump(exclude={"key_prefix", "group", "resource_prefix"})
        given = {name: value for name, value in given.items() if value is not None}
        config = TrainingConfig(**environment_config() | given)
        return build_definitions(
            config.settings(),
            options=config.options(),
            key_prefix=self.key_prefix,
            group=self.group,
            resource_prefix=self.resource_prefix,
        )
