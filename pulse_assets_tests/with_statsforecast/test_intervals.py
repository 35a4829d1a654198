import numpy as np
import pytest
from statsforecast.models import Naive

from benchmarks import intervals
from benchmarks.evaluation import last_origins


def test_stretched_to_a_coverage_that_much_is_covered():
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((3, 10, 12))
    middle, half = rng.standard_normal((2, 3, 10, 12))
    bounds = np.stack([middle - np.abs(half), middle + np.abs(half)], axis=1)
    factor = intervals.stretch(bounds, truth, 0.8)
    wider = np.stack([middle - factor * np.abs(half), middle + factor * np.abs(half)], axis=1)
    assert intervals.coverage(wider * (1 + 1e-9 * np.sign(wider - middle[:, None])), truth) == (
        pytest.approx(0.8, abs=1 / truth.size)
    )


def test_intervals_that_cover_enough_are_narrowed():
    truth = np.array([0.5, 0.25]).reshape(1, 1, 2)
    bounds = np.stack([-np.ones((1, 1, 2)), np.ones((1, 1, 2))], axis=1)
    assert intervals.stretch(bounds, truth, 1.0) == 0.5


def test_an_interval_without_width_covers_its_middle_alone():
    bounds = np.zeros((1, 2, 1, 2))
    assert intervals.stretch(bounds, np.zeros((1, 1, 2)), 1.0) == 0.0
    assert intervals.stretch(bounds, np.ones((1, 1, 2)), 0.5) == np.inf


def test_both_bound_the_same_targets(monkeypatch):
    monkeypatch.setattr(intervals, "WINDOWS", 2)
    rng = np.random.default_rng(1)
    series = {f"s{i}": 100.0 + np.cumsum(rng.standard_normal(240)) for i in range(2)}
    found = intervals.compare_intervals(series, Naive, 60)
    y = series["s0"]
    assert len(last_origins(y, 60)) == 2
    assert intervals.our_bounds(y, 60).shape == intervals.peer_bounds(Naive, y, 60).shape
    for level, row in found.items():
        assert 0.5 < row["coverage"] <= 1.0, level
        ratio = row["median_width"]["peer, stretched"] / row["median_width"]["peer, as it is"]
        assert ratio == pytest.approx(row["stretched_by"], rel=1e-3)
