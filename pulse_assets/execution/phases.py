"""The phases of a training, how long each took, and its share of the processor."""

import time
from collections.abc import Callable, Mapping
from typing import Final, Literal, Protocol, runtime_checkable

from pulse_assets.execution.tally import Progress

Phase = Literal["start", "kernels", "batches", "checks", "ledger", "forecasts", "report", "end"]

#: The phase that a step of the graph begins, if it begins one. `batches` begins when the first
#: batch is handed out, which is later than the start of its step.
STEP_PHASES: Final[Mapping[str, Phase]] = {
    "check_batches": "checks",
    "trust_ledger": "ledger",
    "next_forecasts": "forecasts",
    "publish_results": "report",
}


@runtime_checkable
class PhasedProgress(Progress, Protocol):
    """Progress that also receives the phases of a training, and the ends of its blocks."""

    def phase(self, phase: Phase) -> None:
        """Receive a phase that begins now."""
        ...

    def end_block(self) -> None:
        """Receive the end of a block: all its batches have been counted."""
        ...


def begin_phase(progress: Progress, phase: Phase) -> None:
    """Notify a progress of a phase that begins, if it receives phases."""
    if isinstance(progress, PhasedProgress):
        progress.phase(phase)


def end_block(progress: Progress) -> None:
    """Notify a progress of the end of a block, if it receives ends.

    Only then does the number of batches fit the time that has passed.
    """
    if isinstance(progress, PhasedProgress):
        progress.end_block()


class PhaseClock:
    """Measures how long each phase takes, and the processor seconds of this process in it."""

    def __init__(
        self,
        began: float,
        clock: Callable[[], float] = time.monotonic,
        processor: Callable[[], float] = time.process_time,
    ) -> None:
        """Begin with the phase `start`.

        Args:
            began: when it began, in seconds of the clock.
            clock: seconds that never go back.
            processor: processor seconds of this process since it started.
        """
        self._clock, self._processor = clock, processor
        self._worked, self._processor_seconds = 0.0, dict[Phase, float]()
        self._phase: Phase = "start"
        self._since = began
        self._seconds: dict[Phase, float] = {}

    def enter(self, phase: Phase) -> None:
        """End the present phase and begin another, which may be one that was there before."""
        now, worked = self._clock(), self._processor()
        ended = self._phase
        self._seconds[ended] = self._seconds.get(ended, 0.0) + now - self._since
        before = self._processor_seconds.get(ended, 0.0)
        self._processor_seconds[ended] = before + worked - self._worked
        self._phase, self._since, self._worked = phase, now, worked

    def seconds(self) -> dict[Phase, float]:
        """Return the seconds of each phase until now; their sum is the time since the start."""
        self.enter(self._phase)
        return {**self._seconds}

    def processor_seconds(self) -> dict[Phase, float]:
        """Return the processor seconds of this process in each phase until now."""
        self.enter(self._phase)
        return {**self._processor_seconds}
