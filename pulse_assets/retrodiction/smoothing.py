"""Exponential smoothing of level, trend and season.

Each rule runs with all combinations of smoothing constants in a grid. At each origin it forecasts
with the combination whose discounted absolute one-step errors are smallest up to that origin.

Source:
    Hyndman, Koehler, Ord, Snyder (2008), Forecasting with Exponential Smoothing,
    doi:10.1007/978-3-540-71918-2; for theta: Hyndman, Billah (2003), Unmasking the Theta method,
    doi:10.1016/S0169-2070(01)00143-1.
"""

from itertools import product
from typing import Final, NamedTuple

import numpy as np

from pulse_assets.array_types import Floats, Ints
from pulse_assets.retrodiction.arrays import kernel
from pulse_assets.retrodiction.request import ForecastRequest, History, flat_forecasts

#: Discount of the absolute one-step errors by which constants are compared.
LOSS_DISCOUNT: Final = 0.998

#: A smaller number counts as 0: with numbers near the smallest, arithmetic is 100 times slower.
TINY: Final = 1e-200

#: The largest number of combinations in a grid.
MAX_GRID: Final = 128


class FieldOffsets(NamedTuple):
    """Where the smoothed components under all combinations start in their one array.

    Attributes:
        level: smoothed level.
        trend: smoothed trend.
        loss: discounted absolute one-step errors.
        season: the component of the current place in the season.
        end: length of the array.
    """

    level: int
    trend: int
    loss: int
    season: int
    end: int


class ConstantOffsets(NamedTuple):
    """Where the constants of all combinations start in their one array.

    Attributes:
        alpha: constant of the level.
        beta: constant of the trend.
        phi: damping of the trend.
        gamma: constant of the season.
    """

    alpha: int
    beta: int
    phi: int
    gamma: int


#: Arrays at constant distances, so that the compiler knows that they do not overlap.
FIELD: Final = FieldOffsets(*(field * MAX_GRID for field in range(5)))
CONSTANT: Final = ConstantOffsets(*(constant * MAX_GRID for constant in range(4)))


def make_grid(*axes: tuple[float, ...]) -> Floats:
    """Return all combinations of the constants `[C, G]`, one row per constant."""
    return np.array(list(product(*axes))).T.copy()


_LEVELS: Final = (0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0)

#: Rows: alpha of the level, beta of the trend, phi that damps the trend.
SES_GRID: Final = make_grid(_LEVELS, (0.0,), (0.0,))
HOLT_GRID: Final = make_grid(
    (0.1, 0.3, 0.5, 0.7, 0.9, 1.0, 1.2), (0.0, 0.01, 0.03, 0.1, 0.3, 0.6), (1.0,)
)
DAMPED_GRID: Final = make_grid(
    (0.1, 0.3, 0.5, 0.7, 0.9, 1.2), (0.03, 0.1, 0.3, 0.6), (0.7, 0.8, 0.9, 0.96)
)


def ses(history: History, request: ForecastRequest, grid: Floats = SES_GRID) -> Floats:
    """Forecast the smoothed level: l <- l + alpha (y - l), from l = y_0.

    Example:
        With alpha 0.5 the series 4, 8 has the levels 4 and 6.
    """
    return _forecast_levels(history, request, grid)


def holt(history: History, request: ForecastRequest, grid: Floats = HOLT_GRID) -> Floats:
    """Continue the smoothed level by its smoothed trend: f = l + (phi + ... + phi^h) b.

    The error e = y - (l + phi b) updates both: l <- l + phi b + alpha e, b <- phi b + alpha beta e.
    Without damping (`holt`), phi is 1.

    Example:
        With alpha = beta = 0.5 the series 0, 4 has level 2 and trend 1, so 3 is next, then 4.
    """
    return _forecast_trends(history, request, grid)


def damped_holt(history: History, request: ForecastRequest, grid: Floats = DAMPED_GRID) -> Floats:
    """Continue the level by a damped trend: `holt` with phi below 1."""
    return _forecast_trends(history, request, grid)


def theta(history: History, request: ForecastRequest, grid: Floats = SES_GRID) -> Floats:
    """Continue the smoothed level by half the slope b of the least-squares line so far.

    f = l + b / 2 (h - 1 + (1 - (1 - alpha)^n) / alpha) after n values.

    Example:
        Of 0, 2, 4 with alpha 1 the level is 4 and b is 2, so 5 is next, then 6.
    """
    return _forecast_half_lines(history, request, grid)


