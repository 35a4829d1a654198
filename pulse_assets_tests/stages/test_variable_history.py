"""Windows: targets, publication order, and the last value known at each origin."""

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa

from pulse_assets.catalog import HISTORICAL_DATA
from pulse_assets.history.frequency_names import FREQUENCIES
from pulse_assets.stages.observations import LaterReleases, Observations
from pulse_assets.stages.variable_history import MINIMUM_HISTORY, VariableHistory


def make_observations(dates, values, published=None):
    days = np.array(dates, "datetime64[D]")
    known = np.array(published or ["NaT"] * len(days), "datetime64[D]")
    return Observations(days, np.array(values, float), np.where(np.isnat(known), days, known))


class Window:
    """The window of a variable from one day on."""

    def __init__(self, observations, start, frequency):
        self.history = VariableHistory(observations, FREQUENCIES[frequency])
        self.rows = self.history.window(np.datetime64(start).item(), date(2100, 1, 1))

    def pairs(self, horizons):
        return self.history.pairs(self.rows, horizons)


def make_window(observations, start, frequency="monthly"):
    return Window(observations, start, frequency)


def months(count):
    return (np.datetime64("2000-01") + np.arange(count)).astype("datetime64[D]")


def test_observations_of_one_variable_are_selected():
    table = pa.table(
        {
            "variable": pa.array(["a", "b"]).dictionary_encode(),
            "timestamp": pa.array([date(2020, 1, 1), date(2020, 1, 2)]),
            "value": [1.0, 2.0],
            "published_at": pa.array([date(2020, 1, 1), date(2020, 2, 1)], pa.date32()),
            "model": pa.nulls(2, HISTORICAL_DATA.field("model").type),
            "quantile": pa.nulls(2, pa.float64()),
            "used": [True, True],
        }
    ).cast(HISTORICAL_DATA)
    observed = Observations.by_variable(table)
    own = observed["b"]
    assert own.values.tolist() == [2.0]
    assert own.published.tolist() == [date(2020, 2, 1)]
    assert observed["a"].published.tolist() == [date(2020, 1, 1)]


def test_a_value_published_after_a_later_one_is_left_out():
    observations = make_observations(
        ["2020-01-01", "2020-02-01", "2020-03-01", "2020-04-01"],
        [1, 2, 3, 4],
        ["2020-04-15", "2020-03-10", "NaT", "2020-05-01"],
    ).in_publication_order()
    assert observations.values.tolist() == [3.0, 4.0]
    days = np.array(["2020-02-29", "2020-03-01", "2020-05-01"], "M8[D]")
    assert observations.last_known_rows(days).tolist() == [-1, 0, 1]


def test_a_row_without_a_value_removes_no_row_and_is_never_the_last_known_row():
    observations = make_observations(
        ["2020-01-01", "2020-02-01", "2020-03-01"], [1, np.nan, 3], ["2020-02-15", "NaT", "NaT"]
    )
    assert observations.in_publication_order() is observations
    days = np.array(["2020-02-14", "2020-02-15", "2020-02-28", "2020-03-01"], "M8[D]")
    assert observations.last_known_rows(days).tolist() == [-1, 0, 0, 2]


def test_a_forecast_is_made_on_the_day_on_which_its_origin_is_published():
    days = np.datetime64("2020-01-06") + np.arange(40)
    days = days[np.is_busday(days)]
    published = [str(day + 3) for day in days]
    window = make_window(
        make_observations(days, range(len(days)), published), days[-1], "business_daily"
    )
    pairs = window.pairs([1])
    friday = pairs.origin[-1]
    assert str(days[friday]) == "2020-02-13"
    assert (friday, pairs.steps_ahead[-1]) == (pairs.last_known_row[-1], 1)
    assert str(window.history.made_at[friday]) == "2020-02-16"


def test_an_origin_without_a_value_adds_a_step():
    values = np.arange(20.0)
    values[18] = np.nan
    pairs = make_window(make_observations(months(20), values), months(20)[19]).pairs([1, 2])
    assert list(zip(pairs.last_known_row, pairs.steps_ahead, strict=True)) == [(17, 2), (17, 2)]


