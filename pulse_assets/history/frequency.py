"""The frequency of a variable, inferred from its dates, and dates for its missing periods."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Literal

import numpy as np

from pulse_assets.array_types import Dates, Floats, Ints
from pulse_assets.errors import ConfigurationError, HistoricalDataError

FrequencyName = Literal["daily", "business_daily", "weekly", "monthly", "quarterly", "yearly"]


@dataclass(frozen=True)
class Frequency:
    """How often a variable is observed.

    Args:
        name: the word used in tables and settings.
        season: observations per season of the seasonal rules.
        scale_season: lag of the differences in the denominator of mase and msis; the choice of M4,
            which takes 1 for daily and weekly series.
        months: months per period; None where observations are counted, not periods.

    Source:
        Makridakis, Spiliotis and Assimakopoulos (2020), "The M4 Competition: 100,000 time series
        and 61 forecasting methods", International Journal of Forecasting 36 (1),
        doi:10.1016/j.ijforecast.2019.04.014 (scale_season).
    """

    name: FrequencyName
    season: int
    scale_season: int
    months: int | None = None


FREQUENCIES: Final[dict[str, Frequency]] = {
    frequency.name: frequency
    for frequency in (
        Frequency("daily", season=7, scale_season=1),
        Frequency("business_daily", season=5, scale_season=1),
        Frequency("weekly", season=52, scale_season=1),
        Frequency("monthly", season=12, scale_season=12, months=1),
        Frequency("quarterly", season=4, scale_season=4, months=3),
        Frequency("yearly", season=1, scale_season=1, months=12),
    )
}

#: Days between neighbours: periods differ in length, and a label may move to a working day.
_GAPS: Final = {
    "daily": (1, 4),  # business_daily too: over a weekend and a holiday
    "weekly": (5, 9),
    "monthly": (26, 35),
    "quarterly": (85, 97),
    "yearly": (360, 371),
}

#: Share of gaps that must fit: the others are holidays and missing observations.
_REGULAR_SHARE: Final = 0.75


def get_frequency(name: str) -> Frequency:
    """Return the frequency called `name`.

    Raises:
        ConfigurationError: there is none; the message lists them.
    """
    try:
        return FREQUENCIES[name]
    except KeyError:
        near = get_close_matches(name, FREQUENCIES, 1)
        raise ConfigurationError(
            f"frequency {name!r} is unknown{f', did you mean {near[0]!r}?' if near else ''}: "
            f"choose one of {', '.join(FREQUENCIES)}"
        ) from None


def infer_frequency(timestamps: Dates) -> Frequency | None:
    """Infer from the gaps between dates how often a variable is observed; None if they fit none.

    The median gap decides; daily observations that leave out weekends are business-daily.

    Args:
        timestamps: dates in order, [T], at least 3.

    Example:
        >>> infer_frequency(np.array(["2020-01-01", "2020-04-01", "2020-07-01"], "M8[D]")).name
        'quarterly'
    """
    gaps = np.diff(timestamps).astype(int)
    median = float(np.median(gaps))
    for name, (least, most) in _GAPS.items():
        fitting = np.mean((gaps >= least) & (gaps <= most))
        if least <= median <= most and fitting >= _REGULAR_SHARE:
            return FREQUENCIES[working_days(timestamps) if name == "daily" else name]
    return None


def working_days(timestamps: Dates) -> FrequencyName:
    """Tell daily from business-daily; some missing days or a Saturday session decide nothing.

    Example:
        >>> days = np.datetime64("2020-01-06") + np.arange(28)
        >>> working_days(days), working_days(days[np.is_busday(days)])
        ('daily', 'business_daily')
    """
    days_a_gap = (timestamps[-1] - timestamps[0]).astype(int) / (len(timestamps) - 1)
    weekdays = np.bincount(timestamps.astype(int) % 7, minlength=7) / len(timestamps)
    return "daily" if days_a_gap < 1.25 or weekdays.min() >= 0.05 else "business_daily"


def regularise(
    timestamps: Dates, values: Floats, published_at: Dates | None, frequency: Frequency
) -> tuple[Dates, Floats, Dates | None]:
    """Add a NaN row for each missing period of a monthly, quarterly or yearly variable.

    An added date has the label of the observation before it: the last day of its month if that
    was one, else on the same day of the month. Other frequencies count observations and stay as
    they are.

    Args:
        timestamps: dates in order, [T].
        values: observations, [T].
        published_at: first day each value was known, [T], or None.
        frequency: of the variable.

    Returns:
        The same three with P >= T rows, one per period.

    Raises:
        HistoricalDataError: two dates lie in one period.

    Example:
        >>> dates = np.array(["2020-01-31", "2020-03-31"], "M8[D]")
        >>> regularise(dates, np.array([1.0, 2.0]), None, FREQUENCIES["monthly"])[0].astype(str)
        array(['2020-01-31', '2020-02-29', '2020-03-31'], dtype='<U28')
    """
    if frequency.months is None or not len(timestamps):
        return timestamps, values, published_at
    # Fiscal quarters and years start in any month: periods are counted from the first date's month,
    # to the nearest, because a label may have moved into the next month.
    months = timestamps.astype("M8[M]")
    period = ((months - months[0]).astype(int) + frequency.months // 2) // frequency.months
    _check_one_a_period(timestamps, period, frequency)
    every = np.arange(period[-1] + 1)
    before = timestamps[np.searchsorted(period, every, side="right") - 1]
    dates = _labelled_like(before, months[0] + frequency.months * every)
    dates[period] = timestamps
    full = np.full(len(dates), np.nan)
    full[period] = values
    if published_at is None:
        return dates, full, None
    published = np.full(len(dates), np.datetime64("NaT", "D"))
    published[period] = published_at
    return dates, full, published


def dates_ahead(last: np.datetime64, horizons: Ints, frequency: Frequency) -> Dates:
    """Return the date of each horizon, [H], counted from the observation dated `last`.

    Monthly and rarer dates are labelled as in `regularise`. Business days know no holidays.

    Example:
        >>> monthly, last = FREQUENCIES["monthly"], np.datetime64("2020-01-31")
        >>> dates_ahead(last, np.array([1, 2]), monthly).astype(str).tolist()
        ['2020-02-29', '2020-03-31']
    """
    if frequency.months is not None:
        months = last.astype("M8[M]") + frequency.months * horizons
        return _labelled_like(np.full(len(horizons), last), months)
    if frequency.name == "business_daily":
        return np.busday_offset(last, horizons, roll="backward")
    return last + horizons * (7 if frequency.name == "weekly" else 1)


def steps_between(earlier: Dates, later: Dates, frequency: Frequency) -> Ints:
    """Return the number of steps of a variable from one date to another, [N], by the calendar.

    Example:
        >>> friday, monday = np.array(["2020-01-03"], "M8[D]"), np.array(["2020-01-06"], "M8[D]")
        >>> steps_between(friday, monday, FREQUENCIES["business_daily"]).tolist()
        [1]
    """
    if frequency.months is not None:
        months = (later.astype("M8[M]") - earlier.astype("M8[M]")).astype(np.int64)
        return (months + frequency.months // 2) // frequency.months
    if frequency.name == "business_daily":
        return np.busday_count(earlier, later).astype(np.int64)
    days = (later - earlier).astype(np.int64)
    return (days + 3) // 7 if frequency.name == "weekly" else days


def _check_one_a_period(timestamps: Dates, period: Ints, frequency: Frequency) -> None:
    twice = np.flatnonzero(np.diff(period) == 0)
    if len(twice):
        first, second = timestamps[twice[0]], timestamps[twice[0] + 1]
        raise HistoricalDataError(
            f"{first} and {second} lie in one period of a {frequency.name} variable: remove one, "
            "or set another frequency under `frequencies`"
        )


def _labelled_like(dates: Dates, months: Dates) -> Dates:
    """Return a date in each month, on the same day of the month as the date in `dates`."""
    own_months = dates.astype("M8[M]")
    last_days = (months + 1).astype("M8[D]") - 1
    same_days = months.astype("M8[D]") + (dates - own_months.astype("M8[D]"))
    at_end = (dates + 1).astype("M8[M]") > own_months
    return np.where(at_end, last_days, np.minimum(same_days, last_days))