@kernel  # pragma: no cover
def trace_level(y_robust: Floats, request: ForecastRequest, grid: Floats) -> tuple[Floats, Ints]:
    """Smooth the level with every constant of `grid`; see `trace_trend`.

    Returns:
        The level `[O]`, and the index of the best constant `[O]`.
    """
    constants, fields = flatten(grid), np.zeros(FIELD.end)
    origins, size = request.origins, grid.shape[1]
    levels, best = np.empty(len(origins)), np.empty(len(origins), np.int64)
    for s in range(len(request.series_offsets)):
        t: int = request.series_offsets[s]
        fields[:] = 0.0
        fields[FIELD.level : FIELD.level + MAX_GRID] = y_robust[t]
        for row in range(request.origin_offsets[s], request.origin_offsets[s + 1]):
            while t < origins[row]:
                t += 1
                smooth_level(y_robust[t], constants, size, fields)
            best[row] = find_best(fields, size)
            levels[row] = fields[FIELD.level + best[row]]
    return levels, best


@kernel  # pragma: no cover
def trace_trend(
    y_robust: Floats, request: ForecastRequest, grid: Floats
) -> tuple[Floats, Floats, Ints]:
    """Smooth level and trend with every combination in `grid`; return the best at each origin.

    Args:
        y_robust: series without gaps `[T]`.
        request: the first values and the origins.
        grid: alpha, beta and phi `[3, G]`.

    Returns:
        The level `[O]`, the trend `[O]`, and the index of the best combination `[O]`.
    """
    constants, fields = flatten(grid), np.empty(FIELD.end)
    origins, size = request.origins, grid.shape[1]
    levels, trends = np.empty(len(origins)), np.empty(len(origins))
    best = np.empty(len(origins), np.int64)
    for s in range(len(request.series_offsets)):
        t: int = request.series_offsets[s]
        fields[:] = 0.0
        fields[FIELD.level : FIELD.level + MAX_GRID] = y_robust[t]
        for row in range(request.origin_offsets[s], request.origin_offsets[s + 1]):
            while t < origins[row]:
                t += 1
                smooth(y_robust[t], constants, size, fields)
            g = find_best(fields, size)
            best[row], levels[row], trends[row] = (
                g,
                fields[FIELD.level + g],
                fields[FIELD.trend + g],
            )
    return levels, trends, best


@kernel  # pragma: no cover
def _forecast_levels(history: History, request: ForecastRequest, grid: Floats) -> Floats:
    levels, _ = trace_level(history.y_robust, request, grid)
    return flat_forecasts(shifted_to_last(levels, history, request), request.horizons)


@kernel  # pragma: no cover
def shifted_to_last(levels: Floats, history: History, request: ForecastRequest) -> Floats:
    """Return the levels of `y_robust` `[O]` as levels of `y`, which has other last values."""
    shifted = np.empty(len(levels))
    for row in range(len(levels)):
        origin = request.origins[row]
        shifted[row] = levels[row] + history.y[origin] - history.y_robust[origin]
    return shifted


@kernel  # pragma: no cover
def _forecast_trends(history: History, request: ForecastRequest, grid: Floats) -> Floats:
    levels, trends, best = trace_trend(history.y_robust, request, grid)
    levels = shifted_to_last(levels, history, request)
    forecasts = np.empty((len(request.origins), len(request.horizons)))
    for row in range(len(forecasts)):
        phi = grid[2, best[row]]
        continue_trend(levels[row], trends[row], phi, request.horizons, forecasts[row])
    return forecasts


@kernel  # pragma: no cover
def _forecast_half_lines(history: History, request: ForecastRequest, grid: Floats) -> Floats:
    levels, best = trace_level(history.y_robust, request, grid)
    levels = shifted_to_last(levels, history, request)
    slopes = line_slopes(history.y_robust, request)
    sums, powers = np.empty(MAX_GRID), np.empty(MAX_GRID)
    forecasts = np.empty((len(request.origins), len(request.horizons)))
    for s in range(len(request.series_offsets)):
        t = request.series_offsets[s]
        sums[:], powers[:] = 1.0, 1.0
        for row in range(request.origin_offsets[s], request.origin_offsets[s + 1]):
            while t < request.origins[row]:
                t += 1
                add_powers(grid[0], sums, powers)
            half, start = slopes[row] / 2.0, sums[best[row]]
            for j in range(len(request.horizons)):
                forecasts[row, j] = levels[row] + half * (request.horizons[j] - 1 + start)
    return forecasts


