"""Trust in a rule: a Beta law fed by hits and misses, with forgetting.

A hit is a forecast at least as close as persistence (the last value, carried on) had been in
half of the cases known at the origin, so persistence itself earns a trust near 0.5.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import betaincinv

from pulse_assets.retrodiction.arrays import Floats, Ints


def hit_threshold(
    y: Floats, origins: Sequence[int] | Ints, horizons: Sequence[int] | Ints
) -> Floats:
    """Median absolute error of persistence known at each origin: |y_{s+h} - y_s|, s + h <= o.

    Args:
        y: the series `[T]`, NaN where missing; a move needs both of its values.
        origins: indices `[O]` of the last value that may be used.
        horizons: steps ahead `[H]`, >= 1.

    Returns:
        The largest absolute error that is a hit `[O, H]`, unit of the series; NaN where
        persistence has no verified error yet.

    Example:
        >>> hit_threshold(np.array([1.0, 2.0, 4.0, 8.0]), [2, 3], [1, 2])
        array([[1.5, 3. ],
               [2. , 4.5]])
    """
    asked, row = np.unique(np.array(origins, np.int64), return_inverse=True)
    medians = np.empty((len(asked), len(horizons)))
    with np.errstate(over="ignore"):  # no error is larger than a move beyond all numbers
        for column, h in enumerate(horizons):
            moves = np.abs(y[h:] - y[:-h])
            medians[:, column] = _running_median(moves, np.maximum(asked + 1 - h, 0))
    return medians[row]


def _running_median(values: Floats, counts: Ints) -> Floats:
    """Return the median of the first `counts` `[O]` values, ascending; NaN of none.

    What is known at one origin stays sorted for the next: most origins add one value.
    """
    medians, known, before = np.full(len(counts), np.nan), np.empty(0), 0
    for row, count in enumerate(counts):
        new = values[before:count]
        new = np.sort(new[~np.isnan(new)])
        known, before = np.insert(known, np.searchsorted(known, new), new), max(count, before)
        if len(known):
            medians[row] = (known[(len(known) - 1) // 2] + known[len(known) // 2]) / 2.0
    return medians


def scan_trust(
    hits: Floats | Ints, misses: Floats | Ints, discount: float
) -> tuple[Floats, Floats]:
    """Update the Beta law batch after batch: a <- 1 + d (a - 1) + hits, b likewise with misses.

    Args:
        hits: hits of each batch in date order `[B, ...]`; further axes are independent rules.
        misses: misses of each batch, same shape.
        discount: share d of the evidence that is kept from batch to batch, 0..1.

    Returns:
        `a` and `b` after each batch, same shape; trust is a / (a + b). Before any batch both
        are 1, a trust of one half.

    Example:
        >>> scan_trust(np.array([3, 0]), np.array([1, 2]), 0.5)
        (array([4. , 2.5]), array([2. , 3.5]))

    Source:
        Josang, Ismail (2002), The beta reputation system, 15th Bled Electronic Commerce
        Conference.
    """
    return 1.0 + _discounted_sum(hits, discount), 1.0 + _discounted_sum(misses, discount)


def credible_interval(a: Floats, b: Floats, level: float = 0.9) -> tuple[Floats, Floats]:
    """Return the equal-tailed interval that holds `level` of the mass of Beta(a, b).

    Example:
        >>> low, high = credible_interval(np.array(1.0), np.array(1.0))
        >>> round(float(low), 9), round(float(high), 9)
        (0.05, 0.95)
    """
    tail = (1.0 - level) / 2.0
    return betaincinv(a, b, tail), betaincinv(a, b, 1.0 - tail)


def _discounted_sum(counts: Floats | Ints, discount: float) -> Floats:
    sums = np.array(counts, np.float64)
    for batch in range(1, len(sums)):
        sums[batch] += discount * sums[batch - 1]
    return sums
