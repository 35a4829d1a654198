"""A series has one frequency, decided from all its dates, or an error that says what to do."""

from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from pulse_assets.errors import HistoricalDataError
from pulse_assets.history.calendars import decide_frequency, explain_frequency, rows_used
from pulse_assets.history.frequency import dates_ahead, regularise
from pulse_assets.history.frequency_names import get_frequency
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


def refused(days, message, declared=None):
    with pytest.raises(HistoricalDataError, match=message) as caught:
        decide_frequency(series(days), declared)
    assert str(caught.value).startswith("x.csv: ")
    return str(caught.value)


EVERY_DAY = dates("D")
SOUND = {
    "daily": ("daily", EVERY_DAY),
    "daily, days missing": ("daily", EVERY_DAY[EVERY_DAY.astype(int) % 9 > 1]),
    "business days": ("business_daily", dates("B")),
    "two weeks of business days": ("business_daily", dates("B")[:12]),
    "with holidays": ("business_daily", np.setdiff1d(dates("B"), dates("MS"))),
    "with Saturday sessions": ("business_daily", np.append(dates("B"), dates("W-SAT")[::40])),
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
    "on some day of the month": (
        "monthly",
        dates("MS") + np.random.default_rng(0).integers(9, 17, len(dates("MS"))),
    ),
    "quarterly": ("quarterly", dates("QS")),
    "quarterly, one missing": ("quarterly", np.delete(dates("QE"), 9)),
    "yearly": ("yearly", dates("YE")),
    "three dates": ("monthly", dates("MS")[:3]),
}


@pytest.mark.parametrize("name", SOUND)
def test_the_dates_of_a_sound_series_tell_its_frequency(name):
    frequency, days = SOUND[name]
    assert decide_frequency(series(days)) == frequency
    assert decide_frequency(series(days), frequency) == frequency


def each_month(*days):
    """Days of each month, the last one if the month is shorter."""
    return np.unique([np.minimum(dates("MS") + day - 1, dates("ME")) for day in days])


