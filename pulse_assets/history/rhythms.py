"""The rhythm of a series: which gaps between its dates mean the same, and where that changes."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from pulse_assets.array_types import Bools, Dates, Ints


@dataclass(frozen=True)
class Rhythm:
    """Gaps between neighbouring dates that mean the same.

    Args:
        name: of the frequency that has such gaps.
        least: the shortest gap, in days.
        most: the longest gap, in days.
    """

    name: str
    least: int
    most: int


#: Periods differ in length, and a label may move to a working day.
RHYTHMS: Final = (
    Rhythm("daily", 1, 4),  # business_daily too: over a weekend and a holiday
    Rhythm("weekly", 5, 9),
    Rhythm("2W", 12, 18),  # twice a month too
    Rhythm("3W", 19, 23),
    Rhythm("monthly", 26, 35),
    Rhythm("6W", 40, 44),
    Rhythm("2M", 57, 66),
    Rhythm("quarterly", 85, 98),
    Rhythm("4M", 117, 128),
    Rhythm("6M", 175, 190),
    Rhythm("yearly", 360, 371),
    *(Rhythm(f"{years}Y", 365 * years - 5, 365 * years + 8) for years in (2, 3, 4, 5, 10)),
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
    return Change(row, _name(dates[: row + 1], before), _name(dates[row:], after))


def _name(dates: Dates, rhythm: int) -> str:
    return working_days(dates) if rhythm == DAILY else RHYTHMS[rhythm].name


def working_days(dates: Dates) -> str:
    """Tell daily from business-daily; some missing days or a Saturday session decide nothing.

    Example:
        >>> days = np.datetime64("2020-01-06") + np.arange(28)
        >>> working_days(days), working_days(days[np.is_busday(days)])
        ('daily', 'business_daily')
    """
    days_a_gap = (dates[-1] - dates[0]).astype(int) / max(len(dates) - 1, 1)
    weekdays = np.bincount(_weekdays(dates), minlength=7) / len(dates)
    return "daily" if days_a_gap < 1.25 or weekdays.min() >= 0.05 else "business_daily"


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
