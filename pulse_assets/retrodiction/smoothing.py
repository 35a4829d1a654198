"""Exponential smoothing: level, trend and season as running averages that forget the past.

Each rule runs a whole grid of smoothing constants at once and forecasts, at each origin, with
those whose one-step errors up to that origin were smallest. The rules' shapes are those of
`baselines`.

Source:
    Hyndman, Koehler, Ord, Snyder (2008), Forecasting with Exponential Smoothing,
    doi:10.1007/978-3-540-71918-2; for theta: Hyndman, Billah (2003), Unmasking the Theta method,
    doi:10.1016/S0169-2070(01)00143-1.
"""

from functools import lru_cache
from itertools import product
from typing import Final

import numpy as np

from pulse_assets.retrodiction.arrays import Floats, Ints, kernel

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
SMALLEST: Final = 4 * SLOT
FIELDS: Final = 5
ALPHA: Final = 0
BETA: Final = SLOT
PHI: Final = 2 * SLOT
GAMMA: Final = 3 * SLOT

#: Values after which the start no longer shows in a smoothed level, for alpha of 0.05 and above.
OLDEST: Final = 1000


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


def ses(
    y: Floats, seen: Floats, origins: Ints, horizons: Ints, season: int, grid: Floats = SES_GRID
) -> Floats:
    """Carry on the smoothed level: l <- l + alpha (y - l), from l = y_0.

    Example:
        With alpha 0.5 the series 4, 8 has the levels 4 and 6.
    """
    level, _, _ = trace_trend(seen, origins, grid)
    return np.repeat((level + (y - seen)[origins])[:, None], len(horizons), axis=1)


def holt(
    y: Floats, seen: Floats, origins: Ints, horizons: Ints, season: int, grid: Floats = HOLT_GRID
) -> Floats:
    """Carry on the smoothed level and its smoothed trend: f = l + (phi + ... + phi^h) b.

    Error e = y - (l + phi b) moves both: l <- l + phi b + alpha e, b <- phi b + alpha beta e.
    Without damping (`holt`) phi is 1.

    Example:
        With alpha = beta = 0.5 the series 0, 4 has level 2 and trend 1, so 3 is next, then 4.
    """
    return _carry_trends_on(y, seen, origins, horizons, grid)


def damped_holt(
    y: Floats, seen: Floats, origins: Ints, horizons: Ints, season: int, grid: Floats = DAMPED_GRID
) -> Floats:
    """Carry on level and a trend that fades: `holt` with phi below 1."""
    return holt(y, seen, origins, horizons, season, grid)


def theta(
    y: Floats, seen: Floats, origins: Ints, horizons: Ints, season: int, grid: Floats = SES_GRID
) -> Floats:
    """Carry on the smoothed level with half the slope b of the least-squares line so far.

    f = l + b / 2 (h - 1 + (1 - (1 - alpha)^n) / alpha) after n values.

    Example:
        Of 0, 2, 4 with alpha 1 the level is 4 and b is 2, so 5 is next, then 6.
    """
    level, _, chosen = trace_trend(seen, origins, grid)
    start = _age(tuple(grid[0]))[np.minimum(origins, OLDEST - 1), chosen]
    drift = _line_slope(seen)[origins] / 2.0
    level += (y - seen)[origins]
    return level[:, None] + drift[:, None] * (horizons - 1 + start[:, None])


@lru_cache
def _age(alpha: tuple[float, ...]) -> Floats:
    """Return (1 - (1 - alpha)^n) / alpha `[OLDEST, G]` for n = 1, 2, ..."""
    return np.cumsum((1.0 - np.array(alpha)) ** np.arange(OLDEST)[:, None], axis=0)


def _line_slope(y: Floats) -> Floats:
    """Slope of the least-squares line through y_0 ... y_t against time, at each t; 0 at first."""
    n = np.arange(1, len(y) + 1, dtype=np.float64)
    moved = y - y[0]
    # sum((s - mean(s)) moved_s) = sum(s moved_s) - mean(s) sum(moved_s)
    cross = np.cumsum((n - 1.0) * moved) - (n - 1.0) / 2.0 * np.cumsum(moved)
    # sum((s - mean(s))^2), 0.5 for two values; at one value the sum above is 0.
    return cross / np.maximum(n * (n * n - 1.0) / 12.0, 0.5)


