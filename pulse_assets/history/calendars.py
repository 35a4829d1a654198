"""The frequency of a series, decided once from all its dates, and what no frequency explains.

`frequency.py` defines the frequencies; here a whole series is checked before the first batch. A
problem is a `HistoricalDataError` that names the file, the rows and how to fix it.

The dates of the whole series decide, also those after an origin. That is no look-ahead: only dates
are used, never values, and how often a statistic is observed is known in advance, because it is
part of how the statistic is defined. Later dates cannot choose another frequency quietly either: if
one stretch of the series has one rhythm and another stretch has another, that is an error.
"""

from typing import Final

import numpy as np

from pulse_assets.errors import HistoricalDataError
from pulse_assets.history.frequency import (
    FREQUENCIES,
    Dates,
    Frequency,
    get_frequency,
    infer_frequency,
    working_days,
)
from pulse_assets.history.rhythms import (
    RHYTHMS,
    WEEKS_WINDOW,
    Change,
    Ints,
    gaps_of,
    last_change,
    rhythms_of,
    week_labels,
    window_labels,
)
from pulse_assets.history.series import Series

#: Gaps that a daily or weekly series has often, in days, and the share that it must have of them:
#: every second day is not daily with a missing day after each.
_TYPICAL: Final = {"daily": (1, 1), "business_daily": (1, 1), "weekly": (6, 8)}
_TYPICAL_SHARE: Final = 0.3
#: Share of gaps that a declared frequency must explain where none can be inferred.
_DECLARED_SHARE: Final = 0.05
#: Rows that a stretch must have to be worth keeping alone.
_ENOUGH: Final = 25
#: Share of gaps of 28 days from which on a series is four-weekly, not monthly.
_FOUR_WEEKLY_SHARE: Final = 0.75


def decide_frequency(series: Series, declared: str | None = None, leave_out: str = "") -> str:
    """Return the frequency of a series, or raise why it has none.

    Args:
        series: the whole series.
        declared: the frequency that the settings give; it is checked against the dates.
        leave_out: how the variable can be left out, for messages; empty if it cannot.

    Raises:
        HistoricalDataError: fewer than 3 dates, gaps that fit no frequency, a frequency that
            changes, two dates in one period, or a declared frequency that contradicts the dates.

    Example:
        >>> days = np.array(["2020-01-01", "2020-04-01", "2020-07-01"], "M8[D]")
        >>> decide_frequency(Series("gdp", days, np.ones(3)))
        'quarterly'
    """
    if declared is not None:
        _check_declared(series, get_frequency(declared))
        return declared
    if len(series.timestamps) < 3:
        raise HistoricalDataError(
            f"{series.source}: no frequency can be inferred from {len(series.timestamps)} dates "
            f"({series.row(0)}): add rows, or set --frequencies {series.variable}=monthly or "
            f"another of {', '.join(FREQUENCIES)}"
        )
    change = last_change(series.timestamps)
    if change:
        raise HistoricalDataError(_explain_change(series, change))
    name = _fitting(series.timestamps)
    if name is None:
        raise HistoricalDataError(_explain_none(series, leave_out))
    crowded = _crowded(series.timestamps, FREQUENCIES[name])
    if len(crowded):
        raise HistoricalDataError(_explain_crowded(series, crowded, name))
    return name


def _fitting(dates: Dates) -> str | None:
    """Return the frequency that the gaps of all dates fit; None if they fit none."""
    inferred, gaps = infer_frequency(dates), gaps_of(dates)
    if inferred is None:
        return None
    name: str = inferred.name
    if name in ("daily", "business_daily"):
        name = _week_name(dates)
    if name == "monthly" and np.mean(gaps == 28) >= _FOUR_WEEKLY_SHARE:
        return None
    labels = window_labels(rhythms_of(gaps))
    words = {RHYTHMS[i].words for i in np.unique(labels[labels >= 0])}
    if words - {name.removeprefix("business_")}:
        return None
    return name if _typical_share(gaps, name) >= _TYPICAL_SHARE else None


def _week_name(dates: Dates) -> str:
    """Tell daily from business-daily: by the weeks that are clear, else by all dates together."""
    labels = week_labels(dates) if len(dates) >= WEEKS_WINDOW else np.array([-1])
    if 5 in labels:
        return "business_daily"
    return "daily" if 7 in labels else working_days(dates)


def _typical_share(gaps: Ints, name: str) -> float:
    least, most = _TYPICAL.get(name) or next(
        (rhythm.least, rhythm.most) for rhythm in RHYTHMS if rhythm.words == name
    )
    return float(np.mean((gaps >= least) & (gaps <= most))) if len(gaps) else 1.0


