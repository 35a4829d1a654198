import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import beta

from pulse_assets.retrodiction.trust import (
    block_pairs,
    credible_interval,
    overlapping_pairs,
    pair_wins,
    scan_trust,
)
from pulse_assets_tests.properties import holds_for_all
from pulse_assets_tests.rederived import beta_law


def scan(wins, compared, discount=0.98, horizons=(1,)):
    """Return a and b of one series after each batch."""
    column = np.array(wins, float)[:, None], np.array(compared, float)[:, None]
    sizes = {"block": block_pairs(horizons), "overlap": overlapping_pairs(horizons)}
    sizes = {name: np.array([size]) for name, size in sizes.items()}
    a, b = scan_trust(*column, discount, **sizes)
    return a[:, 0], b[:, 0]


def test_a_pair_is_won_by_the_smaller_error_and_halved_when_equal():
    wins = pair_wins(
        np.array([1.0, 3.0, 2.0, 2.0 * (1 + 5e-13), 2.0 * (1 + 5e-12), 0.0, np.nan, np.inf]),
        np.array([2.0, 2.0, 2.0, 2.0, 2.0, 0.0, 1.0, np.inf]),
    )
    np.testing.assert_array_equal(wins, [1, 0, 0.5, 0.5, 0, 0.5, np.nan, 0.5])


def test_before_a_block_is_full_a_pair_counts_once_divided_by_its_overlap():
    np.testing.assert_allclose(scan([3], [4]), [[4], [2]])
    np.testing.assert_allclose(scan([3], [4], horizons=[12]), [[1 + 3 / 12], [1 + 1 / 12]])
    np.testing.assert_allclose(scan([3], [4], horizons=[1, 2]), [[1 + 3 / 4], [1 + 1 / 4]])


@holds_for_all(
    30,
    300,
    results=arrays(np.int64, (40, 2), elements=st.integers(0, 6)),
    discount=st.sampled_from([0.5, 0.98, 1.0]),
    horizons=st.sampled_from([(1,), (3,), (30,), (1, 3, 12)]),
)
def test_the_law_is_its_definition(results, discount, horizons):
    wins, compared = results.min(axis=1) / 2, results.max(axis=1)
    a, b = scan(wins, compared, discount, horizons)
    for end in (0, 4, 19, 39):
        expected = beta_law(wins[: end + 1], compared[: end + 1], discount, horizons)
        np.testing.assert_allclose((a[end], b[end]), expected, rtol=1e-7)


def test_persistence_has_a_trust_of_exactly_one_half():
    compared = np.random.default_rng(0).integers(0, 23, 200)
    for discount in (0.98, 1.0):
        a, b = scan(compared / 2, compared, discount)
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a / (a + b), 0.5)


def test_a_rule_that_always_wins_has_no_more_evidence_than_pairs():
    for discount in (0.98, 1.0):
        a, b = scan(np.ones(400), np.ones(400), discount)
        assert (a - 1 <= np.arange(1, 401)).all()
        np.testing.assert_array_equal(b, 1.0)
        assert a[-1] / (a[-1] + b[-1]) > 0.97


def test_pairs_that_repeat_each_other_are_counted_once():
    rng = np.random.default_rng(0)
    single = rng.integers(0, 2, 400)
    a, b = scan(single, np.ones(400), 1.0)
    repeated_a, repeated_b = scan(np.repeat(single[:40], 10), np.ones(400), 1.0)
    assert a[-1] + b[-1] > 4 * (repeated_a[-1] + repeated_b[-1])


def test_without_a_pair_nothing_is_known():
    np.testing.assert_array_equal(scan([0, 0], [0, 0]), np.ones((2, 2)))
    a, _ = scan(np.empty(0), np.empty(0))
    assert a.shape == (0,)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_credible_interval_equals_scipy(level):
    a, b = np.array([1.0, 4.0, 900.0]), np.array([1.0, 2.5, 30.0])
    low, high = credible_interval(a, b, level)
    np.testing.assert_allclose(low, beta.ppf((1 - level) / 2, a, b))
    np.testing.assert_allclose(high, beta.ppf((1 + level) / 2, a, b))
