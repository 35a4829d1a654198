"""Preloaded by the worker processes of a run's own cluster: Ctrl-C is for the run alone.

A terminal sends Ctrl-C to all processes of a command. The run cancels its tasks and closes its
cluster; workers that were interrupted as well would only print tracebacks over its message.
"""

import logging
import signal
import threading

from distributed import Worker


def dask_setup(_worker: Worker) -> None:
    """Ignore interrupts, unless the worker is a thread of the run's own process."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # It warns of every task that is under way when the cluster closes.
        logging.getLogger("distributed.worker.state_machine").setLevel(logging.ERROR)
