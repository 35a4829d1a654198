"""The process from which a command's workers are forked, so that they import and load once.

Only `pulse-train` uses it, whose process opens one cluster and changes nothing in its environment
before that. A worker is forked in milliseconds; one that starts by itself imports for two seconds.
"""

import multiprocessing
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext, SpawnContext
from typing import Any, Final

#: Environment of workers, of one thread each: NumPy and numba read it when they are imported.
ONE_THREAD: Final[dict[str, str]] = dict.fromkeys(
    ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
)

#: What the server imports before the first worker is forked.
_IMPORTED: Final = "pulse_assets.execution.worker_imports"

#: Dask's name for how worker processes start.
_METHOD: Final = "distributed.worker.multiprocessing-method"

_running: Final[list[str]] = []


@contextmanager
def worker_server() -> Iterator[None]:
    """Fork the workers that a `with` block starts from one process, where that is possible.

    It and its workers ignore Ctrl-C, as in `interrupts.starting_processes`. It has ended when the
    block ends, so that no process is left behind.
    """
    if sys.platform != "linux" or _running:
        yield
        return
    multiprocessing.get_context("forkserver").set_forkserver_preload([_IMPORTED])
    resource_tracker.ensure_running()  # the thread that starts it hears signals again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
        _running.append(_IMPORTED)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        yield
    finally:
        _running.clear()
        _stop()


def process_context() -> ForkServerContext | SpawnContext:
    """Return how to start a process that this one needs: forked from the server, if it runs."""
    if _running:
        return multiprocessing.get_context("forkserver")
    return multiprocessing.get_context("spawn")


def start_settings() -> dict[str, Any]:
    """Return Dask's settings with which workers are forked from the server, if it runs."""
    return {_METHOD: "forkserver"} if _running else {}


def _stop() -> None:
    """End the server and wait for it; without this it ends a moment after this process.

    Python has no public name for it.
    """
    stop = getattr(forkserver._forkserver, "_stop", None)  # pyright: ignore[reportAttributeAccessIssue]
    if stop:
        stop()
