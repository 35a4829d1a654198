"""Scores of verified forecasts, each a `Metric`; tables, tests and reports read `METRICS`.

In every formula y is observed, f predicted, and [l, u] the interval of level 1 - alpha. Pairs are
along the last axis. A pair counts if both y and f are known. A score is NaN without any such pair,
and if it is beyond the largest number there is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pulse_assets.array_types import Bools, Floats, Ints


@dataclass(frozen=True)
class Verified:
    """Forecasts and outcomes; the shapes broadcast, pairs are along the last axis.

    Attributes:
        observed: outcomes `[n]`, in the unit of the series.
        predicted: forecasts `[..., n]`.
        lower: lower bounds of the intervals `[..., n]`.
        upper: upper bounds of the intervals `[..., n]`.
        scale: denominator of mase and msis at the origin of each pair `[n]`.
        squared_scale: denominator of rmsse at the origin of each pair `[n]`.
        level: nominal coverage of the intervals, 0..1.
    """

    observed: Floats
    predicted: Floats
    lower: Floats
    upper: Floats
    scale: Floats
    squared_scale: Floats
    level: float

    @property
    def counted(self) -> Bools:
        """Which pairs have both an outcome and a forecast `[..., n]`."""
        return ~np.isnan(self.errors)

    @property
    def errors(self) -> Floats:
        """Predicted less observed `[..., n]`."""
        return _difference(self.predicted, self.observed)

    @property
    def widths(self) -> Floats:
        """Upper less lower bounds `[..., n]`."""
        return _difference(self.upper, self.lower)

    def mean(self, values: Floats) -> Floats:
        """Return the mean of `values` `[..., n]` over the counted pairs; NaN without any."""
        counted = self.counted
        with np.errstate(over="ignore", invalid="ignore"):
            total = np.where(counted, values, 0.0).sum(axis=-1)
        return _finite(_ratio(total, counted.sum(axis=-1)))


@dataclass(frozen=True)
class Metric:
    """A score as data.

    Attributes:
        name: column of the stored table.
        function: `Verified` pairs `[..., n]` to scores `[...]`.
        unit_power: data times c give scores times c ** unit_power.
        negatively_oriented: whether smaller is better.
        perfect: the score of exact forecasts with intervals of width 0.
        meaning: description of the column.
        is_root: whether the score is the root of a mean; then its squares are averaged over
            batches, else the score itself.
    """

    name: str
    function: Callable[[Verified], Floats]
    unit_power: int
    negatively_oriented: bool
    perfect: float
    meaning: str
    is_root: bool = False


def bias(pairs: Verified) -> Floats:
    """Mean error, mean(f - y): above 0 if the forecasts are too high.

    Example:
        Predicted 3 and 5, observed 2 and 2: (1 + 3) / 2 = 2.
    """
    return pairs.mean(pairs.errors)


def mae(pairs: Verified) -> Floats:
    """Mean absolute error, mean(|f - y|).

    Example:
        Predicted 3 and 1, observed 2 and 4: (1 + 3) / 2 = 2.
    """
    return pairs.mean(np.abs(pairs.errors))


def rmse(pairs: Verified) -> Floats:
    """Root mean squared error, sqrt(mean((f - y)^2)).

    Example:
        Predicted 3 and 9, observed 2 and 2: sqrt((1 + 49) / 2) = 5.
    """
    return np.sqrt(pairs.mean(_square(pairs.errors)))


def mase(pairs: Verified) -> Floats:
    """Mean absolute scaled error, mean(|f - y| / scale), see `mase_scale`.

    Example:
        Errors 1 and 3 at scales 2 and 2: (0.5 + 1.5) / 2 = 1.

    Source:
        Hyndman, Koehler (2006), Another look at measures of forecast accuracy,
        doi:10.1016/j.ijforecast.2006.03.001.
    """
    return pairs.mean(_ratio(np.abs(pairs.errors), pairs.scale))


def rmsse(pairs: Verified) -> Floats:
    """Root mean squared scaled error, sqrt(mean((f - y)^2 / squared_scale)).

    Example:
        Errors 1 and 7 at squared scales 1 and 1: sqrt((1 + 49) / 2) = 5.

    Source:
        Makridakis, Spiliotis, Assimakopoulos (2022), The M5 competition: Background,
        organization, and implementation, doi:10.1016/j.ijforecast.2021.07.007.
    """
    squares = _square(pairs.errors)
    return np.sqrt(pairs.mean(_ratio(squares, pairs.squared_scale)))


def smape(pairs: Verified) -> Floats:
    """Symmetric percentage error, mean(200 |f - y| / (|y| + |f|)), 0..200; 0 where both are 0.

    Example:
        Predicted 3, observed 1: 200 * 2 / 4 = 100.

    Source:
        Makridakis, Spiliotis, Assimakopoulos (2020), The M4 Competition,
        doi:10.1016/j.ijforecast.2019.04.014.
    """
    size = _difference(np.abs(pairs.observed), -np.abs(pairs.predicted))
    errors = np.abs(pairs.errors)
    return pairs.mean(200.0 * np.where(size == 0.0, 0.0, _ratio(errors, size)))


def interval_score(pairs: Verified) -> Floats:
    """Winkler score, mean((u - l) + 2/alpha (l - y)+ + 2/alpha (y - u)+).

    Example:
        Interval [0, 2] at level 0.9, observed 3: 2 + 20 * 1 = 22.

    Source:
        Gneiting, Raftery (2007), Strictly proper scoring rules, prediction, and estimation,
        doi:10.1198/016214506000001437.
    """
    return pairs.mean(_winkler(pairs))


def msis(pairs: Verified) -> Floats:
    """Mean scaled interval score, mean(interval score / scale).

    Example:
        Interval [0, 2] at level 0.9, observed 3, scale 2: 22 / 2 = 11.

    Source:
        Makridakis, Spiliotis, Assimakopoulos (2020), doi:10.1016/j.ijforecast.2019.04.014.
    """
    return pairs.mean(_ratio(_winkler(pairs), pairs.scale))


def coverage(pairs: Verified) -> Floats:
    """Share of outcomes inside their interval, mean(l <= y <= u), bounds included.

    Example:
        Interval [0, 2] twice, observed 2 and 3: 0.5.
    """
    inside = (pairs.lower <= pairs.observed) & (pairs.observed <= pairs.upper)
    return pairs.mean(np.where(np.isnan(pairs.widths), np.nan, inside))


def width(pairs: Verified) -> Floats:
    """Mean width of the intervals, mean(u - l).

    Example:
        Intervals [0, 2] and [1, 5]: 3.
    """
    return pairs.mean(pairs.widths)


METRICS: Final[dict[str, Metric]] = {
    metric.name: metric
    for metric in (
        Metric("bias", bias, 1, True, 0.0, "mean of predicted - observed"),
        Metric("mae", mae, 1, True, 0.0, "mean absolute error, unit of the series"),
        Metric(
            "rmse",
            rmse,
            1,
            True,
            0.0,
            "root mean squared error, unit of the series",
            is_root=True,
        ),
        Metric("mase", mase, 0, True, 0.0, "mean absolute scaled error; NaN when the scale is 0"),
        Metric(
            "rmsse",
            rmsse,
            0,
            True,
            0.0,
            "root mean squared scaled error; NaN when the scale is 0",
            is_root=True,
        ),
        Metric("smape", smape, 0, True, 0.0, "symmetric mean absolute percentage error, 0..200"),
        Metric(
            "interval_score",
            interval_score,
            1,
            True,
            0.0,
            "Winkler score of the interval, unit of the series",
        ),
        Metric("msis", msis, 0, True, 0.0, "mean scaled interval score; NaN when the scale is 0"),
        Metric(
            "coverage",
            coverage,
            0,
            False,
            1.0,
            "share of observations inside the interval, bounds included",
        ),
        Metric("width", width, 1, True, 0.0, "mean width of the interval, unit of the series"),
    )
}


def mase_scale(y: Floats, origins: Sequence[int] | Ints, season: int) -> Floats:
    """Mean absolute seasonal difference up to each origin: mean(|y_t - y_{t-season}|), t <= o.

    Args:
        y: the series `[T]`, NaN where missing; a difference needs both of its values.
        origins: indices `[O]` of the last value that may be used.
        season: observations per season, >= 1.

    Returns:
        The scale at each origin `[O]`, in the unit of the series; NaN before the first difference.

    Example:
        >>> mase_scale(np.array([1.0, 3.0, 2.0]), [1, 2], 1)
        array([2. , 1.5])
    """
    return _expanding_mean(np.abs(_differences(y, season)))[np.asarray(origins, np.int64)]


def squared_scale(y: Floats, origins: Sequence[int] | Ints) -> Floats:
    """Mean squared one-step difference up to each origin: mean((y_t - y_{t-1})^2), t <= o.

    Args:
        y: the series `[T]`, NaN where missing; a difference needs both of its values.
        origins: indices `[O]` of the last value that may be used.

    Returns:
        The denominator of `rmsse` at each origin `[O]`; NaN before the first difference.

    Example:
        >>> squared_scale(np.array([1.0, 3.0, 2.0]), [1, 2])
        array([4. , 2.5])
    """
    return _expanding_mean(_square(_differences(y, 1)))[np.asarray(origins, np.int64)]


def leaderboard_skill(scores: Floats, base_scores: Floats) -> float:
    """Geometric mean improvement on a base rule, 1 - exp(mean(log(clip(S / S_base, 0.01, 100)))).

    Args:
        scores: a rule's scores, one per series; lower is better; NaN leaves the series out.
        base_scores: the base rule's scores of the same series; 0 / 0 counts as a draw.

    Returns:
        The skill, at most 0.99; above 0 is better than the base; NaN without any series.

    Example:
        >>> round(leaderboard_skill(np.array([1.0, 2.0]), np.array([2.0, 1.0])), 12)
        0.0

    Source:
        Shchur et al. (2025), fev-bench: A realistic benchmark for time series forecasting,
        doi:10.48550/arXiv.2509.26468.
    """
    logs = log_ratios(scores, base_scores)
    logs = logs[~np.isnan(logs)]
    return float(1.0 - np.exp(logs.mean())) if len(logs) else float("nan")


def log_ratios(scores: Floats, base_scores: Floats) -> Floats:
    """Return log(clip(S / S_base, 0.01, 100)) of each series; 0 / 0 is a draw, log 1.

    Example:
        >>> log_ratios(np.array([0.0, 3.0, np.nan]), np.array([0.0, 3.0, 1.0]))
        array([ 0.,  0., nan])
    """
    drawn = (scores == 0.0) & (base_scores == 0.0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratios = np.where(drawn, 1.0, scores / base_scores)
    return np.log(np.clip(ratios, 0.01, 100.0))


def _winkler(pairs: Verified) -> Floats:
    below = np.maximum(_difference(pairs.lower, pairs.observed), 0.0)
    above = np.maximum(_difference(pairs.observed, pairs.upper), 0.0)
    with np.errstate(over="ignore"):
        return pairs.widths + 2.0 / (1.0 - pairs.level) * (below + above)


def _difference(values: Floats, others: Floats) -> Floats:
    """Subtract; the result is infinite beyond the largest number there is."""
    with np.errstate(over="ignore"):
        return values - others


def _square(values: Floats) -> Floats:
    """Square; the result is infinite from 1e154 on."""
    with np.errstate(over="ignore"):
        return values * values


def _ratio(numerator: Floats, denominator: Floats | Ints) -> Floats:
    """Divide; NaN, never infinity, where the denominator is 0."""
    with np.errstate(all="ignore"):
        return np.where(denominator == 0, np.nan, numerator / denominator)


def _finite(values: Floats) -> Floats:
    """Replace infinite values by NaN."""
    return np.where(np.isinf(values), np.nan, values)


def _differences(y: Floats, lag: int) -> Floats:
    """Return y_t - y_{t-lag} `[T]`, NaN for the first `lag`."""
    differences = np.full(len(y), np.nan)
    differences[lag:] = _difference(y[lag:], y[:-lag])
    return differences


def _expanding_mean(values: Floats) -> Floats:
    defined = ~np.isnan(values)
    with np.errstate(over="ignore"):
        total = np.cumsum(np.where(defined, values, 0.0))
    return _finite(_ratio(total, np.cumsum(defined)))
