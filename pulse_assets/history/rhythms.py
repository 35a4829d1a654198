"""The rhythm of a series: which gaps between its dates mean the same, and where that changes."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from pulse_assets.array_types import Bools, Dates, Ints
from pulse_assets.history.frequency import working_days


@dataclass(frozen=True)
class Rhythm:
    """Gaps between neighbouring dates that mean the same.

    Args:
        words: how a message names it.
        least: the shortest gap, in days.
        most: the longest gap, in days.
        coarser: the frequency to which such a series can be averaged.
    """

    words: str
    least: int
    most: int
    coarser: str


RHYTHMS: Final = (
    Rhythm("daily", 1, 4, "weekly"),
    Rhythm("weekly", 5, 9, "monthly"),
    Rhythm("every two weeks or twice a month", 12, 18, "monthly"),
    Rhythm("monthly", 26, 35, "quarterly"),
    Rhythm("every two months", 57, 66, "yearly"),
    Rhythm("quarterly", 85, 97, "yearly"),
    Rhythm("every four months", 117, 128, "yearly"),
    Rhythm("twice a year", 175, 190, "yearly"),
    Rhythm("yearly", 360, 371, ""),
    Rhythm("every two years", 725, 736, ""),
)
DAILY: Final = 0

#: Gaps of a window, and how many of them must have one rhythm for the window to have it.
_WINDOW, _AGREEING = 8, 7
#: Dates of a window that tells weeks of five days from weeks of seven.
WEEKS_WINDOW: Final = 60
#: Most dates on the two rarest weekdays of such a window in weeks of five days; least dates on the
#: rarest weekday in weeks of seven.
_FIVE_DAYS, _SEVEN_DAYS = 1, 5
#: Daily gaps that such a window must have.
_NEAR: Final = 53


@dataclass(frozen=True)
class Change:
    """The first row of the last stretch, and the rhythms before it and from it on."""

    row: int
    before: str
    after: str


def gaps_of(dates: Dates) -> Ints:
    """Return the days between neighbouring dates, [T - 1]."""
    return np.diff(dates).astype(np.int64)


def rhythms_of(gaps: Ints) -> Ints:
    """Return the index of the rhythm of each gap; -1 where it has none."""
    rhythms = np.full(len(gaps), -1)
    for index, rhythm in enumerate(RHYTHMS):
        rhythms[(gaps >= rhythm.least) & (gaps <= rhythm.most)] = index
    return rhythms


def _counts(flags: Bools, width: int) -> Ints:
    """Count the true flags in each window of `width`, [T - width + 1]; none in a short series."""
    total = np.append(0, np.cumsum(flags))
    return total[width:] - total[:-width]


def window_labels(rhythms: Ints) -> Ints:
    """Return the rhythm of each window of gaps; -1 where they do not agree on one."""
    labels = np.full(max(len(rhythms) - _WINDOW + 1, 0), -1)
    for index in np.unique(rhythms[rhythms >= 0]):
        labels[_counts(rhythms == index, _WINDOW) >= _AGREEING] = index
    return labels


def _last_switch(labels: Ints) -> tuple[int, int] | None:
    """Return the last window with another label than the last, and the first labelled after it."""
    labelled = np.flatnonzero(labels >= 0)
    if not len(labelled):
        return None
    others = labelled[labels[labelled] != labels[labelled[-1]]]
    if not len(others):
        return None
    return int(others[-1]), int(labelled[labelled > others[-1]][0])


def last_change(dates: Dates) -> Change | None:
    """Find where the rhythm of a series last changed."""
    rhythms = rhythms_of(gaps_of(dates))
    labels = window_labels(rhythms)
    switch = _last_switch(labels)
    if switch is None:
        return _change_of_weeks(dates) if DAILY in labels else None
    start, stop = switch
    before, after = labels[start], labels[stop]
    part = rhythms[start : stop + _WINDOW]
    # The row that leaves the fewest gaps of the one rhythm on the side of the other.
    fit = np.append(0, np.cumsum(part == before))
    fit += np.append(np.cumsum((part == after)[::-1])[::-1], 0)
    row = start + int(fit.argmax())
    return Change(row, _words(dates[: row + 1], before), _words(dates[row:], after))


def _words(dates: Dates, rhythm: int) -> str:
    return working_days(dates) if rhythm == DAILY else RHYTHMS[rhythm].words


def _weekdays(dates: Dates) -> Ints:
    return dates.astype(np.int64) % 7


def week_labels(dates: Dates) -> Ints:
    """Return the days per week, 5 or 7, of each window of dates; -1 where it is neither."""
    days = _weekdays(dates)
    counts = np.sort([_counts(days == day, WEEKS_WINDOW) for day in range(7)], axis=0)
    labels = np.full(counts.shape[1], -1)
    labels[counts[0] + counts[1] <= _FIVE_DAYS] = 5
    labels[counts[0] >= _SEVEN_DAYS] = 7
    near = _counts(rhythms_of(gaps_of(dates)) == DAILY, WEEKS_WINDOW - 1)
    return np.where(near >= _NEAR, labels, -1)


def _change_of_weeks(dates: Dates) -> Change | None:
    """Find where a daily series became business-daily, or the reverse."""
    if len(dates) < WEEKS_WINDOW:
        return None
    labels = week_labels(dates)
    switch = _last_switch(labels)
    if switch is None:
        return None
    start, stop = switch
    five = start if labels[start] == 5 else stop
    usual = np.bincount(_weekdays(dates[five : five + WEEKS_WINDOW]), minlength=7)
    rare = np.isin(_weekdays(dates), np.argsort(usual)[:2])
    # One date on a rare weekday may be in the window of five days: it may begin or end the other.
    if five == start:
        row = int(np.flatnonzero(rare[start + WEEKS_WINDOW - 7 :])[0]) + start + WEEKS_WINDOW - 7
        return Change(row, "business_daily", "daily")
    row = int(np.flatnonzero(rare[: stop + 7])[-1]) + 1
    return Change(row, "daily", "business_daily")
