"""Calendars given by their labels: those of pandas' offsets, days of the month, fiscal periods.

The labels of such a calendar follow from weekdays and months alone, and the Gregorian calendar
repeats itself every 400 years, which are 20,871 whole weeks. So the labels of one such cycle, made
once, are those of all years: a date is found among them by `searchsorted`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final, Literal

import numpy as np

from pulse_assets.array_types import DAY, MONTH, Dates, Ints

#: First days of a cycle and of the next one, within the range of pandas' nanoseconds.
_START: Final = np.datetime64("1800-01-01")
_END: Final = np.datetime64("2200-01-01")
_CYCLE: Final = 146_097

#: How a label on a weekend moves to a working day; empty: it does not.
Roll = Literal["", "preceding", "following"]


@dataclass(frozen=True, eq=False)
class LabelGrid:
    """A calendar whose steps are a number of labels each.

    A date belongs to the nearest label.

    Args:
        labels: of a cycle, in days since its start, [G], in order.
        every: labels per step.
        at_end: whether a label is the end of its period; if not, it is the beginning.
    """

    labels: Ints
    every: int = 1
    at_end: bool = False

    @property
    def per_year(self) -> float:
        """Steps per year."""
        return len(self.labels) / 400 / self.every

    def index(self, dates: Dates) -> Ints:
        """Return the number of the label that is nearest to each date, [N]."""
        cycle, day = np.divmod((dates - _START).astype(np.int64), _CYCLE)
        return cycle * len(self.labels) + np.searchsorted(self._middles, day, side="right") - 1

    def label(self, index: Ints) -> Dates:
        """Return the date of each label, [N]."""
        cycle, place = np.divmod(index, len(self.labels))
        return _START + cycle * _CYCLE + self.labels[place]

    def steps(self, earlier: Dates, later: Dates) -> Ints:
        """Return the steps between dates, to the nearest."""
        return (self.index(later) - self.index(earlier) + self.every // 2) // self.every

    def ahead(self, dates: Dates, steps: Ints) -> Dates:
        """Return the labels some steps after those of the dates."""
        return self.label(self.index(dates) + self.every * steps)

    def period_over(self, dates: Dates) -> Dates:
        """Return the first day on which the period of each label is over.

        It is the label, or where labels are the beginnings of periods, the next label.
        """
        if self.at_end:
            return dates
        return np.maximum(self.ahead(dates, np.ones(len(dates), np.int64)), dates)

    def without(self, holidays: Dates, roll: Literal["preceding", "following"]) -> "LabelGrid":
        """Return the calendar whose labels are moved off holidays and weekends.

        Args:
            holidays: in order.
            roll: whether such a label moves to the working day before or after.
        """
        labels = np.busday_offset(_START + self.labels, 0, roll=roll, holidays=holidays)
        return grid_of(labels, self.every, at_end=self.at_end)

    @cached_property
    def _middles(self) -> Ints:
        """The first day that is nearer to each label than to that before, [G + 1]."""
        around = np.concatenate([self.labels[-1:] - _CYCLE, self.labels, self.labels[:1] + _CYCLE])
        return (around[:-1] + around[1:] + 1) // 2


def grid_of(labels: Dates, every: int = 1, *, at_end: bool = False) -> LabelGrid:
    """Return the calendar with the labels of one cycle, whatever their order."""
    return LabelGrid(np.unique((labels - _START).astype(np.int64) % _CYCLE), every, at_end)


@lru_cache(maxsize=512)
def pandas_labels(alias: str) -> Dates:
    """Return the labels of a pandas offset in one cycle.

    Args:
        alias: of the offset, without a multiple.
    """
    import pandas as pd  # as late as this: a training that needs none starts sooner

    last = _END - np.timedelta64(1, "D")
    labels = pd.date_range(str(_START), str(last), freq=alias).to_numpy().astype("M8[D]")
    labels.flags.writeable = False
    return labels


def days_of_month(days: Sequence[int], roll: Roll = "") -> Dates:
    """Return the labels of some days of each month, moved off weekends.

    Args:
        days: 1 to 31; a day that a month does not have is its last day.
        roll: whether a label on a weekend moves to the working day before or after.
    """
    months = np.arange(_START, _END, dtype="M8[M]")
    last_days = (months + MONTH).astype("M8[D]") - DAY
    labels = [np.minimum(months.astype("M8[D]") + (day - 1) * DAY, last_days) for day in days]
    every = np.sort(np.concatenate(labels))
    return np.busday_offset(every, 0, roll=roll) if roll else every


def fiscal_labels(year: str, weeks: Sequence[int], longer_quarter: int) -> Dates:
    """Return the ends of the periods of fiscal years of 52 or 53 weeks.

    Args:
        year: pandas' alias of the year, such as RE-L-JAN-SAT.
        weeks: weeks of each period of a year of 52 weeks.
        longer_quarter: the quarter, 1 to 4, whose last period has the 53rd week.
    """
    ends = pandas_labels(year)
    before = np.append(ends[-1:] - _CYCLE, ends[:-1])
    longer = (ends - before).astype(np.int64) > 52 * 7
    after = np.cumsum(weeks)
    # The 53rd week moves the ends of all periods from the last of its quarter on.
    shift = np.where(after >= 13 * longer_quarter, 7, 0)
    return (before[:, None] + (7 * after + np.where(longer[:, None], shift, 0)) * DAY).ravel()
