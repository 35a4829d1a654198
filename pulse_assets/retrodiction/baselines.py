"""The plain rules, exact in closed form: every smarter rule has to beat these.

Each function forecasts from every index of a series without gaps: `y` `[T]`, horizons `[H]` and
the season in, forecasts `[T, H]` out, NaN where the past is too short for the rule.
"""

from typing import Final

import numpy as np

from pulse_assets.retrodiction.arrays import Floats, Ints

#: Observations that `window_mean` averages when there is no season.
PLAIN_WINDOW: Final = 6

#: Changes whose mean `window_drift` carries on.
DRIFT_WINDOW: Final = 60


def naive(y: Floats, horizons: Ints, season: int) -> Floats:
    """Carry the last value on (persistence)."""
    return _flat(y, horizons)


def drift(y: Floats, horizons: Ints, season: int) -> Floats:
    """Carry on the line through the first and the last value.

    Example:
        From 1, 2, 5 the slope is (5 - 1) / 2 = 2, so the next values are 7 and 9.
    """
    steps = np.maximum(np.arange(len(y)), 1)
    slope = (y - y[0]) / steps
    slope[0] = np.nan
    return y[:, None] + slope[:, None] * horizons


def window_drift(y: Floats, horizons: Ints, season: int) -> Floats:
    """Carry on the line through the value `DRIFT_WINDOW` steps ago, or the first, and the last."""
    index = np.arange(len(y))
    back = np.minimum(np.maximum(index, 1), DRIFT_WINDOW)
    slope = (y - y[np.maximum(index - back, 0)]) / back
    slope[0] = np.nan
    return y[:, None] + slope[:, None] * horizons


def seasonal_naive(y: Floats, horizons: Ints, season: int) -> Floats:
    """Repeat the last season: f = y_{o + h - season * ceil(h / season)}."""
    back = season * -(-horizons // season) - horizons
    source = np.arange(len(y))[:, None] - back
    forecasts = y[np.maximum(source, 0)]
    forecasts[: season - 1] = np.nan
    return forecasts


def mean(y: Floats, horizons: Ints, season: int) -> Floats:
    """Carry on the mean of all values so far."""
    return _flat(np.cumsum(y) / np.arange(1, len(y) + 1), horizons)


def window_mean(y: Floats, horizons: Ints, season: int) -> Floats:
    """Carry on the mean of the last season, of the last `PLAIN_WINDOW` values without a season."""
    window = season if season > 1 else PLAIN_WINDOW
    # Window by window, not by differences of a running sum: those would lose a small window
    # behind a large past value.
    total = np.zeros(len(y))
    for lag in range(min(window, len(y))):
        total[lag:] += y[: len(y) - lag]
    total[: window - 1] = np.nan
    return _flat(total / window, horizons)


def _flat(level: Floats, horizons: Ints) -> Floats:
    return np.repeat(level[:, None], len(horizons), axis=1)
