"""`pulse-train`: the command line."""

import argparse
import logging
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml
from pydantic_core import PydanticUndefined

from pulse_assets.errors import ConfigurationError, PulseError
from pulse_assets.settings import Settings, TrainingConfig
from pulse_assets.storage.address import address_fault
from pulse_assets.storage.s3 import refuse_credentials
from pulse_assets.terminal import TrainingProgress, print_error, print_json, print_summary

_LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

#: Loggers whose lines say at length what this command says shortly.
_SAID_OTHERWISE: Final = ("pulse_assets.run", "distributed.client")

#: Options of the command line by group; each is a field of `TrainingConfig`.
_GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "what to predict": (
        *("variables", "horizons", "models", "history_days", "frequencies"),
        *("start_date", "end_date", "batch_size_days", "batch_cadence", "batch_limit"),
    ),
    "how to judge": (
        *("ensemble", "interval_level", "max_partners"),
        *("on_rule_error", "rule_timeout_seconds"),
        *("trust_discount", "max_failed_batches", "resume"),
    ),
    "where data lies": ("source", "max_source_bytes", "store", "output_file", "s3_output_file"),
    "where to compute": (
        *("max_workers", "use_dask", "dask_scheduler_address"),
        *("dask_tls_ca_file", "dask_tls_client_cert", "dask_tls_client_key"),
        *("dask_dashboard_port", "dask_threads_per_worker"),
    ),
    "S3": ("aws_region", "aws_profile", "s3_endpoint_url"),
}
#: Where the old script found the buckets that no option names.
_BUCKETS: Final = {"source": "S3_DATA_BUCKET", "store": "S3_RESULTS_BUCKET"}
_COMMANDS: Final = {
    "train": "retrodict the batches, keep score and say what was learnt (the default)",
    "status": "tell which batches are done, and which are not, and why; exit 0 if all are done",
    "forecast": "forecast every variable from its last observation with what was learnt",
    "report": "open the report of the last training; report --help shows how to rebuild it",
}
_LISTS: Final = ("variables", "horizons", "models")
_MAPPINGS: Final = {"frequencies": "VARIABLE=FREQUENCY"}
#: Where the last word of the name is not what is given.
_METAVARS: Final = {
    "dask_threads_per_worker": "N",
    "dask_tls_client_cert": "FILE",
    "dask_tls_client_key": "FILE",
}
_SWITCHES: Final = ("resume", "use_dask")
#: Loggers whose DEBUG lines hold session tokens and signatures.
_TALKATIVE: Final = ("botocore", "boto3", "s3transfer", "urllib3")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Exit with 1, as every other bad input does."""
        print_error(f"{message}; see {self.prog} --help")
        raise SystemExit(1)


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; an option that is not given is absent from the result."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = given.pop(0) if given and given[0] in _COMMANDS else "train"
    parser = _Parser(
        prog="pulse-train",
        description="Learn which forecasting rules to trust: predict every batch of a history\n"
        "from what was known before it, and keep score.\n\n"
        + "\n".join(f"  {name:9} {text}" for name, text in _COMMANDS.items()),
        usage="%(prog)s [train | status | forecast | report] [options]",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for title, names in _GROUPS.items():
        group = parser.add_argument_group(title)
        for name in names:
            _add_option(group, name)
        if title == "S3":
            _add_buckets(group)
    if command == "report":
        _add_report(parser)
    _add_others(parser, command)
    return parser.parse_args(given, argparse.Namespace(command=command))


def _add_option(group: argparse._ArgumentGroup, name: str) -> None:
    """Add the option of a field of `TrainingConfig`, which checks its value."""
    field = TrainingConfig.model_fields[name]
    text = (field.description or "").replace("%", "%%")
    has_default = not any(field.default is none for none in (None, False, PydanticUndefined))
    if has_default and "default:" not in text:
        text += f" (default: {_shown(field.default)})"
    if name in _SWITCHES:
        group.add_argument(_flag(name), action="store_true", help=text)
    elif name in _LISTS:
        group.add_argument(_flag(name), nargs="+", metavar=name[:-1].upper(), help=text)
    elif name in _MAPPINGS:
        group.add_argument(_flag(name), nargs="+", metavar=_MAPPINGS[name], help=text)
    else:
        metavar = _METAVARS.get(name) or name.rpartition("_")[2].upper()
        group.add_argument(_flag(name), metavar=metavar, help=text)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _add_buckets(group: argparse._ArgumentGroup) -> None:
    for kind, meaning in (("data", "source"), ("results", "store")):
        group.add_argument(
            f"--s3-{kind}-bucket",
            metavar="BUCKET",
            help=f"bucket of the {meaning}, in place of --{meaning} "
            f"(default: the environment's S3_{kind.upper()}_BUCKET)",
        )
        group.add_argument(
            f"--s3-{kind}-prefix", metavar="PREFIX", help=f"prefix of the {meaning} in its bucket"
        )


def _add_report(parser: argparse.ArgumentParser) -> None:
    report = parser.add_argument_group("report")
    report.add_argument(
        "--rebuild",
        action="store_true",
        default=False,
        help="make trust, results, forecasts and report anew from the stored batches first",
    )
    report.add_argument(
        "--serve",
        metavar="PORT",
        type=int,
        default=None,
        help="serve the report on 127.0.0.1 at this port until interrupted; 0: any free one",
    )


def _add_others(parser: argparse.ArgumentParser, command: str) -> None:
    group = parser.add_argument_group("this command")
    group.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="YAML file of settings by name, such as `batch_size_days: 7`; options win over it",
    )
    if command != "report":
        group.add_argument(
            "--json",
            action="store_true",
            default=False,
            help="print what was found as JSON on stdout, for machines",
        )
    group.add_argument(
        "--log-level",
        default=os.environ.get("LOG_LEVEL") or "WARNING",
        help="least severe log lines to show: DEBUG, INFO, WARNING, ERROR or CRITICAL "
        "(default: the environment's LOG_LEVEL, else WARNING)",
        metavar="LEVEL",
    )
    group.add_argument(
        "--log-dir",
        metavar="DIR",
        type=Path,
        default=os.environ.get("LOG_DIR"),
        help="directory of a log file, pulse-train.log (default: the environment's LOG_DIR, "
        "else no file)",
    )


def create_config_from_args(
    arguments: argparse.Namespace, environment: Mapping[str, str] | None = None
) -> TrainingConfig:
    """Combine options, the file of --config and the environment; the earlier one wins.

    Raises:
        ConfigurationError: a value cannot be used, or two options contradict each other.
    """
    environment = os.environ if environment is None else environment
    given = vars(arguments)
    chosen = {name: value for name, value in given.items() if name in TrainingConfig.model_fields}
    for name in _LISTS:
        if name in chosen:
            chosen[name] = _parts(chosen[name])
    for name in _MAPPINGS:
        if name in chosen:
            chosen[name] = _pairs(_flag(name), _parts(chosen[name]))
    in_file = _read_file(given["config"]) if "config" in given else {}
    buckets = {field: environment.get(name) for field, name in _BUCKETS.items()}
    for field, name in _BUCKETS.items():
        _check_bucket(name, buckets[field])
    usual = {field: f"s3://{bucket}" for field, bucket in buckets.items() if bucket}
    values: dict[str, Any] = {**usual, **Settings.in_environment(environment), **in_file}
    return TrainingConfig(**values | chosen | _from_buckets(given, buckets))


def _parts(texts: Sequence[str]) -> list[str]:
    return [part for text in texts for part in text.split(",") if part]


def _pairs(flag: str, parts: Sequence[str]) -> dict[str, str]:
    """Read `name=value` pairs.

    Raises:
        ConfigurationError: one is no pair, or a name is given twice.
    """
    pairs: dict[str, str] = {}
    for part in parts:
        name, equals, value = (text.strip() for text in part.partition("="))
        if not (name and equals and value):
            raise ConfigurationError(f"{flag} {part}: write VARIABLE=FREQUENCY, like gdp=quarterly")
        if pairs.setdefault(name, value) != value:
            raise ConfigurationError(
                f"{flag} gives {name} both {pairs[name]} and {value}: keep one"
            )
    return pairs


def _read_file(path: Path) -> dict[str, Any]:
    """Read settings by name from a YAML file."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"--config {path} cannot be read: {reason}") from error
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise ConfigurationError(
            f"--config {path} holds no settings: write lines such as `batch_size_days: 7`"
        )
    return values


