"""Find implausible values: jumps far beyond the usual changes that are undone at once.

Most of them are typing errors. The detector is causal: whether a value is implausible, and which
later value reveals it, depends on no value after that one.
"""

from typing import Final, NamedTuple

import numpy as np

from pulse_assets.array_types import Bools, Floats, Ints
from pulse_assets.retrodiction.arrays import kernel, shared_kernel, summing_kernel

#: A jump is larger than this many times the median absolute change.
JUMP: Final = 50.0
#: A jump is undone if at most this share of it is left.
UNDONE: Final = 0.25
#: The largest number of implausible values in a row.
LONGEST_RUN: Final = 3
#: The jump to several values in a row must be this many times larger than to one.
STRICTER: Final = 4.0
#: The least number of nonzero changes for a median.
MIN_CHANGES: Final = 4
#: The number of first values that are judged together, by the changes among them.
HEAD: Final = 12
#: A jump must also exceed the median of this many latest changes: the series may have grown, or
#: become more volatile.
LATEST_CHANGES: Final = 50
#: If most changes are 0, a jump must also be larger than this many times the largest change.
LARGEST_CHANGE_FACTOR: Final = 5.0
#: Undone jumps belong to the series once they are more than `MANY_JUMPS` and more than one value in
#: `VALUES_PER_JUMP` ...
MANY_JUMPS: Final = 6
VALUES_PER_JUMP: Final = 32
#: ... or once they recur for the third time at one of these distances: a week, a quarter or a year.
RECURRENCES: Final = (4, 5, 7, 12, 52)


class Changes(NamedTuple):
    """What is counted of the changes so far; the sizes of the nonzero ones are in an array.

    Attributes:
        nonzero: number of nonzero changes.
        zero: number of zero changes.
        largest: the largest size.
    """

    nonzero: int
    zero: int
    largest: float


def implausible_values(values: Floats, season: int = 1) -> Ints:
    """Return the indices of the values that are implausible, ascending.

    A value is implausible if its change from the last plausible value is larger than 50 times the
    median absolute change so far, and the next value undoes that change: at most a quarter of it
    is left. In detail:

    - Two or three values in a row are implausible if their changes are 4 times as large.
    - Changes of 0 do not enter the median, which would be 0 for a pegged rate or for counts with
      many zeros. If most changes are 0, the change must also be larger than 5 times the largest.
    - The change must also exceed 50 times the median of the latest 50 changes. By the standards of
      90 years ago, an ordinary day of a stock index is a crash.
    - With a season, the change less the change one season before is tested the same way.
    - The first 12 values are tested by the changes among them, once 4 changes are known. The very
      first values follow no other, so the change after them is tested, once 12 values are known.
    - Changes that recur belong to the series: those at the same distance for the third time (4, 5,
      7, 12 or 52 values), and those that are more than 6 and more than one value in 32.

    The last value is never implausible, because only a next one can undo its change.

    Args:
        values: the series `[T]`; NaN where missing.
        season: observations per season; 1: none.

    Example:
        >>> implausible_values(np.array([1.0, 2.0, 1.0, 2.0, 2000.0, 2.0, 1.0]))
        array([4])

    Source:
        Our own; no published detector is reproduced.
    """
    return find_implausible(values, season)[0]


def find_implausible(values: Floats, season: int = 1) -> tuple[Ints, Ints]:
    """Return the indices of the implausible values, and of the value that reveals each.

    Args:
        values: the series `[T]`; NaN where missing.
        season: observations per season; 1: none.
    """
    series = np.ascontiguousarray(values, np.float64).view()
    series.flags.writeable = False  # of one type for the compiler, whatever `values` is
    return _find_by_index(series, season)


