"""The names of frequencies: six words, pandas' offset aliases, and a few in the same style.

    daily, business_daily, weekly, monthly, quarterly, yearly    labels as the dates have them
    10D, 2W, 2M, 6M, 2Y                  every ten days, two weeks, two or six months, two years
    W-FRI, BME, BQE-DEC, SME-15, WOM-3FRI, RE-L-JAN-SAT, ...     offsets of pandas, also multiples
    C-MON-TUE-WED-THU-SUN                the days of the working week
    M-10-25, M-31-following              days of the month, moved off weekends
    REM-L-JAN-SAT-4-445                  months of 4, 4 and 5 weeks of pandas' RE-L-JAN-SAT
    irregular                            steps are observations

`@NYSE` after a daily name leaves out the holidays of a calendar, and after the name of a week or of
working days of the month moves their labels off them; ` since 2000-01-01` is the day from which the
frequency holds.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from typing import Final, cast

from pulse_assets.array_types import Dates
from pulse_assets.errors import ConfigurationError
from pulse_assets.history.frequency import Frequency, StepCalendar
from pulse_assets.history.holiday_calendars import holidays_of
from pulse_assets.history.label_grids import (
    LabelGrid,
    Roll,
    days_of_month,
    fiscal_labels,
    grid_of,
    pandas_labels,
)
from pulse_assets.history.step_calendars import (
    MONTHS,
    WEEKDAYS,
    EveryDay,
    FixedDays,
    Months,
    WorkingDays,
)

IRREGULAR: Final = "irregular"
#: Names of the frequencies that are no offset of pandas, for messages.
WORDS: Final = ("daily", "business_daily", "weekly", "monthly", "quarterly", "yearly", IRREGULAR)
#: Words for multiples of a week and of a month.
_WEEKS: Final = {1: "weekly"}
_MONTHS: Final = {1: "monthly", 3: "quarterly", 12: "yearly"}
#: The same by the alias that pandas has or had; its anchors follow from the dates of a series.
_UNITS: Final = {"W": 1, "M": 1, "ME": 1, "MS": 1, "Q": 3, "QE": 3, "QS": 3, "Y": 12, "A": 12}
_UNITS_MORE: Final = {"YE": 12, "YS": 12, "HYE": 6, "HYS": 6}

_DAY: Final = "|".join(WEEKDAYS)
_MONTH: Final = "|".join(MONTHS)
_FISCAL: Final = f"(?:L|N)-(?:{_MONTH})-(?:{_DAY})"
#: Offsets of pandas whose labels follow from weekdays and months.
_OFFSETS: Final = (
    rf"W-(?:{_DAY})|BMS|BME|SM[SE](?:-\d+)?|WOM-[1-4](?:{_DAY})|LWOM-(?:{_DAY})|"
    rf"B(?:Q|Y|HY)[SE](?:-(?:{_MONTH}))?|RE-{_FISCAL}"
)
#: Names of frequencies whose labels are the ends of their periods.
_AT_END: Final = re.compile(r"\d*(W-(FRI|SAT|SUN)|BME|SME|BQE|BYE|BHYE|RE|M(-\d+)*-31\b)")
#: Names of grids whose labels are working days or weekdays, each of one period.
_ON_WORKING_DAYS: Final = re.compile(r"\d*(W-|B[MQYH]|M(-\d+)+-(preceding|following))")
#: How far from a whole number the steps per year may be, relative to it, to be a season.
_SEASON_TOLERANCE: Final = 0.01


@lru_cache(maxsize=4096)
def get_frequency(text: str) -> Frequency:
    """Return the frequency called `text`, see the names above.

    Raises:
        ConfigurationError: there is none, or its holiday calendar cannot be read.

    Example:
        >>> get_frequency("2W").season, get_frequency("ME").name
        (26, 'monthly')
    """
    whole, _, since = text.strip().partition(" since ")
    name, _, holidays = whole.strip().partition("@")
    frequency = _named(name, holidays) or _unknown(text)
    if not since:
        return frequency
    try:
        return replace(frequency, since=date.fromisoformat(since.strip()))
    except ValueError:
        raise ConfigurationError(
            f"frequency {text!r}: {since!r} is no date: write it like 2000-01-31"
        ) from None


def _unknown(text: str) -> Frequency:
    near = get_close_matches(text, WORDS, 1)
    raise ConfigurationError(
        f"frequency {text!r} is unknown{f', did you mean {near[0]!r}?' if near else ''}: choose "
        f"one of {', '.join(WORDS)}, or an offset alias of pandas such as 2W, BME or RE-L-JAN-SAT"
    )


def with_holidays(text: str, calendar: str, variable: str = "x") -> str:
    """Return the name of a frequency of working days or weeks without the holidays of a calendar.

    Args:
        text: the frequency.
        calendar: a holiday calendar; it takes the place of the frequency's own.
        variable: whose frequency it is, for messages.

    Raises:
        ConfigurationError: labels of the frequency may lie on any day, or the calendar cannot be
            read.

    Example:
        >>> with_holidays("monthly", "NYSE", "gdp")
        Traceback (most recent call last):
        pulse_assets.errors.ConfigurationError: --calendar gdp=NYSE: gdp is monthly, whose dates ...
    """
    whole, since, day = without_holidays(text).partition(" since ")
    if not _moves_off_holidays(get_frequency(whole)):
        raise ConfigurationError(
            f"--calendar {variable}={calendar}: {variable} is {whole}, whose dates may be "
            "holidays: only those of daily, business_daily, weekly and offsets of working days "
            "such as BME are moved off them"
        )
    return get_frequency(f"{whole}@{calendar}{since}{day}").text


def _moves_off_holidays(frequency: Frequency) -> bool:
    """Return whether the labels of a frequency are working days or weekdays."""
    if isinstance(frequency.calendar, EveryDay | WorkingDays):
        return True
    return frequency.name == "weekly" or bool(_ON_WORKING_DAYS.match(frequency.name))


def without_holidays(text: str) -> str:
    """Return the name of a frequency without a holiday calendar.

    Example:
        >>> without_holidays("business_daily@NYSE since 2000-01-01")
        'business_daily since 2000-01-01'
    """
    whole, since, day = text.partition(" since ")
    return f"{whole.partition('@')[0]}{since}{day}"


def calendar_in(text: str) -> str:
    """Return the holiday calendar in the name of a frequency; an empty text if it has none.

    Example:
        >>> calendar_in("business_daily@NYSE since 2000-01-01")
        'NYSE'
    """
    return text.partition(" since ")[0].partition("@")[2]


def _named(name: str, holidays: str) -> Frequency | None:
    """Return the frequency of a name without its day of beginning; None if there is none."""
    frequency = next(filter(None, (read(name) for read in _READERS)), None)
    return _with_holidays(frequency, holidays) if frequency and holidays else frequency


def _with_holidays(frequency: Frequency, holidays: str) -> Frequency:
    """Return a frequency without the holidays of a calendar.

    Raises:
        ConfigurationError: its labels may lie on any day, or the calendar cannot be read.
    """
    name, plain = f"{frequency.name}@{holidays}", frequency.calendar
    if not _moves_off_holidays(frequency):
        raise ConfigurationError(f"a holiday calendar needs working days, not {frequency.name}")
    if isinstance(plain, LabelGrid):
        back = plain.at_end or frequency.name.endswith("preceding")
        moved = plain.without(holidays_of(holidays), "preceding" if back else "following")
        return replace(frequency, name=name, calendar=moved)
    if isinstance(plain, FixedDays):
        return replace(
            frequency, name=name, calendar=replace(plain, holidays=holidays_of(holidays))
        )
    days = plain.days if isinstance(plain, WorkingDays) else " ".join(map(str.title, WEEKDAYS))
    return replace(frequency, name=name, calendar=WorkingDays(days, holidays_of(holidays)))


def _days(name: str) -> Frequency | None:
    """Read `daily`, `business_daily` and working weeks."""
    if name in ("daily", "D"):
        return Frequency("daily", EveryDay(), season=7)
    if name in ("business_daily", "B", "C"):
        return Frequency("business_daily", WorkingDays(), season=5)
    if not re.fullmatch(rf"C(-({_DAY}))+", name):
        return None
    return working_week([WEEKDAYS.index(day) for day in name.split("-")[1:]])


def working_week(weekdays: list[int]) -> Frequency:
    """Return the frequency of a working week, whose days count from Monday, 0.

    Example:
        >>> working_week([0, 1, 2, 3, 6]).name
        'C-MON-TUE-WED-THU-SUN'
    """
    names = [WEEKDAYS[day] for day in sorted(set(weekdays))]
    if len(names) == 7:
        return get_frequency("daily")
    if names == list(WEEKDAYS[:5]):
        return get_frequency("business_daily")
    calendar = WorkingDays(" ".join(map(str.title, names)))
    return Frequency(f"C-{'-'.join(names)}", calendar, season=len(names))


def _irregular(name: str) -> Frequency | None:
    return Frequency(IRREGULAR, None, season=1) if name == IRREGULAR else None


def _weeks_or_months(name: str) -> Frequency | None:
    """Read the words, and multiples of weeks, months, quarters and years."""
    for words, of in ((_WEEKS, weeks), (_MONTHS, months)):
        for every, word in words.items():
            if name == word:
                return of(every)
    units = _UNITS | _UNITS_MORE
    match = re.fullmatch(rf"(\d*)({'|'.join(units)})(?:-(?:{_MONTH}))?", name)
    if not match or (every := int(match[1] or 1)) < 1:
        return None
    return weeks(every) if match[2] == "W" else months(every * units[match[2]])


def weeks(every: int) -> Frequency:
    """Return the frequency of a number of weeks."""
    name = _WEEKS.get(every, f"{every}W")
    return _periods(name, FixedDays(7 * every))


def _fixed_days(name: str) -> Frequency | None:
    """Read a number of days, such as 10D."""
    match = re.fullmatch(r"(\d+)D", name)
    if not match or (days := int(match[1])) < 2:
        return None
    return weeks(days // 7) if days % 7 == 0 else Frequency(name, FixedDays(days), 1, True)


def months(every: int) -> Frequency:
    """Return the frequency of a number of months, of which the dates give the labels."""
    name = _MONTHS.get(every, f"{every}M" if every % 12 else f"{every // 12}Y")
    return _periods(name, Months(every))


def _offset(name: str) -> Frequency | None:
    """Read a multiple of an offset of pandas, such as 2W-FRI or BQE-NOV."""
    match = re.fullmatch(rf"(\d*)({_OFFSETS})", name)
    if not match:
        return None
    every, alias = int(match[1] or 1), match[2]
    return _grid(name, every, lambda: pandas_labels(alias))


def _of_month(name: str) -> Frequency | None:
    """Read days of the month, such as M-10-25 or 3M-31-following."""
    match = re.fullmatch(r"(\d*)M((?:-\d+)+)(?:-(preceding|following))?", name)
    if not match:
        return None
    days = [int(day) for day in match[2].split("-")[1:]]
    if not all(1 <= day <= 31 for day in days):
        return None
    roll = cast("Roll", match[3] or "")
    return _grid(name, int(match[1] or 1), lambda: days_of_month(days, roll))


def _fiscal(name: str) -> Frequency | None:
    """Read quarters of pandas' FY5253Quarter, or months of 4 or 5 weeks in them."""
    match = re.fullmatch(rf"RE[QM]-({_FISCAL})-([1-4])(?:-(445|454|544))?", name)
    if not match or (name[2] == "M") != bool(match[3]):
        return None
    year, longer = f"RE-{match[1]}", int(match[2])
    pattern = [int(digit) for digit in match[3]] if match[3] else [13]
    return _grid(name, 1, lambda: fiscal_labels(year, pattern * 4, longer))


_READERS: Final[tuple[Callable[[str], Frequency | None], ...]] = (
    *(_days, _irregular, _weeks_or_months, _fixed_days, _offset, _of_month, _fiscal),
)


def _grid(name: str, every: int, labels: Callable[[], Dates]) -> Frequency | None:
    if every < 1:
        return None
    try:
        calendar = grid_of(labels(), every, at_end=bool(_AT_END.match(name)))
    except ValueError:  # pandas refuses a day of the month
        return None
    return _periods(name, calendar)


def _periods(name: str, calendar: StepCalendar) -> Frequency:
    """Return a frequency whose season is the number of its periods per year, if that is whole."""
    whole = max(round(calendar.per_year), 1)
    fits = abs(calendar.per_year - whole) <= _SEASON_TOLERANCE * whole
    return Frequency(name, calendar, whole if fits else 1, counts_periods=True)


#: The frequencies that have a word, by it.
FREQUENCIES: Final = {name: get_frequency(name) for name in WORDS}
