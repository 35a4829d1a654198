"""Leading indicators: screen the other variables, and forecast with those that lead.

A variable is a leading indicator of another if its past changes correlate with the one-step errors
of an autoregression of the other. The rule that uses it regresses the move over h steps on the
last changes of the variable and of the indicator: one regression per horizon.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Self

import numpy as np
from scipy.special import ndtri

from pulse_assets.array_types import Bools, Floats, Ints
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
from pulse_assets.retrodiction.rules import INDICATOR_PREFIX, RULES

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
_NO_INDICES: Final = np.empty(0, np.int64)
#: Correlations that are computed at a time, which takes about 100 MB.
_CELLS: Final = 1_000_000


@dataclass(frozen=True)
class Candidates:
    """Variables that may lead others, as they were known up to one date.

    Attributes:
        names: the variables, sorted `[V]`.
        ranks: the centred ranks of the changes of each variable `[V, T]`; 0 where one is missing.
        patterns: where changes are known: 1, else 0 `[P, T]`; each pattern is there once.
        pattern_of: index of the pattern of each variable `[V]`.
    """

    names: tuple[str, ...]
    ranks: Floats
    patterns: Floats
    pattern_of: Ints

    @classmethod
    def of(cls, series: Mapping[str, Floats]) -> Self:
        """Rank the changes of each series.

        Args:
            series: the values of each variable at the dates of those that they may lead, `[T]`,
                as they were known at the last of these dates.
        """
        return cls.of_changes({name: _changes(x) for name, x in series.items()})

    @classmethod
    def of_changes(cls, changes: Mapping[str, Floats]) -> Self:
        """Rank the changes `[T]` of each variable; NaN where missing."""
        names = sorted(changes)
        if not names:
            return cls((), np.empty((0, 0)), np.empty((0, 0)), np.empty(0, np.int64))
        ranked = np.stack([ranks(changes[name]) for name in names])
        patterns, pattern_of = _distinct(~np.isnan(ranked))
        return cls(tuple(names), _filled(ranked), patterns.astype(np.float64), pattern_of)

    def select(self, series: Mapping[str, Floats], *, limit: int) -> dict[str, list[str]]:
        """Return the names of the leading indicators of each series, the largest correlation first.

        The rank correlation r between the change of an indicator i steps ago and the error of a
        one-step autoregression of the series must be significant: |r| sqrt(n) > z, the normal
        quantile of `FALSE_ALARM` divided by the number of other variables times lags.

        Args:
            series: the values `[T]` of each, up to the date of the candidates, NaN where missing;
                none is its own indicator.
            limit: the largest number of indicators; those with the largest correlations stay.
        """
        selected: dict[str, list[str]] = {name: [] for name in series}
        not_empty = [name for name, y in series.items() if np.isfinite(y).any()]
        if not_empty and self.names:
            errors = np.stack([_ranked_errors(series[name]) for name in not_empty])
            for index, strengths in self.correlations(errors):
                name = not_empty[index]
                selected[name] = self._strongest(strengths, name)[:limit]
        return selected

    def _strongest(self, strengths: Floats, own_name: str) -> list[str]:
        """Return the names of the significant candidates, the strongest first."""
        others = len(self.names) - (own_name in self.names)
        critical = -ndtri(FALSE_ALARM / (2.0 * INDICATOR_LAGS * max(others, 1)))
        significant = np.flatnonzero(strengths > critical)
        order = np.argsort(-strengths[significant], kind="stable")  # equals stay ordered by name
        names = [self.names[i] for i in significant[order]]
        return [name for name in names if name != own_name]

    def correlations(self, errors: Floats) -> Iterator[tuple[int, Floats]]:
        """Yield the index of each series, and the largest |r| sqrt(n - 1) of each candidate, `[V]`.

        r is the correlation of the n known pairs of an error and the change `lag` steps before. If
        the series are unrelated, |r| sqrt(n - 1) is nearly the absolute value of a normal number.
        Below `MIN_PAIRS` pairs it is 0. The largest over all lags counts.

        Products of matrices give the sums over all pairs, for all candidates and lags. They are
        sums of multiples of a quarter, so they are exact in whatever order they are added. What
        depends only on where errors are known is computed once for all series that are alike in it.

        Args:
            errors: centred ranks of each series `[N, T]`, NaN where missing.
        """
        patterns, pattern_of = _distinct(~np.isnan(errors))
        together = max(_CELLS // (INDICATOR_LAGS * len(self.names)), 1)
        for number, pattern in enumerate(patterns):
            sums = self._known_sums(_leads(pattern.astype(np.float64)))
            members = np.flatnonzero(pattern_of == number)
            for start in range(0, len(members), together):
                chosen = members[start : start + together]
                strengths = self._strengths(_leads(_filled(errors[chosen])), *sums)
                yield from zip(chosen.tolist(), strengths, strict=True)

    def _known_sums(self, leads: Floats) -> tuple[Floats, Floats, Floats]:
        """Return pairs, and sums and sums of squares of the ranks, by lag and candidate `[L, V]`.

        Args:
            leads: 1 where the error at each lag is known, else 0 `[L, T]`.
        """
        pairs = (leads @ self.patterns.T)[:, self.pattern_of]
        return pairs, leads @ self.ranks.T, leads @ self._squares.T

    @cached_property
    def _squares(self) -> Floats:
        return np.square(self.ranks)

    def _strengths(self, leads: Floats, n: Floats, second: Floats, other_squares: Floats) -> Floats:
        """Return the strength of each candidate `[N, V]`; errors are `[N, L, T]`."""
        first, squares = (
            _product(values, self.patterns)[..., self.pattern_of] for values in (leads, leads**2)
        )
        products = _product(leads, self.ranks)
        with np.errstate(divide="ignore", invalid="ignore"):
            variances = (squares - first * first / n) * (other_squares - second * second / n)
            strength = np.abs(products - first * second / n) * np.sqrt((n - 1.0) / variances)
        enough = (n >= MIN_PAIRS) & (variances > ROUNDING * squares * other_squares)
        return np.where(enough, strength, 0.0).max(axis=1)


def _product(leads: Floats, series: Floats) -> Floats:
    """Return the sums of the products of leads `[N, L, T]` and series `[V, T]`, `[N, L, V]`."""
    flat = leads.reshape(-1, leads.shape[-1]) @ series.T
    return flat.reshape(*leads.shape[:-1], len(series))


def _filled(values: Floats) -> Floats:
    """Return the values with 0 for NaN."""
    return np.where(np.isnan(values), 0.0, values)


def _distinct(flags: Bools) -> tuple[Bools, Ints]:
    """Return the different rows `[P, T]`, and the index of each row's equal among them `[N]`."""
    packed = np.ascontiguousarray(np.packbits(flags, axis=1))
    keys = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, index = np.unique(keys, return_index=True, return_inverse=True)
    return flags[first], index


