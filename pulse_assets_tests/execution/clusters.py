"""Dask clusters of real processes, for the tests that need them."""

import contextlib
import json
import subprocess
import sys
import time
import warnings

from distributed import Client, LocalCluster
from distributed.versions import VersionMismatchWarning


def worker_processes(count: int) -> LocalCluster:
    """Start a cluster of `count` workers of one thread each; close it after use."""
    return LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        processes=True,
        dashboard_address="127.0.0.1:0",  # None would ask for port 8787, which may be in use
        scheduler_kwargs={"dashboard": False},
    )


def wait_until(condition, seconds=10.0):
    """Wait for a condition to come true, and fail when it does not in time."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "the condition did not come true"
        time.sleep(0.05)


class StandingCluster:
    """A scheduler and workers as processes of their own, as an operator starts them."""

    def __init__(self, folder, *options, **popen):
        self._file = folder / "scheduler.json"
        self._options = ["--no-dashboard", "--scheduler-file", str(self._file), *options]
        self._popen = {"stderr": subprocess.DEVNULL, **popen}
        self.workers = []
        self.scheduler = None

    def start(self, workers, port=0):
        """Start the scheduler and as many workers."""
        self._file.unlink(missing_ok=True)
        self.scheduler = self._command("scheduler", "--host", "127.0.0.1", "--port", str(port))
        # It is there before it is written.
        wait_until(lambda: self._file.exists() and self._file.stat().st_size > 0, 30)
        for _ in range(workers):
            self.add_worker()
        return self

    @property
    def address(self):
        """Address of the scheduler."""
        return json.loads(self._file.read_text())["address"]

    def wait_for_workers(self, count):
        """Wait until as many workers have joined."""
        with warnings.catch_warnings():
            # One raised in the client's event loop, as here warnings are, makes it wait for ever.
            warnings.simplefilter("ignore", VersionMismatchWarning)
            client = Client(self.address, set_as_default=False)
        with client:
            client.wait_for_workers(count, timeout=30)

    def add_worker(self, *options, nanny=False):
        """Start a worker, which no nanny replaces unless it has one."""
        mine = ["--nthreads", "1", "--host", "127.0.0.1", *([] if nanny else ["--no-nanny"])]
        self.workers.append(self._command("worker", *mine, *options))

    def kill_workers(self):
        """End all workers as the operating system does."""
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.workers = []

    def stop(self):
        """End all processes."""
        for process in [*self.workers, self.scheduler]:
            process.kill()
            process.wait()

    def _command(self, what, *options):
        module = [sys.executable, "-m", f"distributed.cli.dask_{what}"]
        return subprocess.Popen([*module, *options, *self._options], **self._popen)


@contextlib.contextmanager
def standing_cluster(folder, workers, *options, **popen):
    """A scheduler with `workers` workers; all end with the block."""
    cluster = StandingCluster(folder, *options, **popen)
    try:
        yield cluster.start(workers)
    finally:
        cluster.stop()
