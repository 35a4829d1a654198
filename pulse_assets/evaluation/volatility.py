"""Calm and crisis of a series, from its own past alone: no label depends on what follows."""

from bisect import bisect_left, insort
from collections import deque
from typing import Final, Literal

from pulse_assets.array_types import Floats

State = Literal["calm", "crisis"]

#: Batches whose mean loss is the recent one.
RECENT: Final = 3
#: Earlier recent losses that it is compared with: at most, and at least.
MEMORY: Final = 120
FEWEST: Final = 24
#: Share of them that a crisis exceeds.
SHARE: Final = 0.8


class VolatilityState:
    """The state of one series before each batch.

    The recent loss is the mean of naive's losses in the `RECENT` batches before. There is a crisis
    if it is larger than `SHARE` of the recent losses of the `MEMORY` batches before, and calm
    otherwise. So a label is known when the outcomes of the batch before are.
    """

    def __init__(self) -> None:
        """Start without a past."""
        self._losses: deque[float] = deque(maxlen=RECENT)
        self._past: deque[float] = deque()
        self._ordered: list[float] = []

    def next_state(self) -> State | None:
        """Return the state of the next batch; None while there is too little past."""
        if len(self._losses) < RECENT:
            return None
        recent = sum(self._losses) / RECENT
        few = len(self._ordered) < FEWEST
        rank = bisect_left(self._ordered, recent)
        crisis = rank >= SHARE * len(self._ordered)
        self._remember(recent)
        if few:
            return None
        return "crisis" if crisis else "calm"

    def add(self, loss: float) -> None:
        """Add naive's loss in the batch that `next_state` was of."""
        self._losses.append(loss)

    def _remember(self, recent: float) -> None:
        self._past.append(recent)
        insort(self._ordered, recent)
        if len(self._past) > MEMORY:
            self._ordered.pop(bisect_left(self._ordered, self._past.popleft()))


def classify(losses: Floats) -> list[State | None]:
    """Return the state of each batch, given naive's losses in order of date `[T]`.

    Example:
        Small losses for 30 batches, then large ones: the crisis is known one batch later.

        >>> import numpy as np
        >>> classify(np.array([1.0] * 30 + [9.0] * 2))[26:]
        [None, 'calm', 'calm', 'calm', 'calm', 'crisis']
    """
    series, states = VolatilityState(), []
    for loss in losses.tolist():
        states.append(series.next_state())
        series.add(loss)
    return states
