"""The observations available to a batch, the variables it predicts, and those it skips."""

from datetime import date

import numpy as np
import pytest

from pulse_assets.batches.windows import TrainingBatch
from pulse_assets.errors import ConfigurationError
from pulse_assets.history.series import Series
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.observe import observe
from pulse_assets.stages.plan import plan
from pulse_assets.stages.variable_history import histories_of
from pulse_assets_tests.stages.one_batch import published

BATCH = TrainingBatch("2003-01-01", date(2003, 1, 1), date(2003, 3, 1), ("x",))


def make_series(dates, values=None, published_at=None, name="x"):
    days = np.array(dates, "datetime64[D]")
    data = np.arange(len(days), dtype=float) if values is None else np.array(values, float)
    return Series(name, days, data, published_at)


def monthly(first, count):
    return (np.datetime64(first) + np.arange(count)).astype("datetime64[D]")


def options_with(**overrides):
    values = {"horizons": [1], "frequencies": {"x": "monthly"}, "history_days": 36500}
    return TrainingOptions(**values | overrides)


def seen(series, options):
    return observe(BATCH, published({"x": series}, options), options)


def describe(series, **overrides):
    options = options_with(**overrides)
    histories = histories_of(seen(series, options), options.frequencies)
    return plan(BATCH, histories, options.horizons).to_pylist()[0]


def test_a_batch_has_its_history_and_window_and_nothing_later():
    """The day 31 days before the window lies in 2002, so the history begins with 2000."""
    history = seen(make_series(monthly("1999-11", 60)), options_with(history_days=31))
    months = np.datetime64("2000-01") + np.arange(3 * 12 + 2)
    assert history["timestamp"].to_pylist() == months.astype("M8[D]").tolist()
    assert history["published_at"].to_pylist() == (months + 1).astype("M8[D]").tolist()


def test_publication_dates_are_kept():
    days = monthly("2002-12", 2)
    history = seen(make_series(days, published_at=days + 5), options_with(history_days=31))
    assert history["published_at"].to_pylist() == [date(2002, 12, 6), date(2003, 1, 6)]


def test_a_variable_is_described():
    row = describe(make_series(monthly("2000-01", 60)))
    assert row["skip_reason"] is None
    assert (row["frequency"], row["season"]) == ("monthly", 12)
    assert (row["history"], row["missing"], row["targets"], row["missing_targets"]) == (36, 0, 2, 0)
    assert (row["first_target"], row["last_target"]) == (date(2003, 1, 1), date(2003, 2, 1))
    assert (row["window_start"], row["window_end"]) == (BATCH.start, BATCH.end)


def test_missing_periods_and_values_are_counted():
    days = np.delete(monthly("2000-01", 60), 20)
    values = np.where(days == np.datetime64("2003-02-01"), np.nan, 1.0)
    row = describe(make_series(days, values))
    assert (row["history"], row["missing"], row["targets"], row["missing_targets"]) == (36, 1, 1, 1)


@pytest.mark.parametrize(
    ("series", "reason"),
    [
        (make_series(monthly("2000-01", 30)), "no observation in the window"),
        (make_series(monthly("2002-06", 30)), "too few observations before the window: 12"),
        (make_series(monthly("2000-01", 60), [np.nan] * 60), "no observation with a value"),
        (make_series([]), "no observation in the window"),
        (
            make_series(monthly("2000-01", 60), np.where(np.arange(60) < 37, np.nan, 1.0)),
            "no observation with a value is known at an origin",
        ),
    ],
)
def test_a_variable_is_left_out_with_its_reason(series, reason):
    row = describe(series)
    assert reason in row["skip_reason"]
    assert row["first_target"] is None


def test_the_first_value_after_missing_ones_is_an_origin():
    days = monthly("2000-01", 60)
    values = np.where(days < np.datetime64("2003-01-01"), np.nan, 1.0)
    row = describe(make_series(days, values))
    assert (row["history"], row["missing"], row["skip_reason"]) == (36, 36, None)
    assert row["first_target"] == date(2003, 2, 1)


def test_irregular_dates_are_counted_by_the_frequency_that_is_given():
    irregular = np.datetime64("1990-01-01") + np.cumsum(np.arange(100) ** 2 % 47 * 5 + 1)
    assert describe(make_series(irregular), frequencies={"x": "daily"})["frequency"] == "daily"


def test_an_unknown_frequency_is_refused():
    with pytest.raises(ConfigurationError, match="fortnightly"):
        describe(make_series(monthly("2000-01", 60)), frequencies={"x": "fortnightly"})


def test_values_of_an_archives_first_day_are_not_predicted():
    days = monthly("2001-01", 40)
    published = np.maximum(days + 40, np.datetime64("2003-03-31"))
    row = describe(make_series(days, published_at=published))
    assert "no forecast could be made in real time" in row["skip_reason"]
