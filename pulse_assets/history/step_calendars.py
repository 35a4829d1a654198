"""Calendars whose steps are days, weeks or months: arithmetic on dates."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from pulse_assets.array_types import DAY, MONTH, Dates, Ints


@dataclass(frozen=True)
class EveryDay:
    """Each day is a step."""

    per_year: float = 365

    def steps(self, earlier: Dates, later: Dates) -> Ints:
        """Return the days between dates."""
        return (later - earlier).astype(np.int64)

    def ahead(self, dates: Dates, steps: Ints) -> Dates:
        """Return the dates some days later."""
        return dates + steps * DAY

    def period_over(self, dates: Dates) -> Dates:
        """Return the days themselves: a value of a day is known on it."""
        return dates


@dataclass(frozen=True)
class WorkingDays:
    """Each day of the working week that is no holiday is a step: pandas' CustomBusinessDay.

    Args:
        days: of the week, as pandas and NumPy write a weekmask.
        holidays: days of the week without an observation.
    """

    days: str = "Mon Tue Wed Thu Fri"
    holidays: Dates = field(default_factory=lambda: np.empty(0, "M8[D]"), repr=False, compare=False)
    calendar: np.busdaycalendar = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Prepare the days for NumPy."""
        object.__setattr__(self, "calendar", np.busdaycalendar(self.days, self.holidays))

    @property
    def per_year(self) -> float:
        """Working days per year, 261 of five per week."""
        return round(365.25 * len(self.days.split()) / 7)

    def steps(self, earlier: Dates, later: Dates) -> Ints:
        """Return the working days between dates."""
        return np.busday_count(earlier, later, busdaycal=self.calendar).astype(np.int64)

    def ahead(self, dates: Dates, steps: Ints) -> Dates:
        """Return the dates some working days later; a date on no such day counts as that before."""
        return np.busday_offset(dates, steps, roll="backward", busdaycal=self.calendar)

    def period_over(self, dates: Dates) -> Dates:
        """Return the days themselves: a value of a day is known on it."""
        return dates


@dataclass(frozen=True)
class FixedDays:
    """Each step has a number of days, such as two weeks; a label may have moved by some days.

    Args:
        length: of a step, in days.
        holidays: days without an observation, in order; the label is then a day before.
    """

    length: int
    holidays: Dates = field(default_factory=lambda: np.empty(0, "M8[D]"), repr=False, compare=False)

    @property
    def per_year(self) -> float:
        """Steps per year; a year has 52 weeks."""
        return (365.25 if self.length % 7 else 364) / self.length

    def steps(self, earlier: Dates, later: Dates) -> Ints:
        """Return the steps between dates, to the nearest."""
        return ((later - earlier).astype(np.int64) + self.length // 2) // self.length

    def ahead(self, dates: Dates, steps: Ints) -> Dates:
        """Return the dates some steps later, or the days before them that are no holidays."""
        later = dates + self.length * steps * DAY
        if not len(self.holidays):
            return later
        return np.busday_offset(later, 0, "backward", weekmask="1111111", holidays=self.holidays)

    def period_over(self, dates: Dates) -> Dates:
        """Return the first day on which the period of each label is over.

        A label from Friday to Sunday is the end of its weeks. Any other lies in a week that is over
        on the next Monday, or, where periods are several weeks or no weeks, begins its period.
        """
        if self.length % 7:
            return dates + self.length * DAY
        weekday = (dates.astype(np.int64) + 3) % 7  # from Monday on
        return np.where(weekday >= 4, dates, dates + (self.length - weekday) * DAY)


@dataclass(frozen=True)
class Months:
    """Each step has a number of months; labels are those of the observation before.

    A label is the last day of its month if that before was one, else on the same day of the month.
    Fiscal quarters and years start in any month: steps are counted between months, to the nearest,
    because a label may have moved into the next month.
    """

    every: int = 1

    @property
    def per_year(self) -> float:
        """Steps per year."""
        return 12 / self.every

    def steps(self, earlier: Dates, later: Dates) -> Ints:
        """Return the steps between dates, to the nearest."""
        months = (later.astype("M8[M]") - earlier.astype("M8[M]")).astype(np.int64)
        return (months + self.every // 2) // self.every

    def ahead(self, dates: Dates, steps: Ints) -> Dates:
        """Return the dates some steps later, labelled like those before."""
        own_months = dates.astype("M8[M]")
        months = own_months + self.every * steps * MONTH
        last_days = (months + MONTH).astype("M8[D]") - DAY
        same_days = months.astype("M8[D]") + (dates - own_months.astype("M8[D]"))
        at_end = (dates + DAY).astype("M8[M]") > own_months
        return np.where(at_end, last_days, np.minimum(same_days, last_days))

    def period_over(self, dates: Dates) -> Dates:
        """Return the first day on which the period of each label is over.

        The last day of a month, or its last working day, is the end of its period. Any other label
        lies in the first month of its period, which is over on the first of the month after it.
        """
        following = (dates.astype("M8[M]") + MONTH).astype("M8[D]")
        at_end = dates >= np.busday_offset(following, -1, roll="forward")
        return np.where(at_end, dates, (dates.astype("M8[M]") + self.every * MONTH).astype("M8[D]"))


#: Weekdays as pandas writes them in offsets, from Monday on.
WEEKDAYS: Final = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
#: Months as pandas writes them in offsets.
MONTHS: Final = (
    *("JAN", "FEB", "MAR", "APR", "MAY", "JUN"),
    *("JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
)
