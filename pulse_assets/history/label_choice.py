"""The frequency that the labels of a series follow: which weekdays, days of the month or offset."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, cast

import numpy as np

from pulse_assets.array_types import DAY, Dates, Ints
from pulse_assets.history.frequency import Frequency, weekday_counts
from pulse_assets.history.frequency_names import get_frequency, weeks, working_week
from pulse_assets.history.label_grids import LabelGrid, pandas_labels
from pulse_assets.history.rhythms import (
    DAILY,
    WEEKS_WINDOW,
    gaps_of,
    rhythms_of,
    week_labels,
    working_days,
)
from pulse_assets.history.step_calendars import MONTHS, WEEKDAYS, FixedDays, Months, WorkingDays

#: Dates that tell which rule labels follow; fewer are taken as they are.
_ENOUGH: Final = 8
#: Share of dates that must have the labels of a rule: holidays of no calendar move some.
_FIXED_SHARE, _ROLLED_SHARE, _WEEKDAY_SHARE = 0.9, 0.8, 0.95
#: Share of the dates that are on their own days of the month, even if others are moved.
_UNMOVED_SHARE: Final = 0.5
#: Share of gaps that are whole steps of that number of weeks, from which on a series counts weeks.
_WEEKS_SHARE: Final = 0.75
#: Gaps that are years.
_YEAR_LENGTHS: Final = (365, 366)
#: Days between two dates of a month at least: more often is daily or weekly.
_DAYS_APART: Final = 5
#: Days on which shorter months end.
_LATE_DAYS: Final = ("M-28", "M-29", "M-30")
#: The latest dates, which tell the working week, and how many of them tell that it is no usual one.
_RECENT, _ENOUGH_DAYS = 120, 20
#: Share of the recent dates from which on a weekday belongs to the working week.
_USUAL_SHARE: Final = 0.05


def working_week_of(dates: Dates) -> Frequency:
    """Return the frequency of a daily series: every day, or the days of its working week."""
    labels = week_labels(dates) if len(dates) >= WEEKS_WINDOW else np.array([-1])
    clear = "business_daily" if 5 in labels else "daily" if 7 in labels else working_days(dates)
    near = np.append(rhythms_of(gaps_of(dates)) == DAILY, True)  # not those after a long gap
    counts = weekday_counts(dates[near][-_RECENT:])
    usual = counts >= max(_USUAL_SHARE * counts.sum(), 1)
    enough = counts.sum() >= (WEEKS_WINDOW if clear == "daily" else _ENOUGH_DAYS)
    if not (enough and usual.any()):
        return get_frequency(clear)
    return working_week(np.flatnonzero(usual).tolist())


def labelled_frequency(dates: Dates, base: Frequency) -> Frequency | None:
    """Return the frequency whose labels the dates have; None if it must be irregular.

    Args:
        dates: in order, [T].
        base: the frequency of their gaps, without labels.
    """
    calendar = base.calendar
    if isinstance(calendar, FixedDays):
        other = equal_gaps(dates) if len(dates) >= _ENOUGH else None
        if other and other.calendar != calendar:
            return other
        return _fortnights(dates, base) if calendar.length == 14 else base
    if len(dates) < _ENOUGH:
        return base
    every = cast("Months", calendar).every
    return (
        _whole_weeks(dates, every)
        or _one_weekday(dates, every)
        or _day_of_month(dates, every, base)
    )


def share_of_labels(dates: Dates, frequency: Frequency) -> float:
    """Return the share of dates that are labels of a frequency; 1 if it has none of its own."""
    grid = frequency.calendar
    if not isinstance(grid, LabelGrid):
        return 1.0
    return float(np.mean(grid.label(grid.index(dates)) == dates))


def _best(dates: Dates, names: Iterable[str], least: float) -> Frequency | None:
    """Return the frequency that most dates are labels of; None if they are fewer than a share."""
    frequencies = [get_frequency(name) for name in names]
    shares = [share_of_labels(dates, frequency) for frequency in frequencies]
    if not shares or max(shares) < least:
        return None
    return frequencies[int(np.argmax(shares))]


def _counts_weeks(dates: Dates, every: int) -> bool:
    gaps = gaps_of(dates)
    return bool(np.mean(gaps % (7 * every) == 0) >= _WEEKS_SHARE)


def _fortnights(dates: Dates, base: Frequency) -> Frequency | None:
    """Tell every two weeks from twice a month."""
    if _counts_weeks(dates, 2):
        return base
    return days_of_months(dates)


def days_of_months(dates: Dates) -> Frequency | None:
    """Return the 2 to 4 days of each month that dates lie on or were moved from; None: none.

    Most labels are not on weekends, so they have not moved.
    """
    for count in (2, 3, 4):
        days = sorted(_usual_days(dates, count))
        apart = np.diff([*days, days[0] + 31]).min()
        moved = np.mean(~np.isin(labelled_days(dates), days))
        if apart < _DAYS_APART or moved > 1.0 - _UNMOVED_SHARE:
            continue
        name = "-".join(map(str, ["M", *days]))
        names = [_semi_monthly(name, days), f"{name}-preceding", f"{name}-following"]
        if len(days) == count and (best := _best(dates, names, _ROLLED_SHARE)):
            return best
    return None


def _semi_monthly(name: str, days: Sequence[int]) -> str:
    """Return pandas' name of two days of the month, if it has one."""
    if len(days) == 2 and days[1] == 31 and 1 < days[0] < 28:
        return f"SME-{days[0]}"
    return f"SMS-{days[1]}" if len(days) == 2 and days[0] == 1 and days[1] < 28 else name


