"""The parser of the command line: the options of `pulse-train` and of each of its subcommands."""

import argparse
import functools
import importlib.metadata
import sys
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NoReturn

from pydantic_core import PydanticUndefined

from pulse_assets.cli.command_table import COMMANDS, FORMATS, GROUPS, Command
from pulse_assets.cli.terminal import print_error
from pulse_assets.settings import TrainingConfig
from pulse_assets.settings.setting import S3, settings_of_type

#: Options whose value is a list, written with spaces or commas.
LISTS: Final = settings_of_type(TrainingConfig, list)
#: Options whose value is a list of `name=value`; that of `periods` is a file.
MAPPINGS: Final = settings_of_type(TrainingConfig, dict) - {"periods"}
#: Options without a value.
_SWITCHES: Final = settings_of_type(TrainingConfig, bool)
#: Metavariables of options for which the last word of the name is not one.
_METAVARS: Final = {
    "dask_threads_per_worker": "N",
    "dask_memory_limit": "SIZE",
    "dask_tls_client_cert": "FILE",
    "dask_tls_client_key": "FILE",
    "calendar": "VARIABLE=CALENDAR",
    "frequencies": "VARIABLE=FREQUENCY",
    "on_rule_error": "fail|skip",
    "periods": "FILE",
    "score_against": "first|latest|N",
    "publication_lag_days": "DAYS|VARIABLE=DAYS",
}
_DESCRIPTION: Final = """\
Measure which forecasting rules to trust: predict the dates of every batch of a history
from the data known before each date, and score the forecasts.
"""


class _Parser(argparse.ArgumentParser):
    """A parser that reports an error on one line and suggests commands.

    An option that is not given is absent from the result, so that options before and after the
    command add up.
    """

    def __init__(self, given: dict[str, Any], **arguments: Any) -> None:  # noqa: ANN401
        """Take where options note their values, and the arguments of argparse."""
        super().__init__(
            argument_default=argparse.SUPPRESS,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **arguments,
        )
        self.register("action", None, functools.partial(_Option, given))

    def error(self, message: str) -> NoReturn:
        """Print the error and exit with 1, as for every other bad input."""
        mark = "" if message.endswith("?") else ";"
        print_error(f"{message}{mark} see {self.prog} --help")
        raise SystemExit(1)

    def known_options(self) -> Iterator[str]:
        """Yield the options of this parser and of its commands."""
        for action in self._actions:
            yield from action.option_strings
            if isinstance(action.choices, Mapping):
                for parser in action.choices.values():
                    yield from parser.known_options()

    def _check_value(self, action: argparse.Action, value: object) -> None:
        # argparse names the commands, but suggests one from Python 3.14 on only.
        if action.dest == "command" and value not in COMMANDS:
            near = get_close_matches(str(value), COMMANDS, n=1)
            suggestion = f"did you mean {near[0]}? " if near else ""
            self.error(
                f"unknown command {value!r}: {suggestion}The commands are {', '.join(COMMANDS)}"
            )
        super()._check_value(action, value)


class _Option(argparse.Action):
    """An option with a value, which knows the value that it was given before.

    argparse parses the words after a command on their own, and lets their values replace those that
    the same options have before it.
    """

    def __init__(self, given: dict[str, Any], **arguments: Any) -> None:  # noqa: ANN401
        """Take the values that options were given before, by name, and what argparse gives."""
        super().__init__(**arguments)
        self.given = given

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,  # noqa: ANN401 - a text or several
        option_string: str | None = None,
    ) -> None:
        """Store the value; another one before it is an error, for only one could count.

        The pairs of a mapping add up.
        """
        before = self.given.get(self.dest, values)
        if self.dest in MAPPINGS:
            values = [*self.given.get(self.dest, []), *values]
        elif before != values:
            both = f"{_shown(before)} and {_shown(values)}"
            parser.error(f"{option_string} is given twice, {both}: keep one")
        self.given[self.dest] = values
        setattr(namespace, self.dest, values)


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line.

    Args:
        arguments: the words after the name of the program; those of this process unless given.

    Returns:
        `command`, `json` and the options of one command, such as `rebuild`; and each further option
        that is given, by name.

    Raises:
        SystemExit: with 1 if an option or a command is unknown or lacks its value, with 0 after
            `--help`.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = build_parser({})
    _check_options(parser, words)
    parsed = parser.parse_args(words)
    if parsed.json and not COMMANDS[parsed.command].prints_json:
        parser.error(f"{parsed.command} has no option --json")
    return parsed


def _check_options(parser: _Parser, words: Sequence[str]) -> None:
    """Exit if an option is unknown: argparse would take the value behind it for a command."""
    options = set(parser.known_options())
    for word in words:
        option = word.partition("=")[0]
        if option.startswith("--") and option not in options | {"--"}:
            near = get_close_matches(option, options, n=1)
            suggestion = f": did you mean {near[0]}?" if near else ""
            parser.error(f"unknown option {option}{suggestion}")


