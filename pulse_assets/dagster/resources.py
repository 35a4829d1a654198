"""The resources of the graph: what a run predicts, and where it reads and writes.

The launchpad checks types, choices and names while a user types. It does not check bounds, because
Dagster's description of a configuration has none. Bounds, and what the deployment allows a run to
name, are checked when a run is launched and planned, by a function that Dagster calls to map one
configuration to another.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import dagster as dg
from pydantic import BaseModel, Field, create_model

from pulse_assets.errors import PulseError
from pulse_assets.retrodiction.rules import resolve_rules
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.settings.limits import check_limits
from pulse_assets.settings.setting import per_run_settings

#: The settings of a deployment that one run may change: they fix no partition.
DATA_SETTINGS: Final = per_run_settings(Settings)

_BOUNDS: Final = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}


def describe_option(option: Mapping[str, Any]) -> str:
    """Return the launchpad's text about an option: its description and its bounds.

    Args:
        option: JSON schema of the option.

    Example:
        >>> describe_option({"description": "a share", "exclusiveMinimum": 0, "maximum": 1})
        'a share; above 0, at most 1'
    """
    bounds = [f"{words} {option[name]}" for name, words in _BOUNDS.items() if name in option]
    return "; ".join([option["description"], *filter(None, [", ".join(bounds)])])


def _fields(model: type[BaseModel], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the fields of `model` that have one of these defaults.

    The bounds are in the descriptions only: the error of the model itself is easier to read.
    """
    schema = model.model_json_schema()["properties"]
    return {
        name: (
            field.annotation,
            Field(default=defaults[name], description=describe_option(schema[name])),
        )
        for name, field in model.model_fields.items()
        if name in defaults
    }


@dg.resource(config_schema=dict)
def _options(context: dg.InitResourceContext) -> TrainingOptions:
    return TrainingOptions(**context.resource_config)


def training_resource(defaults: TrainingOptions) -> dg.ResourceDefinition:
    """Return the resource `training`, whose fields have the options of a deployment as defaults."""
    launchpad = create_model(
        "_LaunchpadOptions", __base__=dg.Config, **_fields(TrainingOptions, defaults.model_dump())
    )

    @dg.configured(_options, config_schema=launchpad.to_config_schema().config_type)
    def training(config: dict[str, Any]) -> dict[str, Any]:
        """Check the options of a run, as far as neither data nor a user's code is needed.

        The run itself imports a user's rule, because this process may hold an older version of it.

        Raises:
            DagsterInvalidConfigError: a value cannot be used; the message says why.
        """
        try:
            options = TrainingOptions(**config)
            named = options.models or ()
            resolve_rules([name for name in named if ":" not in name])
            own = {"models": defaults.models}
            check_limits({"models": [name for name in named if ":" in name]}, own)
        except PulseError as error:
            raise dg.DagsterInvalidConfigError(str(error), [], config) from None
        return options.model_dump()

    return training


@dataclass(frozen=True)
class DataResource:
    """Where a run reads and writes: source, store and how to reach S3.

    The launchpad shows the settings of the deployment; a run may use others.
    """

    store: str
    source: str
    max_source_bytes: int | None
    aws_region: str | None
    aws_profile: str | None
    s3_endpoint_url: str | None
    s3_requester_pays: bool

    def applied_to(self, settings: Settings) -> Settings:
        """Return the settings of the deployment, changed as this run says.

        Raises:
            ConfigurationError: a value cannot be used; the message says why.
        """
        return Settings(**settings.model_dump() | asdict(self))


@dg.resource(config_schema=dict)
def _data(context: dg.InitResourceContext) -> DataResource:
    return DataResource(**context.resource_config)


def data_resource(settings: Settings) -> dg.ResourceDefinition:
    """Return the resource `data`, whose fields have the settings of a deployment as defaults."""
    defaults = settings.model_dump(include={*DATA_SETTINGS})
    launchpad = create_model("_LaunchpadData", __base__=dg.Config, **_fields(Settings, defaults))

    @dg.configured(_data, config_schema=launchpad.to_config_schema().config_type)
    def data(config: dict[str, Any]) -> dict[str, Any]:
        """Check where a run reads and writes, and whether the deployment allows it.

        Raises:
            DagsterInvalidConfigError: a value cannot be used; the message says why.
        """
        try:
            run = Settings(**settings.model_dump() | config)
            chosen = run.model_dump(include={*DATA_SETTINGS})
            check_limits(chosen, defaults)
        except PulseError as error:
            raise dg.DagsterInvalidConfigError(str(error), [], config) from None
        return chosen

    return data