@kernel  # pragma: no cover
def add_powers(alpha: Floats, sums: Floats, powers: Floats) -> None:
    """Add the next (1 - alpha)^n to each sum, which becomes (1 - (1 - alpha)^(n + 1)) / alpha."""
    for g in range(len(alpha)):
        powers[g] *= 1.0 - alpha[g]
        powers[g] = powers[g] if powers[g] > TINY else 0.0
        sums[g] += powers[g]


@kernel  # pragma: no cover
def line_slopes(y: Floats, request: ForecastRequest) -> Floats:
    """Return the slope of the least-squares line of all values up to each origin `[O]`.

    It is 0 after one value.
    """
    slopes = np.empty(len(request.origins))
    for s in range(len(request.series_offsets)):
        first: int = request.series_offsets[s]
        t, total, moment = first, 0.0, 0.0
        for row in range(request.origin_offsets[s], request.origin_offsets[s + 1]):
            while t <= request.origins[row]:
                total += y[t] - y[first]
                moment += (t - first) * (y[t] - y[first])
                t += 1
            slopes[row] = slope_of(float(t - first), total, moment)
    return slopes


@kernel  # pragma: no cover
def slope_of(n: float, total: float, moment: float) -> float:
    """Return the slope of the least-squares line of n values; 0 after one value.

    Args:
        n: number of values.
        total: sum of x_s, the distances from the first value.
        moment: sum of s x_s, s from 0.
    """
    # sum((s - mean(s)) x_s) = sum(s x_s) - mean(s) sum(x_s), divided by sum((s - mean(s))^2), which
    # is 0.5 for two values; for one value the former is 0.
    cross = moment - (n - 1.0) / 2.0 * total
    return cross / max(n * (n * n - 1.0) / 12.0, 0.5)


@kernel  # pragma: no cover
def continue_trend(level: float, trend: float, phi: float, horizons: Ints, row: Floats) -> None:
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
    """Return a grid `[C, G]` as one array, in which each constant has `MAX_GRID` places."""
    constants = np.zeros(len(grid) * MAX_GRID)
    for c in range(len(grid)):
        constants[c * MAX_GRID : c * MAX_GRID + grid.shape[1]] = grid[c]
    return constants


@kernel  # pragma: no cover
def smooth_level(value: float, constants: Floats, size: int, fields: Floats) -> None:
    """Update level and loss under every constant with the next value."""
    for g in range(size):
        error = value - fields[FIELD.level + g]
        error = error if abs(error) > TINY else 0.0
        fields[FIELD.loss + g] = LOSS_DISCOUNT * fields[FIELD.loss + g] + abs(error)
        fields[FIELD.level + g] += constants[CONSTANT.alpha + g] * error


@kernel  # pragma: no cover
def smooth(value: float, constants: Floats, size: int, fields: Floats) -> None:
    """Update level, trend and loss under every combination of constants with the next value."""
    for g in range(size):
        slope = constants[CONSTANT.phi + g] * fields[FIELD.trend + g]
        slope = slope if abs(slope) > TINY else 0.0
        error = value - fields[FIELD.level + g] - slope
        error = error if abs(error) > TINY else 0.0
        fields[FIELD.loss + g] = LOSS_DISCOUNT * fields[FIELD.loss + g] + abs(error)
        step = constants[CONSTANT.alpha + g] * error
        fields[FIELD.level + g] += slope + step
        fields[FIELD.trend + g] = slope + constants[CONSTANT.beta + g] * step


@kernel  # pragma: no cover
def find_best(fields: Floats, size: int) -> int:
    """Return the index of the smallest loss, the first of equal ones."""
    # The bits of numbers >= 0 have the same order; the machine compares several of them at once.
    losses = fields[FIELD.loss : FIELD.loss + size].view(np.uint64)
    smallest, best = losses[0], size
    for g in range(size):
        smallest = min(smallest, losses[g])
    for g in range(size):
        best = min(best, g if losses[g] == smallest else size)
    return best
