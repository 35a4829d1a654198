"""What a training shows on stderr while it runs: its batches, and each phase that takes long."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pulse_assets.batches.states import BatchOutcome
from pulse_assets.cli.terminal import plain
from pulse_assets.execution.phases import Phase, PhaseClock

#: Seconds between two lines of progress where no bar can be drawn.
LINE_INTERVAL: Final = 10.0
#: Seconds after which a phase is named where no bar can be drawn.
NAMED_AFTER: Final = 2.0

_TEXTS: Final[Mapping[Phase, str]] = {
    "start": "preparing the run",
    "kernels": "compiling the kernels, once per version and processor: about a minute",
    "batches": "batches",
    "checks": "checking the stored tables",
    "ledger": "updating the trust ledger",
    "forecasts": "computing the next forecasts",
    "report": "writing results and report",
    "end": "closing",
}
#: Phases that show themselves in another way.
_SHOWN: Final[frozenset[Phase]] = frozenset({"start", "batches"})


class TrainingProgress:
    """Progress of a training: live on a terminal, plain lines elsewhere.

    On a terminal a bar shows the batches, and another the phase before and after them. Elsewhere
    there is a line every ten seconds, and one for each phase that has lasted two seconds.

    Example:
        >>> with TrainingProgress() as progress:
        ...     progress.start(total=2)
        ...     progress.update("completed", "2020-01-01")
        ...     progress.update("skipped", "2020-01-31")
        ...     progress.end_block()
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        timer: Callable[..., Any] = threading.Timer,
        began: float | None = None,
    ) -> None:
        """Show nothing yet.

        Args:
            console: where to print; stderr unless given.
            clock: returns seconds.
            timer: creates a timer as `threading.Timer` does, from seconds, function and arguments.
            began: when the command began, in seconds of the clock; now unless given.
        """
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._bars = _Bars(self._console, shown=self._live)
        self._counts: Counter[BatchOutcome] = Counter()
        self._total, self._last = 0, ""
        self._began = self._printed = clock()
        self._phases = PhaseClock(self._began if began is None else began, clock)
        self._new_timer, self._timer = timer, None

    def __enter__(self) -> Self:
        """Open the display."""
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the display; the last state of the batches' bar stays on the screen."""
        self._cancel()
        self._bars.stop()

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(plain(text), soft_wrap=True)

    @contextmanager
    def line(self, text: str, *, at_most: float) -> Iterator[None]:
        """Print a line at the end of a `with` block, unless an error ends it.

        Args:
            text: the line.
            at_most: print it no later than this many seconds after the start of the command.
        """
        line = _Once(lambda: self.say(text))
        timer = self._new_timer(max(0.0, at_most - self.elapsed), line, [])
        timer.daemon = True
        timer.start()
        try:
            yield
            line()
        finally:
            timer.cancel()

    @property
    def elapsed(self) -> float:
        """Seconds since the command began."""
        return sum(self.seconds().values())

    def phase(self, phase: Phase) -> None:
        """Begin a phase."""
        self._phases.enter(phase)
        self._bars.show_phase(None if phase == "batches" else _TEXTS[phase])
        self._cancel()
        if not self._live and phase not in _SHOWN:
            self._timer = self._new_timer(NAMED_AFTER, self.say, [f"{_TEXTS[phase]} ..."])
            self._timer.daemon = True
            self._timer.start()

    def seconds(self) -> dict[Phase, float]:
        """Return the seconds of each phase until now; their sum is the time since the start."""
        return self._phases.seconds()

    def processor_seconds(self) -> dict[Phase, float]:
        """Return the processor seconds of this process in each phase until now."""
        return self._phases.processor_seconds()

    def start(self, total: int) -> None:
        """Start to count `total` batches."""
        self.phase("batches")
        self._total = total
        self._began = self._printed = self._clock()
        self._bars.show_batches(total)

    def update(self, status: BatchOutcome, batch: str) -> None:
        """Count a finished batch."""
        self._counts[status] += 1
        self._last = batch
        self._bars.advance(self._describe())

    def end_block(self) -> None:
        """Print a line if one is due: the batches of a block took their time together."""
        now = self._clock()
        done = self._counts.total() == self._total
        if not self._live and (done or now - self._printed >= LINE_INTERVAL):
            self._printed = now
            self._print_line(self._last, now - self._began)

    def _cancel(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

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
        self.say(f"{line}, last {batch}")


class _Once:
    """A function without arguments that several threads may call and that is called once."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._lock = threading.Lock()

    def __call__(self) -> None:
        if self._lock.acquire(blocking=False):  # and never released
            self._function()


class _Bars:
    """A bar of the batches and one of the present phase, on a live terminal."""

    def __init__(self, console: Console, *, shown: bool) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[count]}", markup=False),
            TextColumn("{task.fields[note]}", markup=False),
            TimeRemainingColumn(compact=True),
            console=console,
            disable=not shown,
        )
        self._batches = self._add("batches", visible=False)
        self._phase = self._add(_TEXTS["start"], visible=True)
        self._total = self._done = 0

    def _add(self, text: str, *, visible: bool) -> Any:  # noqa: ANN401 - rich's own kind of number
        return self._progress.add_task(text, total=None, visible=visible, count="", note="")

    def start(self) -> None:
        self._progress.start()

    def stop(self) -> None:
        self._progress.update(self._phase, visible=False)
        self._progress.stop()

    def show_phase(self, text: str | None) -> None:
        shown = text is not None
        self._progress.update(self._phase, description=text or "", visible=shown, refresh=True)

    def show_batches(self, total: int) -> None:
        self._total = total
        self._progress.reset(self._batches, total=total, visible=True, count=f"0/{total}", note="")

    def advance(self, note: str) -> None:
        self._done += 1
        count = f"{self._done}/{self._total}"
        self._progress.update(self._batches, advance=1, count=count, note=note)
