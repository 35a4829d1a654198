"""The frequency of a variable: its season, its steps, and the dates of missing and future periods.

A frequency holds a calendar, which counts the steps from one date to another and names the date so
many steps ahead; `step_calendars.py` and `label_grids.py` define them, `frequency_names.py` the
names. All functions take arrays of dates.
"""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final, Protocol

import numpy as np

from pulse_assets.array_types import Dates, Floats, Ints
from pulse_assets.errors import HistoricalDataError
from pulse_assets.history.step_calendars import FixedDays

#: Longest season of the denominator of mase and msis: that of hourly data in M4.
_LONGEST_SCALE_SEASON: Final = 24
#: Bounds of the steps per year of a weekly series.
_LEAST_WEEKS, _MOST_WEEKS = 50, 54
#: Dates from which a weekday without any of them counts as impossible.
_ENOUGH_WEEKDAYS: Final = 60


class StepCalendar(Protocol):
    """Which dates come one step after another."""

    @property
    def per_year(self) -> float:
        """Number of steps per year."""
        ...

    def steps(self, earlier: Dates, later: Dates) -> Ints:
        """Return the number of steps from one date to another, [N]."""
        ...

    def ahead(self, dates: Dates, steps: Ints) -> Dates:
        """Return the dates that lie a number of steps after others, [N]."""
        ...

    def period_over(self, dates: Dates) -> Dates:
        """Return the first day on which the period that each date labels is over, [N]."""
        ...


@dataclass(frozen=True)
class Frequency:
    """How often a variable is observed.

    Args:
        name: the word used in tables, see `frequency_names.py`.
        calendar: counts the steps between dates; None for `irregular`, whose steps are
            observations, as far apart as the median of those before.
        season: observations per season of the seasonal rules.
        counts_periods: whether a period without a row is a step; if not, the steps of a history are
            its rows, as in daily series, whose days without a row may be holidays.
        since: the day from which the series has this frequency; None: always.
    """

    name: str
    calendar: StepCalendar | None
    season: int
    counts_periods: bool = False
    since: date | None = None

    @property
    def text(self) -> str:
        """The name, with the day from which it holds: what settings and fingerprints hold."""
        return f"{self.name} since {self.since}" if self.since else self.name

    @property
    def scale_season(self) -> int:
        """Lag of the differences in the denominator of mase and msis.

        It is the choice of M4, which takes 1 for daily and weekly series.

        Source:
            Makridakis, Spiliotis and Assimakopoulos (2020), "The M4 Competition: 100,000 time
            series and 61 forecasting methods", International Journal of Forecasting 36 (1),
            doi:10.1016/j.ijforecast.2019.04.014.
        """
        return self.season if self.counts_periods and self.season <= _LONGEST_SCALE_SEASON else 1

    @cached_property
    def per_year(self) -> float:
        """Number of observations per year; an irregular series counts as daily."""
        return 365 if self.calendar is None else self.calendar.per_year

    @property
    def is_weekly(self) -> bool:
        """Whether each step is a week, whose label may move by some days."""
        return self.calendar is not None and _LEAST_WEEKS < self.per_year < _MOST_WEEKS

    def period_over(self, dates: Dates) -> Dates:
        """Return the first day on which the period that each date labels is over, [N].

        It is the label itself where that is the last day of its period, as in daily data, and else
        the first day of the next period. An irregular observation is known on its date.

        Example:
            >>> from pulse_assets.history.frequency_names import get_frequency
            >>> days = np.array(["2020-01-01", "2020-03-31"], "M8[D]")
            >>> get_frequency("quarterly").period_over(days).astype(str).tolist()
            ['2020-04-01', '2020-03-31']
        """
        return dates if self.calendar is None else self.calendar.period_over(dates)


def regularise(
    timestamps: Dates, values: Floats, published_at: Dates, frequency: Frequency
) -> tuple[Dates, Floats, Dates]:
    """Add a NaN row for each missing period of a variable whose periods are counted.

    An added date has the label of the observation before it, moved on by the missing periods. Other
    frequencies count observations and stay as they are.

    Args:
        timestamps: dates in order, [T].
        values: observations, [T].
        published_at: first day on which each value was known, [T]; NaT for an added row.
        frequency: of the variable.

    Returns:
        The same three with P >= T rows, one per period.

    Raises:
        HistoricalDataError: two dates lie in one period.

    Example:
        >>> from pulse_assets.history.frequency_names import get_frequency
        >>> dates = np.array(["2020-01-31", "2020-03-31"], "M8[D]")
        >>> monthly = get_frequency("monthly")
        >>> regularise(dates, np.array([1.0, 2.0]), None, monthly)[0].astype(str)
        array(['2020-01-31', '2020-02-29', '2020-03-31'], dtype='<U28')
    """
    calendar = frequency.calendar
    if calendar is None or not frequency.counts_periods or not len(timestamps):
        return timestamps, values, published_at
    period = _number_periods(timestamps, frequency, calendar)
    every = np.arange(period[-1] + 1)
    before = np.searchsorted(period, every, side="right") - 1
    dates = calendar.ahead(timestamps[before], every - period[before])
    dates[period] = timestamps
    full = np.full(len(dates), np.nan)
    full[period] = values
    published = np.full(len(dates), np.datetime64("NaT", "D"))
    published[period] = published_at
    return dates, full, published


