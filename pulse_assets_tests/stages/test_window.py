"""What is known when: the index that joins dates and the engine."""

from datetime import date

import numpy as np
import pyarrow as pa

from pulse_assets.schema import HISTORICAL_DATA
from pulse_assets.stages.window import MINIMUM_HISTORY, Observations, Window


def make_observations(dates, values, published=None):
    days = np.array(dates, "datetime64[D]")
    known = np.array(published or ["NaT"] * len(days), "datetime64[D]")
    return Observations(days, np.array(values, float), known)


def months(count):
    return (np.datetime64("2000-01") + np.arange(count)).astype("datetime64[D]")


def test_observations_of_one_variable_are_selected():
    table = pa.table(
        {
            "variable": pa.array(["a", "b"]).dictionary_encode(),
            "timestamp": pa.array([date(2020, 1, 1), date(2020, 1, 2)]),
            "value": [1.0, 2.0],
            "published_at": pa.array([None, date(2020, 2, 1)], pa.date32()),
        }
    ).cast(HISTORICAL_DATA)
    observed = Observations.by_variable(table)
    seen = observed["b"]
    assert seen.values.tolist() == [2.0]
    assert seen.known_from.tolist() == [date(2020, 2, 1)]
    assert np.isnat(observed["a"].published).all()


def test_a_row_is_known_only_when_those_before_it_are():
    seen = make_observations(
        ["2020-01-01", "2020-02-01", "2020-03-01"],
        [1, 2, 3],
        ["2020-04-15", "2020-03-10", "NaT"],
    )
    assert [str(day) for day in seen.known_from] == ["2020-04-15"] * 3


def test_other_series_stand_where_they_were_known():
    seen = make_observations(
        ["2020-01-01", "2020-02-01", "2020-03-01"], [1, np.nan, 3], ["NaT", "NaT", "2020-04-01"]
    )
    dates = np.array(["2019-12-31", "2020-01-01", "2020-03-15", "2020-04-01"], "datetime64[D]")
    np.testing.assert_array_equal(seen.as_known_on(dates), [np.nan, 1, 1, 3])


def test_an_empty_series_is_never_known():
    assert np.isnan(make_observations([], []).as_known_on(np.array(["2020-01-01"], "M8[D]"))).all()


def test_pairs_run_from_each_origin_to_each_target_of_the_window():
    window = Window.of(make_observations(months(16), range(16)), np.datetime64("2001-03-01"))
    pairs = window.pairs([1, 2])
    assert window.first == 14
    assert list(zip(pairs.origin, pairs.horizon, pairs.target, strict=True)) == [
        (12, 2, 14),
        (13, 1, 14),
        (13, 2, 15),
        (14, 1, 15),
    ]
    assert pairs.known.tolist() == pairs.origin.tolist()


def test_targets_without_a_value_and_origins_that_know_too_little_are_left_out():
    values = np.arange(MINIMUM_HISTORY + 2.0)
    values[-1] = np.nan
    window = Window.of(make_observations(months(len(values)), values), months(len(values))[-2])
    pairs = window.pairs([1, 2, 30])
    assert pairs.target.tolist() == [MINIMUM_HISTORY]
    assert pairs.horizon.tolist() == [1]


def test_late_publication_lengthens_the_reach():
    dates = months(20)
    published = [str(day + 40) for day in dates]
    window = Window.of(make_observations(dates, range(20), published), dates[19])
    pairs = window.pairs([1])
    assert (pairs.origin[0], pairs.known[0], pairs.reach[0]) == (18, 16, 3)