def _crowded(dates: Dates, frequency: Frequency) -> Ints:
    """Return the first of each two neighbouring rows that are one too many.

    A batch counts quarters and years from the month of the first date that it sees, which may be
    any of them, so no two dates may share a period counted from any.
    """
    if frequency.months is None:
        return _crowded_weeks(gaps_of(dates)) if frequency.name == "weekly" else np.array([], int)
    months = dates.astype("M8[M]").astype(np.int64)
    twice = np.zeros(max(len(months) - 1, 0), bool)
    for first in np.unique(months % frequency.months):
        twice |= np.diff((months - first + frequency.months // 2) // frequency.months) == 0
    return np.flatnonzero(twice)


def _crowded_weeks(gaps: Ints) -> Ints:
    """Find three dates within one week and a day: the nearer two of them are one too many."""
    three = np.flatnonzero(gaps[1:] + gaps[:-1] <= 8)
    return np.unique(np.where(gaps[three] <= gaps[three + 1], three, three + 1))


def _check_declared(series: Series, frequency: Frequency) -> None:
    """Refuse a declared frequency that the dates contradict."""
    dates, name, variable = series.timestamps, frequency.name, series.variable
    try:
        inferred = decide_frequency(series)
    except HistoricalDataError:
        inferred = None
    if inferred == name:
        return
    fix = f"remove {variable} from --frequencies"
    if inferred:
        fix = f"set --frequencies {variable}={inferred}, or {fix}"
    start = f"{series.source}: --frequencies says {variable}={name}, but"
    crowded = _crowded(dates, frequency)
    if len(crowded):
        first, second = series.row(crowded[0]), series.row(crowded[0] + 1)
        raise HistoricalDataError(
            f"{start} {first} and {second} lie in one {_PERIODS[name]}: {fix}"
        )
    if inferred or not _may_be(dates, frequency):
        raise HistoricalDataError(
            f"{start} the dates from {series.row(0)} to {series.row(-1)} are "
            f"{inferred or _describe(gaps_of(dates))}: {fix}"
        )


def _may_be(dates: Dates, frequency: Frequency) -> bool:
    """Tell whether dates that fit no frequency may have a declared one.

    A period without a row is a missing one, so few gaps need to fit where periods are counted.
    Where observations are counted, every stretch must have that rhythm.
    """
    share = _typical_share(gaps_of(dates), frequency.name)
    if frequency.months:
        return share >= _DECLARED_SHARE
    change = last_change(dates)
    weeks_only = change is None or {change.before, change.after} <= {"daily", "business_daily"}
    return weeks_only and share >= _TYPICAL_SHARE


_PERIODS: Final = {
    "weekly": "week",
    "monthly": "month",
    "quarterly": "quarter",
    "yearly": "year",
}


def _explain_change(series: Series, change: Change) -> str:
    last, place = max(change.row - 1, 0), series.place(change.row)
    long = len(series.timestamps) - change.row >= _ENOUGH
    fixes = [f"remove the rows {f'before {place}' if long else f'from {place} on'}"]
    if {change.before, change.after} <= {"monthly", "quarterly", "yearly"}:
        fixes += _declarable(series)
    return (
        f"{series.source}: the frequency changes: {change.before} until {series.row(last)}, "
        f"{change.after} from {series.row(change.row)} on: {', or '.join(fixes)}"
    )


def _describe(gaps: Ints) -> str:
    """Describe gaps: the rhythm of most of them, if they have one, and how long they are."""
    rhythms = rhythms_of(gaps)
    words = [rhythm.words for i, rhythm in enumerate(RHYTHMS) if np.mean(rhythms == i) >= 0.75]
    if words[:1] == ["daily"] and _typical_share(gaps, "daily") < _TYPICAL_SHARE:
        words = ["every few days"]
    if np.mean(gaps == 28) >= _FOUR_WEEKLY_SHARE:
        words = ["every four weeks"]
    length = f"{gaps.min()} to {gaps.max()} days apart, the median {np.median(gaps):g}"
    return f"{words[0]} ({length})" if words else length


def _explain_none(series: Series, leave_out: str) -> str:
    gaps = gaps_of(series.timestamps)
    coarser = _coarser(gaps)
    fixes = _declarable(series, share=0.5)
    fixes += [f"keep or average one row per {_PERIODS[coarser]}"] if coarser else []
    fixes += [leave_out] if leave_out else []
    return (
        f"{series.source}: the dates from {series.row(0)} to {series.row(-1)} are "
        f"{_describe(gaps)}: that is none of {', '.join(FREQUENCIES)}: "
        f"{', or '.join(fixes) or 'use another series'}"
    )


def _declarable(series: Series, share: float = _DECLARED_SHARE) -> list[str]:
    """Say which frequency may be declared: the finest of which no period has two dates."""
    gaps = gaps_of(series.timestamps)
    for name in ("monthly", "quarterly", "yearly"):
        if len(_crowded(series.timestamps, FREQUENCIES[name])):
            continue
        if _typical_share(gaps, name) >= share:
            where = f"--frequencies {series.variable}={name}"
            return [f"set {where}, which takes periods without a row as missing"]
    return []


def _coarser(gaps: Ints) -> str | None:
    """Return the frequency to which a series with such gaps can be averaged; None if there is none.

    Of a series of mixed gaps it is the finest whose periods are longer than nine gaps in ten.
    """
    if np.mean(gaps == 28) >= _FOUR_WEEKLY_SHARE:
        return "quarterly"
    rhythms = rhythms_of(gaps)
    for index in np.unique(rhythms[rhythms >= 0]):
        if np.mean(rhythms == index) >= 0.75:
            return RHYTHMS[index].coarser or None
    long = np.quantile(gaps, 0.9)
    lengths = {"weekly": 7, "monthly": 31, "quarterly": 92, "yearly": 366}
    return next((name for name, days in lengths.items() if long <= days), None)


def _explain_crowded(series: Series, crowded: Ints, name: str) -> str:
    at = int(crowded[0])
    gap = int(gaps_of(series.timestamps)[at])
    more = f" (and {len(crowded) - 1} more such pairs)" if len(crowded) > 1 else ""
    fits = next(r for r in RHYTHMS if r.words == name)
    # As far apart as any two: neither is superfluous, one has the label of another period.
    moved = fits.least <= gap <= fits.most
    fix = f"date each value in the {_PERIODS[name]} that it describes" if moved else "keep one"
    return (
        f"{series.source}: {series.row(at)} and {series.row(at + 1)} lie in one {_PERIODS[name]} "
        f"of a {name} series{more}: {fix}"
    )
