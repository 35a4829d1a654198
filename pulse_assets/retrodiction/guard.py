"""The one bound on forecasts: none may move further than the series ever has, by half again."""

from typing import Final

import numpy as np

from pulse_assets.retrodiction.arrays import LARGEST, Floats, kernel
from pulse_assets.retrodiction.asked import Asked

#: A forecast may move this many times the largest move known.
SLACK: Final = 1.5


@kernel  # pragma: no cover
def largest_moves(y: Floats, asked: Asked) -> Floats:
    """Return the largest |y_s - y_{s-i}|, i <= h and s <= t, at each origin t: `[O, H]`.

    Args:
        y: series without gaps `[T]`.
        asked: which moves are wanted.

    Example:
        For 0, 1, -1 and horizons 1 and 2: 0 0, then 1 1, then 2 2.
    """
    longest = asked.horizons[-1]
    moves, by_lag = np.empty((len(asked.origins), len(asked.horizons))), np.empty(longest)
    for s in range(len(asked.begins)):
        by_lag[:] = 0.0
        begin = t = asked.begins[s]
        for row in range(asked.rows[s], asked.rows[s + 1]):
            while t <= asked.origins[row]:
                # The longest lag first, as the past lies; before the first value is none.
                past = y[max(t - longest, begin) : t]
                lags = by_lag[longest - len(past) :]
                for i in range(len(past)):
                    lags[i] = max(lags[i], abs(y[t] - past[i]))
                t += 1
            largest, lag = 0.0, 0
            for j in range(len(asked.horizons)):
                for i in range(lag, asked.horizons[j]):
                    largest = max(largest, by_lag[longest - 1 - i])
                lag, moves[row, j] = asked.horizons[j], largest
    return moves


@kernel  # pragma: no cover
def limits(y: Floats, asked: Asked) -> tuple[Floats, Floats]:
    """Return the lowest and the highest forecast that the largest moves allow, `[O, H]` each.

    Example:
        After 0, 1, -1 the largest move is 2, so every forecast stays in [-4, 2].
    """
    reach = largest_moves(y, asked)
    highest = np.empty(reach.shape)
    for row in range(len(reach)):
        for j in range(len(asked.horizons)):
            moved, last = SLACK * reach[row, j], y[asked.origins[row]]
            reach[row, j], highest[row, j] = last - moved, last + moved
    return reach, highest


@kernel  # pragma: no cover
def bound(made: Floats, lowest: Floats, highest: Floats, forecasts: Floats) -> None:
    """Fill `forecasts` with what a rule made, within its limits; infinite ones become NaN.

    A rule that has run away has no forecast.

    Args:
        made: by the rule `[N]`.
        lowest: the lower limits `[N]`.
        highest: the upper limits `[N]`.
        forecasts: what becomes of them `[N]`; may be `made`.
    """
    for i in range(len(made)):
        # Comparisons with NaN are false, so NaN stays.
        value = made[i] if abs(made[i]) <= LARGEST else np.nan
        value = lowest[i] if value < lowest[i] else value
        forecasts[i] = highest[i] if value > highest[i] else value
