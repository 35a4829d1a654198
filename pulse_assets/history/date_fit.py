"""Which frequency the dates of a series fit, and which dates are one too many for it."""

from typing import Final, cast

import numpy as np

from pulse_assets.array_types import Bools, Dates, Ints
from pulse_assets.history.frequency import Frequency
from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.history.label_choice import (
    days_of_months,
    equal_gaps,
    equal_months,
    labelled_days,
    labelled_frequency,
    some_weekdays,
    working_week_of,
)
from pulse_assets.history.label_grids import LabelGrid
from pulse_assets.history.rhythms import DAILY, RHYTHMS, gaps_of, rhythms_of
from pulse_assets.history.step_calendars import FixedDays, Months

#: Share of gaps that must have one rhythm: the others are holidays and missing observations.
_REGULAR_SHARE: Final = 0.75
#: Share of steps to the very next day or week that a daily or weekly series must have: every second
#: day is not daily with a missing day after each.
TYPICAL_SHARE: Final = 0.3
#: The last day of the first half of a month.
_HALF_MONTH: Final = 15
#: How many times as often the one of two mixed series must have a date.
_SEVERAL: Final = 1.5
#: Dates that each of two mixed series must have over the same time.
_MIXED: Final = 8


def fitting(dates: Dates) -> Frequency | None:
    """Return the frequency that most gaps or labels have; None if they have none."""
    rhythms = rhythms_of(gaps_of(dates))
    rhythm = int(np.bincount(rhythms[rhythms >= 0], minlength=1).argmax())
    frequency = None
    if np.mean(rhythms == rhythm) >= _REGULAR_SHARE:
        base = get_frequency(RHYTHMS[rhythm].name)
        frequency = working_week_of(dates) if rhythm == DAILY else labelled_frequency(dates, base)
    if frequency is None or single_steps(dates, frequency) < TYPICAL_SHARE:
        rules = (days_of_months, equal_gaps, equal_months, some_weekdays)
        frequency = next(filter(None, (rule(dates) for rule in rules)), None)
    return frequency if frequency and single_steps(dates, frequency) >= TYPICAL_SHARE else None


def single_steps(dates: Dates, frequency: Frequency) -> float:
    """Return the share of neighbouring dates that are one step apart."""
    if frequency.calendar is None or len(dates) < 2:
        return 1.0
    return float(np.mean(frequency.calendar.steps(dates[:-1], dates[1:]) == 1))


def crowded(dates: Dates, frequency: Frequency) -> Ints:
    """Return the first of each two neighbouring rows that are one too many.

    A batch counts periods from the first date that it sees, which may be any of them, so no two
    dates may share a period counted from any.
    """
    calendar = frequency.calendar
    if frequency.is_weekly:
        return _crowded_weeks(gaps_of(dates))
    if calendar is None or not frequency.counts_periods:
        return np.array([], np.int64)
    twice: Bools = np.zeros(max(len(dates) - 1, 0), bool)
    for first in np.unique(_phases(dates, calendar), return_index=True)[1]:
        start = np.broadcast_to(dates[first], dates.shape)
        twice |= np.diff(calendar.steps(start, dates)) == 0
    return np.flatnonzero(twice)


def _phases(dates: Dates, calendar: object) -> Ints:
    """Return a number per date: steps counted from dates with the same number are the same."""
    if isinstance(calendar, Months):
        return dates.astype("M8[M]").astype(np.int64) % calendar.every
    if isinstance(calendar, FixedDays):
        return dates.astype(np.int64) % calendar.length
    grid = cast("LabelGrid", calendar)
    return grid.index(dates) % grid.every


def _crowded_weeks(gaps: Ints) -> Ints:
    """Find three dates within one week and a day: the nearer two of them are one too many."""
    three = np.flatnonzero(gaps[1:] + gaps[:-1] <= 8)
    return np.unique(np.where(gaps[three] <= gaps[three + 1], three, three + 1))


def two_frequencies(dates: Dates) -> tuple[Bools, Frequency, Frequency] | None:
    """Find two series whose dates are mixed, such as months and the ends of quarters.

    They differ in the most frequent day of the month, in the half of the month, or in the
    most frequent weekday. Each must have a frequency of its own, one several times as often as the
    other, over the same years.

    Returns:
        Which dates belong to the first, [T], and both frequencies; None if there are no two.
    """
    days, weekdays = labelled_days(dates), (dates.astype(np.int64) + 3) % 7
    for labels in (days, (days > _HALF_MONTH).astype(np.int64), weekdays):
        usual = labels == np.bincount(labels).argmax()
        parts = (dates[usual], dates[~usual])
        if not _overlap(*parts):
            continue
        first, second = (_own_frequency(part) for part in parts)
        if first and second and abs(np.log(first.per_year / second.per_year)) > np.log(_SEVERAL):
            return usual, first, second
    return None


def _overlap(first: Dates, second: Dates) -> bool:
    """Return whether two series have dates enough, most of them over the same time."""
    if min(len(first), len(second)) < _MIXED:
        return False
    start, end = max(first[0], second[0]), min(first[-1], second[-1])
    return all(np.sum((part >= start) & (part <= end)) >= _MIXED for part in (first, second))


def _own_frequency(dates: Dates) -> Frequency | None:
    """Return the frequency that dates fit without one too many."""
    frequency = fitting(dates)
    if frequency is None or len(crowded(dates, frequency)):
        return None
    return frequency if single_steps(dates, frequency) >= _REGULAR_SHARE else None
