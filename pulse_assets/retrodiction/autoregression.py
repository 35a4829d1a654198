"""Autoregression: the next change as a linear function of the last changes, and of the level.

The coefficients are refitted at every index, of long rules at every few, by discounted least
squares with a ridge; rows that were badly foreseen count less. Each diagonal element of the Gram
matrix grows by the share ridge / n (n the discounted count), so the prior is no change at all,
strong while little is known; it has no unit, and constant data do no harm. Several pairs of
discount and ridge run side by side, and the pair with the smallest one-step errors up to an
origin makes its forecasts.

Source:
    Young (2011), Recursive Estimation and Time-Series Analysis, doi:10.1007/978-3-642-21981-8.
"""

from functools import partial
from typing import Final

import numpy as np

from pulse_assets.retrodiction.arrays import Floats, Ints, kernel
from pulse_assets.retrodiction.taming import tame

#: Settings that run side by side: one machine vector of them.
LANES: Final = 4
#: Discount of the squared errors and of the evidence, a lane.
DISCOUNTS: Final = np.array([0.99, 0.995, 0.999, 0.999])
#: Ridge, a lane, in observations.
RIDGES: Final = np.array([1.0, 10.0, 10.0, 100.0])
LOSS_DISCOUNT: Final = 0.99
#: Coefficients are refitted every 1 + order // this many indices: those of long rules move slowly.
ORDERS_A_REFIT: Final = 4
#: A row counts less when its error is more than this many times the usual absolute error ...
OUTLIER: Final = 1.0
#: ... but never less than this, so that a new regime is learnt.
LEAST_WEIGHT: Final = 0.05
#: Errors known before any counts as unusual, and their discount.
USUAL_START: Final = 20
USUAL_DISCOUNT: Final = 0.98
#: Growth beyond this, in logarithms, is none that any guard would let pass.
LARGEST_LOG: Final = 100.0
#: A pivot below this share of its diagonal carries no information: its coefficient is 0.
NO_INFORMATION: Final = 1e-12


def autoregress(y: Floats, horizons: Ints, season: int, *, order: int, with_level: bool) -> Floats:
    """Iterate the fitted change step by step: d_{t+1} = c + [b (y_t - y_0)] + sum a_i d_{t-i}.

    Args:
        y: series without gaps `[T]`.
        horizons: steps ahead `[H]`, ascending.
        season: not used; rules share one form.
        order: how many past changes d enter.
        with_level: whether the level enters, which lets the series revert to a mean.

    Returns:
        Forecasts `[T, H]`; NaN until there are more fitted pairs than coefficients.
    """
    return _autoregress(y, horizons, order, with_level)


ar_diff = partial(autoregress, with_level=False)
ar_level = partial(autoregress, with_level=True)


def seasonal_ar(y: Floats, horizons: Ints, season: int, *, order: int) -> Floats:
    """Autoregress the changes against a season ago, with their level, and add that season back.

    d_t = y_t - y_{t-m} is forecast as by `ar_level`; f_{t+h} = d_{t+h} + y_{t+h-m}, itself a
    forecast where h exceeds the season m. Without a season there is none.
    """
    forecasts = np.full((len(y), len(horizons)), np.nan)
    if season < 2 or len(y) <= season:
        return forecasts
    steps = np.arange(1, horizons[-1] + 1)
    path = np.full((len(y), len(steps)), np.nan)
    path[season:] = ar_level(y[season:] - y[:-season], steps, 1, order=order)
    for h in steps:
        if h > season:
            path[:, h - 1] += path[:, h - 1 - season]
        else:
            path[season:, h - 1] += y[h : len(y) - season + h]
    return path[:, horizons - 1]


def log_ar(y: Floats, horizons: Ints, season: int, *, order: int) -> Floats:
    """Autoregress the changes of the logarithm; NaN from the first value on of another sign."""
    proper = np.logical_and.accumulate(np.sign(y) * np.sign(y[0]) > 0.0)
    logs = tame(np.log(np.abs(np.where(proper, y, 1.0))))
    growth = ar_diff(logs, horizons, season, order=order) - logs[:, None]
    forecasts = y[:, None] * np.exp(np.minimum(growth, LARGEST_LOG))
    forecasts[~proper] = np.nan
    return forecasts


@kernel  # pragma: no cover
def _autoregress(y: Floats, horizons: Ints, order: int, with_level: bool) -> Floats:
    size, refit = 1 + with_level + order, 1 + order // ORDERS_A_REFIT
    gram, factor = np.zeros((size, size, LANES)), np.zeros((size, size, LANES))
    cross, beta = np.zeros((size, LANES)), np.zeros((size, LANES))
    count, loss, expected = np.zeros(LANES), np.zeros(LANES), np.zeros(LANES)
    features, usual = np.zeros(size), np.zeros(3)
    forecasts = np.full((len(y), len(horizons)), np.nan)
    for t in range(order, len(y)):
        if t > order:
            change = y[t] - y[t - 1]
            weight = weigh_outcome(abs(change - expected[loss.argmin()]), usual)
            judge(expected, change, loss)
            accumulate(gram, count, features, weight)
            add_outcome(cross, features, weight * change)
            if (t - order - 1) % refit == 0:
                factorise(gram, count, factor)
                solve(factor, cross, beta)
        features[0] = 1.0
        if with_level:
            features[1] = y[t] - y[0]
        fill_changes(y, t, features[1 + with_level :])
        predict(beta, features, expected)
        if t > order + size:
            iterate(y[t], features, beta[:, loss.argmin()], with_level, horizons, forecasts[t])
    return forecasts


