"""Simple rules in closed form, which every other rule has to beat.

A rule is a function of the history and the request. It returns one forecast per origin and horizon
`[O, H]`; NaN where the history is too short.
"""

from typing import Final

import numpy as np

from pulse_assets.array_types import Floats
from pulse_assets.retrodiction.arrays import kernel
from pulse_assets.retrodiction.request import (
    ForecastRequest,
    History,
    first_values,
    flat_forecasts,
)

#: Observations that `window_mean` averages if there is no season.
WINDOW_WITHOUT_SEASON: Final = 6
#: Changes whose mean `window_drift` continues.
DRIFT_WINDOW: Final = 60


@kernel  # pragma: no cover
def naive(history: History, request: ForecastRequest) -> Floats:
    """Repeat the last value (persistence)."""
    return flat_forecasts(history.y[request.origins], request.horizons)


@kernel  # pragma: no cover
def drift(history: History, request: ForecastRequest) -> Floats:
    """Continue the line through the first and the last value.

    Example:
        From 1, 2, 5 the slope is (5 - 1) / 2 = 2, so the next values are 7 and 9.
    """
    return continue_lines(history.y, request, len(history.y))


@kernel  # pragma: no cover
def window_drift(history: History, request: ForecastRequest) -> Floats:
    """Continue the line from the value `DRIFT_WINDOW` steps ago, or the first, to the last."""
    return continue_lines(history.y, request, DRIFT_WINDOW)


@kernel  # pragma: no cover
def seasonal_naive(history: History, request: ForecastRequest) -> Floats:
    """Repeat the last season: f = y_{o + h - season * ceil(h / season)}."""
    season, horizons = request.season, request.horizons
    back = season * -(-horizons // season) - horizons
    forecasts = np.full((len(request.origins), len(horizons)), np.nan)
    for i, first in enumerate(first_values(request)):
        if request.origins[i] - first >= season - 1:
            for j in range(len(horizons)):
                forecasts[i, j] = history.y[request.origins[i] - back[j]]
    return forecasts


@kernel  # pragma: no cover
def window_mean(history: History, request: ForecastRequest) -> Floats:
    """Forecast the mean of the last season, or of `WINDOW_WITHOUT_SEASON` values without one."""
    window = request.season if request.season > 1 else WINDOW_WITHOUT_SEASON
    means = np.full(len(request.origins), np.nan)
    for i, first in enumerate(first_values(request)):
        if request.origins[i] - first >= window - 1:
            means[i] = mean_until(history.y, request.origins[i], window)
    return flat_forecasts(means, request.horizons)


@kernel  # pragma: no cover
def mean_until(y: Floats, last: int, window: int) -> float:
    """Return the mean of the `window` values up to index `last`."""
    # Not a difference of running sums: a large past value would round a small window away.
    total = 0.0
    for t in range(last - window + 1, last + 1):
        total += y[t]
    return total / window


@kernel  # pragma: no cover
def mean(history: History, request: ForecastRequest) -> Floats:
    """Forecast the mean of all values so far."""
    means = np.empty(len(request.origins))
    for s in range(len(request.series_offsets)):
        first = t = request.series_offsets[s]
        total = 0.0
        for i in range(request.origin_offsets[s], request.origin_offsets[s + 1]):
            while t <= request.origins[i]:
                total += history.y[t]
                t += 1
            means[i] = total / (t - first)
    return flat_forecasts(means, request.horizons)


@kernel  # pragma: no cover
def continue_lines(y: Floats, request: ForecastRequest, window: int) -> Floats:
    """Continue the line from the value `window` steps ago, or the first, to the last."""
    forecasts = np.empty((len(request.origins), len(request.horizons)))
    for i, first in enumerate(first_values(request)):
        origin = request.origins[i]
        back = min(origin - first, window)
        slope = (y[origin] - y[origin - back]) / back if back > 0 else np.nan
        for j in range(len(request.horizons)):
            forecasts[i, j] = y[origin] + slope * request.horizons[j]
    return forecasts
