"""Exponential smoothing: level, trend and season as running averages that forget the past.

Each rule runs a whole grid of smoothing constants at once and forecasts, at each origin, with
those whose one-step errors up to that origin were smallest. The rules' shapes are those of
`baselines`.

Source:
    Hyndman, Koehler, Ord, Snyder (2008), Forecasting with Exponential Smoothing,
    doi:10.1007/978-3-540-71918-2; for theta: Hyndman, Billah (2003), Unmasking the Theta method,
    doi:10.1016/S0169-2070(01)00143-1.
"""

from itertools import product
from typing import Final

import numpy as np

from pulse_assets.retrodiction.arrays import Floats, Ints, kernel
from pulse_assets.retrodiction.asked import Asked
from pulse_assets.retrodiction.baselines import fill

#: Share of the absolute one-step errors kept from step to step when constants are compared.
LOSS_DISCOUNT: Final = 0.998

#: Below this a number counts as 0: on its way down to 0 arithmetic would be a hundred times slower.
TINY: Final = 1e-200

#: Most constants of a grid, see `smooth`.
SLOT: Final = 128
LEVEL: Final = 0
TREND: Final = SLOT
LOSS: Final = 2 * SLOT
SEASON: Final = 3 * SLOT
FIELDS: Final = 4
ALPHA: Final = 0
BETA: Final = SLOT
PHI: Final = 2 * SLOT
GAMMA: Final = 3 * SLOT


def _grid(*axes: tuple[float, ...]) -> Floats:
    """Return every combination of the constants, one array `[G]` an axis."""
    return np.array(list(product(*axes))).T.copy()


_LEVELS: Final = (0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0)

#: Rows: alpha of the level, beta of the trend, phi that damps the trend.
SES_GRID: Final = _grid(_LEVELS, (0.0,), (0.0,))
HOLT_GRID: Final = _grid(
    (0.1, 0.3, 0.5, 0.7, 0.9, 1.0, 1.2), (0.0, 0.01, 0.03, 0.1, 0.3, 0.6), (1.0,)
)
DAMPED_GRID: Final = _grid(
    (0.1, 0.3, 0.5, 0.7, 0.9, 1.2), (0.03, 0.1, 0.3, 0.6), (0.7, 0.8, 0.9, 0.96)
)
#: Rows: alpha, beta, phi and gamma of the season.
SEASONAL_GRID: Final = _grid((0.1, 0.3, 0.6, 0.9), (0.02, 0.1), (0.95,), (0.05, 0.2, 0.4))


def ses(y: Floats, seen: Floats, asked: Asked, grid: Floats = SES_GRID) -> Floats:
    """Carry on the smoothed level: l <- l + alpha (y - l), from l = y_0.

    Example:
        With alpha 0.5 the series 4, 8 has the levels 4 and 6.
    """
    return _carry_levels_on(y, seen, asked, grid)


def holt(y: Floats, seen: Floats, asked: Asked, grid: Floats = HOLT_GRID) -> Floats:
    """Carry on the smoothed level and its smoothed trend: f = l + (phi + ... + phi^h) b.

    Error e = y - (l + phi b) moves both: l <- l + phi b + alpha e, b <- phi b + alpha beta e.
    Without damping (`holt`) phi is 1.

    Example:
        With alpha = beta = 0.5 the series 0, 4 has level 2 and trend 1, so 3 is next, then 4.
    """
    return _carry_trends_on(y, seen, asked, grid)


def damped_holt(y: Floats, seen: Floats, asked: Asked, grid: Floats = DAMPED_GRID) -> Floats:
    """Carry on level and a trend that fades: `holt` with phi below 1."""
    return _carry_trends_on(y, seen, asked, grid)


def theta(y: Floats, seen: Floats, asked: Asked, grid: Floats = SES_GRID) -> Floats:
    """Carry on the smoothed level with half the slope b of the least-squares line so far.

    f = l + b / 2 (h - 1 + (1 - (1 - alpha)^n) / alpha) after n values.

    Example:
        Of 0, 2, 4 with alpha 1 the level is 4 and b is 2, so 5 is next, then 6.
    """
    return _carry_half_lines_on(y, seen, asked, grid)


