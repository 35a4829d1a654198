"""Autoregression: the next change as a linear function of the last changes, and of the level.

The coefficients are refitted at every index, of long rules at every few, by discounted least
squares with a ridge; rows that were badly foreseen count less. Each diagonal element of the Gram
matrix grows by the share ridge / n (n the discounted count), so the prior is no change at all,
strong while little is known; it has no unit, and constant data do no harm.

Source:
    Young (2011), Recursive Estimation and Time-Series Analysis, doi:10.1007/978-3-642-21981-8.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

from pulse_assets.retrodiction.arrays import Floats, Ints, kernel
from pulse_assets.retrodiction.taming import tame

#: Forecasts `[O, H]` from a series `[T]`, what is learnt from, origins, horizons and season.
Sweep = Callable[[Floats, Floats, Ints, Ints, int], Floats]

#: Discount of the evidence.
DISCOUNT: Final = 0.995
#: Weight of the prior, in observations.
RIDGE: Final = 10.0
#: Coefficients are refitted every 1 + order // this many indices: those of long rules move slowly.
ORDERS_A_REFIT: Final = 4
#: A row counts less when its error is more than this many times the usual absolute error ...
OUTLIER: Final = 1.0
#: ... but never less than this, so that a new regime is learnt.
LEAST_WEIGHT: Final = 0.05
#: Errors known before any counts as unusual, and their discount.
USUAL_START: Final = 20
USUAL_DISCOUNT: Final = 0.98
#: How fast the usual change, of a place in the season or of late, follows the latest one.
USUAL_CHANGE_RATE: Final = 0.2
#: Growth beyond this, in logarithms, is none that any guard would let pass.
LARGEST_LOG: Final = 100.0
#: A pivot below this share of its diagonal carries no information: its coefficient is 0.
NO_INFORMATION: Final = 1e-12


def autoregress(
    y: Floats,
    seen: Floats,
    origins: Ints,
    horizons: Ints,
    season: int,
    *,
    order: int,
    with_level: bool,
) -> Floats:
    """Iterate the fitted change step by step: d_{t+1} = c + [b (y_t - y_0)] + sum a_i d_{t-i}.

    Args:
        y: series without gaps `[T]`, whose last value the changes are added to.
        seen: the series `[T]` that is learnt from.
        origins: indices `[O]`, ascending.
        horizons: steps ahead `[H]`, ascending.
        season: not used; rules share one form.
        order: how many past changes d enter.
        with_level: whether the level enters, which lets the series revert to a mean.

    Returns:
        Forecasts `[O, H]`; NaN until there are more fitted pairs than coefficients.
    """
    return _autoregress(y, seen, origins, horizons, order, with_level)


ar_diff = partial(autoregress, with_level=False)
ar_level = partial(autoregress, with_level=True)


def seasonal_ar(
    y: Floats, seen: Floats, origins: Ints, horizons: Ints, season: int, *, order: int
) -> Floats:
    """Autoregress the changes against a season ago, with their level, and add that season back.

    d_t = y_t - y_{t-m} is forecast as by `ar_level`; f_{t+h} = d_{t+h} + y_{t+h-m}, itself a
    forecast where h exceeds the season m. Without a season there is none.
    """
    path = np.full((len(origins), int(horizons[-1])), np.nan)
    first = np.searchsorted(origins, season)
    if season < 2 or first == len(origins):
        return path[:, horizons - 1]
    steps, known, made = np.arange(1, horizons[-1] + 1), origins[first:], path[first:]
    change = seen[season:] - seen[:-season]
    made[:] = ar_level(change, change, known - season, steps, 1, order=order)
    made[:, :season] += seen[known[:, None] + steps[:season] - season]
    made[:, :season] += (y - seen)[known, None]
    for h in range(season, len(steps)):
        made[:, h] += made[:, h - season]
    return path[:, horizons - 1]


def logarithmic(
    y: Floats, seen: Floats, origins: Ints, horizons: Ints, season: int, *, rule: Sweep
) -> Floats:
    """Apply a rule to the tamed logarithm; NaN from the first value on of another sign."""
    proper = np.logical_and.accumulate(np.sign(y) * np.sign(y[0]) > 0.0)
    logs = tame(np.log(np.abs(np.where(proper, y, 1.0))))
    growth = rule(np.zeros(len(y)), logs, origins, horizons, season)
    forecasts = y[origins][:, None] * np.exp(np.minimum(growth, LARGEST_LOG))
    forecasts[~proper[origins]] = np.nan
    return forecasts


def beside_usual(
    y: Floats,
    seen: Floats,
    origins: Ints,
    horizons: Ints,
    season: int,
    *,
    rule: Sweep,
    rate: float = USUAL_CHANGE_RATE,
) -> Floats:
    """Carry on the usual change of each place in the season; forecast the rest by a rule.

    The usual change is smoothed: u <- u + rate (d - u), d the change at the same place a season
    later, and the mean of the first ones. With an autoregression this is a seasonal ARIMA model
    with a moving average of one season: of order (p, 1, 0) x (0, 1, 1). Needs a season.

    Source:
        Box, Jenkins, Reinsel, Ljung (2015), Time Series Analysis, chapter 9 (the airline model).
    """
    if season < 2:
        return np.full((len(origins), len(horizons)), np.nan)
    return _beside_usual(y, seen, origins, horizons, season, rule, rate)


def beside_drift(
    y: Floats, seen: Floats, origins: Ints, horizons: Ints, season: int, *, rule: Sweep
) -> Floats:
    """Carry on the usual change of late, smoothed as by `beside_usual`; the rest by a rule."""
    return _beside_usual(y, seen, origins, horizons, 1, rule, USUAL_CHANGE_RATE)


def _beside_usual(
    y: Floats,
    seen: Floats,
    origins: Ints,
    horizons: Ints,
    season: int,
    rule: Sweep,
    rate: float,
) -> Floats:
    forecasts = np.full((len(origins), len(horizons)), np.nan)
    first = np.searchsorted(origins, 2 * season)
    if first < len(origins):
        known = origins[first:]
        rest, carried = usual_changes(seen, known, horizons, season, rate)
        nothing = np.zeros(len(y) - season)
        moves = rule(nothing, rest[season:], known - season, horizons, season)
        forecasts[first:] = y[known, None] + carried + moves
    return forecasts


@kernel  # pragma: no cover
def usual_changes(
    y: Floats, origins: Ints, horizons: Ints, season: int, rate: float
) -> tuple[Floats, Floats]:
    """Split a series into usual changes, one a place in the season, and the rest.

    Args:
        y: series without gaps `[T]`.
        origins: indices `[O]`, ascending.
        horizons: steps ahead `[H]`, ascending.
        season: observations a season, >= 1.
        rate: how fast the usual change follows, 0..1; while 1 / n is larger, n the changes seen
            at that place, it is their mean.

    Returns:
        The sum of the changes less what was usual before each `[T]`, and the sum of the usual
        changes over the next h steps as known at each origin `[O, H]`.

    Example:
        0, 1, 3 with a season of 1: 1 is usual after the first change, so 3 is 1 more than usual.
    """
    usual, rest = np.zeros(season), np.zeros(len(y))
    carried, row = np.zeros((len(origins), len(horizons))), 0
    for t in range(len(y)):
        if t > 0:
            place, known = t % season, 1 + (t - 1) // season
            surprise = y[t] - y[t - 1] - usual[place]
            usual[place] += max(rate, 1.0 / known) * surprise
            rest[t] = rest[t - 1] + surprise
        if row < len(origins) and origins[row] == t:
            total, step = 0.0, 0
            for j in range(len(horizons)):
                while step < horizons[j]:
                    step += 1
                    total += usual[(t + step) % season]
                carried[row, j] = total
            row += 1
    return rest, carried


@kernel  # pragma: no cover
def _autoregress(
    y: Floats, seen: Floats, origins: Ints, horizons: Ints, order: int, with_level: bool
) -> Floats:
    size, refit = 1 + with_level + order, 1 + order // ORDERS_A_REFIT
    gram, factor = np.zeros((size, size)), np.zeros((size, size))
    cross, beta, features = np.zeros(size), np.zeros(size), np.zeros(size)
    usual, changes, expected, count = np.zeros(3), np.zeros(horizons[-1] + order), 0.0, 0.0
    forecasts, row = np.full((len(origins), len(horizons)), np.nan), 0
    for t in range(len(seen)):
        if t > order:
            change = seen[t] - seen[t - 1]
            weight = weigh_outcome(abs(change - expected), usual)
            count = DISCOUNT * count + 1.0
            accumulate(gram, features, weight)
            add_outcome(cross, features, weight * change)
            if (t - order - 1) % refit == 0:
                factorise(gram, RIDGE / count, factor)
                solve(factor, cross, beta)
        if t >= order:
            features[0] = 1.0
            if with_level:
                features[1] = seen[t] - seen[0]
            fill_changes(seen, t, features[1 + with_level :])
            expected = predict(beta, features)
        if row < len(origins) and origins[row] == t:
            if t > order + size:
                iterate(y[t], features, beta, with_level, horizons, changes, forecasts[row])
            row += 1
    return forecasts


@kernel  # pragma: no cover
def weigh_outcome(error: float, usual: Floats) -> float:
    """Return the weight of a row by its absolute error, 1 unless it is unusually large.

    One crisis must not bend the coefficients for years.

    Args:
        error: the absolute error.
        usual: discounted sum and count of earlier errors as they were weighed, and their plain
            count; this one is added.
    """
    limit, weight = OUTLIER * usual[0] / max(usual[1], 1.0), 1.0
    if usual[2] >= USUAL_START and error > limit:
        weight = max(limit / error, LEAST_WEIGHT)
    usual[0] = USUAL_DISCOUNT * usual[0] + weight * error
    usual[1] = USUAL_DISCOUNT * usual[1] + 1.0
    usual[2] += 1.0
    return weight


@kernel  # pragma: no cover
def accumulate(gram: Floats, features: Floats, weight: float) -> None:
    """Add a weighted row of features to the discounted Gram matrix `[P, P]`, upper half."""
    for i in range(len(features)):
        weighted = weight * features[i]
        for j in range(i, len(features)):
            gram[i, j] = DISCOUNT * gram[i, j] + weighted * features[j]


@kernel  # pragma: no cover
def add_outcome(cross: Floats, features: Floats, outcome: float) -> None:
    """Add one row of features times its outcome to the discounted cross products `[P]`."""
    for i in range(len(features)):
        cross[i] = DISCOUNT * cross[i] + features[i] * outcome


@kernel  # pragma: no cover
def factorise(gram: Floats, ridge: float, factor: Floats) -> None:
    """Fill `factor` so that the ridged Gram matrix is U' D U.

    Rows hold D U right of the diagonal, which holds the reciprocals of D; 0 where a feature
    carries no information of its own.
    """
    for i in range(len(gram)):
        for j in range(i, len(gram)):
            factor[i, j] = gram[i, j]
        factor[i, i] *= 1.0 + ridge
        for m in range(i):
            share = factor[m, i] * factor[m, m]
            for j in range(i, len(gram)):
                factor[i, j] -= share * factor[m, j]
        known = factor[i, i] > NO_INFORMATION * gram[i, i]
        factor[i, i] = 1.0 / factor[i, i] if known else 0.0


@kernel  # pragma: no cover
def solve(factor: Floats, cross: Floats, beta: Floats) -> None:
    """Fill `beta` `[P]` with the coefficients, given the factor of the Gram matrix."""
    size = len(cross)
    for i in range(size):
        beta[i] = cross[i]
    for i in range(size):
        share = beta[i] * factor[i, i]
        for j in range(i + 1, size):
            beta[j] -= share * factor[i, j]
    for i in range(size - 1, -1, -1):
        rest = beta[i]
        for j in range(i + 1, size):
            rest -= factor[i, j] * beta[j]
        beta[i] = rest * factor[i, i]


@kernel  # pragma: no cover
def predict(beta: Floats, features: Floats) -> float:
    """Return the change that the coefficients predict."""
    change = 0.0
    for i in range(len(features)):
        change += beta[i] * features[i]
    return change


@kernel  # pragma: no cover
def iterate(
    last: float,
    features: Floats,
    beta: Floats,
    with_level: bool,
    horizons: Ints,
    changes: Floats,
    row: Floats,
) -> None:
    """Fill `row` `[H]` with forecasts, each step fed with the one before.

    `changes` is room for the changes to come and then, the latest first, those known.
    """
    first, step, value = 1 + with_level, len(changes) - len(features) + 1 + with_level, last
    changes[step:] = features[first:]
    level, slope = (features[1], beta[1]) if with_level else (0.0, 0.0)
    constant, order, done = beta[0], len(features) - first, 0
    for j in range(len(horizons)):
        while done < horizons[j]:
            # Two sums: one would wait for itself.
            even, odd = constant + slope * level, 0.0
            for i in range(0, order - 1, 2):
                even += beta[first + i] * changes[step + i]
                odd += beta[first + i + 1] * changes[step + i + 1]
            if order % 2:
                even += beta[first + order - 1] * changes[step + order - 1]
            change = even + odd
            value += change
            level += change
            step -= 1
            done += 1
            changes[step] = change
        row[j] = value


@kernel  # pragma: no cover
def regress_on_partner(
    y: Floats, partner: Floats, start: int, horizons: Ints, own_lags: int, partner_lags: int
) -> Floats:
    """Regress y_{t+h} - y_t on the last changes of `y` and of a partner, for each h at each t.

    A fit for h steps at t rests on the rows up to t - h, so their factors are kept h steps long.

    Args:
        y: series without gaps `[T]`.
        partner: the other series `[T]`, without gaps from `start - partner_lags` on.
        start: first index at which all lagged changes are known.
        horizons: steps ahead `[H]`, ascending.
        own_lags: past changes of `y` that enter.
        partner_lags: past changes of `partner` that enter.

    Returns:
        Forecasts `[T, H]`; NaN until there are more fitted pairs than coefficients.
    """
    size, kept = 1 + own_lags + partner_lags, horizons[-1] + 1
    rows, factors = np.zeros((kept, size)), np.zeros((kept, size, size))
    gram, beta, count = np.zeros((size, size)), np.zeros(size), 0.0
    cross = np.zeros((len(horizons), size))
    forecasts = np.full((len(y), len(horizons)), np.nan)
    for t in range(start, len(y)):
        now = t % kept
        rows[now, 0] = 1.0
        fill_changes(y, t, rows[now, 1 : 1 + own_lags])
        fill_changes(partner, t, rows[now, 1 + own_lags :])
        count = DISCOUNT * count + 1.0
        accumulate(gram, rows[now], 1.0)
        factorise(gram, RIDGE / count, factors[now])
        for j in range(len(horizons)):
            s = t - horizons[j]
            if s >= start:
                add_outcome(cross[j], rows[s % kept], y[t] - y[s])
                if s - start > size:
                    solve(factors[s % kept], cross[j], beta)
                    forecasts[t, j] = y[t] + predict(beta, rows[now])
    return forecasts


@kernel  # pragma: no cover
def fill_changes(y: Floats, t: int, row: Floats) -> None:
    """Fill `row` with the last changes of `y` at index t, the latest first."""
    for i in range(len(row)):
        row[i] = y[t - i] - y[t - i - 1]
