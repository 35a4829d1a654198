"""The states of batches: what a run did with each, and what the store holds of each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

#: What a run did with a batch; `unchanged` is one that an earlier run computed from the same input.
BatchOutcome = Literal["completed", "skipped", "failed", "unchanged"]

#: What the store holds of a batch. `stale`: computed from other input, configuration or code, or
#: damaged; `incomplete`: scored, but a rule failed in it; `waiting`: missing, but not due yet.
BatchState = Literal["done", "incomplete", "stale", "failed", "missing", "waiting"]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring batches in one state."""

    state: BatchState
    first: str
    last: str
    count: int


def stretches(states: Mapping[str, BatchState]) -> Iterator[Stretch]:
    """Yield runs of neighbouring batches in one state.

    Example:
        >>> [one.count for one in stretches({"a": "done", "b": "done", "c": "missing"})]
        [2, 1]
    """
    for _, group in groupby(states, key=lambda key: states[key]):
        keys = list(group)
        yield Stretch(states[keys[0]], keys[0], keys[-1], len(keys))
