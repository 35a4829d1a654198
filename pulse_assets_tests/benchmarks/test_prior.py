"""The fit of the prior shares."""

import numpy as np
import pytest

from benchmarks import competition_series, prior
from pulse_assets.retrodiction.rules import DEFAULT_MODELS


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
    """Of many series, three of each set; the shares of each kind and group are whole percent.

    A series of both signs has no shares, see `kinds_of`.
    """
    group = competition_series.load("M3")
    few = {name: series[:3] for name, series in group.items()}
    rates = np.random.default_rng(0).standard_normal(46)
    few["rates"] = [competition_series.CompetitionSeries(rates[:40], rates[40:], 1)]
    monkeypatch.setattr(competition_series, "load", lambda *_names: few)
    monkeypatch.setattr(prior.fred, "load", lambda _cache: {})
    prior.main([])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split('"')[1] for line in lines] == list(DEFAULT_MODELS)
