"""Values that look like typing errors: a jump beyond all before it that the next value undoes.

Such a value is known to be wrong only when the next one is there. So each origin sees the series as
it was known then: an origin between the two sees the value, all later ones see a missing value.
"""

from typing import Final

import numpy as np

from pulse_assets.retrodiction.arrays import Bools, Floats, Ints, kernel

#: A jump is implausible beyond this many times the median absolute change before it.
JUMP: Final = 50.0
#: It is undone by a value that is no further from the value before it than this share of the jump.
RETURNED: Final = 0.2
#: Changes, those of size 0 left out, that must be known before a jump can be implausible.
START: Final = 12


def implausible_values(values: Floats) -> Ints:
    """Return the indices of implausible values of a series, in order.

    A value is implausible if its change from the last plausible value is more than 50 times the
    median absolute change before it, and the next value undoes at least four fifths of that change.
    Changes of 0 do not count, so that a series that mostly rests has no median of 0; a value needs
    12 other changes before it. The last value is never implausible: nothing has undone it yet.

    Args:
        values: the series `[T]`; NaN where there is no value.

    Example:
        >>> walk = np.arange(20) % 2.0
        >>> walk[15] = 1000.0
        >>> implausible_values(walk)
        array([15])
    """
    return np.flatnonzero(_undone_at(np.ascontiguousarray(values, np.float64)) > 0)


def vintages(y: Floats, origins: Ints) -> list[tuple[Floats, Bools]]:
    """Return the series as origins knew it, with implausible values missing from then on.

    Args:
        y: the series `[T]`; NaN where missing.
        origins: indices `[O]` of the last value that each may use, in any order.

    Returns:
        Pairs of a series and the origins `[O]` that it is for; each origin is in one pair. Values
        after an origin may be in its series.

    Example:
        >>> walk = np.arange(20) % 2.0
        >>> walk[15] = 1000.0
        >>> [(len(known), of.tolist()) for known, of in vintages(walk, np.array([14, 15, 16]))]
        [(20, [True, False, True]), (16, [False, True, False])]
    """
    undone = _undone_at(np.ascontiguousarray(y[: origins.max(initial=-1) + 1], np.float64))
    wrong = np.flatnonzero(undone)
    if not len(wrong):
        return [(y, np.ones(len(origins), bool))]
    cleaned = np.array(y, np.float64)
    cleaned[wrong] = np.nan
    found: list[tuple[Floats, Bools]] = []
    settled = np.ones(len(origins), bool)
    for t in wrong:
        open_at = (origins >= t) & (origins < undone[t])
        if open_at.any():
            known = cleaned[: undone[t]].copy()
            known[t] = y[t]
            found.append((known, open_at))
            settled &= ~open_at
    return [(cleaned, settled), *found] if settled.any() else found


@kernel  # pragma: no cover
def _undone_at(y: Floats) -> Ints:
    """Return for each value the index of the value that shows it to be implausible; else 0."""
    undone = np.zeros(len(y), np.int64)
    sizes, count, last, value = np.empty(len(y)), 0, np.nan, np.nan
    at = -1
    for t in range(len(y) + 1):
        if t < len(y) and not np.isfinite(y[t]):
            continue
        # The value at `at` is judged once the next one, at t, is known.
        if at >= 0:
            jump = abs(value - last)
            if t < len(y) and abs(y[t] - last) <= RETURNED * jump and count >= START:
                smaller = 0
                for i in range(count):
                    smaller += JUMP * sizes[i] < jump
                if 2 * smaller > count:
                    undone[at] = t
            if undone[at] == 0:
                if jump > 0.0:
                    sizes[count] = jump
                    count += 1
                last = value
        if t < len(y):
            at, value = t, y[t]
    return undone
