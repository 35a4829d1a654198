"""The median of the rules, `ensemble_median`: the yardstick of learning."""

import numpy as np

from pulse_assets.array_types import Floats
from pulse_assets.retrodiction.arrays import kernel


@kernel  # pragma: no cover
def fill_medians(forecasts: Floats, count: int) -> None:
    """Fill the second place after the rules with their median.

    A kernel of its own: within a larger one the compiler does not do several indices at once.

    Args:
        forecasts: padded forecast array `[H, T, W]`, see `padding`.
        count: the number of rules.
    """
    for j in range(len(forecasts)):
        forecasts[j, :, count + 1] = medians(forecasts[j], count)


@kernel  # pragma: no cover
def medians(forecasts: Floats, count: int) -> Floats:
    """Return the median at each index of the rules' forecasts that are not NaN; NaN if all are.

    The forecasts are sorted by a network of exchanges, which are the same at all indices, so that
    the machine does several indices at once. To sort each index alone takes ten times as long.

    Args:
        forecasts: the forecasts `[T, W]`.
        count: the number of rules, which are the first places.

    Returns:
        Medians `[T]`.

    Source:
        Knuth (1998), The Art of Computer Programming 3, section 5.2.2, algorithm M (merge
        exchange), after Batcher (1968), doi:10.1145/1468075.1468121.

    Example:
        Of 3, NaN, 1 and 2 it is 2; of 3, NaN, NaN and 2 it is 2.5.
    """
    length = len(forecasts)
    by_rule, active = np.empty((count, length)), np.zeros(length, np.int64)
    for t in range(length):
        for rule in range(count):
            value = forecasts[t, rule]
            sleeps = np.isnan(value)
            active[t] += not sleeps
            by_rule[rule, t] = np.inf if sleeps else value
    sort_columns(by_rule)
    middles = np.empty(length)
    for t in range(length):
        lower, upper = by_rule[(active[t] - 1) // 2, t], by_rule[active[t] // 2, t]
        middle = lower if lower == upper else lower / 2.0 + upper / 2.0
        middles[t] = middle if active[t] > 0 else np.nan
    return middles


@kernel  # pragma: no cover
def sort_columns(values: Floats) -> None:
    """Sort each column of an array without NaN, in place."""
    count, largest = len(values), 1
    while 2 * largest < count:
        largest *= 2
    size = largest
    while size > 0:
        widest, offset, distance = largest, 0, size
        while True:
            for low in range(count - distance):
                if low & size == offset:
                    exchange(values[low], values[low + distance])
            if widest == size:
                break
            distance, offset = widest - size, size
            widest //= 2
        size //= 2


@kernel  # pragma: no cover
def exchange(lower: Floats, upper: Floats) -> None:
    """Put the smaller of two values into `lower`, the larger into `upper`, at each index."""
    for t in range(len(lower)):
        first, second = lower[t], upper[t]
        # Adding 0 changes no value, only the sign of a zero; without it the compiler stores the
        # smaller value only where it has changed, which takes twice as long as storing it always.
        lower[t] = (first if first < second else second) + 0.0
        upper[t] = second if first < second else first
