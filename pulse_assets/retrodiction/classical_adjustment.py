"""Rules on a series that is seasonally adjusted by the classical indices of its places.

The indices are estimated from what is length: anew whenever the history has grown by a share. All
values before are then adjusted by the new indices, as a statistician would who adjusts today. So a
history is a few dozen adjusted series, of which each serves the origins until the next estimate.

Source:
    Makridakis, Spiliotis and Assimakopoulos (2020), "The M4 Competition: 100,000 time series and 61
    forecasting methods", International Journal of Forecasting 36 (1),
    doi:10.1016/j.ijforecast.2019.04.014 (test and indices, as in its method Naive2).
"""

from typing import Final

import numpy as np

from pulse_assets.array_types import Bools, Floats, Ints
from pulse_assets.retrodiction.arrays import kernel, summing_kernel
from pulse_assets.retrodiction.request import ForecastRequest, History, RuleFunction
from pulse_assets.retrodiction.seasonal_smoothing import next_place
from pulse_assets.retrodiction.transformations import no_forecasts

#: The indices are estimated anew when a history has grown by this share ...
GROWTH: Final = 0.1
#: ... or, if it has more values than this, by as many times that share as it is longer ...
GROWS_FASTER_FROM: Final = 120.0
#: ... up to this share.
LARGEST_GROWTH: Final = 0.5
#: Seasons that must be length for indices.
LEAST_SEASONS: Final = 3
#: The autocorrelation at one season must be larger than that of noise in 90 % of series.
CRITICAL: Final = 1.645
#: A smaller index of a place is no index: the season is then taken as not found.
SMALLEST_INDEX: Final = 0.05


def classically_adjusted(
    history: History, request: ForecastRequest, *, rule: RuleFunction
) -> Floats:
    """Forecast the adjusted series by a rule, and put the season back; NaN without a season.

    Where no season is found, or fewer than 3 seasons are known, these are the rule's own forecasts.

    Args:
        history: the values; the rule is fitted to them, adjusted.
        request: the requested forecasts.
        rule: of the adjusted series.

    Example:
        With a season of 2 the series 1, 3, 1, 3, 1, 3 has the indices 0.5 and 1.5; adjusted it is
        2, so any rule for levels forecasts 1 and then 3.
    """
    if request.season < 2:
        return no_forecasts(request)
    firsts, sizes, first_rows = estimates(request)
    row_ends = np.append(first_rows[1:], len(request.origins))
    lengths = request.origins[row_ends - 1] + 1 - firsts
    offsets = np.append(0, np.cumsum(lengths))
    adjusted, indices, by_ratio = adjust(history.y, firsts, sizes, offsets, request.season)
    moved = request._replace(
        series_offsets=offsets[:-1],
        origin_offsets=np.append(first_rows, len(request.origins)),
        origins=request.origins + np.repeat(offsets[:-1] - firsts, row_ends - first_rows),
    )
    forecasts = rule(History(adjusted, adjusted), moved)
    put_back(forecasts, moved, indices, by_ratio)
    return forecasts


def adjusted_if_seasonal(
    history: History, request: ForecastRequest, *, rule: RuleFunction
) -> Floats:
    """Forecast by a rule; with seasons the adjusted series, see `classically_adjusted`."""
    if request.season < 2:
        return rule(history, request)
    return classically_adjusted(history, request, rule=rule)


@kernel  # pragma: no cover
def estimates(request: ForecastRequest) -> tuple[Ints, Ints, Ints]:
    """Return which estimates of indices the origins use.

    The sizes of histories at which indices are estimated are the same whatever is requested.

    Returns:
        Of each estimate `[E]`: index of the first value, number of values from which the indices
        are estimated, and the first row of origins that uses it.
    """
    most = len(request.origins)
    firsts, sizes, first_rows = (
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty(most, np.int64),
    )
    count = 0
    for s in range(len(request.series_offsets)):
        first, size, due = request.series_offsets[s], 0, 1
        for row in range(request.origin_offsets[s], request.origin_offsets[s + 1]):
            length, used = request.origins[row] + 1 - first, size
            while due <= length:
                size, due = due, int(due * (1.0 + growth_of(due))) + 1
            if size > used:
                firsts[count], sizes[count], first_rows[count] = first, size, row
                count += 1
    return firsts[:count], sizes[:count], first_rows[:count]


@kernel  # pragma: no cover
def growth_of(size: int) -> float:
    """Return by which share a history grows until its indices are estimated anew."""
    return min(GROWTH * max(size / GROWS_FASTER_FROM, 1.0), LARGEST_GROWTH)


