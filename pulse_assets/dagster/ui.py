"""The Dagster UI behind the guard: Dagster's own commands, with the same options.

    python -m pulse_assets.dagster.ui dev -m pulse_assets.definitions -h 127.0.0.1
    python -m pulse_assets.dagster.ui webserver -m pulse_assets.definitions -h 127.0.0.1

`dev` is `dagster dev`, `webserver` is `dagster-webserver`. PULSE_UI_HOSTS names the hosts by which
browsers reach the UI, apart from loopback.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pulse_assets.dagster.guard import allowed_hosts, guarded
from pulse_assets.dagster.internals import run_dev, serve_webserver
from pulse_assets.errors import PulseError
from pulse_assets.retrodiction.rule_path import RULES_PATH
from pulse_assets.settings.environment import UI_HOSTS_VARIABLE

_MODULE: Final = "pulse_assets.dagster.ui"
_USAGE: Final = f"write `python -m {_MODULE} dev|webserver` and the options of Dagster's command"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the UI until it is interrupted; return the exit code.

    Args:
        arguments: `dev` or `webserver`, and its options; those of this process unless given.
    """
    command, *options = [*(sys.argv[1:] if arguments is None else arguments)] or [""]
    # Dagster starts its servers and runs as `python -m dagster`, which would search the working
    # directory before all that is installed. Rules of users are found there all the same.
    os.environ["PYTHONSAFEPATH"] = "1"
    os.environ.setdefault(RULES_PATH, json.dumps([str(Path.cwd())]))
    try:
        hosts = allowed_hosts(os.environ)
    except PulseError as error:
        return _fail(str(error))
    if command == "dev":
        run_dev(options, ["-m", _MODULE, "webserver"])
    elif command == "webserver":
        names = ", ".join(hosts)
        sys.stderr.write(f"guard: browsers reach the UI as {names} ({UI_HOSTS_VARIABLE})\n")
        serve_webserver(options, lambda app: guarded(app, hosts))
    else:
        return _fail(f"unknown command {command!r}: {_USAGE}")
    return 0


def _fail(message: str) -> int:
    sys.stderr.write(f"error: {message}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
