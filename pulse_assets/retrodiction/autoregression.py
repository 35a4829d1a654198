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

from pulse_assets.retrodiction.arrays import Floats, Ints, end_of, kernel
from pulse_assets.retrodiction.asked import Asked
from pulse_assets.retrodiction.baselines import fill
from pulse_assets.retrodiction.least_squares import (
    DISCOUNT,
    ROW,
    accumulate,
    add_outcome,
    factorise,
    predict,
    solve,
    substitute,
    weigh_outcome,
)
from pulse_assets.retrodiction.smoothing import following
from pulse_assets.retrodiction.taming import tame

#: Forecasts `[O, H]` from series `[T]`, what is learnt from, and what is asked.
Sweep = Callable[[Floats, Floats, Asked], Floats]

#: Weight of the prior, in observations.
RIDGE: Final = 10.0
#: How fast the usual change, of a place in the season or of late, follows the latest one.
USUAL_CHANGE_RATE: Final = 0.2
#: Origins that `iterate` takes side by side, and terms of their changes that it adds at a time.
SLOT: Final = 64
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


def autoregress(y: Floats, seen: Floats, asked: Asked, *, order: int, with_level: bool) -> Floats:
    """Iterate the fitted change step by step: d_{t+1} = c + [b (y_t - y_0)] + sum a_i d_{t-i}.

    Args:
        y: series without gaps `[T]`, whose last value the changes are added to.
        seen: the series `[T]` that are learnt from.
        asked: which forecasts are wanted.
        order: how many past changes d enter.
        with_level: whether the level enters, which lets the series revert to a mean.

    Returns:
        Forecasts `[O, H]`; NaN until there are more fitted pairs than coefficients.
    """
    return iterate(y, seen, asked, fit(seen, asked, order, with_level), with_level)


ar_diff = partial(autoregress, with_level=False)
ar_level = partial(autoregress, with_level=True)


def seasonal_ar(y: Floats, seen: Floats, asked: Asked, *, order: int) -> Floats:
    """Autoregress the changes against a season ago, with their level, and add that season back.

    d_t = y_t - y_{t-m} is forecast as by `ar_level`; f_{t+h} = d_{t+h} + y_{t+h-m}, itself a
    forecast where h exceeds the season m. Without a season there is none.
    """
    if asked.season < 2:
        return np.full((len(asked.origins), len(asked.horizons)), np.nan)
    steps, change = np.arange(1, asked.horizons[-1] + 1), seasonal_changes(seen, asked)
    path = ar_level(change, change, asked.later(asked.season)._replace(horizons=steps), order=order)
    return add_last_season(y, seen, asked, path)


@kernel  # pragma: no cover
def seasonal_changes(y: Floats, asked: Asked) -> Floats:
    """Return y_t - y_{t-m} `[T]`, 0 in the first season m."""
    changes = np.zeros(len(y))
    for s in range(len(asked.begins)):
        end = end_of(asked.begins, s, len(y))
        for t in range(asked.begins[s] + asked.season, end):
            changes[t] = y[t] - y[t - asked.season]
    return changes


@kernel  # pragma: no cover
def add_last_season(y: Floats, seen: Floats, asked: Asked, path: Floats) -> Floats:
    """Add to forecast changes against a season before `[O, S]`, S steps, that season: `[O, H]`."""
    forecasts, season = np.empty((len(path), len(asked.horizons))), asked.season
    for row in range(len(path)):
        origin, made = asked.origins[row], path[row]
        raised = y[origin] - seen[origin]
        for h in range(len(made)):
            # Without a season before there is no forecast, whatever is added.
            ago = max(origin + 1 + h - season, 0)
            made[h] += seen[ago] + raised if h < season else made[h - season]
        for j in range(len(asked.horizons)):
            forecasts[row, j] = made[asked.horizons[j] - 1]
    return forecasts


def logarithmic(y: Floats, seen: Floats, asked: Asked, *, rule: Sweep) -> Floats:
    """Apply a rule to the tamed logarithm; NaN from the first value on of another sign."""
    last, logs = take_logs(y, asked)
    growth = rule(np.zeros(len(y)), tame(np.log(logs, out=logs), asked.begins), asked)
    np.minimum(growth, LARGEST_LOG, out=growth)
    forecasts = np.exp(growth, out=growth)
    forecasts *= last[asked.origins, None]
    return forecasts


