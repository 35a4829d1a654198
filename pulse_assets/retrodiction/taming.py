"""A calmer copy of a series, so that one crisis does not become a trend or bend what was learnt."""

from typing import Final

from pulse_assets.retrodiction.arrays import Floats, Ints, end_of, kernel

#: A change counts as at most this many times the usual size of changes.
LIMIT: Final = 4.0
#: Changes known before any counts as unusual.
START: Final = 12
#: Discount of the usual size, which a change can raise by this many limits at most.
DISCOUNT: Final = 0.99
HIGHEST: Final = 2.0


@kernel  # pragma: no cover
def tame(y: Floats, begins: Ints) -> Floats:
    """Limit each change to `LIMIT` times the discounted mean of the absolute changes before it.

    What a change exceeded the limit by stays in the level for good: a rule forecasts the tamed
    series, and its moves are added to the last true value.

    Args:
        y: series without gaps, end to end `[T]`.
        begins: index at which each begins `[S]`.

    Returns:
        The tamed series `[T]`: its first value, and the sum of the limited changes.

    Source:
        Gelper, Fried, Croux (2010), Robust forecasting with exponential and Holt-Winters
        smoothing, doi:10.1002/for.1125.

    Example:
        After thirteen changes of size 1 a jump of 100 counts as one of 4.
    """
    tamed = y.copy()
    for s in range(len(begins)):
        begin = begins[s]
        total, count = 0.0, 0.0
        for t in range(begin + 1, end_of(begins, s, len(y))):
            change = y[t] - y[t - 1]
            limit, size = LIMIT * total / max(count, 1.0), abs(change)
            # While all changes were 0 no size is unusual.
            if t - begin > START and size > limit > 0.0:
                change = limit if change > 0.0 else -limit
                size = min(size, HIGHEST * limit)
            total, count = DISCOUNT * total + size, DISCOUNT * count + 1.0
            tamed[t] = tamed[t - 1] + change
    return tamed
