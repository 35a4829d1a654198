"""The program `pulse-train`: the command line, its configuration, its log, and what it runs.

Start it as `pulse-train`, as `python -m pulse_assets.run_training`, or as a script:

    python pulse_assets/run_training.py --help
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

if __name__ == "__main__" and not __package__:
    # Python puts the folder of a script first in its path, where our folder `dagster` would hide
    # Dagster. The folder that holds the package belongs there.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from pulse_assets.cli.configuration import create_config_from_args
from pulse_assets.cli.logs import setup_logging
from pulse_assets.cli.parser import parse_args
from pulse_assets.cli.terminal import print_error
from pulse_assets.errors import PulseError

__all__ = ["create_config_from_args", "main", "parse_args", "setup_logging"]


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
    args = parse_args(arguments)
    try:
        config = create_config_from_args(args)
        setup_logging(config)
        from pulse_assets.cli.commands import run_command  # a second that bad options need not cost

        return run_command(args, config)
    except PulseError as error:
        print_error(str(error))
    except KeyboardInterrupt:
        print_error("interrupted: finished batches are kept, --resume computes the others")
    return 1


if __name__ == "__main__":
    sys.exit(main())
