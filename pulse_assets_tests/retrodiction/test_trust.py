import numpy as np
import pytest
from scipy.stats import beta

from pulse_assets.retrodiction.trust import credible_interval, hit_threshold, scan_trust
from pulse_assets_tests.retrodiction.examples import random_walk


def test_threshold_by_hand():
    y = np.array([1.0, 2.0, 4.0, 8.0])
    made = hit_threshold(y, [0, 2, 3], [1, 2, 9])
    np.testing.assert_allclose(made, [[np.nan] * 3, [1.5, 3.0, np.nan], [2.0, 4.5, np.nan]])


def test_threshold_leaves_missing_moves_out():
    made = hit_threshold(np.array([1.0, np.nan, 4.0, 9.0]), [2, 3], [1])
    np.testing.assert_array_equal(made[:, 0], [np.nan, 5.0])


def test_persistence_hits_half_the_time():
    y = random_walk(4000)
    origins = np.arange(500, 3990)
    for h in (1, 5):
        hits = np.abs(y[origins + h] - y[origins]) <= hit_threshold(y, origins, [h])[:, 0]
        assert hits.mean() == pytest.approx(0.5, abs=0.05)


def test_scan_by_hand():
    a, b = scan_trust(np.array([3, 0, 1]), np.array([1, 2, 0]), 0.5)
    np.testing.assert_array_equal(a, [4, 2.5, 2.75])
    np.testing.assert_array_equal(b, [2, 3.5, 2.25])


def test_scan_without_forgetting_counts():
    rng = np.random.default_rng(0)
    hits, misses = rng.integers(0, 9, (2, 20, 3))
    a, b = scan_trust(hits, misses, 1.0)
    np.testing.assert_array_equal(a, 1 + hits.cumsum(axis=0))
    np.testing.assert_array_equal(b, 1 + misses.cumsum(axis=0))


def test_scan_of_no_batch():
    a, _ = scan_trust(np.empty(0), np.empty(0), 0.9)
    assert a.shape == (0,)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_credible_interval_equals_scipy(level):
    a, b = np.array([1.0, 4.0, 900.0]), np.array([1.0, 2.5, 30.0])
    low, high = credible_interval(a, b, level)
    np.testing.assert_allclose(low, beta.ppf((1 - level) / 2, a, b))
    np.testing.assert_allclose(high, beta.ppf((1 + level) / 2, a, b))