@kernel  # pragma: no cover
def _find_by_index(values: Floats, season: int) -> tuple[Ints, Ints]:
    """Return the result of `find_implausible`."""
    indices, count = np.empty(len(values), np.int64), 0
    for t in range(len(values)):
        if np.isfinite(values[t]):
            indices[count] = t
            count += 1
    indices = indices[:count]
    finite = values[indices]
    revealed = _find(finite, 0)
    if season > LONGEST_RUN:
        # Either test may reveal a value; the earlier one counts.
        adjusted = _find(finite, season)
        for i in range(count):
            if adjusted[i] >= 0 and (revealed[i] < 0 or adjusted[i] < revealed[i]):
                revealed[i] = adjusted[i]
    places = np.flatnonzero(revealed >= 0)
    return indices[places], indices[revealed[places]]


@shared_kernel  # pragma: no cover
def _find(values: Floats, lag: int) -> Ints:
    """Return for each value the place of the one that reveals it to be implausible; -1: none.

    Args:
        values: the known values `[T]`.
        lag: each change is tested less the change `lag` values before; 0: as it is.
    """
    length = len(values)
    revealed, filled, last = np.full(length, -1), values.copy(), lag
    sizes, changes = np.empty(length), Changes(0, 0, 0.0)
    if lag == 0:
        for count in range(MIN_CHANGES + 1, min(length, HEAD) + 1):
            _test_head(values[:count], sizes, revealed)
        changes, last = _changes_among(values[: HEAD - 1], sizes, revealed)
    jumps = revealed >= 0
    # The values from `first` on are undecided until later values show what becomes of their change.
    first, lowest = -1, 0.0
    for t in range(max(lag + 1, HEAD - 1), length):
        size = _change(filled, last, t, lag)
        if first >= 0:
            undone = size <= UNDONE * lowest
            if not undone and t - first < LONGEST_RUN and _is_jump(size, sizes, changes):
                lowest = min(lowest, size)
                continue
            if undone and (t - first == 1 or _is_jump(lowest / STRICTER, sizes, changes)):
                jumps[first] = True
                if _recurs(jumps, first):
                    changes = _with(sizes, changes, lowest)
                else:
                    _replace(filled, first, t, last, lag, revealed)
            else:
                changes, last = _accept(filled, first, t, last, lag, sizes, changes)
            first, size = -1, _change(filled, last, t, lag)
        if _is_jump(size, sizes, changes):
            first, lowest = t, size
        else:
            changes = _with(sizes, changes, size)
            last = t
    return revealed


@kernel  # pragma: no cover
def _change(filled: Floats, last: int, t: int, lag: int) -> float:
    """Return the size of the change from `last` to `t`, less the change `lag` values before.

    It is 0 where the latter is larger, because then the earlier change is the outlying one.
    """
    change = filled[t] - filled[last]
    if lag == 0:
        return abs(change)
    expected = filled[t - lag] - filled[last - lag]
    return abs(change - expected) if abs(change) > abs(expected) else 0.0


@kernel  # pragma: no cover
def _replace(filled: Floats, first: int, end: int, last: int, lag: int, revealed: Ints) -> None:
    """Mark undecided values as implausible, and replace them by their expectation."""
    for s in range(first, end):
        revealed[s] = end
        expected = filled[s - lag] - filled[last - lag] if lag > 0 else 0.0
        filled[s] = filled[last] + expected


@kernel  # pragma: no cover
def _accept(
    filled: Floats,
    first: int,
    end: int,
    last: int,
    lag: int,
    sizes: Floats,
    changes: Changes,
) -> tuple[Changes, int]:
    """Add the changes of undecided values, which are plausible; return also the last's place."""
    for s in range(first, end):
        changes = _with(sizes, changes, _change(filled, last, s, lag))
        last = s
    return changes, last


