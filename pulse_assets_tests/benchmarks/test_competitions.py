"""Errors on the series of competitions, and the fit of the prior shares."""

import doctest
import json

import numpy as np
import pytest

from benchmarks import competitions, prior
from benchmarks.competitions import CompetitionSeries
from pulse_assets.retrodiction.rules import DEFAULT_MODELS


def test_the_examples_of_naive2():
    assert doctest.testmod(competitions).failed == 0


def test_errors_by_hand():
    """Changes over a season of 2 are 2, 2: a gap of 1 is half of that, and 200 / (10 + 11)."""
    series = CompetitionSeries(np.array([1.0, 2.0, 3.0, 4.0]), np.array([10.0]), 2)
    mase, smape = competitions.errors_of(series, np.array([11.0]))
    assert mase == pytest.approx(0.5)
    assert smape == pytest.approx(200 / 21)


def test_the_sets_are_those_of_the_competitions():
    sets = competitions.load("M1", "M3", "Tourism")
    assert {name: len(group) for name, group in sets.items()} == {
        **{"M1 yearly": 181, "M1 quarterly": 203, "M1 monthly": 617},
        **{"M3 yearly": 645, "M3 quarterly": 756, "M3 monthly": 1428, "M3 other": 174},
        **{"Tourism monthly": 366, "Tourism quarterly": 427, "Tourism yearly": 518},
    }
    assert {len(series.future) for series in sets["M3 monthly"]} == {18}


def test_a_run_over_a_few_series(tmp_path, monkeypatch, capsys):
    sets = {name: group[:3] for name, group in competitions.load("M3").items()}
    monkeypatch.setattr(competitions, "load", lambda *_names: sets)
    competitions.main(["--output", str(tmp_path)])
    written = json.loads((tmp_path / "competitions.json").read_text())
    assert (tmp_path / "competitions.png").stat().st_size > 10_000
    row = written["sets"]["M3 yearly"]["models"]
    assert row["naive"]["owa"] == 1.0  # without seasons it is Naive2
    printed = capsys.readouterr().out
    assert f"{row['ensemble']['owa']:.4f}" in printed
    assert "M3 monthly" in printed and "goal" in printed


def test_the_fit_is_as_good_as_the_best_of_a_grid():
    """Two rules with independent errors, the first the better one; a third errs ten times more."""
    rng = np.random.default_rng(0)
    observed = rng.standard_normal((200, 6))
    noise = rng.standard_normal((3, 200, 6)) * np.array([1.0, 1.5, 10.0])[:, None, None]
    shares = prior.fit([prior.Case(0, observed + noise, observed)], 1, 6)

    def loss(weights):
        return np.abs(np.tensordot(weights, noise, 1)).mean()

    grid = [
        (a, b, 1 - a - b) for a in np.arange(0, 1.01, 0.05) for b in np.arange(0, 1.01 - a, 0.05)
    ]
    assert shares.sum() == pytest.approx(1.0) and (shares >= 0).all()
    assert loss(shares) < 1.005 * min(loss(np.array(weights)) for weights in grid)


def test_the_table_is_printed_for_each_default_rule(monkeypatch, capsys):
    """Of many series, three of each set; the shares of each kind and group are whole percent."""
    group = competitions.load("M3")
    few = {name: series[:3] for name, series in group.items()}
    monkeypatch.setattr(competitions, "load", lambda *_names: few)
    monkeypatch.setattr(prior.fred, "load", lambda _cache: {})
    prior.main([])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split('"')[1] for line in lines] == list(DEFAULT_MODELS)
