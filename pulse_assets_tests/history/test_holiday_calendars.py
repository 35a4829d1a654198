"""A series of working days or weeks may have a holiday calendar: next dates keep off holidays."""

import sys
from datetime import date

import numpy as np
import pytest

from pulse_assets import TrainingConfig
from pulse_assets.batches.fingerprint import configuration_fingerprint
from pulse_assets.errors import ConfigurationError, HistoricalDataError
from pulse_assets.history.calendars import decide_frequency
from pulse_assets.history.frequency import dates_ahead, steps_between
from pulse_assets.history.frequency_names import get_frequency, with_holidays
from pulse_assets.history.holiday_calendars import holidays_of
from pulse_assets.history.series import Series
from pulse_assets.preflight import check_ready, resolve_options


@pytest.fixture(autouse=True)
def nothing_cached():
    """Calendars are read once per process: forget those of another test."""
    holidays_of.cache_clear()
    get_frequency.cache_clear()
    yield
    holidays_of.cache_clear()
    get_frequency.cache_clear()


@pytest.fixture
def market():
    """The package with the calendars, an optional extra that the test tools contain."""
    return pytest.importorskip("holidays", reason="needs pip install 'pulse-assets[calendars]'")


@pytest.fixture
def new_year_only(monkeypatch):
    """A package of one calendar, on which it does not matter what is installed."""

    class Holidays:
        @staticmethod
        def financial_holidays(name, years):
            if name != "NYSE":
                raise NotImplementedError
            return {np.datetime64(f"{year}-01-01").astype(object): "New Year" for year in years}

        @staticmethod
        def country_holidays(name, subdiv, years):
            raise NotImplementedError

    monkeypatch.setitem(sys.modules, "holidays", Holidays)


def working_days(first="2018-01-01", last="2020-12-31", but=()):
    days = np.arange(np.datetime64(first), np.datetime64(last) + 1)
    return np.setdiff1d(days[np.is_busday(days)], np.array(but, "M8[D]"))


NEW_YEARS = ("2018-01-01", "2019-01-01", "2020-01-01")


def series(days):
    return Series("spx", days, np.ones(len(days)), file="spx.csv", unit="line")


@pytest.mark.parametrize(
    ("name", "last", "expected"),
    [
        # Good Friday; Independence Day on a Thursday; Christmas and New Year.
        ("business_daily@NYSE", "2024-03-27", "2024-03-28 2024-04-01 2024-04-02"),
        ("business_daily@NYSE", "2024-07-03", "2024-07-05 2024-07-08 2024-07-09"),
        ("business_daily@NYSE", "2024-12-24", "2024-12-26 2024-12-27 2024-12-30"),
        ("business_daily@ECB", "2024-04-30", "2024-05-02 2024-05-03 2024-05-06"),
        ("business_daily@DE-BY", "2025-01-03", "2025-01-07 2025-01-08 2025-01-09"),
        ("C-MON-TUE-WED-THU-SUN@SA", "2024-09-22", "2024-09-24 2024-09-25 2024-09-26"),
        # Good Friday at the end of March; Memorial Day on the last day of May.
        ("BME@NYSE", "2024-02-29", "2024-03-28 2024-04-30 2024-05-31"),
        ("BME@NYSE", "2021-03-31", "2021-04-30 2021-05-28 2021-06-30"),
        ("BME@NYSE", "2024-03-28", "2024-04-30 2024-05-31 2024-06-28"),
        ("BMS@NYSE", "2023-12-01", "2024-01-02 2024-02-01 2024-03-01"),
        ("M-1-following@NYSE", "2023-12-01", "2024-01-02 2024-02-01 2024-03-01"),
        ("M-15-preceding@NYSE", "2024-01-12", "2024-02-15 2024-03-15 2024-04-15"),
        ("BQE-DEC@NYSE", "2023-12-29", "2024-03-28 2024-06-28 2024-09-30"),
        ("BYS-JAN@NYSE", "2023-01-03", "2024-01-02 2025-01-02 2026-01-02"),
        ("weekly@NYSE", "2024-03-22", "2024-03-28 2024-04-05 2024-04-12"),
        ("W-FRI@NYSE", "2024-03-22", "2024-03-28 2024-04-05 2024-04-12"),
        ("W-WED@NYSE", "2024-06-12", "2024-06-20 2024-06-26 2024-07-03"),
    ],
)
def test_next_dates_keep_off_holidays(market, name, last, expected):
    ahead = dates_ahead(np.array([last], "M8[D]"), np.array([1, 2, 3]), get_frequency(name))
    assert ahead.astype(str).tolist() == expected.split()


def test_steps_are_counted_without_holidays(new_year_only):
    before, after = np.array(["2019-12-30"], "M8[D]"), np.array(["2020-01-03"], "M8[D]")
    assert steps_between(before, after, get_frequency("business_daily")).tolist() == [4]
    assert steps_between(before, after, get_frequency("business_daily@NYSE")).tolist() == [3]


def test_the_calendar_becomes_part_of_the_frequency(new_year_only):
    days = series(working_days(but=NEW_YEARS))
    text = decide_frequency(days, None, "NYSE")
    assert text == "business_daily@NYSE"
    assert decide_frequency(days, text) == decide_frequency(days, text, "NYSE") == text
    assert with_holidays("business_daily since 2019-01-01", "NYSE") == (
        "business_daily@NYSE since 2019-01-01"
    )