@kernel  # pragma: no cover
def take_logs(y: Floats, asked: Asked) -> tuple[Floats, Floats]:
    """Return the values, NaN from the first one on of another sign than the series' first, `[T]`.

    And their sizes, of which logarithms are to be taken: 1 where there is none, `[T]`.
    """
    proper, sizes = np.empty(len(y)), np.empty(len(y))
    for s in range(len(asked.begins)):
        end = end_of(asked.begins, s, len(y))
        positive, alike = y[asked.begins[s]] > 0.0, y[asked.begins[s]] != 0.0
        for t in range(asked.begins[s], end):
            alike = alike and (y[t] > 0.0 if positive else y[t] < 0.0)
            proper[t], sizes[t] = (y[t], abs(y[t])) if alike else (np.nan, 1.0)
    return proper, sizes


def beside_usual(
    y: Floats, seen: Floats, asked: Asked, *, rule: Sweep, rate: float = USUAL_CHANGE_RATE
) -> Floats:
    """Carry on the usual change of each place in the season; forecast the rest by a rule.

    The usual change is smoothed: u <- u + rate (d - u), d the change at the same place a season
    later, and the mean of the first ones. With an autoregression this is a seasonal ARIMA model
    with a moving average of one season: of order (p, 1, 0) x (0, 1, 1). Needs a season.

    Source:
        Box, Jenkins, Reinsel, Ljung (2015), Time Series Analysis, chapter 9 (the airline model).
    """
    if asked.season < 2:
        return np.full((len(asked.origins), len(asked.horizons)), np.nan)
    return _beside_usual(y, seen, asked, asked.season, rule, rate)


def beside_drift(y: Floats, seen: Floats, asked: Asked, *, rule: Sweep) -> Floats:
    """Carry on the usual change of late, smoothed as by `beside_usual`; the rest by a rule."""
    return _beside_usual(y, seen, asked, 1, rule, USUAL_CHANGE_RATE)


def _beside_usual(
    y: Floats, seen: Floats, asked: Asked, season: int, rule: Sweep, rate: float
) -> Floats:
    rest, carried = usual_changes(seen, asked, season, rate)
    moves = rule(np.zeros(len(y)), rest, asked.later(season))
    return add_moves(y, asked.origins, carried, moves)


@kernel  # pragma: no cover
def add_moves(y: Floats, origins: Ints, carried: Floats, moves: Floats) -> Floats:
    """Return the last values plus both moves `[O, H]`."""
    for row in range(len(origins)):
        for j in range(carried.shape[1]):
            moves[row, j] += carried[row, j] + y[origins[row]]
    return moves


@kernel  # pragma: no cover
def usual_changes(y: Floats, asked: Asked, season: int, rate: float) -> tuple[Floats, Floats]:
    """Split series into usual changes, one a place in the season, and the rest.

    Args:
        y: series without gaps `[T]`.
        asked: where they begin, origins and horizons.
        season: observations a season, >= 1.
        rate: how fast the usual change follows, 0..1; while 1 / n is larger, n the changes seen
            at that place, it is their mean.

    Returns:
        The sum of the changes less what was usual before each `[T]`, and the sum of the usual
        changes over the next h steps as known at each origin `[O, H]`, NaN in the first two
        seasons.

    Example:
        0, 1, 3 with a season of 1: 1 is usual after the first change, so 3 is 1 more than usual.
    """
    usual, rest = np.empty(season), np.zeros(len(y))
    carried = np.empty((len(asked.origins), len(asked.horizons)))
    for s in range(len(asked.begins)):
        begin = t = asked.begins[s]
        place, seasons = 0, 0
        usual[:] = 0.0
        for row in range(asked.rows[s], asked.rows[s + 1]):
            while t < asked.origins[row]:
                t, place = t + 1, following(place, season)
                seasons += place == min(1, season - 1)
                surprise = y[t] - y[t - 1] - usual[place]
                usual[place] += max(rate, 1.0 / seasons) * surprise
                rest[t] = rest[t - 1] + surprise
            fill(carried[row], 0.0 if t - begin >= 2 * season else np.nan)
            add_usual(usual, place, asked.horizons, carried[row])
    return rest, carried


@kernel  # pragma: no cover
def add_usual(usual: Floats, place: int, horizons: Ints, row: Floats) -> None:
    """Add to `row` `[H]` the usual changes of the next h steps, `place` that of the last one."""
    total, step = 0.0, 0
    for j in range(len(horizons)):
        while step < horizons[j]:
            step, place = step + 1, following(place, len(usual))
            total += usual[place]
        row[j] += total