#: By kind of calendar: the dates, the frequency, its season, and the dates after 2020 by hand.
CALENDARS = {
    "Sunday to Thursday": (
        EVERY_DAY[np.isin(weekdays(EVERY_DAY), [0, 1, 2, 3, 6])],
        ("C-MON-TUE-WED-THU-SUN", 5, "2021-01-03 2021-01-04 2021-01-05"),
    ),
    "Monday to Saturday": (
        EVERY_DAY[weekdays(EVERY_DAY) < 6],
        ("C-MON-TUE-WED-THU-FRI-SAT", 6, "2021-01-01 2021-01-02 2021-01-04"),
    ),
    "three days a week": (
        EVERY_DAY[np.isin(weekdays(EVERY_DAY), [0, 2, 4])],
        ("C-MON-WED-FRI", 3, "2021-01-01 2021-01-04 2021-01-06"),
    ),
    "every second day": (dates("2D"), ("2D", 1, "2021-01-02 2021-01-04 2021-01-06")),
    "Tuesdays and Thursdays": (
        EVERY_DAY[np.isin(weekdays(EVERY_DAY), [1, 3])],
        ("C-TUE-THU", 2, "2021-01-05 2021-01-07 2021-01-12"),
    ),
    "every fifth day": (dates("5D"), ("5D", 1, "2021-01-03 2021-01-08 2021-01-13")),
    "every 30 days": (dates("30D"), ("30D", 1, "2021-01-18 2021-02-17 2021-03-19")),
    "every week": (dates("W-FRI"), ("weekly", 52, "2021-01-01 2021-01-08 2021-01-15")),
    "every fifth week": (dates("5W-MON"), ("5W", 1, "2021-01-18 2021-02-22 2021-03-29")),
    "every fifth month": (dates("5MS"), ("5M", 1, "2021-04-01 2021-09-01 2022-02-01")),
    "every 18th month": (
        dates("18ME", "1960-01-01")[:41],
        ("18M", 1, "2021-07-31 2023-01-31 2026-01-31"),
    ),
    "every second week": (dates("2W-TUE"), ("2W", 26, "2021-01-05 2021-01-19 2021-02-02")),
    "every fourth week": (dates("4W-SUN"), ("4W", 13, "2021-01-24 2021-02-21 2021-03-21")),
    "quarters of 13 weeks": (
        np.datetime64("2020-12-26") - 91 * np.arange(80),
        ("13W", 4, "2021-03-27 2021-06-26 2021-09-25"),
    ),
    "twice a month": (dates("SMS"), ("SMS-15", 24, "2021-01-01 2021-01-15 2021-02-01")),
    "on the 15th and the last": (dates("SME"), ("SME-15", 24, "2021-01-15 2021-01-31 2021-02-15")),
    "on the 20th and the last": (
        dates("SME-20"),
        ("SME-20", 24, "2021-01-20 2021-01-31 2021-02-20"),
    ),
    "on the 10th and the 25th": (
        each_month(10, 25),
        ("M-10-25", 24, "2021-01-10 2021-01-25 2021-02-10"),
    ),
    "paid before weekends": (
        np.busday_offset(dates("SME"), 0, roll="backward"),
        ("M-15-31-preceding", 24, "2021-01-15 2021-01-29 2021-02-15"),
    ),
    "three times a month": (
        each_month(1, 11, 21),
        ("M-1-11-21", 36, "2021-01-01 2021-01-11 2021-01-21"),
    ),
    "on the 30th": (each_month(30), ("M-30", 12, "2021-01-30 2021-02-28 2021-03-30")),
    "last working day": (dates("BME"), ("BME", 12, "2021-01-29 2021-02-26 2021-03-31")),
    "first working day": (dates("BMS"), ("BMS", 12, "2021-01-01 2021-02-01 2021-03-01")),
    "month's end, moved on": (
        rolled(dates("ME")),
        ("M-31-following", 12, "2021-02-01 2021-03-01 2021-03-31"),
    ),
    "the 15th, moved back": (
        np.busday_offset(each_month(15), 0, roll="backward"),
        ("M-15-preceding", 12, "2021-01-15 2021-02-15 2021-03-15"),
    ),
    "third Friday": (dates("WOM-3FRI"), ("WOM-3FRI", 12, "2021-01-15 2021-02-19 2021-03-19")),
    "last Friday": (dates("LWOM-FRI"), ("LWOM-FRI", 12, "2021-01-29 2021-02-26 2021-03-26")),
    "months of 4, 4 and 5 weeks": (
        # Years end on the last Saturday of January: 2019-01-26, 2020-01-25, 2021-01-30.
        np.concatenate(
            [
                [*(before + 7 * np.cumsum([4, 4, 5] * 4)[:-1]), end]
                for before, end in pairwise(dates("RE-L-JAN-SAT", last="2021-01-31"))
            ]
        ),
        ("REM-L-JAN-SAT-4-445", 12, "2021-01-30 2021-02-27 2021-03-27"),
    ),
    "every second month": (dates("2MS"), ("2M", 6, "2021-01-01 2021-03-01 2021-05-01")),
    "every second month's end": (dates("2ME"), ("2M", 6, "2021-01-31 2021-03-31 2021-05-31")),
    "every second month's last working day": (
        dates("2BME"),
        ("2BME", 6, "2021-01-29 2021-03-31 2021-05-31"),
    ),
    "fiscal quarters": (
        dates("REQ-L-JAN-SAT-4"),
        ("REQ-L-JAN-SAT-4", 4, "2021-01-30 2021-05-01 2021-07-31"),
    ),
    "fiscal quarters to the last Sunday of September": (
        dates("REQ-L-SEP-SUN-4"),
        ("REQ-L-SEP-SUN-4", 4, "2021-03-28 2021-06-27 2021-09-26"),
    ),
    "quarter's last working day": (
        dates("BQE-NOV"),
        ("BQE-NOV", 4, "2021-02-26 2021-05-31 2021-08-31"),
    ),
    "quarter's end, moved on": (
        rolled(dates("QE")),
        ("3M-31-following", 4, "2021-03-31 2021-06-30 2021-09-30"),
    ),
    "third Wednesday of a quarter": (
        dates("WOM-3WED")[2::3],
        ("3WOM-3WED", 4, "2021-03-17 2021-06-16 2021-09-15"),
    ),
    "every fourth month": (dates("4MS"), ("4M", 3, "2021-01-01 2021-05-01 2021-09-01")),
    "half-years": (dates("6ME")[1:], ("6M", 2, "2021-01-31 2021-07-31 2022-01-31")),
    "half-years of weeks": (
        np.datetime64("2020-12-26") - 182 * np.arange(60),
        ("26W", 2, "2021-06-26 2021-12-25 2022-06-25"),
    ),
    "year's end in February": (
        dates("YE-FEB", "1960-01-01"),
        ("yearly", 1, "2021-02-28 2022-02-28 2024-02-29"),
    ),
    "tax years": (
        np.array([f"{year}-04-05" for year in range(1960, 2021)], "M8[D]"),
        ("yearly", 1, "2021-04-05 2022-04-05 2024-04-05"),
    ),
    "year's last working day": (
        dates("BYE-JUN", "1960-01-01"),
        ("BYE-JUN", 1, "2021-06-30 2022-06-30 2024-06-28"),
    ),
    "fiscal years of 52 or 53 weeks": (
        dates("RE-L-JAN-SAT", "1960-01-01"),
        ("RE-L-JAN-SAT", 1, "2021-01-30 2022-01-29 2024-01-27"),
    ),
    "fiscal years to the nearest Monday": (
        dates("RE-N-DEC-MON", "1960-01-01"),
        ("RE-N-DEC-MON", 1, "2022-01-03 2023-01-02 2024-12-30"),
    ),
    "every second year": (
        dates("2YS", "1960-01-01"),
        ("2Y", 1, "2022-01-01 2024-01-01 2028-01-01"),
    ),
}


