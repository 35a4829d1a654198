"""The process from which a command's workers are forked, so that they import and load once.

Only `pulse-train` uses it, whose process opens one cluster and changes nothing in its environment
before that. A worker is forked in milliseconds; one that starts by itself imports for two seconds.
"""

import multiprocessing
import signal
import sys
from multiprocessing import forkserver, resource_tracker
from typing import Any, Final

#: Environment of workers, of one thread each: NumPy and numba read it when they are imported.
ONE_THREAD: Final = dict.fromkeys(
    ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
)

#: What the server imports before the first worker is forked.
_IMPORTED: Final = "pulse_assets.execution.worker_imports"

#: Dask's name for how worker processes start.
_METHOD: Final = "distributed.worker.multiprocessing-method"

_servers: Final[list[str]] = []


def start_worker_server() -> None:
    """Start the process, which imports meanwhile, where processes can be forked from a server.

    It and its workers ignore Ctrl-C, as in `interrupts.starting_processes`.
    """
    if sys.platform != "linux" or _servers:
        return
    multiprocessing.get_context("forkserver").set_forkserver_preload([_IMPORTED])
    resource_tracker.ensure_running()  # the thread that starts it hears signals again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    _servers.append(_IMPORTED)


def start_settings() -> dict[str, Any]:
    """Return Dask's settings with which workers are forked from the server, if there is one."""
    return {_METHOD: "forkserver"} if _servers else {}
