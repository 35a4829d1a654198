"""The one bound on forecasts: none may move further than the series ever has, by half again."""

from typing import Final

import numpy as np

from pulse_assets.retrodiction.arrays import LARGEST, Floats, Ints, kernel

#: A forecast may move this many times the largest move known.
SLACK: Final = 1.5


@kernel  # pragma: no cover
def largest_moves(y: Floats, horizons: Ints) -> Floats:
    """Return the largest |y_s - y_{s-i}|, i <= h and s <= t, at each index t: `[T, H]`.

    Args:
        y: series without gaps `[T]`.
        horizons: steps ahead `[H]`, ascending.

    Example:
        For 0, 1, -1 and horizons 1 and 2: 0 0, then 1 1, then 2 2.
    """
    moves, by_lag = np.zeros((len(y), len(horizons))), np.zeros(horizons[-1])
    for t in range(1, len(y)):
        for i in range(min(horizons[-1], t)):
            move = abs(y[t] - y[t - 1 - i])
            by_lag[i] = max(by_lag[i], move)
        largest, lag = 0.0, 0
        for j in range(len(horizons)):
            while lag < horizons[j]:
                largest = max(largest, by_lag[lag])
                lag += 1
            moves[t, j] = largest
    return moves


@kernel  # pragma: no cover
def bound(forecasts: Floats, origins: Ints, y: Floats, moves: Floats) -> None:
    """Keep forecasts `[O, H]` from moving further than `SLACK` times the largest move; in place.

    Args:
        forecasts: a rule's forecasts.
        origins: indices `[O]` of their origins.
        y: series without gaps `[T]`.
        moves: its `largest_moves` `[T, H]`.

    Example:
        After 0, 1, -1 the largest move is 2, so every forecast stays in [-4, 2].
    """
    for row in range(forecasts.shape[0]):
        last = y[origins[row]]
        for j in range(forecasts.shape[1]):
            reach = SLACK * moves[origins[row], j]
            # Comparisons with NaN are false, so NaN stays.
            value = forecasts[row, j]
            value = last - reach if value < last - reach else value
            forecasts[row, j] = last + reach if value > last + reach else value


@kernel  # pragma: no cover
def drop_infinite(forecasts: Floats) -> None:
    """Make infinite forecasts `[O, H]` NaN, in place: a rule that has run away has none."""
    for row in range(forecasts.shape[0]):
        for j in range(forecasts.shape[1]):
            value = forecasts[row, j]
            forecasts[row, j] = value if abs(value) <= LARGEST else np.nan
