"""Find values that look like typing errors: a jump beyond all that is usual, and back again.

The detector is causal: whether a value is implausible, and which later value shows it, depends on
no value after that one.
"""

from typing import Final

import numpy as np

from pulse_assets.array_types import Bools, Floats, Ints
from pulse_assets.retrodiction.arrays import kernel, summing_kernel

#: A jump is larger than this many times the median absolute change.
JUMP: Final = 50.0
#: It is undone when at most this share of it is left.
UNDONE: Final = 0.25
#: Most wrong values in a row; of several the jump must be so many times larger than of one.
RUN: Final = 3
STRICTER: Final = 4.0
#: Changes other than 0 that a median needs.
FEWEST: Final = 4
#: Known values that are judged together, by the changes among them, the first value too.
HEAD: Final = 12
#: A jump is beyond the median of so many latest changes too: a series may grow, or become restless.
RECENT: Final = 50
#: Where most changes are 0, a jump is also larger than this many times the largest change.
RECORD: Final = 5.0
#: Jumps that are undone belong to the series from this many on, if more than one value in so many
#: is one, ...
FEW: Final = 6
SHARE: Final = 32
#: ... and where they come so many values apart for the third time: each week, quarter or year.
SEASONS: Final = (4, 5, 7, 12, 52)

# What is kept of the changes so far: how many are not 0, how many are, and the largest.
MOVED: Final = 0
STILL: Final = 1
LARGEST_SIZE: Final = 2
STATE: Final = 3


def implausible_values(values: Floats, season: int = 1) -> Ints:
    """Return the indices of the values that are implausible, ascending.

    A value is implausible when its change from the last plausible value is larger than 50 times
    the median absolute change known so far, and the next value undoes that change: at most a
    quarter of it is left. In detail:

    - Two or three implausible values in a row are found when their changes are 4 times as large.
    - Changes of 0 do not enter the median: it would be 0 for a pegged rate, or for counts with many
      zeros. Where most changes are 0, the change must also be larger than 5 times the largest one.
    - The change must also exceed 50 times the median of the latest 50 changes. By the standards of
      90 years ago, an ordinary day of a stock index is a crash.
    - With a season, the change less the change one season before is judged the same way.
    - The first 12 values are judged by the changes among them, once 4 changes are known. The first
      values of all have no change, so the change that follows them counts, once 12 are known.
    - Changes that recur belong to the series: those that come one season apart for the third time
      (4, 5, 7, 12 or 52 values), and those that are more than 6 and more than one value in 32.

    The last value is never implausible, because only the next one can undo its change.

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
    return _find_by_index(np.ascontiguousarray(values, np.float64), season)


@kernel  # pragma: no cover
def _find_by_index(values: Floats, season: int) -> tuple[Ints, Ints]:
    """Return what `find_implausible` does."""
    known, count = np.empty(len(values), np.int64), 0
    for t in range(len(values)):
        if np.isfinite(values[t]):
            known[count] = t
            count += 1
    known = known[:count]
    given = values[known]
    revealed = _find(given, 0)
    if season > RUN:
        # Each way of looking reveals a value on its own; the earlier counts.
        adjusted = _find(given, season)
        for i in range(count):
            if adjusted[i] >= 0 and (revealed[i] < 0 or adjusted[i] < revealed[i]):
                revealed[i] = adjusted[i]
    places = np.flatnonzero(revealed >= 0)
    return known[places], known[revealed[places]]


@kernel  # pragma: no cover
def _find(values: Floats, lag: int) -> Ints:
    """Return for each known value the place of the one that reveals it; -1 where none does.

    Args:
        values: the known values `[T]`.
        lag: each change is judged less the change so many values before; 0: as it is.
    """
    length = len(values)
    revealed, filled = np.full(length, -1), values.copy()
    sizes, state, last = np.empty(length), np.zeros(STATE), lag
    if lag == 0:
        for known in range(FEWEST + 1, min(length, HEAD) + 1):
            _judge_head(values[:known], sizes, state, revealed)
        last = _note_changes(values[: HEAD - 1], sizes, state, revealed)
    jumps = revealed >= 0
    # The values from `begin` on wait until the next ones show what becomes of their change.
    begin, lowest = -1, 0.0
    for t in range(max(lag + 1, HEAD - 1), length):
        size = _surprise(filled, last, t, lag)
        if begin >= 0:
            undone = size <= UNDONE * lowest
            if not undone and t - begin < RUN and _is_jump(size, sizes, state):
                lowest = min(lowest, size)
                continue
            if undone and (t - begin == 1 or _is_jump(lowest / STRICTER, sizes, state)):
                jumps[begin] = True
                if _recurs(jumps, begin):
                    _note(lowest, sizes, state)
                else:
                    _take_away(filled, begin, t, last, lag, revealed)
            else:
                last = _keep(filled, begin, t, last, lag, sizes, state)
            begin, size = -1, _surprise(filled, last, t, lag)
        if _is_jump(size, sizes, state):
            begin, lowest = t, size
        else:
            _note(size, sizes, state)
            last = t
    return revealed


@kernel  # pragma: no cover
def _surprise(filled: Floats, last: int, t: int, lag: int) -> float:
    """Return the size of the change from `last` to `t`, less the change `lag` values before.

    It is 0.0 where that one is the larger: then not this change is the unusual one.
    """
    change = filled[t] - filled[last]
    if lag == 0:
        return abs(change)
    expected = filled[t - lag] - filled[last - lag]
    return abs(change - expected) if abs(change) > abs(expected) else 0.0


@kernel  # pragma: no cover
def _take_away(filled: Floats, begin: int, end: int, last: int, lag: int, revealed: Ints) -> None:
    """Mark the values that waited as implausible, and replace them by what was expected."""
    for s in range(begin, end):
        revealed[s] = end
        expected = filled[s - lag] - filled[last - lag] if lag > 0 else 0.0
        filled[s] = filled[last] + expected


@kernel  # pragma: no cover
def _keep(
    filled: Floats, begin: int, end: int, last: int, lag: int, sizes: Floats, state: Floats
) -> int:
    """Note the changes of the values that waited; return the last of them."""
    for s in range(begin, end):
        _note(_surprise(filled, last, s, lag), sizes, state)
        last = s
    return last


@kernel  # pragma: no cover
def _judge_head(head: Floats, sizes: Floats, state: Floats, revealed: Ints) -> None:
    """Judge the first values by the changes among those not yet found implausible."""
    last, end = -1, len(head) - 1
    _note_changes(head, sizes, state, revealed)
    for i in range(end):
        if revealed[i] >= 0:
            continue
        if last >= 0:
            size = abs(head[i] - head[last])
            undone = abs(head[i + 1] - head[last]) <= UNDONE * size
            if undone and _is_jump(size, sizes, state):
                revealed[i] = end
                continue
        last = i
    if len(head) == HEAD:
        _judge_first(head, sizes, state, revealed)


@kernel  # pragma: no cover
def _judge_first(head: Floats, sizes: Floats, state: Floats, revealed: Ints) -> None:
    """Judge the very first values, which follow no other: a jump leads away from them."""
    for run in range(RUN, 0, -1):
        known, size = revealed[run] < 0 and revealed[run - 1] < 0, abs(head[run] - head[run - 1])
        if known and _is_jump(size, sizes, state):
            for i in range(run):
                # What an earlier value has revealed was known then already.
                revealed[i] = len(head) - 1 if revealed[i] < 0 else revealed[i]
            return


@kernel  # pragma: no cover
def _note_changes(values: Floats, sizes: Floats, state: Floats, revealed: Ints) -> int:
    """Note the changes among the plausible ones of the first values; return the last of these."""
    state[:] = 0.0
    last = -1
    for i in range(len(values)):
        if revealed[i] < 0:
            if last >= 0:
                _note(abs(values[i] - values[last]), sizes, state)
            last = i
    return last


@kernel  # pragma: no cover
def _note(size: float, sizes: Floats, state: Floats) -> None:
    """Add the size of a change to what is usual."""
    if size == 0.0:
        state[STILL] += 1.0
        return
    sizes[int(state[MOVED])] = size
    state[MOVED] += 1.0
    state[LARGEST_SIZE] = max(state[LARGEST_SIZE], size)


@kernel  # pragma: no cover
def _is_jump(size: float, sizes: Floats, state: Floats) -> bool:
    """Return whether a change of this size is unusual."""
    moved, limit = int(state[MOVED]), size / JUMP
    if moved < FEWEST or (state[STILL] > moved and size <= RECORD * state[LARGEST_SIZE]):
        return False
    late = sizes[max(moved - RECENT, 0) : moved]
    # Most changes end here: medians take time.
    if 2.0 * _count_from(late, limit) > len(late):
        return False
    return bool(np.median(late) < limit and np.median(sizes[:moved]) < limit)


@summing_kernel  # pragma: no cover
def _count_from(sizes: Floats, limit: float) -> float:
    """Return how many sizes are not below a limit."""
    count = 0.0
    for i in range(len(sizes)):
        count += 1.0 if sizes[i] >= limit else 0.0
    return count


@kernel  # pragma: no cover
def _recurs(jumps: Bools, place: int) -> bool:
    """Return whether a jump that was undone belongs to the series, as one of many or of a season.

    Args:
        jumps: where there was one `[T]`.
        place: of the latest.
    """
    found = jumps[: place + 1].sum()
    if found > FEW and found * SHARE > place:
        return True
    for season in SEASONS:
        # A year is 52 weeks, or 53.
        slack = season // 52
        once = _any_near(jumps, place - season, slack)
        if once and _any_near(jumps, place - 2 * season, 2 * slack):
            return True
    return False


@kernel  # pragma: no cover
def _any_near(jumps: Bools, place: int, slack: int) -> bool:
    near = False
    for i in range(max(place - slack, 0), place + slack + 1):
        near = near or jumps[i]
    return near
