"""A series has one frequency, decided from all its dates, or an error that says what to do."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from pulse_assets.errors import HistoricalDataError
from pulse_assets.history.calendars import decide_frequency
from pulse_assets.history.series import Series
from pulse_assets.history.source import open_source
from pulse_assets.storage.s3 import S3Settings
from pulse_assets_tests.properties import holds_for_all


@cache  # pandas takes most of a second for some
def dates(frequency, first="1990-01-01", last="2020-12-31"):
    days = pd.date_range(first, last, freq=frequency).to_numpy().astype("M8[D]")
    days.flags.writeable = False
    return days


def series(days):
    every = np.unique(np.asarray(days, "M8[D]"))
    places = np.arange(2, len(every) + 2)
    return Series("x", every, np.ones(len(every)), file="x.csv", unit="line", places=places)


def weekdays(days):
    return (days.astype(int) + 3) % 7


def rolled(days):
    """Move dates on a weekend to the Monday after."""
    return np.busday_offset(days, 0, roll="forward")


def refused(days, message, declared=None, leave_out=""):
    with pytest.raises(HistoricalDataError, match=message) as caught:
        decide_frequency(series(days), declared, leave_out)
    assert str(caught.value).startswith("x.csv: ")
    return str(caught.value)


EVERY_DAY = dates("D")
SOUND = {
    "daily": ("daily", EVERY_DAY),
    "daily, days missing": ("daily", EVERY_DAY[EVERY_DAY.astype(int) % 9 > 1]),
    "six days a week": ("daily", EVERY_DAY[weekdays(EVERY_DAY) < 6]),
    "business days": ("business_daily", dates("B")),
    "with holidays": ("business_daily", np.setdiff1d(dates("B"), dates("MS"))),
    "with Saturday sessions": ("business_daily", np.append(dates("B"), dates("W-SAT")[::40])),
    "from Sunday to Thursday": (
        "business_daily",
        EVERY_DAY[np.isin(weekdays(EVERY_DAY), [0, 1, 2, 3, 6])],
    ),
    "Saturdays until 1995": (
        "business_daily",
        np.append(
            dates("B"),
            EVERY_DAY[(weekdays(EVERY_DAY) == 5) & (EVERY_DAY.astype("M8[Y]").astype(int) < 25)],
        ),
    ),
    "a closed market": (
        "business_daily",
        np.setdiff1d(dates("B"), dates("D", "2001-07-31", "2001-12-11")),
    ),
    "weekly": ("weekly", dates("W-FRI")),
    "weekly, holidays moved": (
        "weekly",
        np.where(np.arange(1616) % 9, dates("W-FRI")[:1616], dates("W-FRI")[:1616] - 1),
    ),
    "monthly": ("monthly", dates("MS")),
    "monthly, five missing": ("monthly", np.delete(dates("MS"), [7, 8, 50, 90, 200])),
    "month's end": ("monthly", dates("ME")),
    "last working day": ("monthly", dates("BME")),
    "quarterly": ("quarterly", dates("QS")),
    "quarter's end, moved on": ("quarterly", rolled(dates("QE"))),
    "quarterly, one missing": ("quarterly", np.delete(dates("QE"), 9)),
    "yearly": ("yearly", dates("YE")),
    "year's end, moved on": ("yearly", rolled(dates("YE-DEC"))),
    "three dates": ("monthly", dates("MS")[:3]),
}


@pytest.mark.parametrize("name", SOUND)
def test_the_dates_of_a_sound_series_tell_its_frequency(name):
    frequency, days = SOUND[name]
    assert decide_frequency(series(days)) == frequency
    assert decide_frequency(series(days), frequency) == frequency


def test_the_bundled_series_have_the_frequencies_of_their_readme():
    source = open_source("sample", S3Settings())
    found = {name: decide_frequency(source.load(name)) for name in source.variables()}
    assert found.pop("spx_close") == "business_daily"
    assert found.pop("gdp_growth") == "quarterly"
    assert set(found.values()) == {"monthly"}


UNFIT = {
    "14D": "every two weeks or twice a month .14 to 14 days apart, .*: keep or average one row per",
    "SMS": "every two weeks or twice a month .*one row per month",
    "28D": "every four weeks .*one row per quarter",
    "2MS": "every two months .59 to 62 days apart, the median 61.: .*one row per year",
    "4MS": "every four months .*one row per year",
    "6MS": "twice a year .*one row per year",
    "24MS": "every two years .*: use another series$",
    "2D": "every few days .2 to 2 .*one row per week",
}


@pytest.mark.parametrize("frequency", UNFIT)
def test_dates_of_no_frequency_are_described_with_what_can_be_done(frequency):
    days = dates(frequency)
    first, last = f"line 2 .{days[0]}.", f"line {len(days) + 1} .{days[-1]}."
    message = refused(days, f"from {first} to {last} are {UNFIT[frequency]}")
    assert "--frequencies" not in message  # none would be right
    assert refused(days, "none of daily", leave_out="leave x out").endswith("leave x out")


def test_a_frequency_is_advised_where_it_makes_sense():
    days = dates("MS")[np.random.default_rng(0).random(372) > 0.35]
    refused(days, "set --frequencies x=monthly, which takes periods without a row as missing")
    assert decide_frequency(series(days), "monthly") == "monthly"


CHANGES = {
    "weekly to business days": (
        [*dates("W-FRI", "2000-01-01", "2012-12-31"), *dates("B", "2013-01-01")],
        "weekly until line 678 .2012-12-21., business_daily from line 679 .2012-12-28. on: "
        "remove the rows before line 679$",
    ),
    "quarterly to monthly": (
        [*dates("QS", "1990-01-01", "1999-12-31"), *dates("MS", "2000-01-01")],
        "quarterly until line 41 .1999-10-01., monthly from line 42 .2000-01-01. on: remove the "
        "rows before line 42, or set --frequencies x=monthly, which takes",
    ),
    "monthly to quarterly, of late": (
        [*dates("MS", "1990-01-01", "2017-12-31"), *dates("QS", "2018-01-01")],
        "monthly until .*, quarterly from .* on: remove the rows from line 338 on, or set",
    ),
    "to a rhythm without a name": (
        [*dates("MS", "1990-01-01", "2010-12-31"), *dates("2MS", "2011-01-01")],
        "monthly until .*, every two months from .* on: remove the rows before line 254$",
    ),
    "twice": (
        [
            *dates("YS", "1950-01-01", "1970-01-01"),
            *dates("QS", "1971-01-01", "1989-12-31"),
            *dates("MS"),
        ],
        "quarterly until line 98 .1989-10-01., monthly from line 99 .1990-01-01.",
    ),
    "weekends from then on": (
        [*dates("B", "1990-01-01", "2005-12-31"), *dates("D", "2006-01-01")],
        "business_daily until .*2005-12-30., daily from .*2006-01-01. on: ",
    ),
    "no weekends from then on": (
        [*dates("D", "1990-01-01", "2005-12-31"), *dates("B", "2006-01-01")],
        "daily until .*2005-12-31., business_daily from .*2006-01-02. on: ",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_frequency_that_changes_is_told_with_the_row(name):
    days, message = CHANGES[name]
    refused(days, f"the frequency changes: {message}")


def test_removing_the_named_rows_is_enough():
    days = np.array(CHANGES["twice"][0])
    assert decide_frequency(series(days[97:])) == "monthly"
    days = np.array(CHANGES["quarterly to monthly"][0])
    assert decide_frequency(series(days), "monthly") == "monthly"


CROWDED = {
    "one too many": (
        [*dates("MS"), "2010-12-15"],
        r"line 253 .2010-12-01. and line 254 .2010-12-15. lie in one month of a monthly series: ke",
    ),
    "a quarter too many": (
        [*dates("QS"), "2010-11-15"],
        "line 85 .2010-10-01. and line 86 .2010-11-15. lie in one quarter of a quarterly ser",
    ),
    "a year too many": ([*dates("YS"), "2010-03-15"], "2010-03-15. lie in one year of a yearly"),
    "a week too many": (
        [*dates("W-FRI"), "2010-12-15"],
        r"2010-12-15. and line \d+ .2010-12-17. lie in one week of a weekly series: keep one$",
    ),
    "moved into the next month": (
        rolled(dates("ME")),
        r"lie in one month of a monthly series .and \d+ more such pairs.: date each value in the",
    ),
}


@pytest.mark.parametrize("name", CROWDED)
def test_two_dates_in_one_period_are_both_named(name):
    days, message = CROWDED[name]
    refused(days, message)


DECLARED = [
    (
        "monthly",
        EVERY_DAY,
        "says x=monthly, but line 2 .1990-01-01. and line 3 .1990-01-02. lie in one mon",
    ),
    ("monthly", EVERY_DAY, "set --frequencies x=daily, or remove x from --frequencies$"),
    (
        "daily",
        dates("MS"),
        "says x=daily, but the dates .* are monthly: set --frequencies x=monthly",
    ),
    ("monthly", dates("QS"), "are quarterly: set --frequencies x=quarterly"),
    ("daily", dates("B"), "are business_daily"),
    ("business_daily", EVERY_DAY, "are daily"),
    ("weekly", dates("14D"), "are every two weeks .*: remove x from --frequencies$"),
    ("monthly", dates("2MS"), "are every two months .*: remove x"),
    ("weekly", CHANGES["weekly to business days"][0], "lie in one week: remove x"),
    ("business_daily", CHANGES["weekly to business days"][0], "remove x from --frequencies"),
    ("yearly", CHANGES["quarterly to monthly"][0], "lie in one year: remove x"),
]


@pytest.mark.parametrize(("declared", "days", "message"), DECLARED, ids=range(len(DECLARED)))
def test_a_declared_frequency_that_the_dates_contradict_is_refused(declared, days, message):
    refused(days, message, declared)


def test_too_few_dates_are_refused_unless_a_frequency_is_declared():
    refused(["2020-01-01", "2020-02-01"], "no frequency can be inferred from 2 dates .line 2")
    assert decide_frequency(series(["2020-01-01", "2020-02-01"]), "monthly") == "monthly"


@holds_for_all(
    60,
    1500,
    calendar=st.sampled_from(["D", "B", "W-WED", "MS", "ME", "QS", "YS"]),
    tail=st.sampled_from(["D", "B", "W-WED", "MS", "2MS", "QS", "YS", "random"]),
    count=st.integers(1, 300),
    thin=st.sampled_from([1, 1, 2, 3]),
    seed=st.integers(0, 2**32 - 1),
)
def test_later_dates_cannot_choose_another_frequency_quietly(calendar, tail, count, thin, seed):
    """Whatever dates follow a regular beginning: they fit its frequency, or they are an error."""
    beginning = dates(calendar, "1930-01-01", "1990-12-31")[-200:]
    rng = np.random.default_rng(seed)
    steps = {"random": np.cumsum(rng.integers(1, 400, count))}
    later = dates(tail, "1991-01-02", "2250-12-31")[:count] if tail not in steps else None
    later = beginning[-1] + steps[tail] if later is None else later
    whole = series(np.append(beginning, later[::thin]))
    decided = decide_frequency(series(beginning))
    try:
        assert decide_frequency(whole) == decided
    except HistoricalDataError as error:
        assert str(error).startswith("x.csv: ")
        assert "line " in str(error)
