"""The progress of a training on stderr: a live bar on a terminal, else a line now and then."""

import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pulse_assets.batches.states import BatchOutcome
from pulse_assets.cli.terminal import plain

#: Seconds between two lines of progress where no bar can be drawn.
LINE_INTERVAL: Final = 10.0


class TrainingProgress:
    """Progress of the batches: a live bar on a terminal, a plain line every ten seconds elsewhere.

    Example:
        >>> with TrainingProgress() as progress:
        ...     progress.start(total=2)
        ...     progress.update("completed", "2020-01-01")
        ...     progress.update("skipped", "2020-01-31")
    """

    def __init__(
        self, console: Console | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Print on `console` (default: stderr); `clock` returns seconds."""
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._bar = Progress(
            TextColumn("batches"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.description}", markup=False),
            TimeRemainingColumn(compact=True),
            console=self._console,
            disable=not self._live,
        )
        self._task = self._bar.add_task("", total=None)
        self._counts: Counter[BatchOutcome] = Counter()
        self._total = 0
        self._began = self._printed = clock()

    def __enter__(self) -> Self:
        """Open the display; the bar pulses until the number of batches is known."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the display; the last state of the bar stays on the screen."""
        self._bar.stop()

    def start(self, total: int) -> None:
        """Start to count `total` batches."""
        self._total = total
        self._began = self._printed = self._clock()
        self._bar.reset(self._task, total=total)

    def update(self, status: BatchOutcome, batch: str) -> None:
        """Count a finished batch; `kept` means unchanged since an earlier run."""
        self._counts[status] += 1
        self._bar.update(self._task, advance=1, description=self._describe())
        if self._live:
            return
        now = self._clock()
        if now - self._printed >= LINE_INTERVAL or self._counts.total() == self._total:
            self._printed = now
            self._print_line(batch, now - self._began)

    def _describe(self) -> str:
        counts = self._counts
        unchanged = f", {counts['unchanged']} unchanged" if counts["unchanged"] else ""
        return f"{counts['failed']} failed, {counts['skipped']} skipped{unchanged}"

    def _print_line(self, batch: str, seconds: float) -> None:
        done = self._counts.total()
        line = f"batches {done}/{self._total}, {self._describe()}, {seconds:.0f} s"
        computed = done - self._counts["unchanged"]  # unchanged batches take no time
        if computed and done < self._total:
            line += f", {seconds / computed * (self._total - done):.0f} s left"
        self._console.print(plain(f"{line}, last {batch}"), soft_wrap=True)