@kernel  # pragma: no cover
def trace_level(seen: Floats, asked: Asked, grid: Floats) -> tuple[Floats, Ints]:
    """Smooth the level alone with every constant of `grid`, see `trace_trend`.

    Returns:
        Level `[O]` and index of the constant used `[O]`.
    """
    constants, state = flatten(grid), np.zeros(FIELDS * SLOT)
    origins, size = asked.origins, grid.shape[1]
    levels, chosen = np.empty(len(origins)), np.empty(len(origins), np.int64)
    for s in range(len(asked.begins)):
        t: int = asked.begins[s]
        state[LOSS : LOSS + SLOT], state[LEVEL : LEVEL + SLOT] = 0.0, seen[t]
        for row in range(asked.rows[s], asked.rows[s + 1]):
            while t < origins[row]:
                t += 1
                smooth_level(seen[t], constants, size, state)
            chosen[row] = find_best(state, size)
            levels[row] = state[LEVEL + chosen[row]]
    return levels, chosen


@kernel  # pragma: no cover
def trace_trend(seen: Floats, asked: Asked, grid: Floats) -> tuple[Floats, Floats, Ints]:
    """Smooth level and trend with every constant of `grid`; keep the best at each origin.

    Args:
        seen: series without gaps `[T]`.
        asked: where they begin, and the origins.
        grid: alpha, beta and phi `[3, G]`.

    Returns:
        Level `[O]`, trend `[O]` and index of the constants used `[O]`.
    """
    constants, state = flatten(grid), np.empty(FIELDS * SLOT)
    origins, size = asked.origins, grid.shape[1]
    levels, trends = np.empty(len(origins)), np.empty(len(origins))
    chosen = np.empty(len(origins), np.int64)
    for s in range(len(asked.begins)):
        t: int = asked.begins[s]
        state[:] = 0.0
        state[LEVEL : LEVEL + SLOT] = seen[t]
        for row in range(asked.rows[s], asked.rows[s + 1]):
            while t < origins[row]:
                t += 1
                smooth(seen[t], constants, size, state)
            best = find_best(state, size)
            chosen[row], levels[row], trends[row] = best, state[LEVEL + best], state[TREND + best]
    return levels, trends, chosen


@kernel  # pragma: no cover
def _carry_levels_on(y: Floats, seen: Floats, asked: Asked, grid: Floats) -> Floats:
    levels, _ = trace_level(seen, asked, grid)
    forecasts = np.empty((len(asked.origins), len(asked.horizons)))
    for row in range(len(forecasts)):
        origin = asked.origins[row]
        fill(forecasts[row], levels[row] + y[origin] - seen[origin])
    return forecasts


@kernel  # pragma: no cover
def _carry_trends_on(y: Floats, seen: Floats, asked: Asked, grid: Floats) -> Floats:
    levels, trends, chosen = trace_trend(seen, asked, grid)
    forecasts = np.empty((len(asked.origins), len(asked.horizons)))
    for row in range(len(forecasts)):
        origin = asked.origins[row]
        level = levels[row] + y[origin] - seen[origin]
        carry_on(level, trends[row], grid[2, chosen[row]], asked.horizons, forecasts[row])
    return forecasts


@kernel  # pragma: no cover
def _carry_half_lines_on(y: Floats, seen: Floats, asked: Asked, grid: Floats) -> Floats:
    levels, chosen = trace_level(seen, asked, grid)
    slopes, age, left = line_slopes(seen, asked), np.empty(SLOT), np.empty(SLOT)
    forecasts = np.empty((len(asked.origins), len(asked.horizons)))
    for s in range(len(asked.begins)):
        t = asked.begins[s]
        age[:], left[:] = 1.0, 1.0
        for row in range(asked.rows[s], asked.rows[s + 1]):
            origin = asked.origins[row]
            while t < origin:
                t += 1
                grow_older(grid[0], age, left)
            level = levels[row] + y[origin] - seen[origin]
            half, start = slopes[row] / 2.0, age[chosen[row]]
            for j in range(len(asked.horizons)):
                forecasts[row, j] = level + half * (asked.horizons[j] - 1 + start)
    return forecasts


