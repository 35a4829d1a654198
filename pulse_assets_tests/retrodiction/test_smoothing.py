import numpy as np
import pytest

from pulse_assets.retrodiction import smoothing
from pulse_assets.retrodiction.seasonal_smoothing import SEASONAL_GRID, seasonal_holt_winters
from pulse_assets.retrodiction.smoothing import DAMPED_GRID, HOLT_GRID, LOSS_DISCOUNT, SES_GRID
from pulse_assets.retrodiction.walk_forward import walk_forward
from pulse_assets_tests.retrodiction.examples import (
    everywhere,
    pick_best,
    plain_trend,
    random_walk,
    rules,
    seasonal_walk,
)

HORIZONS = np.array([1, 2, 5, 12])


def constants(*values):
    return np.array(values)[:, None]


def test_ses_by_hand():
    made = everywhere(
        smoothing.ses, np.array([4.0, 8.0]), np.array([1, 9]), 1, constants(0.5, 0.0, 0.0)
    )
    np.testing.assert_array_equal(made, [[4, 4], [6, 6]])


def test_holt_by_hand():
    made = everywhere(
        smoothing.holt, np.array([0.0, 4.0]), np.array([1, 2]), 1, constants(0.5, 0.5, 1.0)
    )
    np.testing.assert_allclose(made, [[0, 0], [3, 4]])


def test_damping_by_hand():
    # Level 2, trend 1; phi + phi^2 = 0.75.
    made = everywhere(
        smoothing.holt, np.array([0.0, 4.0]), np.array([1, 2]), 1, constants(0.5, 0.5, 0.5)
    )
    np.testing.assert_allclose(made[1], [2.5, 2.75])


def test_theta_by_hand():
    y = np.array([0.0, 2.0, 4.0])
    made = everywhere(smoothing.theta, y, np.array([1, 2]), 1, constants(1.0, 0.0, 0.0))
    np.testing.assert_allclose(made[2], [5, 6])


@pytest.mark.parametrize(
    ("name", "grid"), [("ses", SES_GRID), ("holt", HOLT_GRID), ("damped_holt", DAMPED_GRID)]
)
@pytest.mark.parametrize("origin", [0, 1, 7, 40])
def test_trend_rules_equal_plain_loops(name, grid, origin):
    y = random_walk(41, seed=3)[: origin + 1]
    level, trend, _, phi = plain_trend(y, grid, LOSS_DISCOUNT)
    expected = [level + trend * sum(phi**i for i in range(1, h + 1)) for h in HORIZONS]
    made = everywhere(getattr(smoothing, name), random_walk(41, seed=3), HORIZONS, 1)[origin]
    np.testing.assert_allclose(made, expected, rtol=1e-9)


@pytest.mark.parametrize("origin", [1, 7, 40])
def test_theta_equals_plain_loop(origin):
    y = random_walk(41, seed=4)[: origin + 1]
    level, _, alpha, _ = plain_trend(y, SES_GRID, LOSS_DISCOUNT)
    slope = np.polyfit(np.arange(len(y)), y, 1)[0]
    start = (1 - (1 - alpha) ** len(y)) / alpha
    made = everywhere(smoothing.theta, random_walk(41, seed=4), HORIZONS, 1)[origin]
    np.testing.assert_allclose(made, level + slope / 2 * (HORIZONS - 1 + start), rtol=1e-9)


def test_theta_forgets_its_start_in_a_long_series():
    y = np.arange(3000.0)
    made = everywhere(smoothing.theta, y, np.array([1]), 1, constants(0.5, 0.0, 0.0))
    # The level lags the line by 1/alpha - 1 = 1; half the slope is added 1/alpha times.
    np.testing.assert_allclose(made[-1, 0], 2999 - 1 + 0.5 * 2, rtol=1e-9)


def plain_holt_winters(y, season, grid, horizons):
    first, second = y[:season].mean(), y[season : 2 * season].mean()
    b0, middle = (second - first) / season, (first + second) / 2
    forecasts, losses = [], []
    for alpha, beta, phi, gamma in zip(*grid, strict=True):
        level, trend, loss = middle + b0 * (season - 0.5), b0, 0.0
        seasonal = [
            (y[i] + y[season + i]) / 2 - middle - b0 * (i - (season - 1) / 2) for i in range(season)
        ]
        for t in range(2 * season, len(y)):
            error = y[t] - (level + phi * trend + seasonal[t % season])
            loss = LOSS_DISCOUNT * loss + abs(error)
            level, trend = level + phi * trend + alpha * error, phi * trend + alpha * beta * error
            seasonal[t % season] += gamma * (1 - alpha) * error
        reach = [sum(phi**i for i in range(1, h + 1)) for h in horizons]
        last = len(y) - 1
        forecasts.append(
            [
                level + r * trend + seasonal[(last + h) % season]
                for r, h in zip(reach, horizons, strict=True)
            ]
        )
        losses.append(loss)
    return forecasts[pick_best(losses)]


@pytest.mark.parametrize("origin", [7, 8, 30])
def test_seasonal_holt_winters_equals_plain_loop(origin):
    y = seasonal_walk(31, 4)
    made = walk_forward(y, [origin], HORIZONS, 4, rules("seasonal_holt_winters"))[0, 0]
    grid = SEASONAL_GRID
    unguarded = plain_holt_winters(y[: origin + 1], 4, grid, HORIZONS)
    np.testing.assert_allclose(
        everywhere(seasonal_holt_winters, y, HORIZONS, 4)[origin],
        unguarded,
        rtol=1e-9,
    )
    assert np.isfinite(made).all()


def test_seasonal_holt_winters_repeats_a_pure_season():
    y = np.tile([1.0, 5.0], 6)
    made = everywhere(seasonal_holt_winters, y, np.array([1, 2, 3]), 2)
    np.testing.assert_allclose(made[-1], [1, 5, 1])
    assert np.isnan(made[2]).all()
    assert np.isfinite(made[3]).all()


@pytest.mark.parametrize(("length", "season"), [(20, 1), (7, 4)])
def test_no_season_no_seasonal_forecast(length, season):
    made = everywhere(seasonal_holt_winters, np.arange(float(length)), HORIZONS, season)
    assert np.isnan(made).all()


@pytest.mark.parametrize("name", ["ses", "holt", "damped_holt", "seasonal_holt_winters"])
def test_a_series_that_stops_moving_is_carried_on(name):
    y = np.concatenate([seasonal_walk(40), np.full(3000, 7.0)])
    made = walk_forward(y, [len(y) - 1], [1, 12], 4, rules(name))
    np.testing.assert_allclose(made, 7.0, atol=1e-6)
