"""Preloaded by the worker processes of a run's own cluster."""

import logging
import threading

from distributed import Worker


def dask_setup(_worker: Worker) -> None:
    """Be quiet of the tasks that are under way when the cluster closes, each of which Dask names.

    Not where the worker is a thread of the run's own process.
    """
    if threading.current_thread() is threading.main_thread():
        logging.getLogger("distributed.worker.state_machine").setLevel(logging.ERROR)