def equal_gaps(dates: Dates) -> Frequency | None:
    """Return the frequency of as many days as nearly all dates are apart; None if they are not."""
    gaps = gaps_of(dates)
    usual = int(np.bincount(gaps).argmax())
    if usual < 2 or usual in _YEAR_LENGTHS or np.mean(gaps == usual) < _WEEKS_SHARE:
        return None
    return get_frequency(f"{usual}D")


def equal_months(dates: Dates) -> Frequency | None:
    """Return the frequency of as many months as nearly all dates are apart; None if they are not.

    Such are every fifth month, and every eighteenth.
    """
    months = np.diff(dates.astype("M8[M]")).astype(np.int64)
    usual = int(np.bincount(months).argmax())
    if usual < 2 or np.mean(months == usual) < _WEEKS_SHARE:
        return None
    return labelled_frequency(dates, get_frequency(f"{usual}M"))


def some_weekdays(dates: Dates) -> Frequency | None:
    """Return the frequency of dates on two or more weekdays, such as Tuesdays and Thursdays.

    None if dates are on other weekdays too, or most of these days have none.
    """
    counts = weekday_counts(dates)
    usual = np.flatnonzero(counts >= _USUAL_SHARE * counts.sum())
    if len(dates) < _ENOUGH_DAYS or len(usual) < 2 or counts[usual].sum() < len(dates):
        return None
    week = working_week(usual.tolist())
    days = cast("WorkingDays", week.calendar).steps(dates[:1], dates[-1:])[0]
    return week if len(dates) - 1 >= _WEEKS_SHARE * days else None


def _whole_weeks(dates: Dates, every: int) -> Frequency | None:
    """Return every 4, 13 or 26 weeks, where nearly all gaps have that length.

    Fiscal quarters of 13 weeks have one of 14 now and then.
    """
    length = {1: 4, 3: 13, 6: 26}.get(every)
    if length is None or not _counts_weeks(dates, length):
        return None
    whole = np.all(gaps_of(dates) % (7 * length) == 0)
    return weeks(length) if whole or every == 1 else None


