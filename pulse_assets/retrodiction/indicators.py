"""Leading indicators: screen the other variables, and forecast with those that lead.

A variable is a leading indicator of another if its past changes correlate with the one-step errors
of an autoregression of the other. The rule that uses it regresses the move over h steps on the
last changes of the variable and of the indicator: one regression per horizon.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from scipy.special import ndtri

from pulse_assets.array_types import Floats, Ints
from pulse_assets.retrodiction.arrays import carry_forward, first_known, kernel, unit_of
from pulse_assets.retrodiction.autoregression import RIDGE, fill_changes
from pulse_assets.retrodiction.known_series import KnownSeries
from pulse_assets.retrodiction.least_squares import (
    EVIDENCE_DISCOUNT,
    ROW_LENGTH,
    accumulate,
    add_outcome,
    factorise,
    predict,
    solve,
)
from pulse_assets.retrodiction.request import ForecastRequest
from pulse_assets.retrodiction.rules import INDICATOR_PREFIX, RULES, Rule

#: Past changes of the variable and of its indicator in the regression.
OWN_LAGS: Final = 3
INDICATOR_LAGS: Final = 6
#: Probability that any of several unrelated variables passes the screen at any lag.
FALSE_ALARM: Final = 0.01
#: The least number of pairs for a correlation.
MIN_PAIRS: Final = 40
#: A product of variances below this share of the products of squares is rounding: all changes
#: are equal.
ROUNDING: Final = 1e-9


def screen_indicators(
    y: Floats,
    others: Mapping[str, Floats | KnownSeries],
    until: int,
    *,
    limit: int = 3,
) -> list[Rule]:
    """Select the leading indicators of `y`, and return a rule for each.

    The rank correlation r between the change of an indicator i steps ago and the error of a
    one-step autoregression of `y` must be significant: |r| sqrt(n) > z, the normal quantile of
    `FALSE_ALARM` divided by the number of variables times lags.

    Args:
        y: the series `[T]`, NaN where missing; the rules apply to this array only.
        others: by name, other series at the dates of `y` `[T]`, as they were known then.
        until: index of the last value that may be used to select.
        limit: the largest number of indicators; those with the largest correlations stay.

    Returns:
        Rules named `ar_with_<name>`, the largest correlation first.
    """
    past = y[: until + 1]
    start = first_known(past)
    if start == len(past):
        return []
    errors = ranks(_one_step_errors(past[start:]))
    candidates = {
        name: KnownSeries.of(x) if isinstance(x, np.ndarray) else x for name, x in others.items()
    }
    correlations = {
        name: largest_lagged_correlation(errors, ranks(_changes(x.at(until)[start:])))
        for name, x in candidates.items()
    }
    critical = -ndtri(FALSE_ALARM / (2.0 * INDICATOR_LAGS * max(len(others), 1)))
    significant = [name for name in sorted(correlations) if correlations[name] > critical]
    significant.sort(key=lambda name: -correlations[name])
    selected = {name: candidates[name].shifted(-start) for name in significant[:limit]}
    return [
        IndicatorRule(f"{INDICATOR_PREFIX}{name}", x.values, x.implausible)
        for name, x in selected.items()
    ]


def _changes(x: Floats) -> Floats:
    """Return x_t - x_{t-1} `[T]`; infinite beyond the largest number."""
    with np.errstate(over="ignore"):
        return np.diff(x, prepend=np.nan)


def _one_step_errors(y: Floats) -> Floats:
    """Return y_t less its one-step autoregressive forecast `[T]`."""
    filled = carry_forward(y)
    request = ForecastRequest.of([len(y)], [np.arange(len(y))], [1], 1)
    expected = RULES[f"ar_diff_{OWN_LAGS}"].forecast(filled, request)[:, 0]
    with np.errstate(over="ignore"):
        return np.append(np.nan, y[1:] - expected[:-1])


def ranks(values: Floats) -> Floats:
    """Return the centred ranks of the values; the mean rank of equal values; NaN stays.

    Ranks are used because a single crisis must not make a leading indicator.

    Example:
        >>> ranks(np.array([7.0, 9.0, np.nan, 9.0]))
        array([-1. ,  0.5,  nan,  0.5])
    """
    finite = np.isfinite(values)
    values = np.where(finite, values, np.nan)
    return _mean_ranks(values, values.argsort(), int(finite.sum()))


@kernel  # pragma: no cover
def _mean_ranks(values: Floats, order: Ints, count: int) -> Floats:
    mean_ranks = np.full(len(values), np.nan)
    first = 0
    while first < count:
        last = first
        while last + 1 < count and values[order[last + 1]] == values[order[first]]:
            last += 1
        mean_ranks[order[first : last + 1]] = (first + last + 1 - count) / 2.0
        first = last + 1
    return mean_ranks


@kernel  # pragma: no cover
def largest_lagged_correlation(errors: Floats, changes: Floats) -> float:
    """Return the largest |r| sqrt(n - 1) of `errors` with changes 1 to `INDICATOR_LAGS` before.

    r is the correlation of the n known pairs. If the series are unrelated, |r| sqrt(n - 1) is
    nearly the absolute value of a normal number. Below `MIN_PAIRS` pairs it is 0.
    """
    largest = 0.0
    for lag in range(1, INDICATOR_LAGS + 1):
        largest = max(largest, _lagged_correlation(errors, changes, lag))
    return largest


@kernel  # pragma: no cover
def _lagged_correlation(errors: Floats, changes: Floats, lag: int) -> float:
    n, first, second, squares, other_squares, products = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for t in range(lag, len(errors)):
        a, b = errors[t], changes[t - lag]
        if not np.isnan(a + b):
            n += 1.0
            first += a
            second += b
            squares += a * a
            other_squares += b * b
            products += a * b
    variances = (squares - first * first / n) * (other_squares - second * second / n)
    if n >= MIN_PAIRS and variances > ROUNDING * squares * other_squares:
        return abs(products - first * second / n) * np.sqrt((n - 1.0) / variances)
    return 0.0


@kernel  # pragma: no cover
def regress_on_indicator(
    y: Floats, indicator: Floats, start: int, horizons: Ints, own_lags: int, indicator_lags: int
) -> Floats:
    """Regress y_{t+h} - y_t on the last changes of `y` and of an indicator, for each h at each t.

    A fit for h steps at t uses the rows up to t - h, so the factors are stored for h steps.

    Args:
        y: series without gaps `[T]`.
        indicator: the indicator `[T]`, without gaps from `start - indicator_lags` on.
        start: first index at which all lagged changes are known.
        horizons: steps ahead `[H]`, ascending.
        own_lags: number of past changes of `y`.
        indicator_lags: number of past changes of `indicator`.

    Returns:
        Forecasts `[T, H]`; NaN until there are more fitted pairs than coefficients.
    """
    size, length = 1 + own_lags + indicator_lags, horizons[-1] + 1
    features, factors = np.zeros((length, ROW_LENGTH)), np.zeros((length, size, ROW_LENGTH))
    gram, beta, count = np.zeros((size, ROW_LENGTH)), np.zeros(size), 0.0
    cross = np.zeros((len(horizons), size))
    forecasts = np.full((len(y), len(horizons)), np.nan)
    for t in range(start, len(y)):
        now = t % length
        features[now, 0] = 1.0
        fill_changes(y, t, features[now, 1 : 1 + own_lags])
        fill_changes(indicator, t, features[now, 1 + own_lags : size])
        count = EVIDENCE_DISCOUNT * count + 1.0
        accumulate(gram, features[now], 1.0)
        factorise(gram, RIDGE / count, factors[now])
        for j in range(len(horizons)):
            s = t - horizons[j]
            if s >= start:
                add_outcome(cross[j], features[s % length], y[t] - y[s])
                if s - start > size:
                    solve(factors[s % length], cross[j], beta)
                    forecasts[t, j] = y[t] + predict(beta, features[now])
    return forecasts


@dataclass(frozen=True, eq=False)
class IndicatorRule:
    """A regression on the last changes of a variable and of its leading indicator.

    Attributes:
        name: `ar_with_<indicator>`.
        indicator: the indicator's values from the variable's first known value on `[T]`; NaN
            before the first value of the indicator.
        implausible: see `KnownSeries`; None: not searched for yet.
        guarded: its forecasts are clipped.
        scale_free: it gets the variable divided by a unit that makes its values near 1.
        history_origins: None: it runs over the whole history.
    """

    name: str
    indicator: Floats
    implausible: tuple[Ints, Ints] | None = None
    guarded: bool = True
    scale_free: bool = True
    history_origins: int | None = None

    def forecast(self, y: Floats, request: ForecastRequest) -> Floats:
        """Return the forecasts `[O, H]` from the origins of the one series; see `Rule`."""
        indicator = carry_forward(self.indicator[: len(y)])
        first = first_known(indicator)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = indicator / unit_of(indicator[first:])
            start = max(OWN_LAGS, first + INDICATOR_LAGS)
            forecasts = regress_on_indicator(
                y, scaled, start, request.horizons, OWN_LAGS, INDICATOR_LAGS
            )
        return forecasts[request.origins]

    def known_indicator(self, start: int) -> KnownSeries:
        """Return the indicator at the dates of a series whose first known value is at `start`."""
        if self.implausible is None:
            return KnownSeries.of(self.indicator).shifted(start)
        return KnownSeries(self.indicator, self.implausible).shifted(start)

    def with_indicator(self, values: Floats, start: int) -> Self:
        """Return the rule with other values of the indicator; see `known_indicator`."""
        return replace(self, indicator=values[start:], implausible=None)
