"""How forecasters are compared: means of ratios, and tests of equal accuracy."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.stats import t as student

from pulse_assets.array_types import Floats

#: Error level of the test of equal accuracy.
SIGNIFICANCE: Final = 0.05
#: Ratios below this count as this: a series forecast without error would outweigh all others.
SMALLEST: Final = 0.01


def geometric_mean(ratios: Floats) -> Floats:
    """Return the geometric mean over the first axis; a ratio below `SMALLEST` counts as that.

    Example:
        >>> float(geometric_mean(np.array([2.0, 8.0])))
        4.0
    """
    return np.exp(np.log(np.maximum(ratios, SMALLEST)).mean(axis=0))


def diebold_mariano(first: Floats, second: Floats, h: int) -> tuple[float, float]:
    """Test whether two forecasters' losses `[n]`, of forecasts h steps ahead, differ.

    DM = mean(d) / sqrt(V) sqrt((n + 1 - 2h + h (h - 1) / n) / n), d = first - second,
    V = (g_0 + 2 sum_{k<h} g_k) / n, g_k the autocovariance of d at lag k.

    Returns:
        The statistic, negative where the first is better, and the two-sided probability of one as
        large by Student's law of n - 1 degrees; NaN where V <= 0.

    Source:
        Harvey, Leybourne, Newbold (1997), Testing the equality of prediction mean squared errors,
        doi:10.1016/S0169-2070(96)00719-4.

    Example:
        d = 1, 1, 1, -1 at h = 1: mean 0.5, V = 0.75 / 4, DM = 0.5 / sqrt(0.1875) sqrt(3 / 4) = 1.

        >>> statistic, _ = diebold_mariano(np.array([1.0, 1.0, 1.0, -1.0]), np.zeros(4), 1)
        >>> round(statistic, 12)
        1.0
    """
    d = first - second
    n, around = len(d), d - d.mean()
    covariances = [around[k:] @ around[: n - k] / n for k in range(h)]
    variance = (covariances[0] + 2.0 * sum(covariances[1:])) / n
    if not variance > 0.0:
        return np.nan, np.nan
    small_sample = (n + 1 - 2 * h + h * (h - 1) / n) / n
    statistic = d.mean() / np.sqrt(variance) * np.sqrt(small_sample)
    return float(statistic), float(2.0 * student.sf(abs(statistic), n - 1))


def significance(pairs: Sequence[tuple[Floats, Floats]], h: int) -> dict[str, int]:
    """Count the series on which the first loss is significantly better, worse, or neither."""
    tests = [diebold_mariano(first, second, h) for first, second in pairs]
    better = sum(p < SIGNIFICANCE and s < 0.0 for s, p in tests)
    worse = sum(p < SIGNIFICANCE and s > 0.0 for s, p in tests)
    undefined = sum(bool(np.isnan(s)) for s, _ in tests)
    return {
        "better": better,
        "worse": worse,
        "neither": len(tests) - better - worse - undefined,
        "undefined": undefined,
    }
