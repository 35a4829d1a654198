"""Limit outlying changes before rules are fitted."""

from typing import Final

from pulse_assets.array_types import Floats, Ints
from pulse_assets.retrodiction.arrays import end_of, kernel

#: A change is limited to this many times the mean size of the changes before it.
LARGEST_CHANGE: Final = 4.0
#: Changes that must be known before one is limited.
CHANGES_KNOWN: Final = 12
#: Discount of the mean size.
SIZE_DISCOUNT: Final = 0.99
#: A change enters the mean size as at most this many times the limit.
LARGEST_SIZE_IN_MEAN: Final = 2.0


@kernel  # pragma: no cover
def winsorise_changes(y: Floats, series_offsets: Ints) -> Floats:
    """Limit each change to 4 times the discounted mean of the absolute changes before it.

    The excess of a change over its limit leaves the level for good. A rule forecasts moves of the
    winsorised series, which are added to the last true value.

    Args:
        y: series without gaps, concatenated `[T]`.
        series_offsets: index of the first value of each series `[S]`.

    Returns:
        The winsorised series `[T]`: the first value plus the sum of the limited changes.

    Source:
        Gelper, Fried, Croux (2010), Robust forecasting with exponential and Holt-Winters
        smoothing, doi:10.1002/for.1125.

    Example:
        After thirteen changes of size 1 a jump of 100 becomes one of 4.
    """
    y_robust = y.copy()
    for s in range(len(series_offsets)):
        first = series_offsets[s]
        total, count = 0.0, 0.0
        for t in range(first + 1, end_of(series_offsets, s, len(y))):
            change = y[t] - y[t - 1]
            limit, size = LARGEST_CHANGE * total / max(count, 1.0), abs(change)
            # While all changes are 0 no size is outlying.
            if t - first > CHANGES_KNOWN and size > limit > 0.0:
                change = limit if change > 0.0 else -limit
                size = min(size, LARGEST_SIZE_IN_MEAN * limit)
            total, count = SIZE_DISCOUNT * total + size, SIZE_DISCOUNT * count + 1.0
            y_robust[t] = y_robust[t - 1] + change
    return y_robust
