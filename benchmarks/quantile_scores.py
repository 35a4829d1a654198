"""Scores of forecast distributions over many series, each in units of the series' own scale.

All are negatively oriented; 0 is perfect. S series, L levels, H horizons. The scale of a series is
the one of MASE, its mean absolute change over a season. A series without a scale has NaN.

Source:
    Makridakis, Spiliotis and Assimakopoulos (2020), "The M4 Competition: 100,000 time series and 61
    forecasting methods", International Journal of Forecasting 36 (1),
    doi:10.1016/j.ijforecast.2019.04.014 (MSIS).
    Gneiting and Raftery (2007), "Strictly proper scoring rules, prediction, and estimation",
    Journal of the American Statistical Association 102, doi:10.1198/016214506000001437 (both).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from pulse_assets.array_types import Floats

#: Levels of the quantiles that every model forecasts; the outer two are MSIS's interval.
LEVELS: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)


def scaled_quantile_losses(
    observed: Floats, quantiles: Floats, levels: Sequence[float], scales: Floats
) -> Floats:
    """Return the mean over levels of 2 (1[y < q] - level) (q - y) / scale `[S, H]`.

    Its mean over horizons is the scaled quantile loss (SQL). With the one level 0.5 it is the
    scaled absolute error, so SQL is then MASE.

    Args:
        observed: outcomes y `[S, H]`.
        quantiles: forecasts q `[S, L, H]`.
        levels: probabilities of the quantiles `[L]`, 0..1.
        scales: `[S]`.

    Example:
        y = 3 is 1 above the quantile of level 0.1 and 2 below that of level 0.9. The losses are
        2 * 0.1 * 1 and 2 * 0.1 * 2; half of their mean at the scale 2.

        >>> quantiles = np.array([[[2.0], [5.0]]])
        >>> losses = scaled_quantile_losses(
        ...     np.array([[3.0]]), quantiles, (0.1, 0.9), np.array([2.0])
        ... )
        >>> losses.round(12).tolist()
        [[0.15]]
    """
    y = observed[:, None]
    probabilities = np.asarray(levels)[:, None]
    losses = 2.0 * ((y < quantiles) - probabilities) * (quantiles - y)
    return losses.mean(axis=1) / scales[:, None]


def scaled_interval_scores(
    observed: Floats, lower: Floats, upper: Floats, alpha: float, scales: Floats
) -> Floats:
    """Return (u - l + 2 / alpha (l - y)+ + 2 / alpha (y - u)+) / scale `[S, H]`.

    Its mean over horizons is the mean scaled interval score (MSIS) of M4, there with alpha = 0.05.

    Args:
        observed: outcomes y `[S, H]`.
        lower: lower bounds l `[S, H]`.
        upper: upper bounds u `[S, H]`.
        alpha: share of outcomes that the interval misses, 0..1.
        scales: `[S]`.

    Example:
        An interval from 0 to 4 and the outcomes 1 and 5: width 4, and for the second 2 / 0.5 * 1.

        >>> bounds = np.array([[0.0, 0.0]]), np.array([[4.0, 4.0]])
        >>> scaled_interval_scores(np.array([[1.0, 5.0]]), *bounds, 0.5, np.array([1.0])).tolist()
        [[4.0, 8.0]]
    """
    below, above = np.maximum(lower - observed, 0.0), np.maximum(observed - upper, 0.0)
    return (upper - lower + 2.0 / alpha * (below + above)) / scales[:, None]


def quantile_coverage(observed: Floats, quantiles: Floats) -> Floats:
    """Return the share of outcomes at or below the quantiles of each level `[L]`.

    Forecasts that are NaN are left out; NaN if all of a level are.

    Args:
        observed: outcomes `[S, H]`.
        quantiles: forecasts `[S, L, H]`.

    Example:
        >>> quantile_coverage(np.array([[1.0, 2.0]]), np.array([[[1.5, 1.5], [2.0, np.nan]]]))
        array([0.5, 1. ])
    """
    known = np.isfinite(quantiles)
    below = (observed[:, None] <= quantiles) & known
    counts = known.sum(axis=(0, 2))
    return below.sum(axis=(0, 2)) / np.where(counts, counts, np.nan)


def interval_coverage_by_horizon(observed: Floats, lower: Floats, upper: Floats) -> Floats:
    """Return the share of outcomes inside their intervals by horizon `[H]`; NaN are left out.

    Args:
        observed: outcomes `[S, H]`.
        lower: lower bounds `[S, H]`.
        upper: upper bounds `[S, H]`.
    """
    known = np.isfinite(lower) & np.isfinite(upper)
    inside = (lower <= observed) & (observed <= upper)
    counts = known.sum(axis=0)
    return inside.sum(axis=0) / np.where(counts, counts, np.nan)
