"""The plain rules, exact in closed form: every smarter rule has to beat these.

Each function forecasts from a series without gaps `y` `[T]`, twice as these rules are never tamed,
at the origins `[O]` for the horizons `[H]`: `[O, H]`, NaN where the past is too short for the rule.
"""

from typing import Final

import numpy as np

from pulse_assets.retrodiction.arrays import Floats, Ints

#: Observations that `window_mean` averages when there is no season.
PLAIN_WINDOW: Final = 6

#: Changes whose mean `window_drift` carries on.
DRIFT_WINDOW: Final = 60


def naive(y: Floats, seen: Floats, origins: Ints, horizons: Ints, season: int) -> Floats:
    """Carry the last value on (persistence)."""
    return _flat(y[origins], horizons)


def drift(y: Floats, seen: Floats, origins: Ints, horizons: Ints, season: int) -> Floats:
    """Carry on the line through the first and the last value.

    Example:
        From 1, 2, 5 the slope is (5 - 1) / 2 = 2, so the next values are 7 and 9.
    """
    return _line(y, origins, horizons, len(y))


def window_drift(y: Floats, seen: Floats, origins: Ints, horizons: Ints, season: int) -> Floats:
    """Carry on the line through the value `DRIFT_WINDOW` steps ago, or the first, and the last."""
    return _line(y, origins, horizons, DRIFT_WINDOW)


def seasonal_naive(y: Floats, seen: Floats, origins: Ints, horizons: Ints, season: int) -> Floats:
    """Repeat the last season: f = y_{o + h - season * ceil(h / season)}."""
    back = season * -(-horizons // season) - horizons
    forecasts = y[np.maximum(origins[:, None] - back, 0)]
    forecasts[origins < season - 1] = np.nan
    return forecasts


def mean(y: Floats, seen: Floats, origins: Ints, horizons: Ints, season: int) -> Floats:
    """Carry on the mean of all values so far."""
    return _flat(np.cumsum(y)[origins] / (origins + 1), horizons)


def window_mean(y: Floats, seen: Floats, origins: Ints, horizons: Ints, season: int) -> Floats:
    """Carry on the mean of the last season, of the last `PLAIN_WINDOW` values without a season."""
    window = season if season > 1 else PLAIN_WINDOW
    # Window by window, not by differences of a running sum: those would lose a small window
    # behind a large past value.
    total = np.zeros(len(origins))
    for lag in range(window - 1, -1, -1):
        total += y[np.maximum(origins - lag, 0)]
    total[origins < window - 1] = np.nan
    return _flat(total / window, horizons)


def _flat(level: Floats, horizons: Ints) -> Floats:
    return np.repeat(level[:, None], len(horizons), axis=1)


def _line(y: Floats, origins: Ints, horizons: Ints, window: int) -> Floats:
    back = np.minimum(origins, window)
    last = y[origins]
    slope = (last - y[origins - back]) / np.maximum(back, 1)
    slope[origins == 0] = np.nan
    return last[:, None] + slope[:, None] * horizons