def _leads(errors: Floats) -> Floats:
    """Return the errors 1 to `INDICATOR_LAGS` steps after each index `[..., L, T]`."""
    leads = np.zeros((*errors.shape[:-1], INDICATOR_LAGS, errors.shape[-1]))
    for lag in range(1, INDICATOR_LAGS + 1):
        leads[..., lag - 1, :-lag] = errors[..., lag:]
    return leads


def _changes(x: Floats) -> Floats:
    """Return x_t - x_{t-1} `[T]`; infinite beyond the largest number."""
    with np.errstate(over="ignore"):
        return np.diff(x, prepend=np.nan)


def _ranked_errors(y: Floats) -> Floats:
    """Return the centred ranks of the errors of a one-step autoregression `[T]`."""
    start = first_known(y)
    errors = np.full(len(y), np.nan)
    errors[start:] = ranks(_one_step_errors(y[start:]))
    return errors


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

    @classmethod
    def of(cls, name: str, series: KnownSeries, start: int) -> Self:
        """Return the rule of an indicator for a variable.

        Args:
            name: of the indicator.
            series: the indicator at the dates of the variable.
            start: index of the variable's first known value.
        """
        shifted = series.shifted(-start)
        return cls(INDICATOR_PREFIX + name, shifted.values, shifted.implausible)

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

    def starting_at(self, index: int) -> Self:
        """Return the rule for the same variable from a later or, if negative, earlier value on."""
        if not index:
            return self
        shifted = KnownSeries(self.indicator, (_NO_INDICES, _NO_INDICES)).shifted(-index)
        return replace(self, indicator=shifted.values, implausible=None)

    def known_indicator(self, start: int) -> KnownSeries:
        """Return the indicator at the dates of a series whose first known value is at `start`."""
        if self.implausible is None:
            return KnownSeries.of(self.indicator).shifted(start)
        return KnownSeries(self.indicator, self.implausible).shifted(start)

    def with_indicator(self, values: Floats, start: int) -> Self:
        """Return the rule with other values of the indicator; see `known_indicator`."""
        return replace(self, indicator=values[start:], implausible=None)
