from functools import partial

import numpy as np
import pytest

from pulse_assets.retrodiction.autoregression import ar_diff, ar_level
from pulse_assets.retrodiction.least_squares import weight_of_error
from pulse_assets.retrodiction.transformations import (
    drift_adjusted,
    logarithmic,
    seasonal_ar,
    seasonally_adjusted,
    split_changes,
)
from pulse_assets_tests.retrodiction.examples import (
    everywhere,
    plain_autoregression,
    random_walk,
    request_of,
)

HORIZONS = np.array([1, 2, 5])
ar_1 = partial(ar_diff, order=1)


@pytest.mark.parametrize("order", [1, 3, 9])
@pytest.mark.parametrize("with_level", [False, True])
@pytest.mark.parametrize("origin", [24, 60])
def test_equals_plain_least_squares(order, with_level, origin):
    y = random_walk(61, seed=6)
    y[35:] += 12.0  # a jump, which counts less
    rule = ar_level if with_level else ar_diff
    made = everywhere(rule, y, HORIZONS, 1, order=order)[origin]
    expected = plain_autoregression(y[: origin + 1], order, with_level, HORIZONS[-1])
    np.testing.assert_allclose(made, expected[HORIZONS - 1], rtol=1e-9)


def test_an_outlying_error_has_less_weight():
    mean_error = np.zeros(3)
    weights = [weight_of_error(error, mean_error) for error in [1.0] * 20 + [3.0, 6.0, 1e9, 1.0]]
    np.testing.assert_allclose(weights[:20], 1.0)
    # Each weighted error is 1, so the mean error stays 1.
    np.testing.assert_allclose(weights[20:22], [1 / 3, 1 / 6])
    assert weights[22] == 0.05
    assert weights[23] == 1.0


def test_learns_an_autoregression_of_changes():
    rng = np.random.default_rng(0)
    changes = np.zeros(2000)
    for t in range(1, 2000):
        changes[t] = 0.8 * changes[t - 1] + rng.standard_normal()
    y = np.cumsum(changes)
    made = everywhere(ar_diff, y, np.array([1]), 1, order=1)[:, 0]
    np.testing.assert_allclose(made[1500:] - y[1500:], 0.8 * changes[1500:], atol=0.5)


def test_level_reverts_to_the_mean():
    rng = np.random.default_rng(1)
    y = np.zeros(1500)
    for t in range(1, 1500):
        y[t] = 0.5 * y[t - 1] + rng.standard_normal()
    y += 100.0
    far = everywhere(ar_level, y, np.array([60]), 1, order=1)[1000:, 0]
    np.testing.assert_allclose(far, 100.0, atol=1.0)


def test_waits_for_more_pairs_than_coefficients():
    made = everywhere(ar_diff, random_walk(10), np.array([1]), 1, order=2)[:, 0]
    # Three coefficients; the first pair is known at index 3, the fourth at 6.
    np.testing.assert_array_equal(np.isnan(made), np.arange(10) < 6)


def test_constant_and_linear_series_are_continued():
    np.testing.assert_array_equal(
        everywhere(ar_level, np.full(30, 3.0), HORIZONS, 1, order=1)[-1], 3.0
    )
    line = everywhere(ar_diff, np.arange(400.0), HORIZONS, 1, order=1)[-1]
    # The prior, no change, has still its small weight.
    np.testing.assert_allclose(line, 399 + HORIZONS, atol=0.3)


def test_the_seasonal_rule_adds_the_season_back():
    # The changes against a season ago are a walk; its own forecasts come from ar_level.
    y = random_walk(80, seed=3) + np.tile([0.0, 5.0, -3.0, 1.0], 20)
    made = everywhere(seasonal_ar, y, np.array([1, 4, 6]), 4, order=1)[-1]
    path = everywhere(ar_level, y[4:] - y[:-4], np.arange(1, 7), 1, order=1)[-1]
    expected = [path[0] + y[-4], path[3] + y[-1], path[5] + path[1] + y[-3]]
    np.testing.assert_allclose(made, expected)


@pytest.mark.parametrize(("length", "season"), [(30, 1), (4, 4)])
def test_the_seasonal_rule_has_no_forecast_without_a_season(length, season):
    assert np.isnan(everywhere(seasonal_ar, random_walk(length), HORIZONS, season, order=1)).all()


def log_ar(y):
    return everywhere(logarithmic, y, HORIZONS, 1, rule=ar_1)


def test_log_rule_carries_growth_on():
    y = 3.0 * 1.02 ** np.arange(400.0)
    np.testing.assert_allclose(log_ar(y)[-1], y[-1] * 1.02**HORIZONS, rtol=5e-3)
    np.testing.assert_array_equal(log_ar(-y), -log_ar(y))


def test_log_rule_sleeps_once_the_sign_changed():
    y = np.append(2.0 + np.arange(40.0) % 3, [0.0, 5.0])
    made = log_ar(y)
    assert np.isfinite(made[39]).all()
    assert np.isnan(made[40:]).all()
    np.testing.assert_array_equal(made[:40], log_ar(y[:40]))


@pytest.mark.parametrize("season", [1, 4])
@pytest.mark.parametrize("rate", [0.05, 0.5])
def test_the_seasonal_drift_equals_its_definition(season, rate):
    y = random_walk(30, seed=3)
    adjusted, drift_ahead = split_changes(y, request_of(y, [12, 29], HORIZONS), season, rate)
    drift, expected = [0.0] * season, [0.0]
    for t in range(1, 30):
        place, count = t % season, len(range(1 + (t - 1) % season, t + 1, season))
        error = y[t] - y[t - 1] - drift[place]
        drift[place] += max(rate, 1 / count) * error
        expected.append(expected[-1] + error)
    np.testing.assert_allclose(adjusted, expected)
    sums = [sum(drift[(29 + i) % season] for i in range(1, h + 1)) for h in HORIZONS]
    np.testing.assert_allclose(drift_ahead[-1], sums)


def test_a_steady_season_and_a_steady_drift_are_continued():
    season = np.tile([3.0, -1.0, 4.0, -5.0], 12)
    made = everywhere(seasonally_adjusted, season[:40], HORIZONS, 4, rule=ar_1)[-1]
    np.testing.assert_allclose(made, season[39 + HORIZONS])
    made = everywhere(seasonally_adjusted, np.arange(40.0) % 2, HORIZONS, 2, rule=ar_1)[-1]
    np.testing.assert_allclose(made, (39 + HORIZONS) % 2, atol=1e-12)
    line = 2.0 * np.arange(40.0)
    made = everywhere(drift_adjusted, line, HORIZONS, 4, rule=ar_1)[-1]
    np.testing.assert_allclose(made, line[-1] + 2.0 * HORIZONS)


@pytest.mark.parametrize(("length", "season"), [(30, 1), (8, 4)])
def test_seasonal_adjustment_needs_two_seasons(length, season):
    made = everywhere(seasonally_adjusted, random_walk(length), HORIZONS, season, rule=ar_1)
    assert np.isnan(made).all()


@pytest.mark.parametrize("origin", [20, 45])
def test_seasonal_adjustment_uses_the_past_only(origin):
    y, rule = random_walk(60, seed=5), partial(drift_adjusted, rule=ar_1)
    whole = everywhere(seasonally_adjusted, y, HORIZONS, 4, rule=rule)
    past = everywhere(seasonally_adjusted, y[: origin + 1], HORIZONS, 4, rule=rule)
    np.testing.assert_array_equal(whole[origin], past[-1])
