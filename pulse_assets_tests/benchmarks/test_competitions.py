"""The benchmark on the series of competitions: data, scores, goals, tables and the whole run."""

import doctest

import numpy as np
import pytest

from benchmarks import competition_goals, competition_series, competition_tables, competitions
from benchmarks.competition_forecasts import (
    ModelForecasts,
    median_forecasts,
    reference_forecasts,
)
from benchmarks.competition_goals import Goal
from benchmarks.competition_scores import compare, evaluate, score
from benchmarks.competition_series import CompetitionSeries
from benchmarks.quantile_scores import LEVELS
from pulse_assets_tests.benchmarks.made import published, walks, write_database


def forecasts(point, quantiles=None, seconds=0.0):
    """The forecasts of a model; without quantiles, all of them are the point forecasts."""
    point = np.array(point, np.float64)
    if quantiles is None:
        quantiles = np.repeat(point[:, None], len(LEVELS), axis=1)
    return ModelForecasts(point, quantiles, np.full(len(point), seconds))


def normal_walks(count, steps=4):
    """Series of random walks, and the quantiles of a random walk: those of Naive2."""
    walks = np.random.default_rng(5).standard_normal((count, 40 + steps)).cumsum(axis=1)
    return [CompetitionSeries(walk[:40], walk[40:], 1) for walk in walks]


@pytest.mark.parametrize("module", [competition_series, competition_goals])
def test_the_examples(module):
    found = doctest.testmod(module)
    assert found.attempted > 0 and found.failed == 0


def test_the_sets_are_those_of_the_competitions():
    sets = competition_series.load("M1", "M3", "Tourism")
    assert {name: len(group) for name, group in sets.items()} == {
        **{"M1 yearly": 181, "M1 quarterly": 203, "M1 monthly": 617},
        **{"M3 yearly": 645, "M3 quarterly": 756, "M3 monthly": 1428, "M3 other": 174},
        **{"Tourism monthly": 366, "Tourism quarterly": 427, "Tourism yearly": 518},
    }
    assert {len(series.future) for series in sets["M3 monthly"]} == {18}


def test_a_sample_has_distinct_series_from_first_to_last():
    group = normal_walks(7)
    assert competition_series.sample(group, 7) == list(range(7))
    assert competition_series.sample(group, 60) == list(range(7))
    found = competition_series.sample(group * 100, 60)
    assert len(set(found)) == 60
    assert (found[0], found[-1]) == (0, 699)


def test_errors_by_hand():
    """Changes over a season of 2 are 2, 2: a gap of 1 is half of that, and 200 / (10 + 11)."""
    group = [CompetitionSeries(np.array([1.0, 2.0, 3.0, 4.0]), np.array([10.0]), 2)]
    found = score(group, forecasts([[11.0]]), reference_forecasts(group))
    assert found.absolute.item() == pytest.approx(0.5)
    assert found.relative.item() == pytest.approx(200 / 21)
    # Each level's loss is 2 (1 - level) times the gap of 1; the mean of 1 - level is a half.
    assert found.quantile_losses.item() == pytest.approx(0.5)
    # No width; the outcome lies 1 below: 2 / 0.05, over the scale.
    assert found.interval_scores.item() == pytest.approx(20.0)
    assert found.coverage.tolist() == [1.0] * len(LEVELS)


def test_naive2_has_owa_1_and_a_missing_forecast_counts_as_its():
    group = normal_walks(3)
    none = forecasts(np.full((3, 4), np.nan), seconds=2.0)
    figures = evaluate(group, {"none": none})[1]["models"]
    assert figures["Naive2"]["owa"] == figures["none"]["owa"] == 1.0
    assert figures["none"]["sql"] == figures["Naive2"]["sql"]
    assert (figures["none"]["missing"], figures["Naive2"]["missing"]) == (3, 0)
    assert figures["none"]["coverage"]["0.5"] is None
    assert (figures["none"]["seconds"], figures["Naive2"]["seconds"]) == (6.0, None)


def test_quantiles_of_a_random_walk_cover_random_walks():
    figures = evaluate(normal_walks(4000), {})[1]["models"]["Naive2"]
    assert competition_goals.largest_gap(figures["coverage"]) < 0.02
    assert figures["coverage_90_by_horizon"] == pytest.approx([0.9] * 4, abs=0.02)


