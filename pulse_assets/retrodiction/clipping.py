"""Clip forecasts to 1.5 times the largest past move over the same horizon."""

from typing import Final

import numpy as np

from pulse_assets.array_types import Floats, Ints
from pulse_assets.retrodiction.arrays import LARGEST, kernel
from pulse_assets.retrodiction.request import ForecastRequest

#: A forecast may move this many times the largest past move.
LARGEST_RELATIVE_MOVE: Final = 1.5


@kernel  # pragma: no cover
def largest_moves(y: Floats, request: ForecastRequest) -> Floats:
    """Return the largest |y_s - y_{s-i}|, i <= h and s <= t, at each origin t: `[O, H]`.

    Args:
        y: series without gaps `[T]`.
        request: the origins and horizons.

    Example:
        For 0, 1, -1 and horizons 1 and 2: 0 0, then 1 1, then 2 2.
    """
    longest = request.horizons[-1]
    moves, by_lag = np.empty((len(request.origins), len(request.horizons))), np.empty(longest)
    for s in range(len(request.series_offsets)):
        by_lag[:] = 0.0
        first = t = request.series_offsets[s]
        for row in range(request.origin_offsets[s], request.origin_offsets[s + 1]):
            while t <= request.origins[row]:
                add_moves_to(y, first, t, by_lag)
                t += 1
            write_largest(by_lag, request.horizons, moves[row])
    return moves


@kernel  # pragma: no cover
def add_moves_to(y: Floats, first: int, t: int, by_lag: Floats) -> None:
    """Update the largest move at each lag, the longest lag first, with the moves to index t."""
    past = y[max(t - len(by_lag), first) : t]
    lags = by_lag[len(by_lag) - len(past) :]
    for i in range(len(past)):
        lags[i] = max(lags[i], abs(y[t] - past[i]))


@kernel  # pragma: no cover
def write_largest(by_lag: Floats, horizons: Ints, moves: Floats) -> None:
    """Fill `moves` `[H]` with the largest move at any lag up to each horizon."""
    largest, lag = 0.0, 0
    for j in range(len(horizons)):
        for i in range(lag, horizons[j]):
            largest = max(largest, by_lag[len(by_lag) - 1 - i])
        lag, moves[j] = horizons[j], largest


@kernel  # pragma: no cover
def clip_bounds(y: Floats, request: ForecastRequest) -> tuple[Floats, Floats]:
    """Return the lowest and the highest forecasts that the largest moves allow, `[O, H]` each.

    Example:
        After 0, 1, -1 the largest move is 2, so every forecast is clipped to [-4, 2].
    """
    lowest = largest_moves(y, request)
    highest = np.empty(lowest.shape)
    for row in range(len(lowest)):
        for j in range(len(request.horizons)):
            move, last = LARGEST_RELATIVE_MOVE * lowest[row, j], y[request.origins[row]]
            lowest[row, j], highest[row, j] = last - move, last + move
    return lowest, highest


@kernel  # pragma: no cover
def clip_forecasts(forecasts: Floats, lowest: Floats, highest: Floats, clipped: Floats) -> None:
    """Fill `clipped` with forecasts clipped to their bounds; infinite forecasts become NaN.

    Args:
        forecasts: the forecasts of a rule `[N]`.
        lowest: the lower bounds `[N]`.
        highest: the upper bounds `[N]`.
        clipped: the result `[N]`; may be `forecasts` itself.
    """
    for i in range(len(forecasts)):
        # Comparisons with NaN are false, so NaN stays.
        value = forecasts[i] if abs(forecasts[i]) <= LARGEST else np.nan
        value = lowest[i] if value < lowest[i] else value
        clipped[i] = highest[i] if value > highest[i] else value