def _one_weekday(dates: Dates, every: int) -> Frequency | None:
    """Return a weekday of the month, or a fiscal period, where all dates have one weekday."""
    counts = weekday_counts(dates)
    if counts.max() < _WEEKDAY_SHARE * len(dates):
        return None
    day = WEEKDAYS[int(counts.argmax())]
    number = np.bincount((_days(dates) - 1) // 7).argmax() + 1
    multiple = str(every) if every > 1 else ""
    names = [f"{multiple}WOM-{number}{day}"] if number < 5 else []
    of_month, fiscal = [*names, f"{multiple}LWOM-{day}"], _fiscal_names(dates, day, every)
    orders = (fiscal, of_month) if every == 12 else (of_month, fiscal)
    best = [best for names in orders if (best := _best(dates, names, _WEEKDAY_SHARE))]
    # The last Sunday of every third month is that of most fiscal quarters, but not of all.
    return max(best, key=lambda frequency: share_of_labels(dates, frequency), default=None)


def _fiscal_names(dates: Dates, day: str, every: int) -> Iterator[str]:
    """Yield the fiscal years, quarters or months that may end on the dates, all on one weekday."""
    if every not in (1, 3, 12):
        return
    for variation in "LN":
        for month in MONTHS:
            year = f"{variation}-{month}-{day}"
            if not _holds_year_ends(dates, f"RE-{year}"):
                continue
            if every == 12:
                yield f"RE-{year}"
            elif every == 3:
                yield from (f"REQ-{year}-{longer}" for longer in (4, 1, 2, 3))
            else:
                patterns = ("445", "454", "544")
                yield from (f"REM-{year}-{n}-{p}" for n in (4, 1, 2, 3) for p in patterns)


def _holds_year_ends(dates: Dates, alias: str) -> bool:
    """Return whether nearly all year ends of a fiscal calendar are among the dates."""
    ends = pandas_labels(alias)
    ends = ends[(ends >= dates[0]) & (ends <= dates[-1])]
    return len(ends) > 0 and float(np.mean(np.isin(ends, dates))) >= _FIXED_SHARE


def _days(dates: Dates) -> Ints:
    """Return the day of the month of each date, from 1."""
    return (dates - dates.astype("M8[M]").astype("M8[D]")).astype(np.int64) + 1


def labelled_days(dates: Dates) -> Ints:
    """Return the day of the month of each date; the last day of a month counts as 31."""
    at_end = (dates + DAY).astype("M8[M]") > dates.astype("M8[M]")
    return np.where(at_end, 31, _days(dates))


def _usual_days(dates: Dates, count: int) -> list[int]:
    """Return the most frequent days of the month."""
    counts = np.bincount(labelled_days(dates), minlength=32)
    most = np.argsort(-counts, kind="stable")[:count]
    return most[counts[most] > 0].tolist()


def _day_of_month(dates: Dates, every: int, base: Frequency) -> Frequency:
    """Return `base` if labels have one day of the month or no rule, else how they are rolled."""
    usual = dict.fromkeys([*_usual_days(dates, 2), 31])
    multiple = str(every) if every > 1 else ""
    if fixed := _best(dates, [f"M-{day}" for day in usual], _FIXED_SHARE):
        # Such a day is the last of some months, which says nothing of the next month's label.
        return get_frequency(multiple + fixed.name) if fixed.name in _LATE_DAYS else base
    rolls = ("preceding", "following")
    names = [f"M-{day}-{roll}" for day in usual for roll in rolls]
    best = _best(dates, names, _ROLLED_SHARE)
    if best:
        return get_frequency(_rolled_name(best.name, every, dates[-1]))
    return equal_gaps(dates) or base  # every five weeks, or every 30 days, is no month


def _rolled_name(name: str, every: int, last: np.datetime64) -> str:
    """Return pandas' name of a multiple of rolled days of the month, if it has one."""
    month = int(last.astype("M8[M]").astype(np.int64)) % 12
    kind = {"M-31-preceding": "E", "M-1-following": "S"}.get(name)
    if kind is None:
        return f"{every if every > 1 else ''}{name}"
    if every == 12:
        return f"BY{kind}-{MONTHS[month]}"
    if every == 3:
        return f"BQ{kind}-{MONTHS[month % 3 + (9 if kind == 'E' else 0)]}"
    return f"{every if every > 1 else ''}BM{kind}"
