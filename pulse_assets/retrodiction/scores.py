"""Scores of verified forecasts, each a `Metric`; tables, tests and reports read `METRICS`.

In every formula y is observed, f predicted, [l, u] the interval, and q the quantile of level tau. A
score is the mean of a number of each pair, its double, or its root. A pair counts if both y and f
are known. A score is NaN without any such pair, if the number of one of them is undefined, and if
it is beyond the largest number there is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pulse_assets.array_types import Bools, Floats, Ints


@dataclass(frozen=True)
class Verified:
    """Forecasts and outcomes of pairs; the shapes broadcast.

    Attributes:
        observed: outcomes `[n]`, in the unit of the series.
        predicted: forecasts `[..., n]`.
        lower: lower bounds of the intervals `[..., n]`.
        upper: upper bounds of the intervals `[..., n]`.
        quantiles: of the forecasts `[L, ..., n]`.
        levels: of the quantiles `[L]`.
        scale: denominator of mase at the origin of each pair `[n]`.
        squared_scale: denominator of rmsse at the origin of each pair `[n]`.
    """

    observed: Floats
    predicted: Floats
    lower: Floats
    upper: Floats
    quantiles: Floats
    levels: Floats
    scale: Floats
    squared_scale: Floats

    @property
    def counted(self) -> Bools:
        """Which pairs have both an outcome and a forecast `[..., n]`."""
        return ~np.isnan(self.errors)

    @property
    def errors(self) -> Floats:
        """Absolute errors `[..., n]`."""
        return np.abs(_difference(self.predicted, self.observed))


@dataclass(frozen=True)
class Metric:
    """A score as data.

    A batch does not store the score, but a number in `column` from which scores are pooled exactly:
    the sum over its pairs, or for a scaled error the scale, because neighbouring rows have the same
    one. With the mean absolute error mae of a batch, its mase is mae / scale.

    Attributes:
        name: of the score.
        of_pairs: `Verified` pairs `[..., n]` to the number of each pair `[..., n]`.
        negatively_oriented: whether smaller is better.
        perfect: the score of exact forecasts with intervals of width 0.
        column: name of the column of `batch_metrics`.
        meaning: description of that column.
        scale_of: the column of sums that the scores of a scaled error are related to: this one is
            then their scale. Empty: the column is a sum.
        is_root: whether the score is the root of the mean.
        is_double: whether the score is twice the mean.
    """

    name: str
    of_pairs: Callable[[Verified], Floats]
    negatively_oriented: bool
    perfect: float
    column: str
    meaning: str
    scale_of: str = ""
    is_root: bool = False
    is_double: bool = False

    def score(self, total: Floats, n: Floats | Ints) -> Floats:
        """Return the score of `n` pairs whose numbers add up to `total`; NaN without any."""
        return (2.0 if self.is_double else 1.0) * self._mean(total, n)

    def _mean(self, total: Floats, n: Floats | Ints) -> Floats:
        mean = _finite(_ratio(total, n))
        return np.sqrt(mean) if self.is_root else mean

    def to_column(self, total: Floats, n: Floats | Ints, unscaled: Floats) -> Floats:
        """Return what is stored of `n` pairs.

        Args:
            total: sum of `of_pairs`, NaN if one is undefined.
            n: number of pairs.
            unscaled: the sum in the column `scale_of`, such as that of their absolute errors.

        Example:
            Errors 1 and 3 at scales 1 and 4: a mean of 2 and a mase of (1 + 3 / 4) / 2 = 0.875 give
            the scale 2 / 0.875.
        """
        if not self.scale_of:
            return total
        mean = self._mean(total, n)
        with np.errstate(all="ignore"):
            return np.where(mean == 0.0, 1.0, unscaled / n / mean)

    def to_total(self, column: Floats, n: Floats | Ints, unscaled: Floats) -> Floats:
        """Return the sum of `of_pairs` that a row of `batch_metrics` stands for."""
        if not self.scale_of:
            return column
        with np.errstate(all="ignore"):
            mean = unscaled / n / column
            return n * (mean * mean if self.is_root else mean)


def scaled_errors(pairs: Verified) -> Floats:
    """Return |f - y| / scale, see `mase_scale`; their mean is mase.

    Example:
        Errors 1 and 3 at scales 2 and 2: (0.5 + 1.5) / 2 = 1.

    Source:
        Hyndman, Koehler (2006), Another look at measures of forecast accuracy,
        doi:10.1016/j.ijforecast.2006.03.001.
    """
    return _ratio(pairs.errors, pairs.scale)


def squared_scaled_errors(pairs: Verified) -> Floats:
    """Return (f - y)^2 / squared_scale; the root of their mean is rmsse.

    Example:
        Errors 1 and 7 at squared scales 1 and 1: sqrt((1 + 49) / 2) = 5.

    Source:
        Makridakis, Spiliotis, Assimakopoulos (2022), The M5 competition: Background,
        organization, and implementation, doi:10.1016/j.ijforecast.2021.07.007.
    """
    return _ratio(_square(pairs.errors), pairs.squared_scale)


def covered(pairs: Verified) -> Floats:
    """Return 1 where l <= y <= u, else 0; NaN without an interval. Their mean is coverage.

    Example:
        Interval [0, 2] twice, observed 2 and 3: 0.5.
    """
    inside = (pairs.lower <= pairs.observed) & (pairs.observed <= pairs.upper)
    return np.where(np.isnan(pairs.lower) | np.isnan(pairs.upper), np.nan, inside)


def quantile_losses(pairs: Verified) -> Floats:
    """Return the mean over the levels of max(tau (y - q), (tau - 1) (y - q)), the pinball loss.

    Its mean over pairs is `pinball`; twice that is `wis`, the weighted interval score, if the
    levels are symmetric and contain 0.5.

    Example:
        Quantiles 0, 1 and 2 at levels 0.1, 0.5 and 0.9, observed 3: (0.3 + 1 + 0.9) / 3 = 0.7333.

    Source:
        Koenker, Bassett (1978), Regression quantiles, doi:10.2307/1913643. Bracher, Ray, Gneiting,
        Reich (2021), Evaluating epidemic forecasts in an interval format,
        doi:10.1371/journal.pcbi.1008618.
    """
    total = np.zeros(np.broadcast_shapes(pairs.predicted.shape, pairs.observed.shape))
    for level, quantile in zip(pairs.levels.tolist(), pairs.quantiles, strict=True):
        over = _difference(pairs.observed, quantile)
        with np.errstate(over="ignore"):  # infinite beyond the largest number there is
            total = total + np.where(over >= 0.0, level * over, (level - 1.0) * over)
    return total / len(pairs.levels)


def scaled_quantile_losses(pairs: Verified) -> Floats:
    """Return `quantile_losses` / scale, see `mase_scale`; twice their mean is sql.

    Example:
        A quantile loss of 3 at scale 2: an sql of 2 * 3 / 2 = 3.

    Source:
        Shchur et al. (2025), fev-bench: A realistic benchmark for time series forecasting,
        doi:10.48550/arXiv.2509.26468.
    """
    return _ratio(quantile_losses(pairs), pairs.scale)


def count_below(pairs: Verified) -> Floats:
    """Return 1 where y < q, tau where y = q, else 0, `[L, ..., n]`; NaN without a quantile.

    Of equal values, such as counts of 0, a share equals several quantiles: it is no news about any.

    Example:
        Quantiles 1 and 2 at levels 0.1 and 0.5: observed 1.5: 0 and 1; observed 2: 0 and 0.5.
    """
    levels = pairs.levels.reshape(-1, *[1] * (pairs.quantiles.ndim - 1))
    below = np.where(pairs.observed == pairs.quantiles, levels, pairs.observed < pairs.quantiles)
    return np.where(np.isnan(pairs.quantiles), np.nan, below)


METRICS: Final[dict[str, Metric]] = {
    metric.name: metric
    for metric in (
        Metric(
            "mase",
            scaled_errors,
            True,
            0.0,
            "mase_scale",
            "abs_error / n divided by the mean absolute scaled error of these pairs; 1 where both "
            "are 0; NaN where the scale of a pair is 0",
            scale_of="abs_error",
        ),
        Metric(
            "rmsse",
            squared_scaled_errors,
            True,
            0.0,
            "rmsse_scale",
            "abs_error / n divided by the root mean squared scaled error of these pairs; 1 where "
            "both are 0; NaN where the scale of a pair is 0",
            scale_of="abs_error",
            is_root=True,
        ),
        Metric(
            "coverage",
            covered,
            False,
            1.0,
            "covered",
            "pairs whose observation is inside the interval, bounds included; NaN where one has no "
            "interval",
        ),
        Metric(
            "pinball",
            quantile_losses,
            True,
            0.0,
            "quantile_loss",
            "sum over the pairs of the mean pinball loss of the quantiles; NaN where one has none",
        ),
        Metric(
            "wis",
            quantile_losses,
            True,
            0.0,
            "quantile_loss",
            "sum over the pairs of the mean pinball loss of the quantiles; NaN where one has none",
            is_double=True,
        ),
        Metric(
            "sql",
            scaled_quantile_losses,
            True,
            0.0,
            "sql_scale",
            "quantile_loss / n divided by its mean over the pairs, each divided by the mase "
            "denominator; 1 where both are 0; NaN where the denominator of a pair is 0",
            scale_of="quantile_loss",
            is_double=True,
        ),
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
