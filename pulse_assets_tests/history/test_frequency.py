import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_assets.errors import ConfigurationError, HistoricalDataError
from pulse_assets.history.frequency import dates_ahead, regularise, steps_between, steps_since
from pulse_assets.history.frequency_names import FREQUENCIES, get_frequency
from pulse_assets.history.label_grids import fiscal_labels, grid_of, pandas_labels


def days(*texts):
    return np.array(texts, "M8[D]")


def test_an_unknown_frequency_lists_the_known_ones():
    assert get_frequency("quarterly") == FREQUENCIES["quarterly"]
    with pytest.raises(ConfigurationError, match="'montly' is unknown, did you mean 'monthly'"):
        get_frequency("montly")
    with pytest.raises(ConfigurationError, match="'x' is unknown: choose one of daily, business"):
        get_frequency("x")


SEASONS = {  # season, lag of scaled errors, periods counted
    "daily": (7, 1, False),
    "business_daily": (5, 1, False),
    "C-MON-TUE-WED-THU-FRI-SAT": (6, 1, False),
    "weekly": (52, 1, True),
    "W-FRI": (52, 1, True),
    "10D": (1, 1, True),
    "2W": (26, 1, True),
    "2W-FRI": (26, 1, True),
    "4W": (13, 13, True),
    "13W": (4, 4, True),
    "26W": (2, 2, True),
    "SMS-15": (24, 24, True),
    "M-10-25": (24, 24, True),
    "monthly": (12, 12, True),
    "BME": (12, 12, True),
    "WOM-3FRI": (12, 12, True),
    "REM-L-JAN-SAT-4-445": (12, 12, True),
    "2M": (6, 6, True),
    "quarterly": (4, 4, True),
    "BQE-NOV": (4, 4, True),
    "REQ-L-JAN-SAT-4": (4, 4, True),
    "4M": (3, 3, True),
    "6M": (2, 2, True),
    "yearly": (1, 1, True),
    "RE-N-DEC-MON": (1, 1, True),
    "2Y": (1, 1, True),
    "5M": (1, 1, True),
    "irregular": (1, 1, False),
}


@pytest.mark.parametrize("name", SEASONS)
def test_seasons_are_those_of_the_calendar_and_scales_those_of_m4(name):
    frequency = get_frequency(name)
    assert frequency.name == name
    assert (frequency.season, frequency.scale_season, frequency.counts_periods) == SEASONS[name]


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("D", "daily"),
        ("B", "business_daily"),
        ("C-FRI-MON-THU-TUE-WED", "business_daily"),
        ("C-SUN-MON-TUE-WED-THU", "C-MON-TUE-WED-THU-SUN"),
        ("W", "weekly"),
        ("14D", "2W"),
        ("ME", "monthly"),
        ("MS", "monthly"),
        ("QE-NOV", "quarterly"),
        ("2QS", "6M"),
        ("YE-MAR", "yearly"),
        ("24MS", "2Y"),
        (" BME ", "BME"),
    ],
)
def test_aliases_of_pandas_are_other_names(alias, name):
    assert get_frequency(alias).text == name
    assert get_frequency(get_frequency(alias).text).text == name


@pytest.mark.parametrize("name", ["", "h", "5min", "0W", "SME-40", "M-0", "M-32", "RE-L-JAN", "bh"])
def test_what_is_no_frequency_of_days_is_unknown(name):
    with pytest.raises(ConfigurationError, match=r"is unknown.*: choose one of daily"):
        get_frequency(name)


def test_the_day_from_which_a_frequency_holds_is_part_of_its_text():
    frequency = get_frequency("MS since 2000-01-01")
    assert (frequency.name, frequency.text) == ("monthly", "monthly since 2000-01-01")
    with pytest.raises(ConfigurationError, match="'soon' is no date: write it like 2000-01-31"):
        get_frequency("monthly since soon")


@pytest.mark.parametrize("year", ["L-JAN-SAT", "N-DEC-MON", "N-SEP-FRI"])
@pytest.mark.parametrize("longer", [1, 2, 3, 4])
def test_fiscal_quarters_are_those_of_pandas(year, longer):
    ours = grid_of(fiscal_labels(f"RE-{year}", [13] * 4, longer))
    pandas = pandas_labels(f"REQ-{year}-{longer}")
    np.testing.assert_array_equal(ours.label(ours.index(pandas)), pandas)
    assert len(ours.labels) == len(pandas) == 1600


