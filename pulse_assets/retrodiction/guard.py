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
    longest, moves = horizons[-1], np.empty((len(y), len(horizons)))
    # The latest first; before the first value is itself, which adds no move that is not there.
    backwards = np.full(len(y) + longest, y[0])
    backwards[: len(y)] = y[::-1]
    by_lag = np.zeros(longest)
    for t in range(len(y)):
        past, row = backwards[len(y) - t : len(y) - t + longest], moves[t]
        for i in range(longest):
            by_lag[i] = max(by_lag[i], abs(y[t] - past[i]))
        largest, lag = 0.0, 0
        for j in range(len(horizons)):
            for i in range(lag, horizons[j]):
                largest = max(largest, by_lag[i])
            lag, row[j] = horizons[j], largest
    return moves


@kernel  # pragma: no cover
def bound(made: Floats, origins: Ints, y: Floats, moves: Floats) -> Floats:
    """Return forecasts that move no further than `SLACK` times the largest move.

    Infinite ones become NaN: a rule that has run away has none.

    Args:
        made: a rule's forecasts `[O, H]`.
        origins: indices `[O]` of their origins.
        y: series without gaps `[T]`.
        moves: its `largest_moves` `[T, H]`; without rows forecasts may move as far as they like.

    Example:
        After 0, 1, -1 the largest move is 2, so every forecast stays in [-4, 2].
    """
    forecasts = np.empty(made.shape)
    for row in range(len(made)):
        before, after = made[row], forecasts[row]
        for j in range(len(before)):
            after[j] = before[j] if abs(before[j]) <= LARGEST else np.nan
        if len(moves):
            last, largest = y[origins[row]], moves[origins[row]]
            for j in range(len(after)):
                reach = SLACK * largest[j]
                # Comparisons with NaN are false, so NaN stays.
                value = last - reach if after[j] < last - reach else after[j]
                after[j] = last + reach if value > last + reach else value
    return forecasts
