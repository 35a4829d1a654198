"""Complex exponential smoothing: a level and its information potential, smoothed together.

The smoothed value is a complex number, l + i c, and so is the smoothing constant, alpha_0 + i
alpha_1. With alpha_1 = 1 the level is that of simple smoothing with the constant alpha_0 - 1; with
a larger one it grows, with a smaller one it shrinks. No component is a trend, so none is chosen.

Source:
    Svetunkov, Kourentzes, Ord (2022), Complex exponential smoothing, Naval Research Logistics 69
    (8), doi:10.1002/nav.22074.
"""

from typing import Final

import numpy as np

from pulse_assets.array_types import Floats, Ints
from pulse_assets.retrodiction.arrays import kernel
from pulse_assets.retrodiction.request import ForecastRequest, History
from pulse_assets.retrodiction.smoothing import (
    FIELD,
    LOSS_DISCOUNT,
    MAX_GRID,
    TINY,
    find_best,
    flatten,
    make_grid,
)

#: Rows: alpha_0, alpha_1.
COMPLEX_GRID: Final = make_grid(
    (1.05, 1.15, 1.3, 1.5, 1.7, 1.85, 1.95), (0.98, 0.995, 1.0, 1.005, 1.015, 1.04, 1.1)
)


def complex_smoothing(
    history: History, request: ForecastRequest, grid: Floats = COMPLEX_GRID
) -> Floats:
    """Forecast the smoothed complex level.

    The error e = y - l updates both parts: l <- l - (1 - alpha_1) c + (alpha_0 - alpha_1) e, and
    c <- l + (1 - alpha_0) c + (alpha_0 + alpha_1) e, from l = y_0, c = y_0 / alpha_0. Further ahead
    the same without errors.

    Example:
        With alpha_0 1.5 and alpha_1 1 the series 4, 8 has the levels 4 and 6.
    """
    return _forecast_complex(history, request, grid)


@kernel  # pragma: no cover
def smooth_complex(value: float, constants: Floats, size: int, fields: Floats) -> None:
    """Update level, potential and loss under all constants with the next value.

    The potential stands in the place of the trend.
    """
    for g in range(size):
        real, imaginary = constants[g], constants[MAX_GRID + g]
        level, potential = fields[FIELD.level + g], fields[FIELD.trend + g]
        potential = potential if abs(potential) > TINY else 0.0
        error = value - level
        error = error if abs(error) > TINY else 0.0
        fields[FIELD.loss + g] = LOSS_DISCOUNT * fields[FIELD.loss + g] + abs(error)
        growth = (imaginary - 1.0) * potential
        fields[FIELD.level + g] = level + growth + (real - imaginary) * error
        fields[FIELD.trend + g] = level + (1.0 - real) * potential + (real + imaginary) * error


@kernel  # pragma: no cover
def _forecast_complex(history: History, request: ForecastRequest, grid: Floats) -> Floats:
    constants, fields, size = flatten(grid), np.empty(FIELD.end), grid.shape[1]
    y, y_robust = history.y, history.y_robust
    forecasts = np.empty((len(request.origins), len(request.horizons)))
    for s in range(len(request.series_offsets)):
        t: int = request.series_offsets[s]
        fields[:] = 0.0
        for g in range(size):
            fields[FIELD.level + g] = y_robust[t]
            fields[FIELD.trend + g] = y_robust[t] / constants[g]
        for row in range(request.origin_offsets[s], request.origin_offsets[s + 1]):
            origin = request.origins[row]
            while t < origin:
                t += 1
                smooth_complex(y_robust[t], constants, size, fields)
            g = find_best(fields, size)
            level, potential = fields[FIELD.level + g], fields[FIELD.trend + g]
            continue_complex(level, potential, grid[:, g], request.horizons, forecasts[row])
            for j in range(len(request.horizons)):
                forecasts[row, j] += y[origin] - y_robust[origin]
    return forecasts


@kernel  # pragma: no cover
def continue_complex(
    level: float, potential: float, constants: Floats, horizons: Ints, row: Floats
) -> None:
    """Fill `row` `[H]` with the levels that follow each other without errors."""
    step = 1
    for j in range(len(horizons)):
        while step < horizons[j]:
            step += 1
            level, potential = (
                level + (constants[1] - 1.0) * potential,
                level + (1.0 - constants[0]) * potential,
            )
        row[j] = level
