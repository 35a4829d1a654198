"""The program `pulse-train`: the command line, its configuration, its log, and what it runs.

Start it as `pulse-train`, as `python -m pulse_assets.run_training`, or as a script:

    python pulse_assets/run_training.py --help
"""

import importlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

if __name__ == "__main__" and not __package__:
    # Python puts the folder of a script first in its path, where our folder `dagster` would hide
    # Dagster. The folder that holds the package belongs there.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from pulse_assets.cli.process import limit_threads, own_process, seconds_since_start, uncollected
from pulse_assets.errors import PulseError

if TYPE_CHECKING:
    from pulse_assets.cli.configuration import create_config_from_args
    from pulse_assets.cli.logs import setup_logging
    from pulse_assets.cli.parser import parse_args

__all__ = ["create_config_from_args", "main", "parse_args", "setup_logging"]

#: The module of each other exported name. Worker processes import this module too, for it is the
#: main module of their run, and need none of them.
_MODULES: Final = {
    "create_config_from_args": "configuration",
    "parse_args": "parser",
    "setup_logging": "logs",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a function
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"pulse_assets.cli.{_MODULES[name]}"), name)


def main(arguments: Sequence[str] | None = None) -> Literal[0, 1]:
    """Run `pulse-train`.

    Args:
        arguments: the words after the name of the program; those of this process unless given.

    Returns:
        The exit code: 0 if the command succeeded; 1 if it did not, cannot be understood or was
        interrupted. `pulse_assets.cli.commands` says when each command succeeds.

    Raises:
        SystemExit: with 1 if the command line cannot be understood, with 0 after `--help`.
    """
    began = time.monotonic()
    if arguments is None:  # the process is the command's own
        began -= seconds_since_start()
        limit_threads()
        with uncollected():
            return _run(arguments, began)
    return _run(arguments, began)


def _run(arguments: Sequence[str] | None, began: float) -> Literal[0, 1]:
    # Each import comes when it is needed: bad options are reported, and a training prints its first
    # line, before the packages that take seconds to import.
    from pulse_assets.cli.configuration import create_config_from_args, describe_filled
    from pulse_assets.cli.logs import setup_logging
    from pulse_assets.cli.parser import parse_args
    from pulse_assets.cli.terminal import print_error

    args = parse_args(arguments)
    try:
        config = create_config_from_args(args)
        setup_logging(config)
        with own_process(getattr(args, "rules_path", ())):
            if args.command == "train":
                from pulse_assets.cli.train import train

                return train(config, as_json=args.json, began=began)
            if args.command == "check":
                from pulse_assets.cli.check import check

                return check(config, as_json=args.json)
            if args.command == "export":
                from pulse_assets.cli.export import export

                return export(args, config)
            if args.command == "clean":
                from pulse_assets.cli.clean import clean

                return clean(args, config)
            if args.command == "compare":
                from pulse_assets.cli.compare import compare

                return compare(args, config)
            from pulse_assets.cli.commands import run_command
            from pulse_assets.stored_options import continue_training

            if args.command != "report" or args.rebuild:
                config, filled = continue_training(config)
                if line := describe_filled(filled):
                    sys.stderr.write(f"{line}\n")
            return run_command(args, config)
    except PulseError as error:
        print_error(str(error))
    except KeyboardInterrupt:
        print_error("interrupted: finished batches are kept, --resume computes the others")
    return 1


if __name__ == "__main__":
    sys.exit(main())
