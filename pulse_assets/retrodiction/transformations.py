"""Rules that transform the series, apply another rule, and transform its forecasts back.

The transformations are logarithms, differences from one season ago, and the seasonal adjustment of
changes.
"""

from typing import Final

import numpy as np

from pulse_assets.array_types import Floats, Ints
from pulse_assets.retrodiction.arrays import end_of, kernel
from pulse_assets.retrodiction.autoregression import ar_level
from pulse_assets.retrodiction.request import ForecastRequest, History, RuleFunction
from pulse_assets.retrodiction.seasonal_smoothing import next_place
from pulse_assets.retrodiction.winsorise import winsorise_changes

#: Rate at which the smoothed seasonal drift follows the latest changes.
DRIFT_RATE: Final = 0.2
#: Larger forecasts of a logarithm count as this one; no clipped forecast is as large.
LARGEST_LOG: Final = 100.0


def seasonal_ar(history: History, request: ForecastRequest, *, order: int) -> Floats:
    """Autoregress the differences from one season ago, with their level, and add the season back.

    d_t = y_t - y_{t-m} is forecast as by `ar_level`; f_{t+h} = d_{t+h} + y_{t+h-m}, which is
    itself a forecast where h exceeds the season m. All NaN without a season.
    """
    if request.season < 2:
        return no_forecasts(request)
    steps = np.arange(1, request.horizons[-1] + 1)
    differences = seasonal_differences(history.y_robust, request)
    later = request.with_later_starts(request.season)._replace(horizons=steps)
    path = ar_level(History(differences, differences), later, order=order)
    return add_last_season(history, request, path)


def no_forecasts(request: ForecastRequest) -> Floats:
    """Return NaN for each forecast requested `[O, H]`."""
    return np.full((len(request.origins), len(request.horizons)), np.nan)


@kernel  # pragma: no cover
def seasonal_differences(y: Floats, request: ForecastRequest) -> Floats:
    """Return y_t - y_{t-m} `[T]`; 0 in the first season m."""
    differences = np.zeros(len(y))
    for s in range(len(request.series_offsets)):
        end = end_of(request.series_offsets, s, len(y))
        for t in range(request.series_offsets[s] + request.season, end):
            differences[t] = y[t] - y[t - request.season]
    return differences


@kernel  # pragma: no cover
def add_last_season(history: History, request: ForecastRequest, path: Floats) -> Floats:
    """Add the last season to forecast differences of all steps `[O, S]`; return `[O, H]`."""
    forecasts, season = np.empty((len(path), len(request.horizons))), request.season
    for row in range(len(path)):
        origin, differences = request.origins[row], path[row]
        shift = history.y[origin] - history.y_robust[origin]
        for h in range(len(differences)):
            # In the first season the forecast is NaN, whatever is added.
            ago = max(origin + 1 + h - season, 0)
            last = history.y_robust[ago] + shift if h < season else differences[h - season]
            differences[h] += last
        for j in range(len(request.horizons)):
            forecasts[row, j] = differences[request.horizons[j] - 1]
    return forecasts


def logarithmic(history: History, request: ForecastRequest, *, rule: RuleFunction) -> Floats:
    """Apply a rule to the winsorised logarithm; NaN from the first change of sign on."""
    last, logs = take_logs(history.y, request)
    logs = winsorise_changes(np.log(logs, out=logs), request.series_offsets)
    growth = rule(History(np.zeros(len(logs)), logs), request)
    np.minimum(growth, LARGEST_LOG, out=growth)
    forecasts = np.exp(growth, out=growth)
    forecasts *= last[request.origins, None]
    return forecasts


@kernel  # pragma: no cover
def take_logs(y: Floats, request: ForecastRequest) -> tuple[Floats, Floats]:
    """Return the values of constant sign, and the absolute values to take logarithms of.

    Returns:
        The values `[T]`, NaN from the first one on whose sign differs from the first value's; and
        their absolute values `[T]`, 1 instead of NaN.
    """
    constant_sign, sizes = np.empty(len(y)), np.empty(len(y))
    for s in range(len(request.series_offsets)):
        first, end = request.series_offsets[s], end_of(request.series_offsets, s, len(y))
        positive, alike = y[first] > 0.0, y[first] != 0.0
        for t in range(first, end):
            alike = alike and (y[t] > 0.0 if positive else y[t] < 0.0)
            constant_sign[t], sizes[t] = (y[t], abs(y[t])) if alike else (np.nan, 1.0)
    return constant_sign, sizes


