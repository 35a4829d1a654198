"""The plain rules, exact in closed form: every smarter rule has to beat these.

Each function forecasts from series without gaps `y` `[T]`, twice as these rules are never tamed:
`[O, H]` as `Asked` says, NaN where the past is too short for the rule.
"""

from typing import Final

import numpy as np

from pulse_assets.retrodiction.arrays import Floats, kernel
from pulse_assets.retrodiction.asked import Asked

#: Observations that `window_mean` averages when there is no season.
PLAIN_WINDOW: Final = 6

#: Changes whose mean `window_drift` carries on.
DRIFT_WINDOW: Final = 60


@kernel  # pragma: no cover
def naive(y: Floats, seen: Floats, asked: Asked) -> Floats:
    """Carry the last value on (persistence)."""
    forecasts = np.empty((len(asked.origins), len(asked.horizons)))
    for row in range(len(forecasts)):
        origin: int = asked.origins[row]
        fill(forecasts[row], y[origin])
    return forecasts


@kernel  # pragma: no cover
def drift(y: Floats, seen: Floats, asked: Asked) -> Floats:
    """Carry on the line through the first and the last value.

    Example:
        From 1, 2, 5 the slope is (5 - 1) / 2 = 2, so the next values are 7 and 9.
    """
    return carry_lines_on(y, asked, len(y))


@kernel  # pragma: no cover
def window_drift(y: Floats, seen: Floats, asked: Asked) -> Floats:
    """Carry on the line through the value `DRIFT_WINDOW` steps ago, or the first, and the last."""
    return carry_lines_on(y, asked, DRIFT_WINDOW)


@kernel  # pragma: no cover
def seasonal_naive(y: Floats, seen: Floats, asked: Asked) -> Floats:
    """Repeat the last season: f = y_{o + h - season * ceil(h / season)}."""
    season, horizons = asked.season, asked.horizons
    back = season * -(-horizons // season) - horizons
    forecasts = np.empty((len(asked.origins), len(horizons)))
    for s in range(len(asked.begins)):
        for row in range(asked.rows[s], asked.rows[s + 1]):
            known = asked.origins[row] - asked.begins[s] >= season - 1
            for j in range(len(horizons)):
                forecasts[row, j] = y[asked.origins[row] - back[j]] if known else np.nan
    return forecasts


@kernel  # pragma: no cover
def mean(y: Floats, seen: Floats, asked: Asked) -> Floats:
    """Carry on the mean of all values so far."""
    forecasts = np.empty((len(asked.origins), len(asked.horizons)))
    for s in range(len(asked.begins)):
        total, t = 0.0, asked.begins[s]
        for row in range(asked.rows[s], asked.rows[s + 1]):
            while t <= asked.origins[row]:
                total += y[t]
                t += 1
            fill(forecasts[row], total / (t - asked.begins[s]))
    return forecasts


@kernel  # pragma: no cover
def window_mean(y: Floats, seen: Floats, asked: Asked) -> Floats:
    """Carry on the mean of the last season, of the last `PLAIN_WINDOW` values without a season."""
    window = asked.season if asked.season > 1 else PLAIN_WINDOW
    forecasts = np.empty((len(asked.origins), len(asked.horizons)))
    for s in range(len(asked.begins)):
        for row in range(asked.rows[s], asked.rows[s + 1]):
            last, total = asked.origins[row], np.nan
            if last - asked.begins[s] >= window - 1:
                # Window by window, not by differences of a running sum: those would lose a small
                # window behind a large past value.
                total = 0.0
                for t in range(last - window + 1, last + 1):
                    total += y[t]
            fill(forecasts[row], total / window)
    return forecasts


@kernel  # pragma: no cover
def fill(row: Floats, value: float) -> None:
    """Set each forecast of a row `[H]` to the same value."""
    for j in range(len(row)):
        row[j] = value


@kernel  # pragma: no cover
def carry_lines_on(y: Floats, asked: Asked, window: int) -> Floats:
    """Carry on the line through the value `window` steps ago, or the first, and the last."""
    forecasts = np.empty((len(asked.origins), len(asked.horizons)))
    for s in range(len(asked.begins)):
        for row in range(asked.rows[s], asked.rows[s + 1]):
            origin = asked.origins[row]
            back = min(origin - asked.begins[s], window)
            slope = (y[origin] - y[origin - back]) / back if back > 0 else np.nan
            for j in range(len(asked.horizons)):
                forecasts[row, j] = y[origin] + slope * asked.horizons[j]
    return forecasts
