"""Tests of equal accuracy: Diebold and Mariano's, and the control of many tests at once.

A loss difference is that of two forecasters on the same targets, below 0 where the first one is
better. The differences of forecasts of h steps overlap, so they are correlated up to lag h - 1.
"""

from typing import Final, NamedTuple

import numpy as np
from scipy.special import stdtr

from pulse_assets.array_types import Floats, Ints

#: A probability below this, adjusted for the number of variables, is significant.
SIGNIFICANCE: Final = 0.05


class EqualAccuracy(NamedTuple):
    """The test of Diebold and Mariano for K pairs of forecasters, [K] each.

    Attributes:
        statistic: below 0 where the first forecaster is better.
        p: two-sided probability of a statistic as large if both are equally accurate.
        n: number of differences.
    """

    statistic: Floats
    p: Floats
    n: Ints


def diebold_mariano(differences: Floats, steps: Ints) -> EqualAccuracy:
    """Test whether mean loss differences are 0.

    With d the differences, n their number, h the steps:

        g_k = sum over t of (d_t - mean(d)) (d_{t-k} - mean(d))
        V = (g_0 + 2 sum_{k<h} g_k) / n^2
        DM = mean(d) / sqrt(V) sqrt((n + 1 - 2h + h (h - 1) / n) / n)

    Args:
        differences: losses of the first forecaster minus those of the second `[T, K]`, in order of
            date; NaN where one of them has none, which adds nothing to a sum.
        steps: h, the number of steps ahead `[K]`, at least 1.

    Returns:
        Statistic and probability by Student's law of n - 1 degrees. NaN where V <= 0, as between
        equal forecasts, and where n <= h.

    Source:
        Diebold, Mariano (1995), Comparing predictive accuracy, doi:10.1080/07350015.1995.10524599.
        Harvey, Leybourne, Newbold (1997), Testing the equality of prediction mean squared errors,
        doi:10.1016/S0169-2070(96)00719-4.

    Example:
        d = 1, 1, 1, -1 at h = 1: mean 0.5, V = 3 / 16, DM = 0.5 / sqrt(3 / 16) sqrt(3 / 4) = 1.

        >>> test = diebold_mariano(np.array([[1.0], [1.0], [1.0], [-1.0]]), np.array([1]))
        >>> round(float(test.statistic[0]), 12), int(test.n[0])
        (1.0, 4)
    """
    present = ~np.isnan(differences)
    n = present.sum(axis=0)
    with np.errstate(all="ignore"):
        mean = np.where(present, differences, 0.0).sum(axis=0) / n
        around = np.where(present, differences - mean, 0.0)
        variance = _long_run_sum(around, steps) / n**2
        correction = (n + 1 - 2 * steps + steps * (steps - 1) / n) / n
        statistic = mean / np.sqrt(variance) * np.sqrt(correction)
        # Rounding leaves a rest of the variance of differences that are all equal.
        usable = (n > steps) & (variance > np.finfo(float).eps * mean**2) & np.isfinite(variance)
    statistic = np.where(usable, statistic, np.nan)
    p = 2.0 * stdtr(np.maximum(n - 1.0, 1.0), -np.abs(statistic))
    return EqualAccuracy(statistic, np.where(usable, p, np.nan), n)


def _long_run_sum(around: Floats, steps: Ints) -> Floats:
    """Return g_0 + 2 sum_{k<h} g_k of each column of `[T, K]`."""
    total = (around * around).sum(axis=0)
    for lag in range(1, min(int(steps.max(initial=1)), len(around))):
        chosen = steps > lag
        own = around[:, chosen]
        total[chosen] += 2.0 * (own[lag:] * own[:-lag]).sum(axis=0)
    return total


def steps_between_batches(horizons: Ints, targets: Floats) -> Ints:
    """Return the steps h of sums over batches: they are correlated up to lag h - 1.

    The sums over m neighbouring targets of differences that are correlated up to lag h - 1 are
    correlated up to lag (h - 1) / m, rounded up.

    Args:
        horizons: steps ahead `[K]`.
        targets: mean number of targets in a batch `[K]`.

    Example:
        Monthly batches of a monthly series, and of a daily one with 21 targets in a batch:

        >>> steps_between_batches(np.array([12, 12]), np.array([1.0, 21.0]))
        array([12,  2])
    """
    return 1 + np.ceil((horizons - 1) / np.maximum(targets, 1.0)).astype(np.int64)


def adjust_probabilities(p: Floats) -> Floats:
    """Return the smallest false discovery rate at which each test is significant.

    The i-th smallest of m probabilities becomes min over j >= i of (m / j) p_j, at most 1.

    Args:
        p: probabilities of the tests of one family `[m]`; NaN where a test is undefined, which
            counts in no family.

    Source:
        Benjamini, Hochberg (1995), Controlling the false discovery rate,
        doi:10.1111/j.2517-6161.1995.tb02031.x.

    Example:
        >>> adjust_probabilities(np.array([0.01, np.nan, 0.04, 0.03])).tolist()
        [0.03, nan, 0.04, 0.04]
    """
    adjusted = np.full(p.shape, np.nan)
    defined = np.flatnonzero(~np.isnan(p))
    order = defined[np.argsort(p[defined], kind="stable")]
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted
