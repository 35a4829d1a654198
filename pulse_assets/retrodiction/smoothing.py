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


def ses(y: Floats, horizons: Ints, season: int, grid: Floats = SES_GRID) -> Floats:
    """Carry on the smoothed level: l <- l + alpha (y - l), from l = y_0.

    Example:
        With alpha 0.5 the series 4, 8 has the levels 4 and 6.
    """
    level, _, _ = trace_trend(y, grid)
    return np.repeat(level[:, None], len(horizons), axis=1)


def holt(y: Floats, horizons: Ints, season: int, grid: Floats = HOLT_GRID) -> Floats:
    """Carry on the smoothed level and its smoothed trend: f = l + (phi + ... + phi^h) b.

    Error e = y - (l + phi b) moves both: l <- l + phi b + alpha e, b <- phi b + alpha beta e.
    Without damping (`holt`) phi is 1.

    Example:
        With alpha = beta = 0.5 the series 0, 4 has level 2 and trend 1, so 3 is next, then 4.
    """
    level, trend, chosen = trace_trend(y, grid)
    steps = np.arange(1.0, float(horizons[-1]) + 1.0)
    reach = np.cumsum(grid[2][:, None] ** steps, axis=1)[:, horizons - 1]
    return level[:, None] + trend[:, None] * reach[chosen]


def damped_holt(y: Floats, horizons: Ints, season: int, grid: Floats = DAMPED_GRID) -> Floats:
    """Carry on level and a trend that fades: `holt` with phi below 1."""
    return holt(y, horizons, season, grid)


def theta(y: Floats, horizons: Ints, season: int, grid: Floats = SES_GRID) -> Floats:
    """Carry on the smoothed level with half the slope b of the least-squares line so far.

    f = l + b / 2 (h - 1 + (1 - (1 - alpha)^n) / alpha) after n values.

    Example:
        Of 0, 2, 4 with alpha 1 the level is 4 and b is 2, so 5 is next, then 6.
    """
    level, _, chosen = trace_trend(y, grid)
    start = _age(tuple(grid[0]))[np.minimum(np.arange(len(y)), OLDEST - 1), chosen]
    slope = _line_slope(y)
    return level[:, None] + slope[:, None] / 2.0 * (horizons - 1 + start[:, None])


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
def trace_trend(y: Floats, grid: Floats) -> tuple[Floats, Floats, Ints]:
    """Smooth level and trend with every constant of `grid`; keep the best at each index.

    Args:
        y: series without gaps `[T]`.
        grid: alpha, beta and phi `[3, G]`.

    Returns:
        Level `[T]`, trend `[T]` and index of the constants used `[T]`.
    """
    alpha, beta, phi = grid[0], grid[1], grid[2]
    level, trend = np.full(len(alpha), y[0]), np.zeros(len(alpha))
    loss = np.zeros(len(alpha))
    levels, trends = np.empty(len(y)), np.empty(len(y))
    chosen = np.zeros(len(y), np.int64)
    levels[0], trends[0] = y[0], 0.0
    for t in range(1, len(y)):
        for g in range(len(alpha)):
            slope = phi[g] * trend[g]
            slope = slope if abs(slope) > TINY else 0.0
            error = y[t] - level[g] - slope
            error = error if abs(error) > TINY else 0.0
            loss[g] = LOSS_DISCOUNT * loss[g] + abs(error)
            level[g] += slope + alpha[g] * error
            trend[g] = slope + alpha[g] * beta[g] * error
        best = loss.argmin()
        chosen[t], levels[t], trends[t] = best, level[best], trend[best]
    return levels, trends, chosen


def seasonal_holt_winters(
    y: Floats, horizons: Ints, season: int, grid: Floats = SEASONAL_GRID
) -> Floats:
    """Carry on level, damped trend and the additive season; needs two seasons of at least 2.

    Error e = y - (l + phi b + s) moves all three: as in `holt`, and s <- s + gamma (1 - alpha) e.
    The first two seasons give the starting values.

    Example:
        1, 5, 1, 5 with a season of 2 is level 3, no trend, season -2 and 2: 1 is next, then 5.
    """
    if season < 2 or len(y) < 2 * season:
        return np.full((len(y), len(horizons)), np.nan)
    return _trace_season(y, horizons, season, grid)


@kernel  # pragma: no cover
def _start_season(y: Floats, season: int, size: int) -> tuple[Floats, Floats, Floats]:
    """Read level, trend and season `[season, size]` off the first two seasons."""
    first, second = y[:season].mean(), y[season : 2 * season].mean()
    trend = (second - first) / season
    middle = (first + second) / 2.0
    seasonal = np.empty((season, size))
    for i in range(season):
        line = middle + trend * (i - (season - 1) / 2.0)
        seasonal[i] = (y[i] + y[season + i]) / 2.0 - line
    last = middle + trend * (season - 0.5)
    return np.full(size, last), np.full(size, trend), seasonal


@kernel  # pragma: no cover
def _trace_season(y: Floats, horizons: Ints, season: int, grid: Floats) -> Floats:
    alpha, beta, phi, gamma = grid[0], grid[1], grid[2], grid[3]
    level, trend, seasonal = _start_season(y, season, len(alpha))
    loss = np.zeros(len(alpha))
    forecasts = np.full((len(y), len(horizons)), np.nan)
    for t in range(2 * season - 1, len(y)):
        now = seasonal[t % season]
        if t >= 2 * season:
            for g in range(len(alpha)):
                slope = phi[g] * trend[g]
                slope = slope if abs(slope) > TINY else 0.0
                error = y[t] - level[g] - slope - now[g]
                error = error if abs(error) > TINY else 0.0
                loss[g] = LOSS_DISCOUNT * loss[g] + abs(error)
                level[g] += slope + alpha[g] * error
                trend[g] = slope + alpha[g] * beta[g] * error
                now[g] += gamma[g] * (1.0 - alpha[g]) * error
        best = loss.argmin()
        reach, power, step = 0.0, 1.0, 0
        for j in range(len(horizons)):
            while step < horizons[j]:
                step += 1
                power *= phi[best]
                reach += power
            place = (t + horizons[j]) % season
            forecasts[t, j] = level[best] + reach * trend[best] + seasonal[place, best]
    return forecasts