def _from_buckets(given: Mapping[str, Any], usual: Mapping[str, str | None]) -> dict[str, Any]:
    """Turn the bucket and prefix options into a source and a store; `usual` are other buckets."""
    found = {}
    for field, kind in (("source", "data"), ("store", "results")):
        options = [name for name in (f"s3_{kind}_bucket", f"s3_{kind}_prefix") if name in given]
        if not options:
            continue
        _check_bucket(f"--s3-{kind}-bucket", given.get(f"s3_{kind}_bucket"))
        bucket = given.get(f"s3_{kind}_bucket") or usual[field]
        if not bucket:
            raise ConfigurationError(
                f"--s3-{kind}-prefix {given[options[0]]} needs --s3-{kind}-bucket"
            )
        if field in given:
            raise ConfigurationError(
                f"{_flag(field)} {given[field]} and {_flag(options[0])} {given[options[0]]} both "
                f"name the {field}: give one of them"
            )
        found[field] = f"s3://{bucket}/{given.get(f's3_{kind}_prefix', '')}".rstrip("/")
    return found


def _check_bucket(name: str, bucket: str | None) -> None:
    """Refuse an address or a path in place of the name of a bucket."""
    refuse_credentials(name, bucket or "")
    if bucket and re.search(r"[/\\:\s]", bucket):
        raise ConfigurationError(
            f"{name} {bucket!r} is no name of a bucket: give the name alone, or the whole address "
            "with --source or --store, such as s3://bucket/prefix"
        )


