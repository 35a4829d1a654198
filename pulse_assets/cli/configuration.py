"""The configuration of a command: options, the file of --config and the environment combined."""

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pulse_assets.cli.parser import LISTS, MAPPINGS, flag
from pulse_assets.errors import ConfigurationError
from pulse_assets.history.publication import ALL_OTHERS
from pulse_assets.retrodiction.rules import DEFAULT_MODELS
from pulse_assets.settings import Settings, TrainingConfig
from pulse_assets.settings.config_file import read_settings, settings_in_file
from pulse_assets.storage.s3 import refuse_credentials

#: Variables of the environment that hold the name of a bucket, by setting.
_BUCKETS: Final = {"source": "S3_DATA_BUCKET", "store": "S3_RESULTS_BUCKET"}
#: What a pair of an option ends with, and an example.
_EXAMPLES: Final = {
    "--calendar": "CALENDAR, like spx_close=NYSE",
    "--frequencies": "FREQUENCY, like gdp=quarterly",
    "--publication-lag-days": "DAYS, like gdp=45, or one number for all",
}
#: Values of an option that a line shows at most.
_SHOWN: Final = 4
#: Variables of the environment for the log, by setting.
_LOG: Final = {"log_level": "LOG_LEVEL", "log_dir": "LOG_DIR"}


def create_config_from_args(
    args: argparse.Namespace, environment: Mapping[str, str] | None = None
) -> TrainingConfig:
    """Combine options, the file of --config and the environment; the earlier one wins.

    Args:
        args: the parsed command line.
        environment: variables by name; those of this process unless given.

    Raises:
        ConfigurationError: a value cannot be used, or two options contradict each other.
    """
    environment = os.environ if environment is None else environment
    options = vars(args)
    buckets = {field: environment.get(name) for field, name in _BUCKETS.items()}
    for field, name in _BUCKETS.items():
        _check_bucket(name, buckets[field])
    values: dict[str, Any] = {
        **settings_in_file(environment),
        **{field: f"s3://{bucket}" for field, bucket in buckets.items() if bucket},
        **{field: environment[name] for field, name in _LOG.items() if environment.get(name)},
        **Settings.in_environment(environment),
        **(read_settings(options["config"], "--config") if "config" in options else {}),
    }
    return TrainingConfig(**values | _chosen(options) | _from_buckets(options, buckets))


def describe_filled(filled: Mapping[str, Any]) -> str:
    """Name the options that a command takes from the training in the store; empty without any.

    Those that are defaults anyway are left out, and what a source says of each of its variables.

    Example:
        >>> describe_filled({"source": "/data", "horizons": [1, 2, 3, 6, 12], "batch_limit": None})
        'options of the training in the store: --source /data'
    """
    defaults = TrainingConfig().model_dump(mode="json") | {"models": sorted(DEFAULT_MODELS)}
    shown = [
        f"{flag(name)} {_as_typed(value)}"
        for name, value in filled.items()
        if value != defaults[name] and name not in MAPPINGS
    ]
    return f"options of the training in the store: {' '.join(shown)}" if shown else ""


def _as_typed(value: Any) -> str:  # noqa: ANN401 - of any setting
    """Return a value as one would type it; no end is `today`."""
    if isinstance(value, list):
        return _list_some(value)
    return "today" if value is None else str(value)


def _list_some(values: Sequence[Any]) -> str:
    more = f" ({len(values) - _SHOWN} more)" if len(values) > _SHOWN else ""
    return " ".join(map(str, values[:_SHOWN])) + more


def _chosen(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are fields of `TrainingConfig`, with lists and pairs taken apart."""
    chosen = {name: value for name, value in options.items() if name in TrainingConfig.model_fields}
    for name in chosen.keys() & LISTS:
        chosen[name] = _parts(chosen[name])
    for name in chosen.keys() & MAPPINGS:
        parts = _parts(chosen[name])
        if name == "publication_lag_days":
            parts = [part if "=" in part else f"{ALL_OTHERS}={part}" for part in parts]
        chosen[name] = _pairs(flag(name), parts)
    return chosen


def _parts(texts: Sequence[str]) -> list[str]:
    return [part for text in texts for part in text.split(",") if part]


def _pairs(option: str, parts: Sequence[str]) -> dict[str, str]:
    """Read `name=value` pairs.

    Raises:
        ConfigurationError: a part is not a pair, or a name has two values.
    """
    pairs: dict[str, str] = {}
    for part in parts:
        name, equals, value = (text.strip() for text in part.partition("="))
        if not (name and equals and value):
            raise ConfigurationError(
                f"{option} {part}: write VARIABLE={_EXAMPLES.get(option, 'VALUE')}"
            )
        if pairs.setdefault(name, value) != value:
            shown = "all variables" if name == ALL_OTHERS else name
            raise ConfigurationError(
                f"{option} gives {shown} both {pairs[name]} and {value}: keep one"
            )
    return pairs


def _from_buckets(options: Mapping[str, Any], buckets: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the source and the store that the options for buckets and prefixes name.

    Args:
        options: the command line.
        buckets: the buckets that the environment names, by setting.

    Raises:
        ConfigurationError: a prefix has no bucket, or a place is named in two ways.
    """
    places = {}
    for field, kind in (("source", "data"), ("store", "results")):
        given = [name for name in (f"s3_{kind}_bucket", f"s3_{kind}_prefix") if name in options]
        if not given:
            continue
        _check_bucket(f"--s3-{kind}-bucket", options.get(f"s3_{kind}_bucket"))
        bucket = options.get(f"s3_{kind}_bucket") or buckets[field]
        if not bucket:
            raise ConfigurationError(
                f"--s3-{kind}-prefix {options[given[0]]} needs --s3-{kind}-bucket"
            )
        if field in options:
            raise ConfigurationError(
                f"{flag(field)} {options[field]} and {flag(given[0])} {options[given[0]]} both "
                f"name the {field}: give one of them"
            )
        places[field] = f"s3://{bucket}/{options.get(f's3_{kind}_prefix', '')}".rstrip("/")
    return places


def _check_bucket(name: str, bucket: str | None) -> None:
    """Check that a value is the name of a bucket.

    Raises:
        ConfigurationError: it is an address or a path.
    """
    refuse_credentials(name, bucket or "")
    if bucket and re.search(r"[/\\:\s]", bucket):
        raise ConfigurationError(
            f"{name} {bucket!r} is not the name of a bucket: give the name alone, or the whole "
            "address with --source or --store, such as s3://bucket/prefix"
        )
