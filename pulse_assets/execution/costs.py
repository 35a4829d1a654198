"""What a block of batches costs the process that computes it.

Batches of a block share one walk over their history, so only the block can be measured. A batch
counts an equal share of it, as it does of the seconds.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from pulse_assets.result_records import Costs
from pulse_assets.storage.usage import Usage, counted_usage

#: The line of `/proc/self/status` with the largest resident memory of a process.
_PEAK: Final = "VmHWM:"


class BlockCosts:
    """The costs of a block, complete when the block has ended."""

    def __init__(self) -> None:
        """Nothing is measured yet."""
        self.usage = Usage()
        self.processor_seconds = 0.0

    def share(self, batches: int) -> Costs:
        """Return what one of `batches` counts; the peak memory is that of the process."""
        return Costs(
            batches=1,
            processor_seconds=self.processor_seconds / batches,
            bytes_read=self.usage.bytes_read / batches,
            bytes_written=self.usage.bytes_written / batches,
            requests=self.usage.requests / batches,
            peak_memory_bytes=peak_memory(),
        )


@contextmanager
def measured_block(*, with_hosts: bool) -> Iterator[BlockCosts]:
    """Measure what this thread does in a `with` block.

    Args:
        with_hosts: add the processor seconds of processes that this thread started, which run
            users' rules; of one that ends within the block they are not known.
    """
    costs = BlockCosts()
    started, hosts = time.thread_time(), _host_seconds() if with_hosts else {}
    with counted_usage() as costs.usage:
        yield costs
    costs.processor_seconds = time.thread_time() - started
    if with_hosts:
        costs.processor_seconds += sum(
            seconds - hosts.get(pid, 0.0) for pid, seconds in _host_seconds().items()
        )


def add_costs(total: Costs, costs: Costs) -> Costs:
    """Return the sum of costs; of memory the larger one.

    Example:
        >>> one = Costs(batches=1, processor_seconds=0.5, requests=4.0, peak_memory_bytes=100)
        >>> both = add_costs(one, one)
        >>> both.batches, both.processor_seconds, both.requests, both.peak_memory_bytes
        (2, 1.0, 8.0, 100)
    """
    peaks = [c.peak_memory_bytes for c in (total, costs) if c.peak_memory_bytes is not None]
    return replace(
        total,
        batches=total.batches + costs.batches,
        processor_seconds=total.processor_seconds + costs.processor_seconds,
        bytes_read=total.bytes_read + costs.bytes_read,
        bytes_written=total.bytes_written + costs.bytes_written,
        requests=total.requests + costs.requests,
        peak_memory_bytes=max(peaks, default=None),
    )


def peak_memory() -> int | None:
    """Return the largest resident memory that this process has had, in bytes.

    None where Linux's `/proc` is missing. `getrusage` is no substitute: a worker begins with the
    peak of the process that started it.
    """
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(_PEAK):
                return int(line.split()[1]) * 1024
    return None


def _host_seconds() -> dict[int, float]:
    """Return the processor seconds of the processes that this thread started, by process id.

    They are known on Linux; elsewhere there are none.
    """
    import psutil  # late: the command imports this module before its first line

    seconds = {}
    with suppress(OSError):
        place = Path(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/children")
        for pid in map(int, place.read_text().split()):
            with suppress(psutil.Error):
                times = psutil.Process(pid).cpu_times()
                seconds[pid] = times.user + times.system
    return seconds
