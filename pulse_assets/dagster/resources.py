"""The resources of the graph: what a run predicts, and where it reads and writes.

The launchpad itself checks types, choices and names as one types: it has no more than a description
of the configuration, in which Dagster keeps no bounds. Those of `training` are checked when
*Launch* is pressed and the run is planned, by a function that Dagster calls to map one
configuration to another.
"""

from collections.abc import Mapping
from typing import Any, Final

import dagster as dg
from pydantic import BaseModel, Field, create_model

from pulse_assets.errors import PulseError
from pulse_assets.retrodiction.rules import resolve_rules
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.settings.setting import per_run_settings

#: The settings of a deployment that one run may change: they fix no partition.
DATA_SETTINGS: Final = per_run_settings(Settings)

_BOUNDS: Final = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}


def _help(option: Mapping[str, Any]) -> str:
    """Return what the launchpad says of an option: its text and its bounds.

    Args:
        option: JSON schema of the option.

    Example:
        >>> _help({"description": "share of evidence", "exclusiveMinimum": 0, "maximum": 1})
        'share of evidence; above 0, at most 1'
    """
    bounds = [f"{words} {option[name]}" for name, words in _BOUNDS.items() if name in option]
    return "; ".join([option["description"], *filter(None, [", ".join(bounds)])])


def _fields(model: type[BaseModel], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the fields of `model` that have one of these defaults.

    Without their bounds but in words: the model itself explains a breach more plainly.
    """
    schema = model.model_json_schema()["properties"]
    return {
        name: (field.annotation, Field(default=defaults[name], description=_help(schema[name])))
        for name, field in model.model_fields.items()
        if name in defaults
    }


_LaunchpadOptions = create_model(
    "_LaunchpadOptions",
    __base__=dg.Config,
    **_fields(TrainingOptions, TrainingOptions().model_dump()),
)


@dg.resource(config_schema=dict)
def _options(context: dg.InitResourceContext) -> TrainingOptions:
    return TrainingOptions(**context.resource_config)


@dg.configured(_options, config_schema=_LaunchpadOptions.to_config_schema().config_type)
def training(config: dict[str, Any]) -> dict[str, Any]:
    """Check the options of a run as far as neither data nor a user's code is needed.

    A rule of the user's is imported by the run: this process might remember an older version.

    Raises:
        DagsterInvalidConfigError: a value cannot be used; the message says why.
    """
    try:
        options = TrainingOptions(**config)
        resolve_rules([name for name in options.models or () if ":" not in name])
    except PulseError as error:
        raise dg.DagsterInvalidConfigError(str(error), [], config) from None
    return options.model_dump()


class DataResource(dg.ConfigurableResource):
    """Where a run reads and writes: source, store and how to reach S3.

    The launchpad shows them as the deployment has them; a run may name others.
    """

    @classmethod
    def of(cls, settings: Settings) -> "DataResource":
        """Return the resource of a deployment, whose fields have its settings as their defaults.

        Dagster puts the defaults of the class, not the values of an instance, where a run names
        some fields and leaves out others: hence a class for each deployment.
        """
        fields = _fields(Settings, settings.model_dump(include={*DATA_SETTINGS}))
        return create_model(cls.__name__, __base__=cls, __doc__=cls.__doc__, **fields)()

    def applied_to(self, settings: Settings) -> Settings:
        """Return the settings of the deployment with this run's places in them.

        Raises:
            ConfigurationError: a value cannot be used; the message says why.
        """
        return Settings(
            **settings.model_dump() | {name: getattr(self, name) for name in DATA_SETTINGS}
        )
