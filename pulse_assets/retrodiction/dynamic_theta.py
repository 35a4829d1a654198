"""The dynamic optimised theta model: a smoothed level, and a weighted part of the line so far.

Theta lines of a series keep its least-squares line and multiply the distances from it by theta.
The forecast is that of the line with theta, smoothed, and of the least-squares line itself, with
the weights 1 / theta and 1 - 1 / theta. Dynamic means that the least-squares line is that of the
values so far, and that forecasts further ahead treat those before as values.

Source:
    Fiorucci, Pellegrini, Louzada, Petropoulos, Koehler (2016), Models for optimising the theta
    method and their relationship to state space models, International Journal of Forecasting 32
    (4), doi:10.1016/j.ijforecast.2016.02.005. The level starts at the first value of the theta
    line, so a constant added to the series is added to the forecasts.
"""

from typing import Final, NamedTuple

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
    slope_of,
)

#: Rows: alpha of the level, and the weight 1 - 1 / theta of the least-squares line.
DYNAMIC_THETA_GRID: Final = make_grid(
    (0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0), (0.0, 0.25, 0.5, 0.75, 1.0)
)


class Line(NamedTuple):
    """The sums that give the slope of the least-squares line; see `slope_of`.

    Attributes:
        n: number of values.
        total: sum of x_s, the distances from the first value.
        moment: sum of s x_s, s from 0.
    """

    n: float
    total: float
    moment: float


def dynamic_theta(
    history: History, request: ForecastRequest, grid: Floats = DYNAMIC_THETA_GRID
) -> Floats:
    """Continue the smoothed level by a part of the slope of the line so far, step by step.

    f = l + w b (1 - (1 - alpha)^n) / alpha after n values, of which b is the least-squares slope;
    w = 1 - 1 / theta. Further ahead, f is the next value: l <- l + alpha (f - l), and b follows.

    Example:
        Of 0, 2, 4 with alpha 1 and theta 2 the level is 4 and b is 2, so 5 is next. With it b is
        1.7, so 5.85 follows.
    """
    return _forecast_lines(history, request, grid)


@kernel  # pragma: no cover
def add_value(line: Line, distance: float) -> Line:
    """Return the sums with the next value, given by its distance from the first."""
    return Line(line.n + 1.0, line.total + distance, line.moment + line.n * distance)


@kernel  # pragma: no cover
def smooth_theta(value: float, slope: float, constants: Floats, size: int, fields: Floats) -> None:
    """Update level, loss and multiple of the slope under all constants with the next value.

    The multiple (1 - (1 - alpha)^n) / alpha is kept in the field of the trend.
    """
    for g in range(size):
        alpha, weight = constants[g], constants[MAX_GRID + g]
        distance = value - fields[FIELD.level + g]
        distance = distance if abs(distance) > TINY else 0.0
        error = distance - weight * slope * fields[FIELD.trend + g]
        error = error if abs(error) > TINY else 0.0
        fields[FIELD.loss + g] = LOSS_DISCOUNT * fields[FIELD.loss + g] + abs(error)
        fields[FIELD.level + g] += alpha * distance
        fields[FIELD.trend + g] = 1.0 + (1.0 - alpha) * fields[FIELD.trend + g]


@kernel  # pragma: no cover
def _forecast_lines(history: History, request: ForecastRequest, grid: Floats) -> Floats:
    constants, fields, size = flatten(grid), np.empty(FIELD.end), grid.shape[1]
    y, y_robust = history.y, history.y_robust
    forecasts = np.empty((len(request.origins), len(request.horizons)))
    for s in range(len(request.series_offsets)):
        t: int = request.series_offsets[s]
        first = y_robust[t]
        fields[:] = 0.0
        fields[FIELD.level : FIELD.level + MAX_GRID] = first
        fields[FIELD.trend : FIELD.trend + MAX_GRID] = 1.0
        line, slope = Line(1.0, 0.0, 0.0), 0.0
        for row in range(request.origin_offsets[s], request.origin_offsets[s + 1]):
            origin = request.origins[row]
            while t < origin:
                t += 1
                smooth_theta(y_robust[t], slope, constants, size, fields)
                line = add_value(line, y_robust[t] - first)
                slope = slope_of(line.n, line.total, line.moment)
            g = find_best(fields, size)
            level, multiple = fields[FIELD.level + g] - first, fields[FIELD.trend + g]
            continue_theta(level, multiple, grid[:, g], line, request.horizons, forecasts[row])
            for j in range(len(request.horizons)):
                forecasts[row, j] += first + y[origin] - y_robust[origin]
    return forecasts


@kernel  # pragma: no cover
def continue_theta(
    level: float, multiple: float, constants: Floats, line: Line, horizons: Ints, row: Floats
) -> None:
    """Fill `row` `[H]` with forecasts as distances from the first value; see `dynamic_theta`.

    Args:
        level: the level's distance from the first value.
        multiple: of the slope, that is added to the level one step ahead.
        constants: alpha, and the weight of the least-squares line `[2]`.
        line: sums of the values so far.
        horizons: steps ahead `[H]`.
        row: is filled.
    """
    step, forecast = 0, level
    for j in range(len(horizons)):
        while step < horizons[j]:
            step += 1
            addition = constants[1] * slope_of(line.n, line.total, line.moment) * multiple
            forecast = level + addition
            line = add_value(line, forecast)
            level += constants[0] * addition
            multiple = 1.0 + (1.0 - constants[0]) * multiple
        row[j] = forecast