@pytest.mark.parametrize("name", CALENDARS)
def test_every_calendar_has_its_season_and_its_next_dates(name):
    days, (text, season, expected) = CALENDARS[name]
    days = np.unique(days[days <= np.datetime64("2020-12-31")])
    frequency = get_frequency(decide_frequency(series(days)))
    assert (frequency.text, frequency.season) == (text, season)
    expected = expected.split()
    # Yearly kinds are asked for the fourth year too, because of leap years.
    steps = [1, 2, 3 if expected[2] < "2024" else 4]
    assert dates_ahead(days, np.array(steps), frequency).astype(str).tolist() == expected
    assert decide_frequency(series(days), text) == text
    assert explain_frequency(series(days), text) is None


@pytest.mark.parametrize("name", CALENDARS)
def test_a_calendar_with_a_few_missing_dates_is_the_same(name):
    days, (text, *_) = CALENDARS[name]
    days = np.unique(days)
    some = np.delete(days, np.arange(5, len(days) - 1, 11))
    assert decide_frequency(series(some)) == text
    frequency = get_frequency(text)
    full, values, _ = regularise(some, np.ones(len(some)), some, frequency)
    expected = days if frequency.counts_periods else some
    np.testing.assert_array_equal(full, expected)
    np.testing.assert_array_equal(full[np.isfinite(values)], some)


def test_the_bundled_series_have_the_frequencies_of_their_readme():
    source = open_source("sample", S3Settings())
    found = {name: decide_frequency(source.load(name)) for name in source.variables()}
    assert found.pop("spx_close") == "business_daily"
    assert found.pop("gdp_growth") == "quarterly"
    assert set(found.values()) == {"monthly"}


def test_dates_that_fit_nothing_are_irregular_and_are_explained_once():
    rng = np.random.default_rng(0)
    days = EVERY_DAY[0] + np.cumsum(rng.integers(1, 40, 300))
    assert decide_frequency(series(days)) == "irregular"
    assert decide_frequency(series(days), "irregular") == "irregular"
    assert explain_frequency(series(days), "irregular") == (
        "x is irregular (dates 1 to 39 days apart, the median 22): steps are observations, and "
        "next dates follow the median gap"
    )


def test_a_frequency_is_advised_where_it_makes_sense():
    days = dates("MS")[np.random.default_rng(0).random(372) > 0.35]
    assert decide_frequency(series(days)) == "irregular"
    text = explain_frequency(series(days), "irregular")
    assert "--frequencies x=monthly takes periods without a row as missing" in text
    assert decide_frequency(series(days), "monthly") == "monthly"


