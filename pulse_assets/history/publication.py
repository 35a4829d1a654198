"""When values were public: the publication day of each observation, and of each forecast origin.

A value is public on the day that its file gives, else when its period is over, plus a number of
days that the settings give.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, cast

import numpy as np

from pulse_assets.array_types import Bools, Dates
from pulse_assets.history.frequency import Frequency
from pulse_assets.history.series import Series

#: In `publication_lag_days`, all variables that it does not name.
ALL_OTHERS: Final = "*"


def lag_of(variable: str, lag_days: Mapping[str, int]) -> int:
    """Return the days from the end of a variable's period to its publication.

    Example:
        >>> lag_of("gdp", {"*": 30}), lag_of("gdp", {"gdp": 45, "*": 30}), lag_of("gdp", {})
        (30, 45, 0)
    """
    return lag_days.get(variable, lag_days.get(ALL_OTHERS, 0))


def with_publication(series: Series, frequency: Frequency, lag_days: int = 0) -> Series:
    """Return the series with a day of publication for each observation, see `publication_days`."""
    return replace(series, published_at=publication_days(series, frequency, lag_days))


def publication_days(series: Series, frequency: Frequency, lag_days: int = 0) -> Dates:
    """Return the day on which each observation of a series was public, [T].

    The day that the file gives stays. Without one a value is public when its period is over, see
    `Frequency.period_over`, plus `lag_days`, and not later than its first revision.

    Args:
        series: the observations.
        frequency: of the series.
        lag_days: days from the end of a period to the publication of its value.

    Example:
        >>> from pulse_assets.history.frequency_names import get_frequency
        >>> days = np.array(["2020-01-01", "2020-04-01"], "M8[D]")
        >>> gdp, quarterly = Series("gdp", days, np.ones(2)), get_frequency("quarterly")
        >>> publication_days(gdp, quarterly, 30).astype(str).tolist()
        ['2020-05-01', '2020-07-31']
    """
    assumed = frequency.period_over(series.timestamps) + np.timedelta64(lag_days, "D")
    given, later = series.published_at, series.revisions
    if later is not None:
        rows, first = np.unique(later.rows, return_index=True)
        assumed[rows] = np.fmin(assumed[rows], later.published_at[first])
    return assumed if given is None else np.where(np.isnat(given), assumed, given)


def forecast_days(published: Dates, has_value: Bools, period_over: Dates) -> Dates:
    """Return the day on which a forecast can be made from each row as its origin, [T], ascending.

    It is the day on which the row's value was first public. A row without a value, or whose value
    came after that of a later row, is an origin that lacks its value, which is known once a later
    value is public. So the day depends on nothing that was published after it.

    Args:
        published: first day on which the value of each row was public, [T]; NaT where unknown.
        has_value: whether each row has a value, [T].
        period_over: first day on which the period of each row is over, [T]: the day of a row that
            no value follows.

    Example:
        >>> days = np.array(["2020-02-10", "NaT", "2020-04-10"], "M8[D]")
        >>> over = np.array(["2020-02-01", "2020-03-01", "2020-04-01"], "M8[D]")
        >>> forecast_days(days, ~np.isnat(days), over).astype(str).tolist()
        ['2020-02-10', '2020-04-10', '2020-04-10']
    """
    valued = np.where(has_value, published, np.datetime64("NaT", "D"))
    from_here_on = np.fmin.accumulate(valued[::-1])[::-1]
    return np.maximum.accumulate(np.where(np.isnat(from_here_on), period_over, from_here_on))


def archive_start(published: Dates, least: int) -> np.datetime64:
    """Return the first day of an archive, whose values nobody forecast in real time.

    On it an archive holds many values at once, perhaps after a few stray ones.

    Args:
        published: first day on which each value was public, [N]; NaT where unknown.
        least: number of values from which on there are forecasts.

    Returns:
        The day on which the first `least` values were public, if that is the day of several values;
        else NaT: there is no archive.

    Example:
        >>> days = np.array(["2000-01-31", "2005-11-15", "2005-11-15", "2005-12-15"], "M8[D]")
        >>> str(archive_start(days, 3)), str(archive_start(days[[0, 1, 3]], 3))
        ('2005-11-15', 'NaT')
    """
    ordered = np.sort(published[~np.isnat(published)])
    if len(ordered) < least or (ordered == ordered[least - 1]).sum() == 1:
        return np.datetime64("NaT", "D")
    return cast("np.datetime64", ordered[least - 1])
