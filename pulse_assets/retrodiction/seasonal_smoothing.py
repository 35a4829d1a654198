"""Exponential smoothing with a season: the additive Holt-Winters rule.

Source:
    Hyndman, Koehler, Ord, Snyder (2008), Forecasting with Exponential Smoothing,
    doi:10.1007/978-3-540-71918-2.
"""

from typing import Final

import numpy as np

from pulse_assets.array_types import Floats, Ints
from pulse_assets.retrodiction.arrays import kernel
from pulse_assets.retrodiction.request import ForecastRequest, History
from pulse_assets.retrodiction.smoothing import (
    CONSTANT,
    FIELD,
    LOSS_DISCOUNT,
    MAX_GRID,
    TINY,
    continue_trend,
    find_best,
    flatten,
    make_grid,
)

#: Rows: alpha, beta, phi and gamma of the season.
SEASONAL_GRID: Final = make_grid((0.1, 0.3, 0.6, 0.9), (0.02, 0.1), (0.95,), (0.05, 0.2, 0.4))


def seasonal_holt_winters(
    history: History, request: ForecastRequest, grid: Floats = SEASONAL_GRID
) -> Floats:
    """Continue level, damped trend and additive season; NaN before the end of the second season.

    The error e = y - (l + phi b + s) updates level and trend as in `holt`, and the season:
    s <- s + gamma (1 - alpha) e. The first two seasons give the starting values.

    Example:
        1, 5, 1, 5 with a season of 2 is level 3, no trend, season -2 and 2: 1 is next, then 5.
    """
    return _forecast_seasons(history, request, grid)


@kernel  # pragma: no cover
def start_season(y: Floats, season: int, fields: Floats, seasonal: Floats) -> None:
    """Set level, trend and the seasonal components `[season, G]` from the first two seasons."""
    first, second = y[:season].mean(), y[season : 2 * season].mean()
    trend = (second - first) / season
    middle = (first + second) / 2.0
    for i in range(season):
        line = middle + trend * (i - (season - 1) / 2.0)
        seasonal[i] = (y[i] + y[season + i]) / 2.0 - line
    fields[:] = 0.0
    fields[FIELD.level : FIELD.level + MAX_GRID] = middle + trend * (season - 0.5)
    fields[FIELD.trend : FIELD.trend + MAX_GRID] = trend


@kernel  # pragma: no cover
def smooth_season(
    value: float, constants: Floats, size: int, fields: Floats, component: Floats
) -> None:
    """Update level, trend, loss and the current seasonal component `[G]` with the next value."""
    for g in range(size):
        fields[FIELD.season + g] = component[g]
    for g in range(size):
        slope = constants[CONSTANT.phi + g] * fields[FIELD.trend + g]
        slope = slope if abs(slope) > TINY else 0.0
        error = value - fields[FIELD.level + g] - slope - fields[FIELD.season + g]
        error = error if abs(error) > TINY else 0.0
        fields[FIELD.loss + g] = LOSS_DISCOUNT * fields[FIELD.loss + g] + abs(error)
        step = constants[CONSTANT.alpha + g] * error
        fields[FIELD.level + g] += slope + step
        fields[FIELD.trend + g] = slope + constants[CONSTANT.beta + g] * step
        rate = constants[CONSTANT.gamma + g] * (1.0 - constants[CONSTANT.alpha + g])
        fields[FIELD.season + g] += rate * error
    for g in range(size):
        component[g] = fields[FIELD.season + g]


@kernel  # pragma: no cover
def _forecast_seasons(history: History, request: ForecastRequest, grid: Floats) -> Floats:
    constants, size, season = flatten(grid), grid.shape[1], request.season
    fields, seasonal = np.empty(FIELD.end), np.empty((season, size))
    y, y_robust = history.y, history.y_robust
    forecasts = np.full((len(request.origins), len(request.horizons)), np.nan)
    for s in range(len(request.series_offsets)):
        first: int = request.series_offsets[s]
        start = t = first + 2 * season - 1
        place = season - 1
        for row in range(request.origin_offsets[s], request.origin_offsets[s + 1]):
            origin = request.origins[row]
            if season < 2 or origin < start:
                continue
            if t == start:
                start_season(y_robust[first : t + 1], season, fields, seasonal)
            while t < origin:
                t, place = t + 1, next_place(place, season)
                smooth_season(y_robust[t], constants, size, fields, seasonal[place])
            g = find_best(fields, size)
            level, trend = fields[FIELD.level + g] + y[t] - y_robust[t], fields[FIELD.trend + g]
            continue_trend(level, trend, grid[2, g], request.horizons, forecasts[row])
            add_season(seasonal[:, g], place, request.horizons, forecasts[row])
    return forecasts


@kernel  # pragma: no cover
def next_place(place: int, season: int) -> int:
    """Return the next place in the season; counting takes a tenth of the time of a remainder."""
    return place + 1 if place + 1 < season else 0


@kernel  # pragma: no cover
def add_season(seasonal: Floats, place: int, horizons: Ints, row: Floats) -> None:
    """Add the seasonal components `[season]` to forecasts `[H]` from an origin at `place`."""
    step = 0
    for j in range(len(horizons)):
        while step < horizons[j]:
            step, place = step + 1, next_place(place, len(seasonal))
        row[j] += seasonal[place]