@kernel  # pragma: no cover
def judge(expected: Floats, outcome: float, loss: Floats) -> None:
    """Add the squared error of each lane's expectation to its discounted loss."""
    for k in range(LANES):
        error = outcome - expected[k]
        loss[k] = LOSS_DISCOUNT * loss[k] + error * error


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
def accumulate(gram: Floats, count: Floats, features: Floats, weight: float) -> None:
    """Add a weighted row of features to the discounted Gram matrix `[P, P, LANES]`, lower half."""
    for k in range(LANES):
        count[k] = DISCOUNTS[k] * count[k] + 1.0
    for i in range(len(features)):
        for j in range(i + 1):
            product = weight * features[i] * features[j]
            for k in range(LANES):
                gram[i, j, k] = DISCOUNTS[k] * gram[i, j, k] + product


@kernel  # pragma: no cover
def add_outcome(cross: Floats, features: Floats, outcome: float) -> None:
    """Add one row of features times its outcome to the discounted cross products `[P, LANES]`."""
    for i in range(len(features)):
        for k in range(LANES):
            cross[i, k] = DISCOUNTS[k] * cross[i, k] + features[i] * outcome


@kernel  # pragma: no cover
def factorise(gram: Floats, count: Floats, factor: Floats) -> None:
    """Fill `factor` with the Cholesky factor of the ridged Gram matrix.

    The diagonal holds reciprocals; 0 where a feature carries no information of its own.
    """
    for i in range(len(gram)):
        for j in range(i + 1):
            for k in range(LANES):
                factor[i, j, k] = gram[i, j, k]
            if i == j:
                for k in range(LANES):
                    factor[i, i, k] *= 1.0 + RIDGES[k] / count[k]
            for m in range(j):
                for k in range(LANES):
                    factor[i, j, k] -= factor[i, m, k] * factor[j, m, k]
            if i > j:
                for k in range(LANES):
                    factor[i, j, k] *= factor[j, j, k]
        for k in range(LANES):
            pivot = factor[i, i, k]
            known = pivot > NO_INFORMATION * gram[i, i, k]
            factor[i, i, k] = 1.0 / np.sqrt(pivot) if known else 0.0


@kernel  # pragma: no cover
def solve(factor: Floats, cross: Floats, beta: Floats) -> None:
    """Fill `beta` `[P, LANES]` with the coefficients, given the factor of the Gram matrix.

    Each solved row is taken out of all others at once: that has no chain of sums to wait for.
    """
    size = len(cross)
    beta[:] = cross
    for i in range(size):
        for k in range(LANES):
            beta[i, k] *= factor[i, i, k]
        for m in range(i + 1, size):
            for k in range(LANES):
                beta[m, k] -= factor[m, i, k] * beta[i, k]
    for i in range(size - 1, -1, -1):
        for k in range(LANES):
            beta[i, k] *= factor[i, i, k]
        for m in range(i):
            for k in range(LANES):
                beta[m, k] -= factor[i, m, k] * beta[i, k]


@kernel  # pragma: no cover
def predict(beta: Floats, features: Floats, expected: Floats) -> None:
    """Fill `expected` `[LANES]` with the change that each lane predicts."""
    expected[:] = 0.0
    for i in range(len(features)):
        for k in range(LANES):
            expected[k] += beta[i, k] * features[i]


@kernel  # pragma: no cover
def iterate(
    last: float, features: Floats, beta: Floats, with_level: bool, horizons: Ints, row: Floats
) -> None:
    """Fill `row` `[H]` with forecasts, each step fed with the one before."""
    state, weights = features.copy(), beta.copy()
    value, step, first = last, 0, 1 + with_level
    for j in range(len(horizons)):
        while step < horizons[j]:
            step += 1
            change = 0.0
            for i in range(len(state)):
                change += weights[i] * state[i]
            value += change
            if with_level:
                state[1] += change
            for i in range(len(state) - 1, first, -1):
                state[i] = state[i - 1]
            if len(state) > first:
                state[first] = change
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
    rows, factors = np.zeros((kept, size)), np.zeros((kept, size, size, LANES))
    gram, count = np.zeros((size, size, LANES)), np.zeros(LANES)
    cross, loss = np.zeros((len(horizons), size, LANES)), np.zeros((len(horizons), LANES))
    expected, beta = np.zeros((kept, len(horizons), LANES)), np.zeros((size, LANES))
    forecasts = np.full((len(y), len(horizons)), np.nan)
    for t in range(start, len(y)):
        now = t % kept
        rows[now, 0] = 1.0
        fill_changes(y, t, rows[now, 1 : 1 + own_lags])
        fill_changes(partner, t, rows[now, 1 + own_lags :])
        accumulate(gram, count, rows[now], 1.0)
        factorise(gram, count, factors[now])
        for j in range(len(horizons)):
            s = t - horizons[j]
            if s < start:
                continue
            judge(expected[s % kept, j], y[t] - y[s], loss[j])
            add_outcome(cross[j], rows[s % kept], y[t] - y[s])
            solve(factors[s % kept], cross[j], beta)
            predict(beta, rows[now], expected[now, j])
            if s - start > size:
                forecasts[t, j] = y[t] + expected[now, j, loss[j].argmin()]
    return forecasts


@kernel  # pragma: no cover
def fill_changes(y: Floats, t: int, row: Floats) -> None:
    """Fill `row` with the last changes of `y` at index t, the latest first."""
    for i in range(len(row)):
        row[i] = y[t - i] - y[t - i - 1]