@kernel  # pragma: no cover
def grow_older(alpha: Floats, age: Floats, left: Floats) -> None:
    """Add the next (1 - alpha)^n to each `age`, by then (1 - (1 - alpha)^(n + 1)) / alpha."""
    for g in range(len(alpha)):
        left[g] *= 1.0 - alpha[g]
        left[g] = left[g] if left[g] > TINY else 0.0
        age[g] += left[g]


@kernel  # pragma: no cover
def line_slopes(y: Floats, asked: Asked) -> Floats:
    """Return the slope of the least-squares line from each series' begin to each origin `[O]`.

    It is 0 after one value.
    """
    slopes = np.empty(len(asked.origins))
    for s in range(len(asked.begins)):
        begin = t = asked.begins[s]
        total, moment = 0.0, 0.0
        for row in range(asked.rows[s], asked.rows[s + 1]):
            while t <= asked.origins[row]:
                total += y[t] - y[begin]
                moment += (t - begin) * (y[t] - y[begin])
                t += 1
            n = float(t - begin)
            # sum((s - mean(s)) moved_s) = sum(s moved_s) - mean(s) sum(moved_s), divided by
            # sum((s - mean(s))^2), 0.5 for two values; at one value the sum above is 0.
            cross = moment - (n - 1.0) / 2.0 * total
            slopes[row] = cross / max(n * (n * n - 1.0) / 12.0, 0.5)
    return slopes


@kernel  # pragma: no cover
def carry_on(level: float, trend: float, phi: float, horizons: Ints, row: Floats) -> None:
    """Fill `row` `[H]` with level + (phi + ... + phi^h) trend."""
    step = 0
    for j in range(len(horizons)):
        while step < horizons[j]:
            step += 1
            trend *= phi
            level += trend
        row[j] = level


@kernel  # pragma: no cover
def flatten(grid: Floats) -> Floats:
    """Lay out a grid `[C, G]` as `smooth` reads it, `SLOT` numbers a constant."""
    constants = np.zeros(len(grid) * SLOT)
    for c in range(len(grid)):
        constants[c * SLOT : c * SLOT + grid.shape[1]] = grid[c]
    return constants


@kernel  # pragma: no cover
def smooth_level(value: float, constants: Floats, size: int, state: Floats) -> None:
    """Let the next value move the level under every constant, and judge these by it."""
    for g in range(size):
        error = value - state[LEVEL + g]
        error = error if abs(error) > TINY else 0.0
        state[LOSS + g] = LOSS_DISCOUNT * state[LOSS + g] + abs(error)
        state[LEVEL + g] += constants[ALPHA + g] * error


@kernel  # pragma: no cover
def smooth(value: float, constants: Floats, size: int, state: Floats) -> None:
    """Let the next value move level and trend under every constant, and judge these by it.

    State and constants are one array each, their fields a constant `SLOT` apart: knowing that they
    do not overlap, the compiler handles several constants at once.
    """
    for g in range(size):
        slope = constants[PHI + g] * state[TREND + g]
        slope = slope if abs(slope) > TINY else 0.0
        error = value - state[LEVEL + g] - slope
        error = error if abs(error) > TINY else 0.0
        state[LOSS + g] = LOSS_DISCOUNT * state[LOSS + g] + abs(error)
        step = constants[ALPHA + g] * error
        state[LEVEL + g] += slope + step
        state[TREND + g] = slope + constants[BETA + g] * step


@kernel  # pragma: no cover
def find_best(state: Floats, size: int) -> int:
    """Return the first place of the smallest loss."""
    # Numbers >= 0 are in the order of their bits, of which a machine compares several at once.
    losses = state[LOSS : LOSS + size].view(np.uint64)
    smallest, best = losses[0], size
    for g in range(size):
        smallest = min(smallest, losses[g])
    for g in range(size):
        best = min(best, g if losses[g] == smallest else size)
    return best


