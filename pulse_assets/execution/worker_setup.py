"""Preloaded by the worker processes of a run's own cluster."""

import logging
import threading
from typing import Final

from distributed import Worker

#: What a worker reports when the scheduler, which lives in the run's process, has ended before it.
_SCHEDULER_ENDED: Final = "Failed to communicate with scheduler during heartbeat"


def dask_setup(_worker: Worker) -> None:
    """Warm up the kernels, and silence Dask's messages about work that the end of a run cuts off.

    Dask names each task under way and each heartbeat without an answer; the run itself reports how
    it ended. Not where the worker is a thread of the run's own process.
    """
    if threading.current_thread() is threading.main_thread():
        logging.getLogger("distributed.worker.state_machine").setLevel(logging.ERROR)
        logging.getLogger("distributed.worker").addFilter(_is_not_of_the_end)
        threading.Thread(target=_warm_up, daemon=True).start()


def _is_not_of_the_end(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_SCHEDULER_ENDED)


def _warm_up() -> None:
    """Import what a batch needs and load its kernels, while the run is still being planned."""
    from pulse_assets.execution import batch_task  # noqa: F401
    from pulse_assets.retrodiction.compilation import compile_kernels

    compile_kernels()