CHANGES = {
    "weekly to business days": (
        [*dates("W-FRI", "2000-01-01", "2012-12-31"), *dates("B", "2013-01-01")],
        "business_daily since 2012-12-28 (weekly until line 678 (2012-12-21), business_daily from "
        "line 679 (2012-12-28) on): its 677 rows before are not used",
    ),
    "quarterly to monthly": (
        [*dates("QS", "1990-01-01", "1999-12-31"), *dates("MS", "2000-01-01")],
        "monthly since 2000-01-01 (quarterly until line 41 (1999-10-01), monthly from line 42 "
        "(2000-01-01) on): its 40 rows before are not used",
    ),
    "monthly to quarterly": (
        [*dates("ME", "1990-01-01", "2009-12-31"), *dates("BQE-NOV", "2010-01-01")],
        "BQE-NOV since 2009-12-31 (monthly until line 240 (2009-11-30), quarterly from line 241 "
        "(2009-12-31) on): its 239 rows before are not used",
    ),
    "monthly to quarterly, of late": (
        [*dates("MS", "1990-01-01", "2017-12-31"), *dates("QS", "2018-01-01")],
        "irregular (dates 28 to 92 days apart, the median 31; monthly until line 337 (2017-12-01), "
        "quarterly from line 338 (2018-01-01) on): steps are observations",
    ),
    "to every second month": (
        [*dates("MS", "1990-01-01", "2010-12-31"), *dates("2MS", "2011-01-01")],
        "2M since 2011-01-01 (monthly until line 253 (2010-12-01), 2M from",
    ),
    "twice": (
        [
            *dates("YS", "1950-01-01", "1970-01-01"),
            *dates("QS", "1971-01-01", "1989-12-31"),
            *dates("MS"),
        ],
        "monthly since 1990-01-01 (quarterly until line 98 (1989-10-01), monthly from line 99",
    ),
    "weekends from then on": (
        [*dates("B", "1990-01-01", "2005-12-31"), *dates("D", "2006-01-01")],
        "daily since 2006-01-01 (business_daily until",
    ),
    "no weekends from then on": (
        [*dates("D", "1990-01-01", "2005-12-31"), *dates("B", "2006-01-01")],
        "business_daily since 2006-01-02 (daily until",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_series_is_used_from_the_change_of_its_frequency_on(name):
    days, message = CHANGES[name]
    whole = series(days)
    text = decide_frequency(whole)
    assert explain_frequency(whole, text).startswith(f"x is {message}")
    assert decide_frequency(whole, text) == text
    used = rows_used(whole, text)
    assert decide_frequency(used) == get_frequency(text).name
    assert used.row(0) == whole.row(len(days) - len(used.timestamps))  # with its line in the file


def test_a_frequency_that_is_declared_takes_the_rows_before_a_change_too():
    days = np.array(CHANGES["quarterly to monthly"][0])
    assert decide_frequency(series(days), "monthly") == "monthly"
    days = np.array(CHANGES["weekly to business days"][0])  # but days are counted by rows
    text = "business_daily since 2012-12-28"
    assert decide_frequency(series(days), "business_daily") == text

    days = [*dates("W-FRI", "1990-01-01", "1999-12-31"), *dates("MS", "2000-02-01")]
    text = decide_frequency(series(days))  # but no month may have several rows
    assert text.startswith("monthly since ")
    assert decide_frequency(series(days), "monthly") == text


@pytest.mark.parametrize(
    ("frequency", "declared", "usual"),
    [
        ("MS", "LWOM-FRI", "monthly"),
        ("MS", "M-31", "monthly"),
        ("W-FRI", "W-MON", "weekly"),
        ("QS", "BQE-DEC", "quarterly"),
    ],
)
def test_a_declared_frequency_whose_labels_are_other_dates_is_refused(frequency, declared, usual):
    """The next dates would be days on which the series never has a value."""
    message = f"says x={declared}, but the dates .* are {usual}: set --frequencies x={usual}"
    refused(dates(frequency), message, declared)


def test_declared_labels_may_be_moved():
    assert decide_frequency(series(dates("ME")), "BME") == "BME"
    assert decide_frequency(series(rolled(dates("ME"))), "M-31") == "M-31"


MIXED = {
    "MS QE": "monthly dates such as line 2 .1990-01-01. and quarterly dates such as line 5 .1990-0",
    "ME QS": "monthly dates such as line 3 .1990-01-31. and quarterly dates such as line 2 .1990-0",
    "BME QS": "BME dates such as line 3 .1990-01-31. and quarterly dates such as line 2 .1990-0",
    "MS YE": "monthly dates such as line 2 .1990-01-01. and yearly dates such as line 14 .1990-12-",
    "W-FRI MS": "monthly dates such as line 2 .1990-01-01. and weekly dates such as line 3",
    "W-FRI QE": "weekly dates such as line 2 .1990-01-05. and quarterly dates such as line 15",
    "6MS QE": "quarterly dates such as line 3 .1990-03-31. and 6M dates such as line 2",
}


@pytest.mark.parametrize("name", MIXED)
def test_two_series_in_one_column_are_refused(name):
    days = np.concatenate([dates(frequency) for frequency in name.split()])
    assert "write two series, or set --frequencies x=irregular" in refused(days, MIXED[name])
    assert decide_frequency(series(days), "irregular") == "irregular"


def test_two_dates_a_month_without_a_rule_are_one_series():
    days = np.concatenate([dates("MS"), dates("WOM-2WED")])
    assert decide_frequency(series(days)) == "irregular"


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
    "a second week too many": (
        [*dates("2W-FRI"), "2010-12-15"],
        "lie in one period of a 2W series: keep one",
    ),
    "a last working day too many": (
        [*dates("BME"), "2010-12-29"],
        "line 253 .2010-12-29. and line 254 .2010-12-31. lie in one month of a BME series: keep on",
    ),
    "a half-month too many": ([*dates("SMS"), "2010-12-16"], "one period of a SMS-15 series"),
    "two working years too many": (
        [*dates("RE-L-JAN-SAT", "1960-01-01"), "2000-02-02", "2010-02-02"],
        "lie in one year of a RE-L-JAN-SAT series .and 1 more such pairs.: keep one",
    ),
    "labelled in another month": (
        [*np.setdiff1d(dates("MS"), np.array(["2010-12-01"], "M8[D]")), "2010-11-30"],
        "2010-11-01. and line 253 .2010-11-30. lie in one month of a monthly series: date each",
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
    ("weekly", dates("14D"), "are 2W: set --frequencies x=2W, or remove x from --frequencies$"),
    ("monthly", dates("2MS"), "are 2M: set"),
    ("BME", dates("BQE"), "are BQE-DEC: set"),
    ("weekly", CHANGES["weekly to business days"][0], "lie in one week: remove x"),
    ("yearly", CHANGES["quarterly to monthly"][0], "lie in one year: remove x"),
]


@pytest.mark.parametrize(("declared", "days", "message"), DECLARED, ids=range(len(DECLARED)))
def test_a_declared_frequency_that_the_dates_contradict_is_refused(declared, days, message):
    refused(days, message, declared)


def test_too_few_dates_are_refused_unless_a_frequency_is_declared():
    refused(["2020-01-01", "2020-02-01"], "no frequency can be inferred from 2 dates .line 2")
    assert decide_frequency(series(["2020-01-01", "2020-02-01"]), "monthly") == "monthly"


@pytest.mark.parametrize("declared", ["ME", "BME", "QE-NOV"])
def test_another_name_of_the_same_rate_is_accepted(declared):
    days = dates("QE-NOV") if declared == "QE-NOV" else dates("BME")
    assert decide_frequency(series(days), declared) == get_frequency(declared).name


KINDS = [*CALENDARS, *(kind for kind in SOUND if len(SOUND[kind][1]) > 20)]


def dates_of(kind):
    return CALENDARS[kind][0] if kind in CALENDARS else SOUND[kind][1]


def test_a_frequency_that_the_dates_have_is_never_refused():
    """One working day in a month after the next quarter's end, after thirty years of quarters."""
    beginning = np.unique(dates_of("quarter's last working day"))[:125]
    whole = series(np.append(beginning, beginning[-1] + 91))
    assert decide_frequency(whole, decide_frequency(whole)) == decide_frequency(whole)


@holds_for_all(
    80,
    800,
    kind=st.sampled_from(KINDS),
    tail=st.sampled_from([*KINDS, "random"]),
    count=st.integers(1, 300),
    first=st.integers(0, 8),
    holes=st.sampled_from([0.0, 0.0, 0.05, 0.5]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_dates_are_refused_with_their_rows_or_have_next_dates_that_can_be(
    kind, tail, count, first, holes, seed
):
    """A frequency holds for all rows that are used, and no next date is on an impossible day."""
    rng = np.random.default_rng(seed)
    beginning = np.unique(dates_of(kind))[first : first + 200]
    gaps = rng.integers(1, 400, count)
    later = gaps if tail == "random" else np.diff(np.unique(dates_of(tail)))[:count].astype(int)
    days = np.append(beginning, beginning[-1] + np.cumsum(later))
    days = days[(rng.random(len(days)) >= holes) | (np.arange(len(days)) < 3)]
    whole = series(days)
    try:
        text = decide_frequency(whole)
    except HistoricalDataError as error:
        assert str(error).startswith("x.csv: ")
        assert "line " in str(error)
        return
    frequency, used = get_frequency(text), rows_used(whole, text).timestamps
    assert decide_frequency(whole, text) == text
    explained = frequency.since is not None or frequency.calendar is None
    assert bool(explain_frequency(whole, text)) is explained
    full, *_ = regularise(used, np.ones(len(used)), used, frequency)
    assert np.isin(used, full).all()
    assert (np.diff(full).astype(int) > 0).all()
    ahead = dates_ahead(used, np.arange(1, 25), frequency)
    assert (np.diff(np.append(used[-1:], ahead)).astype(int) > 0).all()
    counts = np.bincount(weekdays(used), minlength=7)
    if len(used) >= 60 and (counts == 0).sum() > 1:
        assert (counts[weekdays(ahead)] > 0).all()
