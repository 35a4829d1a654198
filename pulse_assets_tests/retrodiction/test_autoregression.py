import numpy as np
import pytest

from pulse_assets.retrodiction.autoregression import ar_diff, ar_level, weigh_outcome
from pulse_assets_tests.retrodiction.examples import plain_autoregression, random_walk

HORIZONS = np.array([1, 2, 5])


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("with_level", [False, True])
@pytest.mark.parametrize("origin", [12, 60])
def test_equals_plain_least_squares(order, with_level, origin):
    y = random_walk(61, seed=6)
    y[35:] += 12.0  # a jump, which counts less
    rule = ar_level if with_level else ar_diff
    made = rule(y, HORIZONS, 1, order=order)[origin]
    expected = plain_autoregression(y[: origin + 1], order, with_level, HORIZONS[-1])
    np.testing.assert_allclose(made, expected[HORIZONS - 1], rtol=1e-9)


def test_an_unusual_error_counts_less():
    usual = np.zeros(3)
    weights = [weigh_outcome(error, usual) for error in [1.0] * 20 + [3.0, 6.0, 1e9, 1.0]]
    np.testing.assert_allclose(weights[:21], 1.0)
    # The 20 errors of 1 and the 3 have a discounted mean of (16.62 * 0.98 + 3) / 17.29 = 1.116.
    assert weights[21] == pytest.approx(3 * 1.1157 / 6, abs=1e-3)
    assert weights[22] == 0.05
    assert weights[23] == 1.0


def test_learns_an_autoregression_of_changes():
    rng = np.random.default_rng(0)
    changes = np.zeros(2000)
    for t in range(1, 2000):
        changes[t] = 0.8 * changes[t - 1] + rng.standard_normal()
    y = np.cumsum(changes)
    made = ar_diff(y, np.array([1]), 1, order=1)[:, 0]
    np.testing.assert_allclose(made[1500:] - y[1500:], 0.8 * changes[1500:], atol=0.5)


def test_level_reverts_to_the_mean():
    rng = np.random.default_rng(1)
    y = np.zeros(1500)
    for t in range(1, 1500):
        y[t] = 0.5 * y[t - 1] + rng.standard_normal()
    y += 100.0
    far = ar_level(y, np.array([60]), 1, order=1)[1000:, 0]
    np.testing.assert_allclose(far, 100.0, atol=1.0)


def test_waits_for_more_pairs_than_coefficients():
    made = ar_diff(random_walk(10), np.array([1]), 1, order=2)[:, 0]
    # Three coefficients; the first pair is known at index 3, the fourth at 6.
    np.testing.assert_array_equal(np.isnan(made), np.arange(10) < 6)


def test_constant_and_linear_series_are_carried_on():
    np.testing.assert_array_equal(ar_level(np.full(30, 3.0), HORIZONS, 1, order=1)[-1], 3.0)
    line = ar_diff(np.arange(400.0), HORIZONS, 1, order=1)[-1]
    np.testing.assert_allclose(line, 399 + HORIZONS, atol=0.2)