@kernel  # pragma: no cover
def trace_trend(y: Floats, origins: Ints, grid: Floats) -> tuple[Floats, Floats, Ints]:
    """Smooth level and trend with every constant of `grid`; keep the best at each origin.

    Args:
        y: series without gaps `[T]`.
        origins: indices `[O]`, ascending.
        grid: alpha, beta and phi `[3, G]`.

    Returns:
        Level `[O]`, trend `[O]` and index of the constants used `[O]`.
    """
    constants, state = flatten(grid), np.zeros(FIELDS * SLOT)
    state[:SLOT] = y[0]
    levels, trends = np.empty(len(origins)), np.empty(len(origins))
    chosen, row = np.zeros(len(origins), np.int64), 0
    for t in range(len(y)):
        if t > 0:
            smooth(y[t], constants, grid.shape[1], state)
        if row < len(origins) and origins[row] == t:
            best = find_best(state, grid.shape[1])
            chosen[row], levels[row], trends[row] = best, state[best], state[TREND + best]
            row += 1
    return levels, trends, chosen


@kernel  # pragma: no cover
def _carry_trends_on(
    y: Floats, seen: Floats, origins: Ints, horizons: Ints, grid: Floats
) -> Floats:
    levels, trends, chosen = trace_trend(seen, origins, grid)
    forecasts = np.empty((len(origins), len(horizons)))
    for row in range(len(origins)):
        level = levels[row] + y[origins[row]] - seen[origins[row]]
        carry_on(level, trends[row], grid[2, chosen[row]], horizons, forecasts[row])
    return forecasts


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
    for g in range(size):
        state[SMALLEST + g] = state[LOSS + g]
    # By halves, several at once.
    left = size
    while left > 1:
        half = (left + 1) // 2
        for g in range(left - half):
            other = state[SMALLEST + half + g]
            state[SMALLEST + g] = min(state[SMALLEST + g], other)
        left = half
    for g in range(size):
        if state[LOSS + g] == state[SMALLEST]:
            return g
    return 0


def seasonal_holt_winters(
    y: Floats,
    seen: Floats,
    origins: Ints,
    horizons: Ints,
    season: int,
    grid: Floats = SEASONAL_GRID,
) -> Floats:
    """Carry on level, damped trend and the additive season; needs two seasons of at least 2.

    Error e = y - (l + phi b + s) moves all three: as in `holt`, and s <- s + gamma (1 - alpha) e.
    The first two seasons give the starting values.

    Example:
        1, 5, 1, 5 with a season of 2 is level 3, no trend, season -2 and 2: 1 is next, then 5.
    """
    if season < 2 or len(y) < 2 * season:
        return np.full((len(origins), len(horizons)), np.nan)
    return _trace_season(y, seen, origins, horizons, season, grid)


@kernel  # pragma: no cover
def _start_season(y: Floats, season: int, size: int) -> tuple[Floats, Floats]:
    """Read the state and the seasons `[season, size]` off the first two seasons."""
    first, second = y[:season].mean(), y[season : 2 * season].mean()
    trend = (second - first) / season
    middle = (first + second) / 2.0
    seasonal, state = np.empty((season, size)), np.zeros(FIELDS * SLOT)
    for i in range(season):
        line = middle + trend * (i - (season - 1) / 2.0)
        seasonal[i] = (y[i] + y[season + i]) / 2.0 - line
    state[LEVEL : LEVEL + SLOT] = middle + trend * (season - 0.5)
    state[TREND : TREND + SLOT] = trend
    return state, seasonal


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
def _trace_season(
    y: Floats, seen: Floats, origins: Ints, horizons: Ints, season: int, grid: Floats
) -> Floats:
    constants, size = flatten(grid), grid.shape[1]
    state, seasonal = _start_season(seen, season, size)
    forecasts, row = np.full((len(origins), len(horizons)), np.nan), 0
    for t in range(len(seen)):
        if t >= 2 * season:
            smooth_season(seen[t], constants, size, state, seasonal[t % season])
        if row == len(origins) or origins[row] != t:
            continue
        if t >= 2 * season - 1:
            best = find_best(state, size)
            level = state[LEVEL + best] + y[t] - seen[t]
            carry_on(level, state[TREND + best], grid[2, best], horizons, forecasts[row])
            for j in range(len(horizons)):
                forecasts[row, j] += seasonal[(t + horizons[j]) % season, best]
        row += 1
    return forecasts