def test_twelve_rows_must_be_known_not_twelve_periods():
    days = np.delete(months(20), [3, 5, 7])
    window = make_window(make_observations(days, range(17)), months(20)[14])
    assert window.pairs([1]).origin.tolist() == [14, 15, 16, 17, 18]


def test_other_series_are_used_as_known_on_each_date():
    observations = make_observations(
        ["2020-01-01", "2020-02-01", "2020-03-01"], [1, np.nan, 3], ["NaT", "NaT", "2020-04-01"]
    )
    dates = np.array(["2019-12-31", "2020-01-01", "2020-03-15", "2020-04-01"], "datetime64[D]")
    np.testing.assert_array_equal(observations.as_known_on(dates).values, [np.nan, 1, 1, 3])


def test_an_empty_series_is_never_known():
    known = make_observations([], []).as_known_on(np.array(["2020-01-01"], "M8[D]"))
    assert np.isnan(known.values).tolist() == [True]


def test_pairs_run_from_each_origin_to_each_target_of_the_window():
    window = make_window(make_observations(months(16), range(16)), "2001-03-01")
    pairs = window.pairs([1, 2])
    assert window.rows.start == 14
    assert list(zip(pairs.origin, pairs.horizon, pairs.target, strict=True)) == [
        (12, 2, 14),
        (13, 1, 14),
        (13, 2, 15),
        (14, 1, 15),
    ]
    assert pairs.last_known_row.tolist() == pairs.origin.tolist()


def test_targets_without_a_value_and_origins_with_too_little_history_are_left_out():
    values = np.arange(MINIMUM_HISTORY + 2.0)
    values[-1] = np.nan
    window = make_window(make_observations(months(len(values)), values), months(len(values))[-2])
    pairs = window.pairs([1, 2, 30])
    assert pairs.target.tolist() == [MINIMUM_HISTORY]
    assert pairs.horizon.tolist() == [1]


def test_late_publication_adds_no_steps():
    dates = months(20)
    published = [str(day + 40) for day in dates]
    window = make_window(make_observations(dates, range(20), published), dates[19])
    pairs = window.pairs([1])
    assert (pairs.origin[0], pairs.last_known_row[0], pairs.steps_ahead[0]) == (18, 18, 1)


def test_the_values_of_an_archives_first_day_are_no_origins():
    dates = months(40)
    published = ["2002-01-31"] * 25 + [str(day + 40) for day in dates[25:]]
    window = make_window(make_observations(dates, range(40), published), dates[20])
    pairs = window.pairs([1, 3])
    assert pairs.origin.min() == 25
    assert window.history.known_days[:2].tolist() == [date(2000, 2, 1), date(2000, 3, 1)]
    assert window.history.known_days[24:26].tolist() == [date(2002, 1, 31), date(2002, 3, 13)]


def test_a_row_without_a_value_begins_no_archive():
    """A date without a value before an archive makes no real origins of the archive's first day."""
    dates = months(40)
    values = [np.nan, *range(1, 40)]
    published = ["2000-02-01"] + ["2002-01-31"] * 24 + [str(day + 40) for day in dates[25:]]
    window = make_window(make_observations(dates, values, published), dates[20])
    assert window.pairs([1, 3]).origin.min() == 25


def test_a_revision_on_the_day_of_an_earlier_origin_is_known_from_its_own_row_on():
    """A first release without a day has that of its revision, on which other origins are made."""
    dates = months(30)
    published = [str(day + 40) for day in dates]
    published[20] = published[19]
    first = make_observations(dates, range(30), published)
    revision = LaterReleases(dates[20:21], np.array([5.0]), first.published[20:21])
    window = make_window(replace(first, later=revision), dates[21])
    revisions = window.history.known_series.revisions
    assert revisions is not None
    assert (revisions.indices.tolist(), revisions.known_from.tolist()) == ([20], [20])
