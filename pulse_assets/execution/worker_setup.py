"""Preloaded by the worker processes of a run's own cluster."""

import logging
import threading

from distributed import Worker


def dask_setup(_worker: Worker) -> None:
    """Get ready for the first batch, and be quiet of the tasks under way when the cluster closes.

    Dask names each of those. Not where the worker is a thread of the run's own process.
    """
    if threading.current_thread() is threading.main_thread():
        logging.getLogger("distributed.worker.state_machine").setLevel(logging.ERROR)
        threading.Thread(target=_warm_up, daemon=True).start()


def _warm_up() -> None:
    """Import what a batch needs and load its kernels, while the run is still being planned."""
    from pulse_assets.execution import batch_task  # noqa: F401
    from pulse_assets.retrodiction.compilation import compile_kernels

    compile_kernels()