def _number_periods(timestamps: Dates, frequency: Frequency, calendar: StepCalendar) -> Ints:
    """Return the number of the period of each date, counted from the first one, [T].

    Raises:
        HistoricalDataError: two dates lie in one period.
    """
    if frequency.is_weekly:
        # From row to row, since labels that move for holidays add up to no week, and two of a week
        # are two steps.
        steps = calendar.steps(timestamps[:-1], timestamps[1:])
        return np.append(0, np.cumsum(np.maximum(steps, 1)))
    period = calendar.steps(np.broadcast_to(timestamps[0], timestamps.shape), timestamps)
    _check_one_a_period(timestamps, period, frequency)
    return period


def _check_one_a_period(timestamps: Dates, period: Ints, frequency: Frequency) -> None:
    twice = np.flatnonzero(np.diff(period) <= 0)
    if len(twice):
        first, second = timestamps[twice[0]], timestamps[twice[0] + 1]
        raise HistoricalDataError(
            f"{first} and {second} lie in one period of a {frequency.name} variable: remove one, "
            "or set another frequency under `frequencies`"
        )


def steps_between(earlier: Dates, later: Dates, frequency: Frequency) -> Ints:
    """Return the number of steps of a variable from one date to another, [N], by the calendar.

    Raises:
        ValueError: an irregular variable has no calendar, see `steps_since`.

    Example:
        >>> from pulse_assets.history.frequency_names import get_frequency
        >>> friday, monday = np.array(["2020-01-03"], "M8[D]"), np.array(["2020-01-06"], "M8[D]")
        >>> steps_between(friday, monday, get_frequency("business_daily")).tolist()
        [1]
    """
    if frequency.calendar is None:
        raise ValueError(f"{frequency.name} dates have no calendar that counts steps")
    return frequency.calendar.steps(earlier, later)


def steps_since(dates: Dates, rows: Ints, later: Dates, frequency: Frequency) -> Ints:
    """Return the number of steps from some rows of a variable to later days, [N].

    The calendar counts them, or, if the variable is irregular, the median of the gaps before each
    row does: no later row has an effect.

    Args:
        dates: of the variable, in order, [T].
        rows: from which to count, [N].
        later: days on their dates or after them, [N].
        frequency: of the variable.
    """
    if frequency.calendar is not None:
        return frequency.calendar.steps(dates[rows], later)
    days, gaps = (later - dates[rows]).astype(np.int64), _gaps_so_far(dates)[rows]
    return np.where(days > 0, np.maximum(np.rint(days / gaps).astype(np.int64), 1), 0)


def dates_ahead(dates: Dates, horizons: Ints, frequency: Frequency) -> Dates:
    """Return the date of each horizon, [H], counted from the last of the dates that are known.

    They are dates on which the series can have a value: labelled as in `regularise`; a weekly
    series keeps its usual weekday; and none lies on a weekday that the series never has.

    Args:
        dates: dates of the series, in order, [T], at least one.
        horizons: steps ahead.
        frequency: of the series.

    Example:
        >>> from pulse_assets.history.frequency_names import get_frequency
        >>> monthly, last = get_frequency("monthly"), np.array(["2020-01-31"], "M8[D]")
        >>> dates_ahead(last, np.array([1, 2]), monthly).astype(str).tolist()
        ['2020-02-29', '2020-03-31']
    """
    if frequency.calendar is None:
        return _irregular_ahead(dates, horizons)
    last = dates[-1]
    if _is_weekly(frequency.calendar):
        last += _to_usual_weekday(dates)  # the last label may have moved for a holiday
    targets = frequency.calendar.ahead(np.full(len(horizons), last), horizons)
    if frequency.is_weekly or not frequency.counts_periods:
        return targets
    return _on_possible_weekdays(targets, dates)


def _is_weekly(calendar: StepCalendar) -> bool:
    return isinstance(calendar, FixedDays) and calendar.length % 7 == 0


def weekday_counts(dates: Dates) -> Ints:
    """Return the number of dates on each weekday from Monday on, [7]."""
    return np.bincount((dates.astype(np.int64) + 3) % 7, minlength=7)


def _to_usual_weekday(dates: Dates) -> np.timedelta64:
    """Return the days, -3 to 3, from the last date to the weekday that most of the dates have."""
    usual = int(weekday_counts(dates).argmax())
    last = int(dates[-1].astype(np.int64) + 3) % 7
    return np.timedelta64((usual - last + 3) % 7 - 3, "D")


def _on_possible_weekdays(targets: Dates, dates: Dates) -> Dates:
    """Move targets from weekdays that a long series never has to the nearest that it has."""
    usual = weekday_counts(dates) > 0
    if len(dates) < _ENOUGH_WEEKDAYS or usual.sum() > 5:
        return targets
    before = np.busday_offset(targets, 0, roll="backward", weekmask=usual)
    after = np.busday_offset(targets, 0, roll="forward", weekmask=usual)
    return np.where(targets - before <= after - targets, before, after)


def _irregular_ahead(dates: Dates, horizons: Ints) -> Dates:
    """Follow the median gap, counted in weekdays that the series has, if it is long enough."""
    usual = weekday_counts(dates) > 0
    if len(dates) < _ENOUGH_WEEKDAYS or usual.sum() > 5:
        usual = np.ones(7, bool)
    week = np.busdaycalendar(weekmask=usual)
    gaps = np.busday_count(dates[:-1], dates[1:], busdaycal=week)
    gap = max(int(np.median(gaps)), 1) if len(gaps) else 1
    return np.busday_offset(dates[-1], horizons * gap, roll="backward", busdaycal=week)


def _gaps_so_far(dates: Dates) -> Floats:
    """Return the median gap up to each row in days, [T]; at the first row, before any gap, 1."""
    import pandas as pd  # as late as this: a training that needs none starts sooner

    gaps = pd.Series(np.diff(dates).astype(np.float64))
    return np.append(1.0, np.maximum(gaps.expanding().median().to_numpy(), 1.0))
