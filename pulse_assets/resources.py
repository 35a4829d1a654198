"""The resource `training`: the options of a run, checked when somebody launches it.

The launchpad itself checks types, choices and names as one types: it has no more than a description
of the configuration, in which Dagster keeps no bounds. Those are checked when *Launch* is pressed
and the run is planned, by a function that Dagster calls to map one configuration to another.
"""

from collections.abc import Mapping
from typing import Any, Final

import dagster as dg
from pydantic import Field, create_model

from pulse_assets.errors import PulseError
from pulse_assets.retrodiction.rules import resolve_rules
from pulse_assets.settings import TrainingOptions

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


_SCHEMA: Final = TrainingOptions.model_json_schema()["properties"]
_FIELDS: Final[dict[str, Any]] = {
    name: (option.annotation, Field(default=option.default, description=_help(_SCHEMA[name])))
    for name, option in TrainingOptions.model_fields.items()
}
_LaunchpadOptions = create_model("_LaunchpadOptions", __base__=dg.Config, **_FIELDS)


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