@shared_kernel  # pragma: no cover
def _test_head(head: Floats, sizes: Floats, revealed: Ints) -> None:
    """Test the first values by the changes among those not yet revealed to be implausible."""
    last, end = -1, len(head) - 1
    changes, _ = _changes_among(head, sizes, revealed)
    for i in range(end):
        if revealed[i] >= 0:
            continue
        if last >= 0:
            size = abs(head[i] - head[last])
            undone = abs(head[i + 1] - head[last]) <= UNDONE * size
            if undone and _is_jump(size, sizes, changes):
                revealed[i] = end
                continue
        last = i
    if len(head) == HEAD:
        _test_first(head, sizes, changes, revealed)


@kernel  # pragma: no cover
def _test_first(head: Floats, sizes: Floats, changes: Changes, revealed: Ints) -> None:
    """Test the very first values, which follow no other, by the jump that leads away from them."""
    for run in range(LONGEST_RUN, 0, -1):
        plausible = revealed[run] < 0 and revealed[run - 1] < 0
        if plausible and _is_jump(abs(head[run] - head[run - 1]), sizes, changes):
            for i in range(run):
                # A value that was revealed earlier stays revealed by that one.
                revealed[i] = len(head) - 1 if revealed[i] < 0 else revealed[i]
            return


@kernel  # pragma: no cover
def _changes_among(values: Floats, sizes: Floats, revealed: Ints) -> tuple[Changes, int]:
    """Return the changes among the plausible first values, and the place of the last of these.

    Args:
        values: the first values.
        sizes: the array to fill with the sizes of the nonzero changes.
        revealed: see `_find`.
    """
    changes, last = Changes(0, 0, 0.0), -1
    for i in range(len(values)):
        if revealed[i] < 0:
            if last >= 0:
                changes = _with(sizes, changes, abs(values[i] - values[last]))
            last = i
    return changes, last


@kernel  # pragma: no cover
def _with(sizes: Floats, changes: Changes, size: float) -> Changes:
    """Add the size of a change."""
    if size == 0.0:
        return Changes(changes.nonzero, changes.zero + 1, changes.largest)
    sizes[changes.nonzero] = size
    return Changes(changes.nonzero + 1, changes.zero, max(changes.largest, size))


@shared_kernel  # pragma: no cover
def _is_jump(size: float, sizes: Floats, changes: Changes) -> bool:
    """Return whether a change of this size is far beyond the usual ones."""
    nonzero, median_below = changes.nonzero, size / JUMP
    if nonzero < MIN_CHANGES:
        return False
    if changes.zero > nonzero and size <= LARGEST_CHANGE_FACTOR * changes.largest:
        return False
    start = max(nonzero - LATEST_CHANGES, 0)
    # Most changes end here: medians take time.
    if 2.0 * _count_from(sizes, start, nonzero, median_below) > nonzero - start:
        return False
    if np.median(sizes[start:nonzero]) < median_below:
        return bool(np.median(sizes[:nonzero]) < median_below)
    return False


@summing_kernel  # pragma: no cover
def _count_from(sizes: Floats, start: int, end: int, smallest: float) -> float:
    """Return how many of the sizes from `start` to before `end` are not below `smallest`."""
    count = 0.0
    for i in range(start, end):
        count += 1.0 if sizes[i] >= smallest else 0.0
    return count


@kernel  # pragma: no cover
def _recurs(jumps: Bools, place: int) -> bool:
    """Return whether an undone jump belongs to the series: it is one of many, or recurs regularly.

    Args:
        jumps: where the undone jumps are `[T]`.
        place: place of the latest.
    """
    count = jumps[: place + 1].sum()
    if count > MANY_JUMPS and count * VALUES_PER_JUMP > place:
        return True
    for distance in RECURRENCES:
        # A year has 52 or 53 weeks.
        slack = distance // 52
        once = _any_near(jumps, place - distance, slack)
        if once and _any_near(jumps, place - 2 * distance, 2 * slack):
            return True
    return False


@kernel  # pragma: no cover
def _any_near(jumps: Bools, place: int, slack: int) -> bool:
    near = False
    for i in range(max(place - slack, 0), place + slack + 1):
        near = near or jumps[i]
    return near