def test_a_calendar_that_the_dates_contradict_is_refused(new_year_only):
    with pytest.raises(
        HistoricalDataError,
        match=r"spx.csv: it has values on 3 of the 3 holidays of NYSE, such as line 1 .2018-01-01."
        ": correct or remove --calendar spx=NYSE",
    ):
        decide_frequency(series(working_days()), None, "NYSE")


def test_the_last_trading_days_of_months_weeks_and_years_have_holidays(market):
    """The whole history fits the calendar, and it names the dates that follow."""
    days = get_frequency("business_daily@NYSE").calendar.ahead(
        np.repeat(np.datetime64("1995-01-03"), 7000), np.arange(7000)
    )
    last_of = {
        "BME@NYSE": days.astype("M8[M]"),
        "BYE-DEC@NYSE": days.astype("M8[Y]"),
        "weekly@NYSE": (days.astype(int) + 3) // 7,
    }
    for name, period in last_of.items():
        ends = days[:-1][period[1:] != period[:-1]]
        text = decide_frequency(series(ends[:-1]), None, "NYSE")
        assert text == name
        ahead = dates_ahead(ends[:-8], np.arange(1, 9), get_frequency(text))
        assert ahead.tolist() == ends[-8:].tolist()


def test_a_calendar_that_the_labels_contradict_is_refused(market):
    fridays = series(np.arange(np.datetime64("2010-01-01"), np.datetime64("2020-01-01"), 7))
    with pytest.raises(HistoricalDataError, match=r"holidays of NYSE.*: correct or remove"):
        decide_frequency(fridays, None, "NYSE")


def test_only_working_days_have_holidays(new_year_only):
    months = np.arange(np.datetime64("2010-01"), np.datetime64("2020-01")).astype("M8[D]")
    with pytest.raises(
        ConfigurationError,
        match="--calendar spx=NYSE: spx is monthly, whose dates may be holidays: only those of",
    ):
        decide_frequency(series(months), None, "NYSE")
    with pytest.raises(ConfigurationError, match="needs working days, not monthly"):
        get_frequency("monthly@NYSE")


def config(folder, days, **values):
    (folder / "source").mkdir()
    rows = [f"{day},{i % 7}" for i, day in enumerate(days)]
    text = "\n".join(["timestamp,value", *rows])
    (folder / "source" / "historical_spx.csv").write_text(text)
    places = {"source": str(folder / "source"), "store": str(folder / "store")}
    spans = {"start_date": "2020-01-01", "end_date": "2020-12-31", "models": ["naive"]}
    return TrainingConfig(**places, **spans, **values)


def test_a_run_takes_the_calendar_of_its_settings(new_year_only, tmp_path):
    training = config(tmp_path, working_days(but=NEW_YEARS), calendar={"spx": "NYSE"})
    options = check_ready(training.settings(), training.options())
    assert options.frequencies == {"spx": "business_daily@NYSE"}
    assert resolve_options(training.settings(), options) == options
    declared = training.model_copy(update={"frequencies": {"spx": "B"}})
    assert check_ready(declared.settings(), declared.options()) == options


def test_two_holiday_calendars_of_one_variable_are_refused(market, tmp_path):
    twice = {"calendar": {"spx": "NYSE"}, "frequencies": {"spx": "business_daily@LSE"}}
    training = config(tmp_path, working_days(), **twice)
    message = "--calendar spx=NYSE contradicts --frequencies, which gives spx the holidays of LSE"
    with pytest.raises(ConfigurationError, match=message):
        check_ready(training.settings(), training.options())


def test_other_holidays_make_the_batches_of_their_calendar_stale(new_year_only, tmp_path):
    with_calendar = config(tmp_path, working_days(but=NEW_YEARS), calendar={"spx": "NYSE"})
    named = with_calendar.model_copy(update={"calendar": {}, "frequencies": {"spx": "B@NYSE"}})
    without = with_calendar.model_copy(update={"calendar": {}})
    trainings = (with_calendar, named, without)

    def fingerprints():
        return [configuration_fingerprint(one.settings(), one.options()) for one in trainings]

    before = fingerprints()
    assert fingerprints() == before
    read = sys.modules["holidays"].financial_holidays
    one_more = {date(2024, 7, 4): "Independence Day"}
    sys.modules["holidays"].financial_holidays = lambda *name, **years: (
        read(*name, **years) | one_more
    )
    holidays_of.cache_clear()
    changed = [one != other for one, other in zip(before, fingerprints(), strict=True)]
    assert changed == [True, True, False]


def test_an_unknown_calendar_and_variable_are_refused(new_year_only, tmp_path):
    with pytest.raises(ConfigurationError, match="calendar 'NYS' is unknown: choose a market such"):
        TrainingConfig(calendar={"spx": "NYS"})
    training = config(tmp_path, working_days(), calendar={"spy": "NYSE"})
    with pytest.raises(ConfigurationError, match="--calendar: 'spy' is not in source"):
        check_ready(training.settings(), training.options())


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "holidays", None)  # its import fails
    with pytest.raises(ConfigurationError, match=r"pip install 'pulse-assets\[calendars\]'"):
        TrainingConfig(calendar={"spx": "NYSE"})