def setup_logging(level: str, log_dir: Path | str | None = None) -> None:
    """Send log lines to stderr, and to `pulse-train.log` in `log_dir` if one is given.

    The run's own lines and what Dask's client says of a lost scheduler are on the screen from INFO
    on: else progress bar, summary and error say the same. The file has them from INFO on.

    Raises:
        ConfigurationError: the level is unknown, or the file cannot be written.
    """
    level = level.upper()
    if level not in _LOG_LEVELS:
        raise ConfigurationError(
            f"--log-level {level} (or LOG_LEVEL) is unknown: choose one of {', '.join(_LOG_LEVELS)}"
        )
    screen = logging.StreamHandler()
    screen.setLevel(level)
    if level not in ("DEBUG", "INFO"):
        screen.addFilter(lambda record: record.name not in _SAID_OTHERWISE)
    handlers: list[logging.Handler] = [screen]
    if log_dir:
        handlers.append(_log_file(Path(log_dir)))
        handlers[-1].setLevel(min(logging.INFO, logging.getLevelName(level)))
    logging.basicConfig(
        level=min(handler.level for handler in handlers),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=handlers,
        force=True,
    )
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.INFO)


def _log_file(folder: Path) -> logging.FileHandler:
    if address_fault(str(folder)):  # a Path has lost a slash of s3://
        raise ConfigurationError(f"--log-dir {folder} is no directory: name one of this machine")
    folder = folder.expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return logging.FileHandler(folder / "pulse-train.log", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"--log-dir {folder} cannot be written ({error.strerror}): name another directory"
        ) from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `pulse-train`; return 0 when the training succeeded, else 1."""
    options = parse_args(arguments)
    # As `dagster -m` does: rules in modules of the working directory can be named.
    sys.path.insert(0, str(Path.cwd()))
    # Who stops a container or a service means what Ctrl-C means.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        config = create_config_from_args(options)
        setup_logging(options.log_level, options.log_dir)
        return _run(config, options)
    except PulseError as error:
        print_error(str(error))
        return 1
    except KeyboardInterrupt:
        print_error("interrupted: finished batches are kept, --resume computes the others")
        return 1


def _run(config: TrainingConfig, options: argparse.Namespace) -> int:
    """Do what the command says; imports are seconds that a wrong option need not cost."""
    if options.command == "train":
        return _train(config, as_json=options.json)

    from pulse_assets import commands

    if options.command == "status":
        return commands.show_status(config, as_json=options.json)
    if options.command == "forecast":
        return commands.forecast(config, as_json=options.json)
    return commands.show_report(config, rebuild=options.rebuild, port=options.serve)


def _train(config: TrainingConfig, *, as_json: bool) -> int:
    from pulse_assets.training import train

    with TrainingProgress() as progress:
        results = train(config, progress=progress)
    if as_json:
        print_json(results.data)
    else:
        paths = {"results": results.results_path, "report": results.report_path}
        print_summary(results.data, paths)
    if not results.success:
        for problem in results.data["problems"] or [results.message]:
            print_error(problem)
    return 0 if results.success else 1


if __name__ == "__main__":
    sys.exit(main())
