"""When the outcomes of a window are public, and which batches wait for them; clocks are fixed."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_assets.batches.due import (
    Awaited,
    awaited_values,
    describe_waiting,
    waiting_batches,
)
from pulse_assets.batches.grid import list_keys
from pulse_assets.batches.status import due_batches, grid_status
from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.history.series import Revisions, Series
from pulse_assets.preflight import resolve_options
from pulse_assets.settings import Settings, TrainingOptions

QUARTERS = pd.date_range("2015-01-01", "2024-04-01", freq="QS")
MONTHS = pd.date_range("2015-01-01", "2024-09-01", freq="MS")


def awaited(frequency, dates, today, lag=0, published=None):
    """What is awaited of a series without missing values, as text."""
    days = np.array(dates, "M8[D]")
    given_days = None if published is None else np.array(published, "M8[D]")
    series = Series("x", days, np.ones(len(days)), published_at=given_days)
    found = awaited_values(series, get_frequency(frequency), lag, np.datetime64(today))
    return list(zip(*(column.astype(str).tolist() for column in found), strict=True))


@pytest.mark.parametrize(
    ("frequency", "dates", "lag", "today", "expected"),
    [
        # The third quarter is over on 1 October, and 30 days later its figure is expected.
        ("quarterly", QUARTERS, 30, "2024-09-30", [("2024-07-01", "2024-10-31")]),
        (
            "quarterly",
            QUARTERS,
            30,
            "2024-11-20",
            [("2024-07-01", "2024-10-31"), ("2024-10-01", "2025-01-31")],
        ),
        # The figure after it is expected: the series is not waited for any more.
        ("quarterly", QUARTERS, 30, "2025-01-31", []),
        # Labels at the end of a quarter are periods that are over.
        (
            "quarterly",
            QUARTERS + pd.offsets.QuarterEnd(0),
            45,
            "2024-10-01",
            [("2024-09-30", "2024-11-14")],
        ),
        ("monthly", MONTHS, 15, "2024-11-01", [("2024-10-01", "2024-11-16")]),
        ("monthly", MONTHS, 0, "2024-10-02", [("2024-10-01", "2024-11-01")]),
        # On a Friday the Thursday is awaited; not before it, and not after the Friday has come.
        ("business_daily", pd.bdate_range("2024-01-01", "2024-10-02"), 0, "2024-10-04", []),
        (
            "business_daily",
            pd.bdate_range("2024-01-01", "2024-10-02"),
            3,
            "2024-10-04",
            [("2024-10-03", "2024-10-06")],
        ),
        (
            "weekly",
            pd.date_range("2024-01-05", "2024-09-20", freq="W-FRI"),
            6,
            "2024-09-30",
            [("2024-09-27", "2024-10-03")],
        ),
        (
            "irregular",
            pd.to_datetime(["2024-01-01", "2024-02-10", "2024-03-20"]),
            0,
            "2024-05-01",
            [("2024-04-28", "2024-04-28")],
        ),
    ],
)
def test_a_value_is_expected_once_its_period_is_over_and_its_lag_has_passed(
    frequency, dates, lag, today, expected
):
    assert awaited(frequency, dates, today, lag) == expected


def test_a_series_with_days_of_publication_is_expected_after_its_usual_delay():
    delays = [5] * (len(QUARTERS) - 12) + [26, 29, 40] * 4
    days = QUARTERS + pd.offsets.QuarterBegin(startingMonth=1) + pd.to_timedelta(delays, unit="D")
    assert awaited("quarterly", QUARTERS, "2024-10-15", 0, days)[0] == ("2024-07-01", "2024-10-30")


def test_values_of_the_first_day_of_an_archive_tell_no_delay():
    days = [pd.Timestamp("2024-06-01")] * (len(QUARTERS) - 1) + [pd.Timestamp("2024-07-30")]
    assert awaited("quarterly", QUARTERS, "2024-10-15", 0, days)[0] == ("2024-07-01", "2024-10-30")


def test_a_value_is_awaited_until_the_day_of_publication_that_its_row_names():
    days = [*(QUARTERS[:-1] + pd.Timedelta(days=120)), pd.Timestamp("2024-08-10")]
    on_the_eve = awaited("quarterly", QUARTERS, "2024-08-09", 0, days)
    assert on_the_eve[0] == ("2024-04-01", "2024-08-10")
    after = [label for label, _ in awaited("quarterly", QUARTERS, "2024-08-10", 0, days)]
    assert after == ["2024-07-01"]


@given(
    frequency=st.sampled_from(["daily", "business_daily", "weekly", "monthly", "quarterly"]),
    lag=st.integers(0, 200),
    days=st.integers(0, 1500),
)
def test_no_series_is_waited_for_longer_than_a_period_and_only_values_that_it_lacks(
    frequency, lag, days
):
    starts = {"daily": "D", "business_daily": "B", "weekly": "W-FRI", "monthly": "MS"}
    dates = pd.date_range("2015-01-02", "2019-12-31", freq=starts.get(frequency, "QS"))
    today = np.datetime64("2019-12-31") + days
    found = awaited(frequency, dates, today, lag)
    longest = {"daily": 1, "business_daily": 4, "weekly": 8, "monthly": 31, "quarterly": 92}
    for label, expected in found:
        assert dates[-1] < pd.Timestamp(label) < pd.Timestamp(today)
        assert pd.Timestamp(label) <= pd.Timestamp(expected)
    if found:
        assert today < np.datetime64(found[0][1]) + longest[frequency]
    if days > lag + 2 * longest[frequency] + 100:
        assert not found


@pytest.fixture
def late(tmp_path):
    """A monthly rate without lag and a quarterly growth with 30 days, to June 2024, as a source."""
    source = tmp_path / "source"
    source.mkdir()
    rng = np.random.default_rng(0)
    for name, dates in (("rate", MONTHS), ("growth", QUARTERS)):
        frame = pd.DataFrame({"timestamp": dates.date, "value": rng.normal(size=len(dates))})
        frame.to_csv(source / f"historical_{name}.csv", index=False)
    settings = Settings(
        source=str(source),
        store=str(tmp_path / "store"),
        start_date="2024-01-01",
        end_date="today",
        batch_cadence="monthly",
    )
    options = TrainingOptions(
        models=["naive"], horizons=[1], publication_lag_days={"growth": 30, "rate": 0}
    )
    return settings, options


def waits(settings, options, today):
    keys = list_keys(settings, today)
    resolved = resolve_options(settings, options)
    return waiting_batches(settings, resolved, keys, today=today)


def test_a_batch_waits_for_the_outcomes_of_its_window_alone(late):
    growth = Awaited(date(2024, 10, 31), "growth", date(2024, 7, 1))
    assert waits(*late, date(2024, 10, 15)) == {"2024-07-01": [growth]}
    assert describe_waiting(waits(*late, date(2024, 10, 15))) == (
        "1 batch waits for outcomes: growth of 2024-07-01 is expected on 2024-10-31"
    )


def test_two_batches_wait_for_two_series(late):
    settings, options = late
    both = waits(settings, options, date(2024, 11, 1))
    assert {key: [value.variable for value in values] for key, values in both.items()} == {
        "2024-07-01": ["growth"],
        "2024-10-01": ["rate", "growth"],
    }
    assert describe_waiting(both) == (
        "2 batches wait for outcomes: growth of 2024-07-01 is expected on 2024-10-31, rate of "
        "2024-10-01 is expected on 2024-11-01, growth of 2024-10-01 is expected on 2025-01-31"
    )


def test_keys_with_a_gap_between_them_have_their_own_windows_alone(late):
    settings, options = late
    resolved = resolve_options(settings, options)
    keys = ["2024-06-01", "2024-08-01"]
    assert waiting_batches(settings, resolved, keys, today=date(2024, 10, 15)) == {}


def test_nobody_waits_for_a_series_that_has_ended(late):
    assert waits(*late, date(2026, 1, 1)) == {}


def test_status_and_schedule_agree_on_what_waits(late):
    settings, options = late
    today = date(2024, 10, 15)
    status, due = grid_status(settings, options, today), due_batches(settings, options, today)
    states = status.states
    assert [key for key, state in states.items() if state == "waiting"] == ["2024-07-01"]
    assert due.keys == [key for key, state in states.items() if state == "missing"]
    assert due.waiting == status.waiting


def test_a_value_that_was_empty_at_first_counts_once_it_is_released():
    months = (np.datetime64("2020-01") + np.arange(24)).astype("M8[D]")
    values = np.append(np.arange(23.0), np.nan)
    again = Revisions(np.array([23]), np.array([7.0]), np.array(["2022-02-04"], "M8[D]"))
    today = np.datetime64("2022-02-05")
    plain = Series("x", months, values, months + 40)
    filled = Series("x", months, values, months + 40, revisions=again)
    awaited = [
        awaited_values(x, get_frequency("monthly"), 0, today)[0].astype(str).tolist()
        for x in (plain, filled)
    ]
    assert awaited == [["2021-12-01", "2022-01-01", "2022-02-01"], ["2022-01-01", "2022-02-01"]]