@kernel  # pragma: no cover
def fit(seen: Floats, asked: Asked, order: int, with_level: bool) -> Floats:
    """Return the coefficients known at each origin `[P, O]`: constant, [level], changes.

    NaN until there are more fitted pairs than coefficients.
    """
    size, refit, origins = 1 + with_level + order, 1 + order, asked.origins
    # The features, then the change that they precede, then nothing: see `factorise`.
    row, gram, factor = np.zeros(ROW), np.empty((size, ROW)), np.zeros((size, ROW))
    beta, usual = np.empty(size), np.empty(3)
    coefficients = np.empty((size, len(origins)))
    for s in range(len(asked.begins)):
        begin, expected, count = asked.begins[s], 0.0, 0.0
        gram[:], beta[:], usual[:] = 0.0, 0.0, 0.0
        t = begin
        for place in range(asked.rows[s], asked.rows[s + 1]):
            while t <= origins[place]:
                if t - begin > order:
                    row[size] = seen[t] - seen[t - 1]
                    weight = weigh_outcome(abs(row[size] - expected), usual)
                    count = DISCOUNT * count + 1.0
                    accumulate(gram, row, weight)
                    if (t - begin - order - 1) % refit == 0:
                        factorise(gram, RIDGE / count, factor)
                        substitute(factor, factor[:, size], beta)
                if t - begin >= order:
                    row[0] = 1.0
                    if with_level:
                        row[1] = seen[t] - seen[begin]
                    fill_changes(seen, t, row[1 + with_level : size])
                    expected = predict(beta, row)
                t += 1
            known = origins[place] - begin > order + size
            for i in range(size):
                coefficients[i, place] = beta[i] if known else np.nan
    return coefficients


@kernel  # pragma: no cover
def iterate(
    y: Floats, seen: Floats, asked: Asked, coefficients: Floats, with_level: bool
) -> Floats:
    """Forecast `[O, H]` from each origin by its coefficients, each step fed with the one before.

    A step waits for the one before, so many origins take it side by side.
    """
    order, longest = len(coefficients) - 1 - with_level, asked.horizons[-1]
    terms = -(-order // TERMS) * TERMS
    forecasts = np.empty((len(asked.origins), len(asked.horizons)))
    beta, path = np.zeros(terms * SLOT), np.zeros((terms + longest) * SLOT)
    state = np.zeros(STATE)
    for s in range(len(asked.begins)):
        for first in range(asked.rows[s], asked.rows[s + 1], SLOT):
            last = min(first + SLOT, asked.rows[s + 1])
            begun, known = asked.origins[first:last], coefficients[:, first:last]
            for g in range(last - first):
                state[VALUE + g], state[CONSTANT + g] = y[begun[g]], known[0, g]
                # From origins before the begin there is no forecast.
                level = seen[begun[g]] - seen[min(begun[g], asked.begins[s])]
                state[LEVEL + g] = level if with_level else 0.0
                state[SLOPE + g] = known[1, g] if with_level else 0.0
            for i in range(order):
                own, changes = beta[i * SLOT :], path[(longest + i) * SLOT :]
                for g in range(last - first):
                    own[g] = known[1 + with_level + i, g]
                    t = max(begun[g] - i, 0)
                    changes[g] = seen[t] - seen[max(t - 1, 0)]
            take_steps(beta, path, state, asked.horizons, forecasts[first:last])
    return forecasts


@kernel  # pragma: no cover
def take_steps(
    beta: Floats, path: Floats, state: Floats, horizons: Ints, forecasts: Floats
) -> None:
    """Fill `forecasts` `[O, H]`; `path` holds the changes, the latest first, before the known ones.

    Arrays hold `SLOT` numbers, an origin each, a field.
    """
    j, width = 0, len(forecasts)
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
    rows, factors = np.zeros((kept, ROW)), np.zeros((kept, size, ROW))
    gram, beta, count = np.zeros((size, ROW)), np.zeros(size), 0.0
    cross = np.zeros((len(horizons), size))
    forecasts = np.full((len(y), len(horizons)), np.nan)
    for t in range(start, len(y)):
        now = t % kept
        rows[now, 0] = 1.0
        fill_changes(y, t, rows[now, 1 : 1 + own_lags])
        fill_changes(partner, t, rows[now, 1 + own_lags : size])
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