@kernel  # pragma: no cover
def adjust(
    y: Floats, firsts: Ints, sizes: Ints, offsets: Ints, season: int
) -> tuple[Floats, Floats, Bools]:
    """Adjust the values of each estimate by its indices.

    Args:
        y: the values `[T]`.
        firsts: index of the first value of each estimate `[E]`.
        sizes: number of values from which its indices are estimated `[E]`.
        offsets: where its adjusted values begin, and the end of the last `[E + 1]`.
        season: observations per season m, >= 2.

    Returns:
        The adjusted values of all estimates; the indices `[E, m]` by place from the first value on;
        and whether values are divided by them, or they are subtracted `[E]`.
    """
    adjusted, indices = np.empty(offsets[-1]), np.empty((len(firsts), season))
    by_ratio = np.zeros(len(firsts), np.bool_)
    for e in range(len(firsts)):
        first, length = firsts[e], offsets[e + 1] - offsets[e]
        by_ratio[e] = one_sign(y[first : first + sizes[e]])
        estimate(y[first : first + sizes[e]], by_ratio[e], indices[e])
        place = 0
        for i in range(length):
            index, value = indices[e, place], y[first + i]
            adjusted[offsets[e] + i] = value / index if by_ratio[e] else value - index
            place = next_place(place, season)
    return adjusted, indices, by_ratio


@kernel  # pragma: no cover
def one_sign(values: Floats) -> bool:
    """Return whether all values are above 0, or all are below."""
    above, below = 0, 0
    for i in range(len(values)):
        above += values[i] > 0.0
        below += values[i] < 0.0
    return above == len(values) or below == len(values)


@kernel  # pragma: no cover
def estimate(values: Floats, by_ratio: bool, indices: Floats) -> None:
    """Fill the indices of the places in a season `[m]`; 1, or 0 for differences, without a season.

    The index of a place is the mean of its values by their centred moving average, scaled to the
    mean 1; or the mean of the differences from it, less the mean of these.
    """
    season, neutral = len(indices), 1.0 if by_ratio else 0.0
    if len(values) < LEAST_SEASONS * season or not is_seasonal(values, season):
        indices[:] = neutral
        return
    counts, half = np.zeros(season), season // 2
    indices[:] = 0.0
    for t in range(half, len(values) - half):
        average = centred_average(values, t, season)
        place = t % season
        indices[place] += values[t] / average if by_ratio else values[t] - average
        counts[place] += 1.0
    for place in range(season):
        indices[place] /= counts[place]
    mean = indices.mean()
    for place in range(season):
        indices[place] = indices[place] / mean if by_ratio else indices[place] - mean
    if by_ratio and not indices.min() > SMALLEST_INDEX:
        indices[:] = neutral


@summing_kernel  # pragma: no cover
def centred_average(values: Floats, t: int, season: int) -> float:
    """Return the mean of one season around t; of an even number the outermost two count half."""
    half = season // 2
    total = 0.0
    for i in range(t - half, t + half + 1):
        total += values[i]
    if season % 2 == 0:
        total -= 0.5 * (values[t - half] + values[t + half])
    return total / season


@summing_kernel  # pragma: no cover
def is_seasonal(values: Floats, season: int) -> bool:
    """Return whether the autocorrelation at one season is larger than that of chance.

    The limit counts the autocorrelations at shorter lags: 1.645 sqrt((1 + 2 sum r_k^2) / n).
    """
    centred = values - values.mean()
    total = 0.0
    for i in range(len(centred)):
        total += centred[i] * centred[i]
    squares, correlation = 0.0, 0.0
    for lag in range(1, season + 1):
        product = 0.0
        for i in range(lag, len(centred)):
            product += centred[i] * centred[i - lag]
        correlation = product / total if total > 0.0 else 0.0
        squares += correlation * correlation
    squares -= correlation * correlation
    return abs(correlation) > CRITICAL * np.sqrt((1.0 + 2.0 * squares) / len(values))


@kernel  # pragma: no cover
def put_back(forecasts: Floats, request: ForecastRequest, indices: Floats, by_ratio: Bools) -> None:
    """Multiply forecasts `[O, H]` by the indices of their places, or add them, in place."""
    season = request.season
    for e in range(len(request.series_offsets)):
        for row in range(request.origin_offsets[e], request.origin_offsets[e + 1]):
            length = request.origins[row] - request.series_offsets[e]
            for j in range(len(request.horizons)):
                index = indices[e, (length + request.horizons[j]) % season]
                value = forecasts[row, j]
                forecasts[row, j] = value * index if by_ratio[e] else value + index
