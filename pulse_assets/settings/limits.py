"""What the configuration of a run may name: limits that a deployment sets in its environment.

Whoever reaches the UI chooses the configuration of runs. `PULSE_ALLOW_*` variables list what it may
name beside the deployment's own settings. Without a variable nothing is limited; an empty one
allows nothing more. The command line and Python are not limited: who uses them runs code anyway.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pulse_assets.errors import ConfigurationError
from pulse_assets.history.samples import BUNDLED


def check_limits(values: Mapping[str, Any], own: Mapping[str, Any] | None = None) -> None:
    """Refuse values of a run's configuration that the environment does not allow.

    Args:
        values: settings by name, checked; of `models` those that are not built in; and `scheduler`,
            the address of one or a type of cluster. Those without a limit are ignored.
        own: the settings of the deployment, which are allowed.

    Raises:
        ConfigurationError: naming value, variable and fix.
    """
    for setting, limit in LIMITS.items():
        given, usual = _texts(values.get(setting)), _texts((own or {}).get(setting))
        allowed = os.environ.get(limit.variable)
        if allowed is None:
            continue
        entries = [entry.strip() for entry in allowed.split(",") if entry.strip()]
        for value in given:
            if value in usual or any(limit.holds(value, entry) for entry in entries):
                continue
            raise ConfigurationError(
                f"{setting} = {value!r} is not allowed here: {limit.variable} allows "
                f"{', '.join(entries) or 'none'} beside what the deployment names; choose one of "
                f"these, or let the deployment add it to {limit.variable}"
            )


def _texts(value: object) -> list[str]:
    """Return a setting as texts: none, one or several."""
    if value is None:
        return []
    return [str(part) for part in value] if isinstance(value, list | tuple) else [str(value)]


def _is_same(value: str, entry: str) -> bool:
    return value.rstrip("/") == entry.rstrip("/")


def _is_inside(value: str, entry: str) -> bool:
    """Tell whether a place is another one or lies in it, without leaving it by `..` or a link.

    Example:
        >>> _is_inside("s3://bucket/a/b", "s3://bucket/a"), _is_inside("s3://bu", "s3://b")
        (True, False)
        >>> _is_inside("/data/a/../b", "/data/a"), _is_inside("sample", "/data")
        (False, False)
    """
    if value in BUNDLED or entry in BUNDLED:
        return value == entry
    place, root = _real(value), _real(entry)
    return place == root or place.startswith(f"{root}/")


def _real(place: str) -> str:
    if place.startswith("s3://"):
        return place.rstrip("/")
    return os.path.realpath(os.path.expanduser(place)).rstrip("/")  # noqa: PTH111


def _is_rule(value: str, entry: str) -> bool:
    """Tell whether a rule is an allowed one, or its module is one or lies in one.

    Example:
        >>> _is_rule("team.rules:Mine", "team"), _is_rule("teams:Mine", "team")
        (True, False)
    """
    module = value.partition(":")[0]
    return value == entry or module == entry or module.startswith(f"{entry}.")


@dataclass(frozen=True)
class _Limit:
    """The limit of a setting.

    Attributes:
        variable: what lists the allowed values, with commas between.
        holds: whether a value is what an entry of the list allows.
        meaning: what an entry allows, in words.
    """

    variable: str
    holds: Callable[[str, str], bool]
    meaning: str


#: By setting; `scheduler` is that of the executor.
LIMITS: Final = {
    "scheduler": _Limit(
        "PULSE_ALLOW_SCHEDULERS",
        _is_same,
        "this address of a Dask scheduler, or this type of cluster",
    ),
    "store": _Limit("PULSE_ALLOW_STORES", _is_inside, "this place and those inside it"),
    "source": _Limit("PULSE_ALLOW_SOURCES", _is_inside, "this place and those inside it"),
    "models": _Limit(
        "PULSE_ALLOW_RULES",
        _is_rule,
        "this rule, or the rules of this module and of those inside it",
    ),
    "s3_endpoint_url": _Limit("PULSE_ALLOW_ENDPOINTS", _is_same, "this address"),
    "aws_profile": _Limit("PULSE_ALLOW_PROFILES", _is_same, "this profile"),
}
