"""The models of statsforecast on the series of competitions."""

import numpy as np
import pytest
from statsforecast.models import AutoETS

from benchmarks import competition_peers, competition_series, competitions
from benchmarks.competition_series import CompetitionSeries
from benchmarks.quantile_scores import LEVELS
from pulse_assets_tests.benchmarks.conftest import database  # noqa: F401 - a fixture
from pulse_assets_tests.benchmarks.made import published, walks, write_database


@pytest.fixture
def group():
    """Two random walks of 40 quarters, of which 4 more are to forecast."""
    walks = 100.0 + np.random.default_rng(8).standard_normal((2, 44)).cumsum(axis=1)
    return [CompetitionSeries(walk[:40], walk[40:], 4) for walk in walks]


def test_the_quantiles_are_the_bounds_of_the_library_and_its_forecast(group):
    found = competition_peers.forecast_all("AutoETS", group)
    assert found.quantiles.shape == (2, len(LEVELS), 4)
    made = AutoETS(season_length=4).forecast(y=group[1].history, h=4, level=[50, 80, 90, 95])
    bounds = dict(zip(LEVELS, found.quantiles[1], strict=True))
    assert np.array_equal(found.predicted[1], made["mean"])
    assert np.array_equal(bounds[0.5], made["mean"])
    for level, name in {0.025: "lo-95", 0.1: "lo-80", 0.75: "hi-50", 0.95: "hi-90"}.items():
        assert np.array_equal(bounds[level], made[name])
    assert (np.diff(found.quantiles, axis=1) > 0.0).all()
    assert (found.seconds > 0.0).all()


@pytest.mark.parametrize("history", [[], [1.0], [2.0] * 3, [5.0] * 40])
@pytest.mark.parametrize("model", competition_peers.PEERS)
def test_a_series_that_is_short_or_constant_does_not_end_the_run(model, history, group):
    odd = CompetitionSeries(np.array(history, np.float64), np.zeros(4), 4)
    found = competition_peers.forecast_all(model, [odd, group[0]])
    assert np.isfinite(found.quantiles[0]).all() or np.isnan(found.quantiles[0]).all()
    assert np.isfinite(found.quantiles[1]).all()


def test_stored_forecasts_are_read_and_not_made_again(group, tmp_path, monkeypatch):
    monkeypatch.setattr(competition_peers, "SAMPLE_SIZE", 1)
    (indices, first), *_ = competition_peers.peer_forecasts(
        {"walks": group}, tmp_path, full=False
    ).values()
    assert indices == [0]
    assert list(first) == [*competition_peers.PEERS, competition_peers.MEDIAN]
    monkeypatch.setattr(competition_peers, "forecast_all", None)
    (_, second), *_ = competition_peers.peer_forecasts(
        {"walks": group}, tmp_path, full=False
    ).values()
    for model, made in first.items():
        assert np.array_equal(second[model].quantiles, made.quantiles)
        assert np.array_equal(second[model].seconds, made.seconds)


def test_forecasts_of_other_levels_are_made_again(group, tmp_path):
    competition_peers.peer_forecasts({"walks": group}, tmp_path, full=True)
    path = next(tmp_path.glob("AutoETS*"))
    with np.load(path) as parts:
        stale = dict(parts) | {"levels": np.array([0.5]), "predicted": np.zeros((2, 4))}
    np.savez(path, **stale)
    (_, models), *_ = competition_peers.peer_forecasts(
        {"walks": group}, tmp_path, full=True
    ).values()
    assert (models["AutoETS"].predicted > 0.0).all()


def test_a_run_over_a_few_series(database, tmp_path, monkeypatch, capsys):  # noqa: F811
    monkeypatch.setattr(competition_peers, "SAMPLE_SIZE", 2)
    sets = competition_series.load("M3")
    monkeypatch.setattr(competitions, "load", lambda *_names: sets)
    write_database(database, walks(1))
    competitions.main(["--peers", "--series", "3", "--output", str(tmp_path)])
    found = published(tmp_path, "competitions")
    part = found["peers"]["M3 quarterly"]
    assert found["sets"]["M3 quarterly"]["series"] == 3
    assert part["series"] == 2
    peers = [*competition_peers.PEERS, competition_peers.MEDIAN]
    assert list(part["models"]) == ["ensemble", "ensemble_median", *peers, "Naive2"]
    for name in peers:
        assert sum(part["tests"][name]["absolute"][k] for k in ("better", "worse", "neither")) == 8
    seconds = [part["models"][name]["seconds"] for name in peers]
    assert seconds[-1] == pytest.approx(sum(seconds[:-1]), abs=0.02)
    printed = capsys.readouterr().out
    assert "AutoCES" in printed
    assert "SQL, AutoETS's" in printed
