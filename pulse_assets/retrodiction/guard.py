"""The one bound on forecasts: none may move further than the series ever has, by half again."""

from typing import Final

import numpy as np

from pulse_assets.retrodiction.arrays import Floats, Ints, kernel

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
    moves = np.zeros((len(y), len(horizons)))
    for s in range(1, len(y)):
        largest, back = 0.0, 0
        for j in range(len(horizons)):
            while back < min(horizons[j], s):
                back += 1
                largest = max(largest, abs(y[s] - y[s - back]))
            moves[s, j] = max(moves[s - 1, j], largest)
    return moves


def forecast_bounds(y: Floats, horizons: Ints) -> tuple[Floats, Floats]:
    """Return the lowest and the highest forecast `[T, H]` that the guard lets pass.

    Example:
        After 0, 1, -1 the largest move is 2, so every forecast stays in [-4, 2].
    """
    with np.errstate(over="ignore"):
        reach = SLACK * largest_moves(y, horizons)
        return y[:, None] - reach, y[:, None] + reach


@kernel  # pragma: no cover
def bound(forecasts: Floats, origins: Ints, lowest: Floats, highest: Floats, guarded: bool) -> None:
    """Make forecasts `[O, H]` safe in place: infinite ones NaN, guarded ones within the bounds.

    Args:
        forecasts: a rule's forecasts `[O, H]`.
        origins: indices `[O]` of their origins.
        lowest: bounds at every index `[T, H]`.
        highest: bounds at every index `[T, H]`.
        guarded: whether the bounds apply.
    """
    for row in range(forecasts.shape[0]):
        for j in range(forecasts.shape[1]):
            value = forecasts[row, j]
            if not np.isfinite(value):
                forecasts[row, j] = np.nan
            elif guarded:
                floor, ceiling = lowest[origins[row], j], highest[origins[row], j]
                forecasts[row, j] = max(floor, min(value, ceiling))
