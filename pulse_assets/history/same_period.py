"""Which row of a series belongs to a date, although the two may label one period differently.

One quarter may be 2020-01-01 in the file of its observations and 2020-03-31 in a file of forecasts.
"""

import numpy as np

from pulse_assets.array_types import Bools, Dates, Ints
from pulse_assets.history.frequency import Frequency
from pulse_assets.history.step_calendars import EveryDay, WorkingDays

_DAY = np.timedelta64(1, "D")


def rows_of(labels: Dates, dates: Dates, frequency: Frequency) -> tuple[Ints, Bools]:
    """Return the row of each date, [N], and whether a row has its period.

    Without such a row it is the first one of a later period, or the number of rows.

    Args:
        labels: dates of the rows, ascending, [T].
        dates: the dates to look for, [N].
        frequency: of the series. Of daily and irregular series a date belongs to its own row alone.

    Example:
        >>> from pulse_assets.history.frequency_names import get_frequency
        >>> labels = np.array(["2019-12-31", "2020-03-31", "2020-06-30"], "M8[D]")
        >>> dates = np.array(["2020-01-01", "2020-06-30", "2020-09-30"], "M8[D]")
        >>> rows, found = rows_of(labels, dates, get_frequency("quarterly"))
        >>> rows.tolist(), found.tolist()
        ([1, 2, 3], [True, True, False])
    """
    rows, same_label = _search(labels, dates)
    calendar = frequency.calendar
    if calendar is None or isinstance(calendar, EveryDay | WorkingDays) or not len(labels):
        return rows, same_label
    ends, wanted = _last_days(labels, frequency), _last_days(dates, frequency)
    periods, period = (
        calendar.steps(np.broadcast_to(ends[0], days.shape), days) for days in (ends, wanted)
    )
    by_period, same_period = _search(periods, period)
    return np.where(same_label, rows, by_period), same_label | same_period


def periods_of(dates: Dates, frequency: Frequency) -> Ints | None:
    """Return a number per date that dates of one period share, [N].

    None where each date is a period of its own, as in daily series.
    """
    calendar = frequency.calendar
    if calendar is None or isinstance(calendar, EveryDay | WorkingDays):
        return None
    ends = _last_days(dates, frequency)
    return calendar.steps(np.broadcast_to(ends[:1], ends.shape), ends)


def _search(ordered: Dates | Ints, values: Dates | Ints) -> tuple[Ints, Bools]:
    """Return the place of each value among others, and whether it is one of them."""
    places = np.searchsorted(ordered, values)
    inside = places < len(ordered)
    equal = np.zeros(len(values), bool)
    equal[inside] = ordered[places[inside]] == values[inside]
    return places, equal


def _last_days(dates: Dates, frequency: Frequency) -> Dates:
    """Return the last day of the period that each date labels, be it its first day or its last."""
    over = frequency.period_over(dates)
    return np.where(over == dates, dates, over - _DAY)