@pytest.mark.parametrize("alias", ["BME", "WOM-3FRI", "SME-15", "RE-L-JAN-SAT", "BQE-NOV", "W-TUE"])
@pytest.mark.parametrize("first", ["1700-01-01", "1990-01-01", "2199-06-01", "2230-01-01"])
def test_the_labels_of_a_cycle_are_those_of_all_centuries(alias, first):
    expected = pd.date_range(first, periods=60, freq=alias).to_numpy().astype("M8[D]")
    ahead = dates_ahead(expected[:1], np.arange(60), get_frequency(alias))
    np.testing.assert_array_equal(ahead, expected)


NAMES = [name for name in SEASONS if name != "irregular"]


@given(
    st.sampled_from(NAMES),
    st.integers(-60_000, 60_000),
    st.lists(st.integers(0, 400), min_size=1, max_size=20),
)
def test_steps_count_what_dates_ahead_go(name, day, steps):
    frequency, steps = get_frequency(name), np.array(steps)
    # A date of the calendar itself: the one before any day, but from the 1st to the 28th.
    start = (np.datetime64("2000-01") + day // 30).astype("M8[D]") + abs(day) % 28
    start = dates_ahead(np.array([start]), np.array([1]), frequency)
    ahead = dates_ahead(start, steps, frequency)
    np.testing.assert_array_equal(
        steps_between(np.broadcast_to(start, ahead.shape), ahead, frequency), steps
    )


def test_irregular_steps_are_gaps_of_the_median_known_at_the_time():
    dates = days("2020-01-01", "2020-01-11", "2020-01-21", "2020-02-20", "2020-03-21")
    irregular = get_frequency("irregular")
    later = days("2020-01-21", "2020-01-26", "2020-03-21", "2020-02-21", "2020-02-20")
    # The medians of the gaps before: 10, 10, 10, 10; the long gaps come later.
    steps = steps_since(dates, np.array([1, 2, 3, 3, 3]), later, irregular)
    assert steps.tolist() == [1, 1, 3, 1, 0]
    assert steps_since(dates[:1], np.array([0]), days("2020-01-01"), irregular).tolist() == [0]
    ahead = dates_ahead(dates, np.array([1, 2]), irregular)
    np.testing.assert_array_equal(ahead, days("2020-04-10", "2020-04-30"))  # 20 days
    with pytest.raises(ValueError, match="no calendar"):
        steps_between(dates[:1], dates[1:2], irregular)


def test_an_irregular_series_that_has_no_weekends_is_not_expected_on_one():
    rng = np.random.default_rng(1)
    dates = np.busday_offset("2020-01-01", np.cumsum(rng.integers(1, 6, 100)), roll="forward")
    ahead = dates_ahead(dates, np.arange(1, 40), get_frequency("irregular"))
    assert np.is_busday(ahead).all()
    assert len(set(ahead.tolist())) == 39


def test_a_weekly_series_goes_back_to_its_usual_weekday():
    fridays = np.datetime64("2020-01-03") + 7 * np.arange(20)
    fridays[-1] -= 1  # a holiday
    ahead = dates_ahead(fridays, np.array([1, 2]), get_frequency("weekly"))
    np.testing.assert_array_equal(ahead, days("2020-05-22", "2020-05-29"))


def test_the_future_keeps_off_weekdays_that_a_long_series_never_had():
    months = np.datetime64("2015-01") + np.arange(70)
    dates = months.astype("M8[D]") + np.arange(70) % 17  # a label without a rule
    dates = np.busday_offset(dates, 0, roll="forward")
    ahead = dates_ahead(dates, np.arange(1, 60), get_frequency("monthly"))
    assert np.is_busday(ahead).all()
    assert (np.diff(ahead.astype("M8[M]")).astype(int) == 1).all()


@pytest.mark.parametrize(
    ("name", "given_dates", "full_dates"),
    [
        ("monthly", "2020-01-01 2020-04-01", "2020-01-01 2020-02-01 2020-03-01 2020-04-01"),
        ("monthly", "2019-12-31 2020-03-31", "2019-12-31 2020-01-31 2020-02-29 2020-03-31"),
        ("monthly", "2020-01-30 2020-03-30", "2020-01-30 2020-02-29 2020-03-30"),
        ("quarterly", "2020-02-15 2020-08-14", "2020-02-15 2020-05-15 2020-08-14"),
        ("yearly", "2019-06-30 2021-06-30", "2019-06-30 2020-06-30 2021-06-30"),
    ],
)
def test_a_missing_period_becomes_a_row_labelled_like_the_one_before(name, given_dates, full_dates):
    given_dates, full_dates = days(*given_dates.split()), days(*full_dates.split())
    values = np.arange(len(given_dates), dtype=float)
    dates, full, published = regularise(given_dates, values, given_dates, FREQUENCIES[name])
    np.testing.assert_array_equal(dates, full_dates)
    np.testing.assert_array_equal(full[np.isin(full_dates, given_dates)], values)
    assert np.isnan(full[~np.isin(full_dates, given_dates)]).all()
    np.testing.assert_array_equal(published[np.isin(full_dates, given_dates)], given_dates)


def test_publication_dates_stay_with_their_values():
    _, values, published = regularise(
        days("2020-01-01", "2020-03-01"),
        np.array([1.0, 2.0]),
        days("2020-01-20", "NaT"),
        FREQUENCIES["monthly"],
    )
    np.testing.assert_array_equal(values, [1.0, np.nan, 2.0])
    np.testing.assert_array_equal(published, days("2020-01-20", "NaT", "NaT"))


@pytest.mark.parametrize("name", ["daily", "business_daily", "irregular"])
def test_frequencies_that_count_observations_stay_as_they_are(name):
    dates, values = days("2020-01-01", "2020-03-01"), np.array([1.0, 2.0])
    assert regularise(dates, values, dates, FREQUENCIES[name]) == (dates, values, dates)


def test_a_missing_week_is_a_period_and_a_moved_label_is_none():
    """Monday instead of Friday, ten days after the one before; then two weeks without a row."""
    dates = days("2020-01-03", "2020-01-13", "2020-01-17", "2020-02-06")
    for name in ("weekly", "W-FRI"):
        regular, values, published = regularise(dates, np.arange(4.0), dates, get_frequency(name))
        added = ["2020-01-24", "2020-01-31"]
        assert regular.astype(str).tolist() == [
            *("2020-01-03", "2020-01-13", "2020-01-17", *added, "2020-02-06")
        ]
        np.testing.assert_array_equal(values, [0.0, 1.0, 2.0, np.nan, np.nan, 3.0])
        assert np.isnat(published).tolist() == [False, False, False, True, True, False]


@given(
    moves=st.lists(st.integers(-1, 2), min_size=2, max_size=500),
    name=st.sampled_from(["weekly", "W-WED"]),
)
def test_weeks_whose_labels_move_are_neither_missing_nor_crowded(moves, name):
    days = np.datetime64("2001-01-03") + 7 * np.arange(len(moves)) + np.array(moves, np.int64)
    regular, *_ = regularise(days, np.ones(len(days)), days, get_frequency(name))
    np.testing.assert_array_equal(regular, days)


def test_a_series_without_rows_stays_empty():
    dates, values, _ = regularise(days(), np.array([]), days(), FREQUENCIES["monthly"])
    assert (len(dates), len(values)) == (0, 0)


def test_two_rows_in_one_period_are_named():
    dates = days("2020-01-01", "2020-02-01", "2020-02-28")
    with pytest.raises(HistoricalDataError, match="2020-02-01 and 2020-02-28 lie in one period"):
        regularise(dates, np.ones(3), dates, FREQUENCIES["monthly"])


@given(
    st.sampled_from(["monthly", "quarterly", "yearly"]),
    st.integers(0, 30),
    st.integers(0, 11),
    st.lists(st.booleans(), min_size=1, max_size=40).filter(lambda kept: kept[0]),
)
def test_regular_periods_whatever_the_day_and_the_gaps(name, day, month, kept):
    months = FREQUENCIES[name].calendar.every
    starts = np.datetime64("2000-01") + month + months * np.flatnonzero(kept)
    ends = (starts + 1).astype("M8[D]") - 1
    dates = np.minimum(starts.astype("M8[D]") + day, ends)
    full, values, _ = regularise(dates, np.ones(len(dates)), dates, FREQUENCIES[name])
    assert (np.diff(full.astype("M8[M]")).astype(int) == months).all()
    np.testing.assert_array_equal(full[np.isfinite(values)], dates)
    earlier = regularise(dates[:-1], np.ones(len(dates) - 1), dates[:-1], FREQUENCIES[name])[0]
    np.testing.assert_array_equal(earlier, full[: len(earlier)])  # the past decides the labels
