"""Values that look like typing errors: a jump beyond all before it that is soon undone.

Such a value is known to be wrong only when the series is back. So each origin sees the series as it
was known then: an origin between the two sees the value, all later ones see a missing value.
"""

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from pulse_assets.retrodiction.arrays import Bools, Floats, Ints, kernel

#: Wrong values in a row at most.
RUN: Final = 3
#: Places for sizes by their power of two.
BUCKETS: Final = 256
#: A jump is implausible beyond this many times the median absolute change before it.
JUMP: Final = 50.0
#: It is undone by a value that is no further from the value before it than this share of the jump.
RETURNED: Final = 0.2
#: Changes, those of size 0 left out, that must be known before a jump can be implausible.
START: Final = 12


def implausible_values(values: Floats) -> Ints:
    """Return the indices of implausible values of a series, in order.

    A value is implausible if its change from the last plausible value is more than 50 times the
    median absolute change before it, and the next value undoes at least four fifths of that change;
    so are up to three such values in a row. Changes of 0 do not count, so that a series that mostly
    rests has no median of 0; a value needs 12 other changes before it. The last value is never
    implausible: nothing has undone it yet.

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
    for end in np.unique(undone[wrong]):
        run = wrong[undone[wrong] == end]
        open_at = (origins >= run[0]) & (origins < end)
        if open_at.any():
            known = cleaned[:end].copy()
            known[run] = y[run]
            found.append((known, open_at))
            settled &= ~open_at
    return [(cleaned, settled), *found] if settled.any() else found


def as_known(y: Floats, origins: Ints, measure: Callable[[Floats, Ints], Floats]) -> Floats:
    """Measure at each origin `[O]` the series as it was known there, see `vintages`.

    Args:
        y: the series `[T]`.
        origins: indices `[O]`.
        measure: what to compute of a series and origins; one number per origin.
    """
    measured = np.empty(len(origins))
    for known, of in vintages(y, origins):
        measured[of] = measure(known, origins[of])
    return measured


@kernel  # pragma: no cover
def _undone_at(y: Floats) -> Ints:
    """Return for each value the index of the value that shows it to be implausible; else 0."""
    undone, sizes = np.zeros(len(y), np.int64), np.empty(len(y))
    buckets, count, last = np.zeros(BUCKETS, np.int64), 0, np.nan
    waiting, waits = np.empty(RUN, np.int64), 0
    for t in range(len(y)):
        if not np.isfinite(y[t]):
            continue
        far = count >= START and beyond(abs(y[t] - last), sizes, count, buckets)
        if waits > 0 and abs(y[t] - last) <= RETURNED * abs(y[waiting[0]] - last):
            undone[waiting[:waits]] = t
            waits = 0
        elif waits > 0 and (waits == RUN or not far):  # they stay: a step, no typing errors
            for i in range(waits):
                value = float(y[waiting[i]])
                count = note(abs(value - last), sizes, count, buckets)
                last = value
            waits = 0
            far = beyond(abs(y[t] - last), sizes, count, buckets)
        if far:
            waiting[waits] = t
            waits += 1
        else:
            count = note(abs(y[t] - last), sizes, count, buckets)
            last = y[t]
    return undone


@kernel  # pragma: no cover
def note(size: float, sizes: Floats, count: int, buckets: Ints) -> int:
    """Take in the size of a change unless it is 0 or undefined; return how many are known."""
    if not size > 0.0:
        return count
    sizes[count] = size
    buckets[bucket(size)] += 1
    return count + 1


@kernel  # pragma: no cover
def bucket(size: float) -> int:
    """Return the place of a size among `BUCKETS`: all those between two powers of two share it."""
    return min(max(math.frexp(size)[1] + BUCKETS // 2, 0), BUCKETS - 1)


@kernel  # pragma: no cover
def beyond(jump: float, sizes: Floats, count: int, buckets: Ints) -> bool:
    """Tell whether more than half of the sizes are below the jump divided by `JUMP`.

    Sizes in lower buckets are; only if those in the bucket of the bound decide are they compared.
    """
    bound = jump / JUMP
    if not bound > 0.0:
        return False
    at, below = bucket(bound), 0
    for b in range(at):
        below += buckets[b]
    if 2 * below > count or 2 * (below + buckets[at]) <= count:
        return 2 * below > count
    smaller = 0
    for i in range(count):
        smaller += sizes[i] < bound
    return 2 * smaller > count
