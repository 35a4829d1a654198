import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_assets.errors import ConfigurationError, HistoricalDataError
from pulse_assets.history.frequency import (
    FREQUENCIES,
    get_frequency,
    infer_frequency,
    regularise,
)
from pulse_assets.history.source import open_source
from pulse_assets.storage.s3 import S3Settings


def days(*texts):
    return np.array(texts, "M8[D]")


def span(first, last):
    return np.arange(np.datetime64(first), np.datetime64(last))


def month_ends(first, last, step):
    return np.arange(np.datetime64(first), np.datetime64(last), step).astype("M8[M]").astype(
        "M8[D]"
    ) - np.timedelta64(1, "D")


EVERY_DAY = span("2019-01-01", "2021-01-01")
WORKING_DAYS = EVERY_DAY[np.is_busday(EVERY_DAY, holidays=days("2019-12-25", "2020-01-01"))]
SUNDAY_TO_THURSDAY = EVERY_DAY[np.is_busday(EVERY_DAY, weekmask="1111001")]


@pytest.mark.parametrize(
    ("timestamps", "name"),
    [
        (EVERY_DAY, "daily"),
        (EVERY_DAY[EVERY_DAY.astype(int) % 9 > 1], "daily"),  # two in nine are missing
        (WORKING_DAYS, "business_daily"),
        (WORKING_DAYS[:12], "business_daily"),
        (SUNDAY_TO_THURSDAY, "business_daily"),
        (np.sort(np.append(WORKING_DAYS, days("2020-02-01"))), "business_daily"),
        (EVERY_DAY[3::7], "weekly"),
        (month_ends("2019-01", "2021-01", 1), "monthly"),
        (np.delete(month_ends("2019-01", "2021-01", 1), 5), "monthly"),
        (month_ends("2015-02", "2021-01", 3), "quarterly"),
        (month_ends("2000-07", "2021-01", 12), "yearly"),
    ],
)
def test_the_gaps_between_dates_tell_the_frequency(timestamps, name):
    inferred = infer_frequency(timestamps)
    assert inferred and inferred.name == name


def test_every_dozen_dates_of_the_samples_tells_the_same_as_all():
    source = open_source("sample", S3Settings())
    found = {}
    for name in source.variables():
        timestamps = source.load(name).timestamps
        parts = [timestamps[i : i + 12] for i in range(0, len(timestamps) - 11, 20)]
        inferred = [infer_frequency(part) for part in [timestamps, *parts]]
        found[name] = {part.name for part in inferred if part}
        assert all(inferred)
    assert found.pop("spx_close") == {"business_daily"}
    assert found.pop("gdp_growth") == {"quarterly"}
    assert set.union(*found.values()) == {"monthly"}


@pytest.mark.parametrize(
    "timestamps",
    [
        days("2020-01-01", "2020-01-15", "2020-01-29"),
        days("2020-01-01", "2020-01-02", "2020-03-01", "2020-03-02"),
    ],
)
def test_gaps_of_no_frequency_infer_none(timestamps):
    assert infer_frequency(timestamps) is None


def test_an_unknown_frequency_lists_the_known_ones():
    assert get_frequency("quarterly") is FREQUENCIES["quarterly"]
    with pytest.raises(ConfigurationError, match="'montly' is unknown, did you mean 'monthly'"):
        get_frequency("montly")
    with pytest.raises(ConfigurationError, match="'x' is unknown: choose one of daily, business"):
        get_frequency("x")


def test_seasons_are_those_of_the_calendar_and_scales_those_of_m4():
    assert {f.name: (f.season, f.scale_season, f.months) for f in FREQUENCIES.values()} == {
        "daily": (7, 1, None),
        "business_daily": (5, 1, None),
        "weekly": (52, 1, None),
        "monthly": (12, 12, 1),
        "quarterly": (4, 4, 3),
        "yearly": (1, 1, 12),
    }


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
    dates, full, published = regularise(given_dates, values, None, FREQUENCIES[name])
    np.testing.assert_array_equal(dates, full_dates)
    np.testing.assert_array_equal(full[np.isin(full_dates, given_dates)], values)
    assert np.isnan(full[~np.isin(full_dates, given_dates)]).all()
    assert published is None


def test_publication_dates_stay_with_their_values():
    _, values, published = regularise(
        days("2020-01-01", "2020-03-01"),
        np.array([1.0, 2.0]),
        days("2020-01-20", "NaT"),
        FREQUENCIES["monthly"],
    )
    np.testing.assert_array_equal(values, [1.0, np.nan, 2.0])
    np.testing.assert_array_equal(published, days("2020-01-20", "NaT", "NaT"))


@pytest.mark.parametrize("name", ["daily", "business_daily", "weekly"])
def test_frequencies_that_count_observations_stay_as_they_are(name):
    dates, values = days("2020-01-01", "2020-03-01"), np.array([1.0, 2.0])
    assert regularise(dates, values, None, FREQUENCIES[name]) == (dates, values, None)


def test_a_series_without_rows_stays_empty():
    dates, values, _ = regularise(days(), np.array([]), None, FREQUENCIES["monthly"])
    assert (len(dates), len(values)) == (0, 0)


def test_two_rows_in_one_period_are_named():
    dates = days("2020-01-01", "2020-02-01", "2020-02-28")
    with pytest.raises(HistoricalDataError, match="2020-02-01 and 2020-02-28 lie in one period"):
        regularise(dates, np.ones(3), None, FREQUENCIES["monthly"])


@given(
    st.sampled_from(["monthly", "quarterly", "yearly"]),
    st.integers(0, 30),
    st.integers(0, 11),
    st.lists(st.booleans(), min_size=1, max_size=40).filter(lambda kept: kept[0]),
)
def test_regular_periods_whatever_the_day_and_the_gaps(name, day, month, kept):
    months = FREQUENCIES[name].months
    starts = np.datetime64("2000-01") + month + months * np.flatnonzero(kept)
    ends = (starts + 1).astype("M8[D]") - 1
    dates = np.minimum(starts.astype("M8[D]") + day, ends)
    full, values, _ = regularise(dates, np.ones(len(dates)), None, FREQUENCIES[name])
    assert (np.diff(full.astype("M8[M]")).astype(int) == months).all()
    np.testing.assert_array_equal(full[np.isfinite(values)], dates)
    earlier = regularise(dates[:-1], np.ones(len(dates) - 1), None, FREQUENCIES[name])[0]
    np.testing.assert_array_equal(earlier, full[: len(earlier)])  # the past decides the labels
