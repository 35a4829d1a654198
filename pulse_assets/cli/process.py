"""What a command knows of its process and changes in it: its age, modules, memory, interrupts."""

import gc
import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pulse_assets.errors import ConfigurationError
from pulse_assets.execution.interrupts import lasting_interrupts
from pulse_assets.execution.process_start import ticks_at_start
from pulse_assets.execution.worker_server import ONE_THREAD
from pulse_assets.retrodiction.rule_path import RULES_PATH

#: Objects that are created before Python searches the youngest ones for garbage; by default 700. A
#: short training creates fewer, so it never searches; a longer one keeps 100 MB of garbage at most.
_FEW_COLLECTIONS: Final = 1_000_000


@contextmanager
def own_process(rules_path: Sequence[Path] = ()) -> Iterator[None]:
    """Set up this process for a command, which owns it.

    Rules in modules of `rules_path` and of the working directory can be named: the processes of
    rules search there, after all that is installed. Nothing else does, in this process or in one
    that it starts. SIGTERM, which stops a container or a service, means the same as Ctrl-C. An
    interrupt that Python loses is sent again.

    Args:
        rules_path: directories of the user's rules.

    Raises:
        ConfigurationError: one of them is no directory.
    """
    for folder in rules_path:
        if not folder.is_dir():
            raise ConfigurationError(f"--rules-path {folder} is no directory: correct it")
    folders = [str(folder.absolute()) for folder in (*rules_path, Path.cwd())]
    # Without PYTHONSAFEPATH a new Python searches the working directory first.
    ours = {RULES_PATH: json.dumps(folders), "PYTHONSAFEPATH": "1"}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with lasting_interrupts():
            yield
    finally:  # a script may have called the command
        for name, value in before.items():
            os.environ.pop(name)
            os.environ.update({} if value is None else {name: value})


@contextmanager
def uncollected() -> Iterator[None]:
    """Search for garbage less often in a `with` block, at whose end this process ends.

    Importing makes a million objects that stay. Python would search all of them for garbage again
    and again: a fifth of the time of the imports, and a second more when it ends.
    """
    gc.set_threshold(_FEW_COLLECTIONS, *gc.get_threshold()[1:])
    try:
        yield
    finally:
        gc.freeze()


def limit_threads() -> None:
    """Let NumPy compute with one thread, as workers do, unless the environment says otherwise.

    Its matrices are small here: a second thread mostly waits, which costs as much as it computes.
    NumPy looks into the environment when it is imported, so this comes before.
    """
    for name, count in ONE_THREAD.items():
        os.environ.setdefault(name, count)


def seconds_since_start() -> float:
    """Return how long ago this process started; 0 where the system does not tell."""
    try:
        started = ticks_at_start(os.getpid()) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started)
    except (OSError, AttributeError):
        return 0.0