def seasonally_adjusted(
    history: History, request: ForecastRequest, *, rule: RuleFunction, rate: float = DRIFT_RATE
) -> Floats:
    """Forecast seasonally adjusted changes by a rule, and add the smoothed seasonal drift back.

    The seasonal drift u of each place in the season is a smoothed change: u <- u + rate (d - u),
    where d is the change at that place one season later; at first it is the mean. With an
    autoregression this is a seasonal ARIMA model of order (p, 1, 0) x (0, 1, 1). All NaN without
    a season.

    Source:
        Box, Jenkins, Reinsel, Ljung (2015), Time Series Analysis, chapter 9 (the airline model).
    """
    if request.season < 2:
        return no_forecasts(request)
    return _adjusted(history, request, request.season, rule, rate)


def drift_adjusted(history: History, request: ForecastRequest, *, rule: RuleFunction) -> Floats:
    """Forecast changes less their smoothed drift by a rule, and add the drift back."""
    return _adjusted(history, request, 1, rule, DRIFT_RATE)


def _adjusted(
    history: History, request: ForecastRequest, season: int, rule: RuleFunction, rate: float
) -> Floats:
    adjusted, drift = split_changes(history.y_robust, request, season, rate)
    moves = rule(History(np.zeros(len(adjusted)), adjusted), request.with_later_starts(season))
    return add_moves(history.y, request.origins, drift, moves)


@kernel  # pragma: no cover
def add_moves(y: Floats, origins: Ints, drift: Floats, moves: Floats) -> Floats:
    """Add the last values and the drift `[O, H]` to the moves `[O, H]`, in place."""
    for row in range(len(origins)):
        for j in range(drift.shape[1]):
            moves[row, j] += drift[row, j] + y[origins[row]]
    return moves


@kernel  # pragma: no cover
def split_changes(
    y: Floats, request: ForecastRequest, season: int, rate: float
) -> tuple[Floats, Floats]:
    """Split the changes of series into a smoothed seasonal drift and adjusted changes.

    Args:
        y: series without gaps `[T]`.
        request: the first values, origins and horizons.
        season: observations per season, >= 1.
        rate: rate of the drift, 0..1; 1 / n is used while it is larger, n the changes so far at
            the place in the season, so that the drift is their mean.

    Returns:
        The sum of the changes less the drift before each `[T]`; and the sum of the drift over the
        next h steps as known at each origin `[O, H]`, NaN in the first two seasons.

    Example:
        0, 1, 3 with a season of 1: the drift is 1 after the first change, so the second change is
        1 more than the drift.
    """
    drift, adjusted = np.empty(season), np.zeros(len(y))
    drift_ahead = np.empty((len(request.origins), len(request.horizons)))
    for s in range(len(request.series_offsets)):
        first = t = request.series_offsets[s]
        place, seasons = 0, 0
        drift[:] = 0.0
        for row in range(request.origin_offsets[s], request.origin_offsets[s + 1]):
            while t < request.origins[row]:
                t, place = t + 1, next_place(place, season)
                seasons += place == min(1, season - 1)
                error = y[t] - y[t - 1] - drift[place]
                drift[place] += max(rate, 1.0 / seasons) * error
                adjusted[t] = adjusted[t - 1] + error
            start = 0.0 if t - first >= 2 * season else np.nan
            sum_drift(drift, place, request.horizons, start, drift_ahead[row])
    return adjusted, drift_ahead


@kernel  # pragma: no cover
def sum_drift(drift: Floats, place: int, horizons: Ints, start: float, row: Floats) -> None:
    """Fill `row` `[H]` with `start` plus the drift of the next h steps after `place`."""
    total, step = 0.0, 0
    for j in range(len(horizons)):
        while step < horizons[j]:
            step, place = step + 1, next_place(place, len(drift))
            total += drift[place]
        row[j] = start + total
