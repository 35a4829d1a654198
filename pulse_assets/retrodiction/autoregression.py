"""Autoregression: the next change as a linear function of the last changes, and of the level.

The coefficients of p past changes are refitted at every 1 + p-th index (more often is no better)
by discounted least squares with a ridge; rows that were badly foreseen count less. Each diagonal
element of the Gram matrix grows by the share ridge / n (n the discounted count), so the prior is
no change at all, strong while little is known; it has no unit, and constant data do no harm.

Source:
    Young (2011), Recursive Estimation and Time-Series Analysis, doi:10.1007/978-3-642-21981-8.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

from pulse_assets.retrodiction.arrays import Floats, Ints, kernel
from pulse_assets.retrodiction.least_squares import (
    DISCOUNT,
    VECTOR,
    accumulate,
    add_outcome,
    factorise,
    predict,
    solve,
    substitute,
    weigh_outcome,
)
from pulse_assets.retrodiction.taming import tame

#: Forecasts `[O, H]` from a series `[T]`, what is learnt from, origins, horizons and season.
Sweep = Callable[[Floats, Floats, Ints, Ints, int], Floats]

#: Weight of the prior, in observations.
RIDGE: Final = 10.0
#: How fast the usual change, of a place in the season or of late, follows the latest one.
USUAL_CHANGE_RATE: Final = 0.2
#: Origins that `iterate` takes side by side, and terms of their changes that it adds at a time.
SLOT: Final = 32
TERMS: Final = 4
#: What is kept of an origin, see `take_steps`.
CONSTANT: Final = 0
SLOPE: Final = SLOT
LEVEL: Final = 2 * SLOT
VALUE: Final = 3 * SLOT
CHANGE: Final = 4 * SLOT
STATE: Final = 5 * SLOT
#: Growth beyond this, in logarithms, is none that any guard would let pass.
LARGEST_LOG: Final = 100.0


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
    coefficients = fit(seen, origins, order, with_level)
    return iterate(y, seen, origins, horizons, coefficients, with_level)


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
    np.minimum(growth, LARGEST_LOG, out=growth)
    forecasts = np.exp(growth, out=growth)
    forecasts *= y[origins, None]
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
    forecasts = np.empty((len(origins), len(horizons)))
    first = np.searchsorted(origins, 2 * season)
    forecasts[:first] = np.nan
    if first < len(origins):
        known = origins[first:]
        rest, carried = usual_changes(seen, known, horizons, season, rate)
        moves = rule(np.zeros(len(y)), rest[season:], known - season, horizons, season)
        np.add(carried, moves, out=forecasts[first:])
        forecasts[first:] += y[known, None]
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
def fit(seen: Floats, origins: Ints, order: int, with_level: bool) -> Floats:
    """Return the coefficients known at each origin `[P, O]`: constant, [level], changes.

    NaN until there are more fitted pairs than coefficients.
    """
    size, refit = 1 + with_level + order, 1 + order
    # The features, then the change that they precede, then nothing: see `factorise`.
    row = np.zeros(-(-(size + 1) // VECTOR) * VECTOR)
    gram, factor = np.zeros((size, len(row))), np.zeros((size, len(row)))
    beta, usual, expected, count = np.zeros(size), np.zeros(3), 0.0, 0.0
    coefficients, place = np.full((size, len(origins)), np.nan), 0
    for t in range(len(seen)):
        if t > order:
            row[size] = seen[t] - seen[t - 1]
            weight = weigh_outcome(abs(row[size] - expected), usual)
            count = DISCOUNT * count + 1.0
            accumulate(gram, row, weight)
            if (t - order - 1) % refit == 0:
                factorise(gram, RIDGE / count, factor)
                substitute(factor, factor[:, size], beta)
        if t >= order:
            row[0] = 1.0
            if with_level:
                row[1] = seen[t] - seen[0]
            fill_changes(seen, t, row[1 + with_level : size])
            expected = predict(beta, row)
        if place < len(origins) and origins[place] == t:
            if t > order + size:
                for i in range(size):
                    coefficients[i, place] = beta[i]
            place += 1
    return coefficients


@kernel  # pragma: no cover
def iterate(
    y: Floats, seen: Floats, origins: Ints, horizons: Ints, coefficients: Floats, with_level: bool
) -> Floats:
    """Forecast `[O, H]` from each origin by its coefficients, each step fed with the one before.

    A step waits for the one before, so many origins take it side by side.
    """
    order = len(coefficients) - 1 - with_level
    terms = -(-order // TERMS) * TERMS
    forecasts = np.empty((len(origins), len(horizons)))
    beta, path = np.zeros(terms * SLOT), np.zeros((terms + horizons[-1]) * SLOT)
    state = np.zeros(STATE)
    for first in range(0, len(origins), SLOT):
        width = min(SLOT, len(origins) - first)
        begun, known = origins[first : first + width], coefficients[:, first : first + width]
        for g in range(width):
            state[VALUE + g], state[CONSTANT + g] = y[begun[g]], known[0, g]
            state[LEVEL + g] = seen[begun[g]] - seen[0] if with_level else 0.0
            state[SLOPE + g] = known[1, g] if with_level else 0.0
        for i in range(order):
            own, changes = beta[i * SLOT :], path[(horizons[-1] + i) * SLOT :]
            for g in range(width):
                t = max(begun[g] - i, 0)
                own[g] = known[1 + with_level + i, g]
                changes[g] = seen[t] - seen[max(t - 1, 0)]
        take_steps(width, beta, path, state, horizons, forecasts[first : first + width])
    return forecasts


@kernel  # pragma: no cover
def take_steps(
    width: int, beta: Floats, path: Floats, state: Floats, horizons: Ints, forecasts: Floats
) -> None:
    """Fill `forecasts` `[O, H]`; `path` holds the changes, the latest first, before the known ones.

    Arrays hold `SLOT` numbers, an origin each, a field.
    """
    j = 0
    for step in range(1, horizons[-1] + 1):
        now = (horizons[-1] - step) * SLOT
        for g in range(width):
            state[CHANGE + g] = state[CONSTANT + g] + state[SLOPE + g] * state[LEVEL + g]
        for i in range(0, len(beta), TERMS * SLOT):
            add_terms(width, beta[i:], path[now + SLOT + i :], state)
        keep_change(width, path[now:], state)
        if horizons[j] == step:
            for g in range(width):
                forecasts[g, j] = state[VALUE + g]
            j += 1


@kernel  # pragma: no cover
def add_terms(width: int, beta: Floats, path: Floats, state: Floats) -> None:
    """Add the next `TERMS` coefficients times changes to `CHANGE`."""
    for g in range(width):
        first = beta[g] * path[g] + beta[SLOT + g] * path[SLOT + g]
        second = beta[2 * SLOT + g] * path[2 * SLOT + g] + beta[3 * SLOT + g] * path[3 * SLOT + g]
        state[CHANGE + g] += first + second


@kernel  # pragma: no cover
def keep_change(width: int, path: Floats, state: Floats) -> None:
    """Add `CHANGE` to value and level, and to the path."""
    for g in range(width):
        path[g] = state[CHANGE + g]
        state[VALUE + g] += state[CHANGE + g]
        state[LEVEL + g] += state[CHANGE + g]


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