def test_a_series_that_never_changes_has_no_scale_and_is_left_out():
    constant = CompetitionSeries(np.ones(10), np.array([1.0, 2.0]), 1)
    changing = CompetitionSeries(np.arange(10.0), np.array([10.0, 11.0]), 1)
    scores, figures = evaluate([constant, changing], {"one": forecasts([[9.0] * 2, [9.0] * 2])})
    assert figures["models"]["one"]["mase"] == pytest.approx(1.5)
    assert compare(scores["one"], scores["Naive2"])["absolute"]["series"] == 1


def test_the_median_leaves_out_who_has_none():
    models = {
        "a": forecasts([[1.0, np.nan, np.nan]], seconds=1.0),
        "b": forecasts([[4.0, 2.0, np.nan]], seconds=2.0),
        "c": forecasts([[2.0, 4.0, np.nan]], seconds=4.0),
    }
    found = median_forecasts(models)
    assert found.predicted[0, :2].tolist() == [2.0, 3.0]
    assert np.isnan(found.predicted[0, 2])
    assert found.quantiles[0, 3, :2].tolist() == [2.0, 3.0]
    assert found.seconds.tolist() == [7.0]
    assert found.missing() == 1


def test_the_better_model_is_found_at_each_horizon():
    """Errors are about 1 and 2 at the first two horizons, and the same at the others."""
    group = normal_walks(50)
    observed = np.array([series.future for series in group])
    noise = np.random.default_rng(6).uniform(0.9, 1.1, (2, 50, 2))
    near, far = observed.copy(), observed.copy()
    near[:, :2] += noise[0]
    far[:, :2] += 2.0 * noise[1]
    scores, _ = evaluate(group, {"near": forecasts(near), "far": forecasts(far)})
    counts = {"better": 2, "worse": 0, "neither": 0, "undefined": 2}
    expected = counts | {"smaller_on": 50, "series": 50}
    assert compare(scores["near"], scores["far"]) == {
        "absolute": expected,
        "quantile_losses": expected,
    }


def test_goals_by_hand():
    figures = {"owa": 0.9, "msis": 6.0, "sql": 0.5, "coverage": {"0.1": 0.11, "0.9": 0.87}}
    part = {"models": {"ensemble": figures, "AutoETS": {"sql": 0.6}}}
    result = {"sets": {"M3 monthly": part, "Tourism monthly": part}, "peers": {"M3 monthly": part}}
    found = {goal: goal.met() for goal in competition_goals.goals(result)}
    assert found == {
        Goal("OWA", "M3 monthly", 0.9, 0.81): False,
        Goal("MSIS", "M3 monthly", 6.0, 6.5): True,
        Goal("coverage", "M3 monthly", 0.03, 0.02): False,
        Goal("SQL, AutoETS's", "M3 monthly", 0.5, 0.6): True,
    }
    lines = competition_tables.of_goals(list(found)).splitlines()
    assert lines[0] == "2 of 4 goals met"
    assert [line.split()[0] for line in lines[1:]] == ["missed", "missed", "met", "met"]


def test_a_run_over_a_few_series(database, tmp_path, monkeypatch, capsys):
    sets = competition_series.load("M3")
    monkeypatch.setattr(competitions, "load", lambda *_names: sets)
    write_database(database, walks(4))
    competitions.main(["--series", "3", "--output", str(tmp_path)])
    written = published(tmp_path, "competitions")
    row = written["sets"]["M3 yearly"]["models"]
    assert row["naive"]["owa"] == 1.0  # without seasons it is Naive2
    assert row["ensemble"]["seconds"] is not None
    assert written["sets"]["FRED monthly"]["series"] == 3
    assert list(row["ensemble"]["coverage"]) == [f"{level:g}" for level in LEVELS]
    assert "peers" not in written
    assert {goal["figure"] for goal in written["goals"]} == {"OWA", "MSIS", "coverage"}
    printed = capsys.readouterr().out
    assert f"{row['ensemble']['owa']:.4f}" in printed
    assert "monthly" in printed and "goal" in printed
