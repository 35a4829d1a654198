"""The day on which each of somebody else's forecasts could be used."""

from dataclasses import replace

import numpy as np

from pulse_assets.array_types import Dates, Ints
from pulse_assets.history.frequency import Frequency
from pulse_assets.history.given_forecasts import GivenForecasts
from pulse_assets.history.same_period import rows_of
from pulse_assets.history.series import Series

_DAY = np.timedelta64(1, "D")


def with_days(
    given: GivenForecasts, series: Series, frequency: Frequency, lag_days: int = 0
) -> GivenForecasts:
    """Return forecasts that have a day of making each, at most one of a target and quantile a day.

    A forecast whose file gives its `origin_date` instead was made on the day on which a forecast
    from that observation can be made, see `publication.forecast_days`: on that of its publication,
    or, if it has no value, on that of the next one that has. If none follows, the period of the
    origin is over, plus `lag_days`, and all values of the series are public.

    Args:
        given: the forecasts.
        series: the observations that they predict, with their days of publication.
        frequency: of the series.
        lag_days: days from the end of a period to the publication of its value.
    """
    unknown = np.isnat(given.made_at)
    if not unknown.any():
        return given
    days = given.made_at.copy()
    days[unknown] = _days_of_origins(given.origin_dates[unknown], series, frequency, lag_days)
    return _newest(replace(given, made_at=days))


def _days_of_origins(origins: Dates, series: Series, frequency: Frequency, lag_days: int) -> Dates:
    """Return the day on which a forecast from each origin can be made, [N].

    It depends on nothing that is published after it.
    """
    if series.published_at is None:
        raise ValueError(f"{series.variable} has no days of publication")
    never = np.datetime64("NaT", "D")
    valued = np.where(np.isfinite(series.values), series.published_at, never)
    from_here_on = np.append(np.fmin.accumulate(valued[::-1])[::-1], never)
    public = from_here_on[rows_of(series.timestamps, origins, frequency)[0]]
    over = frequency.period_over(origins) + np.timedelta64(lag_days, "D")
    after_all = np.fmax.reduce(valued, initial=never) + _DAY
    return np.where(np.isnat(public), np.fmax(over, after_all), public)


def _newest(given: GivenForecasts) -> GivenForecasts:
    """Return the forecasts in order; of equal ones that with the latest origin stays.

    Two origins have one day where neither was public before a later value.
    """
    columns = given.made_at, given.target_dates, np.nan_to_num(given.quantiles)
    keys: list[Ints] = [column.view(np.int64) for column in columns]
    order = np.lexsort((given.origin_dates.view(np.int64), *keys[::-1]))
    ordered = [key[order] for key in keys]
    another = np.logical_or.reduce([key[1:] != key[:-1] for key in ordered])
    order = order[np.append(another, True)[: len(order)]]
    names = ("target_dates", "predicted", "made_at", "origin_dates", "quantiles", "places")
    return replace(given, **{name: getattr(given, name)[order] for name in names})
