"""Counts, rate and time left of the batches of a run."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from pulse_assets.batches.states import BatchOutcome
from pulse_assets.execution.costs import add_costs
from pulse_assets.result_records import Costs

if TYPE_CHECKING:
    from pulse_assets.execution.batch_task import BatchSummary

#: Seconds between two lines of progress in the log.
_LINE_EVERY: Final = 10.0


class Progress(Protocol):
    """Receives the batches of a run as they complete."""

    def start(self, total: int) -> None:
        """Receive the number of batches of the run."""
        ...

    def update(self, status: BatchOutcome, batch: str) -> None:
        """Receive a batch that is completed, skipped, failed or unchanged."""
        ...


class NoProgress:
    """Shows nothing; the run's own log has the counts."""

    def start(self, total: int) -> None:
        """Show nothing."""

    def update(self, status: BatchOutcome, batch: str) -> None:
        """Show nothing."""


class RunTally:
    """Counts of the batches of one run so far."""

    def __init__(
        self, total: int, progress: Progress, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """Start the clock.

        Args:
            total: batches of the run.
            progress: receives each batch as it completes.
            clock: seconds that never go back.
        """
        self.total = total
        self.failed: list[str] = []
        self.sequential_seconds = 0.0
        self.costs = Costs()
        self._counts: Counter[str] = Counter()
        self._progress = progress
        self._clock = clock
        self._started = self._last_line = clock()
        progress.start(total)

    def add(self, summary: "BatchSummary") -> None:
        """Count a batch."""
        status: BatchOutcome = "unchanged" if summary.unchanged else summary.status
        self._counts[status] += 1
        self.sequential_seconds += summary.seconds
        if summary.costs:
            self.costs = add_costs(self.costs, summary.costs)
        if summary.status == "failed":
            self.failed.append(summary.batch_id)
        self._progress.update(status, summary.batch_id)

    @property
    def elapsed(self) -> float:
        """Seconds since the first batch was handed out."""
        return self._clock() - self._started

    def due_line(self) -> str | None:
        """Return a line of progress when the last one is ten seconds old or all is done."""
        now, done = self._clock(), sum(self._counts.values())
        if now - self._last_line < _LINE_EVERY and done < self.total:
            return None
        self._last_line = now
        rate = done / max(now - self._started, 1e-9)
        left = timedelta(seconds=round((self.total - done) / rate)) if done else "unknown"
        counts = ", ".join(f"{count} {status}" for status, count in sorted(self._counts.items()))
        return f"{done} of {self.total} batches ({counts}); {rate:.1f} a second, {left} left"