def seasonal_holt_winters(
    y: Floats, seen: Floats, asked: Asked, grid: Floats = SEASONAL_GRID
) -> Floats:
    """Carry on level, damped trend and the additive season; needs two seasons of at least 2.

    Error e = y - (l + phi b + s) moves all three: as in `holt`, and s <- s + gamma (1 - alpha) e.
    The first two seasons give the starting values.

    Example:
        1, 5, 1, 5 with a season of 2 is level 3, no trend, season -2 and 2: 1 is next, then 5.
    """
    return _carry_seasons_on(y, seen, asked, grid)


@kernel  # pragma: no cover
def start_season(y: Floats, season: int, state: Floats, seasonal: Floats) -> None:
    """Read the state and the seasons `[season, G]` off the first two seasons."""
    first, second = y[:season].mean(), y[season : 2 * season].mean()
    trend = (second - first) / season
    middle = (first + second) / 2.0
    for i in range(season):
        line = middle + trend * (i - (season - 1) / 2.0)
        seasonal[i] = (y[i] + y[season + i]) / 2.0 - line
    state[:] = 0.0
    state[LEVEL : LEVEL + SLOT] = middle + trend * (season - 0.5)
    state[TREND : TREND + SLOT] = trend


@kernel  # pragma: no cover
def smooth_season(value: float, constants: Floats, size: int, state: Floats, now: Floats) -> None:
    """Let the next value move level, trend and the season `now` `[G]`, as `smooth` does."""
    for g in range(size):
        state[SEASON + g] = now[g]
    for g in range(size):
        slope = constants[PHI + g] * state[TREND + g]
        slope = slope if abs(slope) > TINY else 0.0
        error = value - state[LEVEL + g] - slope - state[SEASON + g]
        error = error if abs(error) > TINY else 0.0
        state[LOSS + g] = LOSS_DISCOUNT * state[LOSS + g] + abs(error)
        step = constants[ALPHA + g] * error
        state[LEVEL + g] += slope + step
        state[TREND + g] = slope + constants[BETA + g] * step
        state[SEASON + g] += constants[GAMMA + g] * (1.0 - constants[ALPHA + g]) * error
    for g in range(size):
        now[g] = state[SEASON + g]


@kernel  # pragma: no cover
def _carry_seasons_on(y: Floats, seen: Floats, asked: Asked, grid: Floats) -> Floats:
    constants, size, season = flatten(grid), grid.shape[1], asked.season
    state, seasonal = np.empty(FIELDS * SLOT), np.empty((season, size))
    forecasts = np.full((len(asked.origins), len(asked.horizons)), np.nan)
    for s in range(len(asked.begins)):
        begin: int = asked.begins[s]
        t, place = begin + 2 * season - 1, season - 1
        for row in range(asked.rows[s], asked.rows[s + 1]):
            origin = asked.origins[row]
            if season < 2 or origin < begin + 2 * season - 1:
                continue
            if t == begin + 2 * season - 1:
                start_season(seen[begin : t + 1], season, state, seasonal)
            while t < origin:
                t, place = t + 1, following(place, season)
                smooth_season(seen[t], constants, size, state, seasonal[place])
            best = find_best(state, size)
            level = state[LEVEL + best] + y[t] - seen[t]
            carry_on(level, state[TREND + best], grid[2, best], asked.horizons, forecasts[row])
            add_season(seasonal[:, best], place, asked.horizons, forecasts[row])
    return forecasts


@kernel  # pragma: no cover
def following(place: int, season: int) -> int:
    """Return the next place in the season: to count is a tenth of the cost of a remainder."""
    return place + 1 if place + 1 < season else 0


@kernel  # pragma: no cover
def add_season(seasonal: Floats, place: int, horizons: Ints, row: Floats) -> None:
    """Add to forecasts `[H]` what is usual at their places in the season, `place` the origin's."""
    step = 0
    for j in range(len(horizons)):
        while step < horizons[j]:
            step, place = step + 1, following(place, len(seasonal))
        row[j] += seasonal[place]
