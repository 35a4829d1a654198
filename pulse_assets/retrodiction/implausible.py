"""Values that look like typing errors: a jump beyond all before it that the next value undoes."""

from bisect import insort
from typing import Final

import numpy as np

from pulse_assets.retrodiction.arrays import Floats, Ints

#: A jump is implausible beyond this many times the median absolute change known before it.
JUMP: Final = 50.0


def implausible_values(values: Floats) -> Ints:
    """Return the indices of implausible values of a series.

    Args:
        values: the series [T]; NaN where there is no value.

    Example:
        >>> implausible_values(np.array([1.0, 2.0, 1.0, 2.0, 2000.0, 2.0, 1.0]))
        array([4])
    """
    known = np.flatnonzero(np.isfinite(values))
    changes = np.diff(values[known])
    before: list[float] = []
    found = []
    for t in range(len(changes) - 1):
        typical = before[len(before) // 2] if before else np.inf
        limit = JUMP * typical
        undone = abs(changes[t] + changes[t + 1]) < abs(changes[t]) / 2
        if typical > 0 and abs(changes[t]) > limit and undone:
            found.append(known[t + 1])
        insort(before, abs(float(changes[t])))
    return np.array(found, np.int64)
