"""The frequency of a series, decided once from all its dates, and what no frequency explains.

`frequency_names.py` names the frequencies; here a whole series is checked before the first batch. A
problem is a `HistoricalDataError` that names the file, the rows and how to fix it.

The dates of the whole series decide, also those after an origin. That is no look-ahead: only dates
are used, never values, and how often a statistic is observed is known in advance, because it is
part of how the statistic is defined. Later dates cannot choose another frequency quietly either: a
series whose frequency changes is used from the change on, one that fits none is irregular, and
`explain_frequency` says so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, cast

import numpy as np

from pulse_assets.array_types import Dates, Ints
from pulse_assets.errors import HistoricalDataError
from pulse_assets.history.date_fit import (
    TYPICAL_SHARE,
    crowded,
    fitting,
    single_steps,
    two_frequencies,
)
from pulse_assets.history.forecast_days import with_days
from pulse_assets.history.frequency import Frequency, StepCalendar
from pulse_assets.history.frequency_names import (
    IRREGULAR,
    WORDS,
    get_frequency,
    with_holidays,
    without_holidays,
)
from pulse_assets.history.holiday_calendars import holidays_of
from pulse_assets.history.label_choice import share_of_labels
from pulse_assets.history.publication import lag_of, with_publication
from pulse_assets.history.rhythms import (
    gaps_of,
    last_change,
)
from pulse_assets.history.series import Series
from pulse_assets.history.source import Source

#: Share of steps of one period that a declared frequency must explain where none can be inferred.
_DECLARED_SHARE: Final = 0.05
#: Share of dates that must be labels of a declared frequency that has labels of its own.
_LABELLED_SHARE: Final = 0.5
#: Rows that a series must have since its frequency changed, to be used from there on.
_ENOUGH: Final = 25
#: Pairs of dates in one period that are typing errors: this many, or this share of all dates.
_FEW, _FEW_SHARE = 3, 0.02
#: How far the steps per year of two frequencies may be apart to be the same.
_SAME_RATE: Final = 0.02


def decide_frequency(
    series: Series, declared: str | None = None, holidays: str | None = None
) -> str:
    """Return the text of the frequency of a series, or raise why its dates are wrong.

    Args:
        series: the whole series.
        declared: the frequency that the settings give; it is checked against the dates.
        holidays: the holiday calendar that the settings give.

    Raises:
        ConfigurationError: the holiday calendar cannot be used.
        HistoricalDataError: fewer than 3 dates, two dates in one period, dates of two series, or a
            declared frequency or holiday calendar that contradicts the dates.

    Example:
        >>> days = np.array(["2020-01-01", "2020-04-01", "2020-07-01"], "M8[D]")
        >>> decide_frequency(Series("gdp", days, np.ones(3)))
        'quarterly'
    """
    if declared is not None:
        own = declared.partition("@")[2].partition(" since ")[0]
        holidays = holidays or own or None
        text = _check_declared(series, get_frequency(without_holidays(declared)))
    else:
        _check_count(series)
        text = _inferred(series)
    if holidays is None:
        return text
    named = with_holidays(text, holidays, series.variable)
    _check_holidays(series, text, holidays)
    return named


def load_series(
    source: Source,
    names: Iterable[str],
    frequencies: Mapping[str, str],
    lag_days: Mapping[str, int],
) -> dict[str, Series]:
    """Read variables, each from the day on from which its frequency holds.

    Each value has a day of publication, see `with_publication`. Each series has the forecasts of it
    that the source holds, with the day on which each was made, see `with_days`.

    Args:
        source: has them.
        names: the variables.
        frequencies: frequency by variable; a variable without one is read whole.
        lag_days: days from the end of a period to the publication of its value, see `lag_of`.

    Raises:
        HistoricalDataError, StoreUnavailableError: see `Source.load`.
    """
    given = source.forecasts()
    loaded = {}
    for name in names:
        text, lag = frequencies.get(name, IRREGULAR), lag_of(name, lag_days)
        frequency = get_frequency(text)
        series = with_publication(rows_used(source.load(name), text), frequency, lag)
        own = [of[name] for _, of in sorted(given.items()) if name in of]
        forecasts = tuple(with_days(each, series, frequency, lag) for each in own)
        loaded[name] = replace(series, forecasts=forecasts) if forecasts else series
    return loaded


def rows_used(series: Series, frequency: str) -> Series:
    """Return the rows of a series from the day on from which its frequency holds."""
    since = get_frequency(frequency).since
    if since is None:
        return series
    return series.from_row(int(np.searchsorted(series.timestamps, np.datetime64(since))))


def explain_frequency(series: Series, frequency: str) -> str | None:
    """Say how the dates of a series are used, if that needs a word; None if it is regular.

    Args:
        series: the whole series.
        frequency: that was decided for it.
    """
    since, change = get_frequency(frequency).since, last_change(series.timestamps)
    start = f"{series.variable} is {frequency}"
    if since is None and get_frequency(frequency).calendar is not None:
        return None
    if since is None:
        fixes = [_change_in_words(series)] if change else _declarable(series)
        more = f" ({_describe(gaps_of(series.timestamps))}{''.join(f'; {fix}' for fix in fixes)})"
        return f"{start}{more}: steps are observations, and next dates follow the median gap"
    row = int(np.searchsorted(series.timestamps, np.datetime64(since)))
    before = f" ({_change_in_words(series)})" if change and change.row == row else ""
    return f"{start}{before}: its {row:,} rows before are not used"


def _check_count(series: Series) -> None:
    if len(series.timestamps) < 3:
        raise HistoricalDataError(
            f"{series.source}: no frequency can be inferred from {len(series.timestamps)} dates "
            f"({series.row(0)}): add rows, or set --frequencies {series.variable}=monthly or "
            f"another of {', '.join(WORDS)}"
        )


def _inferred(series: Series) -> str:
    """Return the frequency of the dates, from the last change on if there is one."""
    change = last_change(series.timestamps)
    if change is None:
        name = _regular(series)
        if name is None:
            _check_one_frequency(series)
        return name or IRREGULAR
    if len(series.timestamps) - change.row < _ENOUGH:
        return IRREGULAR
    name = _regular(series.from_row(change.row))
    return f"{name} since {series.timestamps[change.row]}" if name else IRREGULAR


def _check_one_frequency(series: Series) -> None:
    """Refuse two series in one."""
    mixed = two_frequencies(series.timestamps)
    if mixed is None:
        return
    usual, *frequencies = mixed
    rows = [series.row(int(np.flatnonzero(part)[0])) for part in (usual, ~usual)]
    first, second = (
        f"{frequency.name} dates such as {row}"
        for frequency, row in zip(frequencies, rows, strict=True)
    )
    raise HistoricalDataError(
        f"{series.source}: it holds {first} and {second}: write two series, or set --frequencies "
        f"{series.variable}={IRREGULAR}"
    )


def _regular(series: Series) -> str | None:
    """Return the frequency that nearly all dates fit; None if there is none.

    Raises:
        HistoricalDataError: some dates are one too many.
    """
    frequency = fitting(series.timestamps)
    if frequency is None:
        return None
    twice = crowded(series.timestamps, frequency)
    if len(twice) > max(_FEW, _FEW_SHARE * len(series.timestamps)):
        return None
    if len(twice):
        raise HistoricalDataError(_explain_crowded(series, twice, frequency))
    return frequency.name


def _check_declared(series: Series, frequency: Frequency) -> str:
    """Return the text of a declared frequency, or raise why the dates contradict it."""
    if frequency.calendar is None or frequency.since:
        return frequency.text
    inferred = _inferred_or_none(series)
    labelled = share_of_labels(series.timestamps, frequency) >= _LABELLED_SHARE
    same_name = inferred is not None and inferred.name == frequency.name
    if inferred and (same_name or (labelled and _same_rate(inferred, frequency))):
        # A period without a row is a missing one, but none may have two rows.
        whole = frequency.counts_periods and not len(crowded(series.timestamps, frequency))
        since = None if whole else inferred.since
        return f"{frequency.name} since {since}" if since else frequency.name
    start = f"{series.source}: --frequencies says {series.variable}={frequency.name}, but"
    if inferred and (inferred.calendar is None or inferred.since):
        inferred = None  # the dates are not clear enough to contradict it
    fix = f"remove {series.variable} from --frequencies"
    if inferred:
        fix = f"set --frequencies {series.variable}={inferred.text}, or {fix}"
    twice = crowded(series.timestamps, frequency)
    if len(twice):
        first, second = series.row(twice[0]), series.row(twice[0] + 1)
        raise HistoricalDataError(
            f"{start} {first} and {second} lie in one {_period(frequency)}: {fix}"
        )
    if inferred or not labelled or not _may_be(series.timestamps, frequency):
        dates = inferred.name if inferred else _describe(gaps_of(series.timestamps))
        raise HistoricalDataError(
            f"{start} the dates from {series.row(0)} to {series.row(-1)} are {dates}: {fix}"
        )
    return frequency.name


def _inferred_or_none(series: Series) -> Frequency | None:
    try:
        return get_frequency(_inferred(series)) if len(series.timestamps) > 2 else None
    except HistoricalDataError:
        return None


def _same_rate(first: Frequency, second: Frequency) -> bool:
    """Return whether two frequencies differ in the labels of their dates alone."""
    if first.calendar is None or first.counts_periods != second.counts_periods:
        return False
    return abs(first.per_year / second.per_year - 1.0) <= _SAME_RATE


def _may_be(dates: Dates, frequency: Frequency) -> bool:
    """Tell whether dates that fit no frequency may have a declared one.

    A period without a row is a missing one, so few gaps need to fit where periods are counted.
    Where observations are counted, every stretch must have that rhythm.
    """
    share = single_steps(dates, frequency)
    if frequency.counts_periods:
        return share >= _DECLARED_SHARE
    change = last_change(dates)
    weeks_only = change is None or {change.before, change.after} <= {"daily", "business_daily"}
    return weeks_only and share >= TYPICAL_SHARE


def _check_holidays(series: Series, text: str, holidays: str) -> None:
    """Refuse a holiday calendar of which a series has values on most holidays.

    Args:
        series: the whole series.
        text: its frequency without the holidays.
        holidays: the calendar.
    """
    dates = rows_used(series, text).timestamps
    calendar = cast("StepCalendar", get_frequency(text).calendar)
    count = int(calendar.steps(dates[:1], dates[-1:])[0]) + 1
    labels = calendar.ahead(np.repeat(dates[:1], count), np.arange(count))
    days = np.intersect1d(labels, holidays_of(holidays))
    open_days = np.flatnonzero(np.isin(series.timestamps, days))
    if len(open_days) > 0.5 * len(days):
        raise HistoricalDataError(
            f"{series.source}: it has values on {len(open_days)} of the {len(days)} holidays of "
            f"{holidays}, such as {series.row(int(open_days[0]))}: correct or remove --calendar "
            f"{series.variable}={holidays}"
        )


_PERIODS: Final = {52: "week", 12: "month", 4: "quarter", 1: "year"}


def _period(frequency: Frequency) -> str:
    return _PERIODS.get(round(frequency.per_year), "period")


def _change_in_words(series: Series) -> str:
    """Say which frequency a series had before its last change and after it, with the rows."""
    change = last_change(series.timestamps)
    if change is None:
        return ""
    last = max(change.row - 1, 0)
    return (
        f"{change.before} until {series.row(last)}, {change.after} from {series.row(change.row)} on"
    )


def _describe(gaps: Ints) -> str:
    return f"dates {gaps.min()} to {gaps.max()} days apart, the median {np.median(gaps):g}"


def _declarable(series: Series) -> list[str]:
    """Say which frequency may be declared: the finest of which no period has two dates."""
    for name in ("monthly", "quarterly", "yearly"):
        frequency = get_frequency(name)
        if len(crowded(series.timestamps, frequency)):
            continue
        if single_steps(series.timestamps, frequency) >= 0.5:
            where = f"--frequencies {series.variable}={name}"
            return [f"{where} takes periods without a row as missing"]
    return []


def _explain_crowded(series: Series, crowded: Ints, frequency: Frequency) -> str:
    at, period = int(crowded[0]), _period(frequency)
    gap = int(gaps_of(series.timestamps)[at])
    more = f" (and {len(crowded) - 1} more such pairs)" if len(crowded) > 1 else ""
    # As far apart as any two: neither is superfluous, one has the label of another period.
    moved = gap > 0.8 * 365.25 / frequency.per_year
    fix = f"date each value in the {period} that it describes" if moved else "keep one"
    return (
        f"{series.source}: {series.row(at)} and {series.row(at + 1)} lie in one {period} of a "
        f"{frequency.name} series{more}: {fix}"
    )