def build_parser(given: dict[str, Any]) -> _Parser:
    """Return the parser of the whole command line, which notes in `given` what was given."""
    parser = _Parser(
        given,
        prog="pulse-train",
        description=_DESCRIPTION,
        usage="%(prog)s [command] [options]",
        epilog="pulse-train COMMAND --help shows the options of a command.",
    )
    subparser: Any = functools.partial(_Parser, given)
    commands = parser.add_subparsers(
        title="commands",
        dest="command",
        metavar="COMMAND",
        prog=parser.prog,
        parser_class=subparser,
    )
    version = f"%(prog)s {importlib.metadata.version('pulse-assets')}"
    parser.add_argument("--version", action="version", version=version, help="show the version")
    parser.set_defaults(command="train", json=False, rebuild=False, serve=None, to=None, as_of=None)
    parser.set_defaults(model=None)
    for name, command in COMMANDS.items():
        places = " STORE_A STORE_B" if name == "compare" else ""
        added = commands.add_parser(
            name,
            help=command.help,
            description=command.description,
            usage=f"{parser.prog} {name}{places} [options]",
        )
        if name in _OWN_OPTIONS:
            _OWN_OPTIONS[name](added)
        _add_options(added, command)
    _add_options(parser, COMMANDS["train"])
    return parser


def _add_options(parser: argparse.ArgumentParser, command: Command) -> None:
    """Add the options of a command; those that it does not use are hidden."""
    for title, names in GROUPS.items():
        shown = [name for name in names if name not in command.unused]
        group = parser.add_argument_group(title) if shown else parser
        for name in names:
            _add_option(group, name, hidden=name in command.unused)
        if title == S3:
            _add_buckets(group)
    group = parser.add_argument_group("input and output of this command")
    group.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="YAML file of settings by name, such as `batch_size_days: 7`; options override it",
    )
    if "models" not in command.unused:
        group.add_argument(
            "--rules-path",
            metavar="DIR",
            nargs="+",
            type=Path,
            help="directories of modules with your own rules, searched after what is installed and "
            "before the working directory",
        )
    if command.prints_json:
        group.add_argument("--json", action="store_true", help="print the result as JSON on stdout")


def _add_option(group: argparse._ActionsContainer, name: str, *, hidden: bool) -> None:
    """Add the option of a field of `TrainingConfig`, which checks its value."""
    text = argparse.SUPPRESS if hidden else _help(name)
    metavar = _METAVARS.get(name) or name.rpartition("_")[2].upper()
    if name in _SWITCHES:
        group.add_argument(flag(name), action="store_true", help=text)
    elif name in LISTS | MAPPINGS:
        word = metavar if name in MAPPINGS else metavar.removesuffix("S")
        group.add_argument(flag(name), nargs="+", metavar=word, help=text)
    else:
        group.add_argument(flag(name), metavar=metavar, help=text)


def _help(name: str) -> str:
    """Return the description of a field, with its default."""
    field = TrainingConfig.model_fields[name]
    text = (field.description or "").replace("%", "%%")
    has_default = (
        not any(field.default is none for none in (None, False, PydanticUndefined))
        and field.default != {}
    )
    if has_default and "default:" not in text:
        text += f" (default: {_shown(field.default)})"
    return text


def flag(name: str) -> str:
    """Return the option of a field.

    Example:
        >>> flag("batch_limit")
        '--batch-limit'
    """
    return "--" + name.replace("_", "-")


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _add_buckets(group: argparse._ActionsContainer) -> None:
    for kind, meaning in (("data", "source"), ("results", "store")):
        group.add_argument(
            f"--s3-{kind}-bucket",
            metavar="BUCKET",
            help=f"bucket of the {meaning}, instead of --{meaning} "
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
        help="first compute trust, forecasts, results and report from the stored batches",
    )
    report.add_argument(
        "--serve",
        metavar="PORT",
        type=int,
        help="serve the report on 127.0.0.1 at this port until interrupted; 0: any free port",
    )


def _add_forecast(parser: argparse.ArgumentParser) -> None:
    parser.add_argument_group("forecast").add_argument(
        "--as-of",
        metavar="DAY",
        help="forecast as of that day, such as 2008-09-15, from what was public then; print the "
        "weights of the rules and all quantiles, too, and store nothing",
    )


def _add_clean(parser: argparse.ArgumentParser) -> None:
    clean = parser.add_argument_group("clean")
    clean.add_argument(
        "--keep",
        metavar="N",
        type=int,
        required=True,
        help="configurations to keep, at least 1: those with the newest objects; that of the "
        "results in the store is kept in any case",
    )
    clean.add_argument(
        "--delete",
        action="store_true",
        default=False,
        help="remove what is listed; without it nothing is changed",
    )


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "stores", nargs=2, metavar="STORE", help="store of the first training, then of the second"
    )
    parser.add_argument_group("compare").add_argument(
        "--model", metavar="MODEL", help="rule or ensemble to compare (default: ensemble)"
    )


def _add_export(parser: argparse.ArgumentParser) -> None:
    export = parser.add_argument_group("export")
    export.add_argument(
        "--format",
        choices=FORMATS,
        required=True,
        help="nixtla: a frame such as cross_validation returns; hubverse: a hub; fev: evaluation "
        "summaries; csv, parquet: the tables of the results",
    )
    export.add_argument(
        "--to",
        metavar="PATH",
        help="new folder or s3://bucket/prefix (default: pulse_export_<format> in the working "
        "directory); --variables, --models and --horizons choose what is exported",
    )


#: Adds the options that one command alone has.
_OWN_OPTIONS: Final = {
    "clean": _add_clean,
    "forecast": _add_forecast,
    "report": _add_report,
    "export": _add_export,
    "compare": _add_compare,
}
