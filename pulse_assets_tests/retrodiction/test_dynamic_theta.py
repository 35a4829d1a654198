"""The dynamic optimised theta model equals plain arithmetic."""

import numpy as np
import pytest

from pulse_assets.retrodiction import smoothing
from pulse_assets.retrodiction.dynamic_theta import DYNAMIC_THETA_GRID, dynamic_theta
from pulse_assets.retrodiction.request import History
from pulse_assets.retrodiction.smoothing import LOSS_DISCOUNT
from pulse_assets_tests.retrodiction.examples import (
    everywhere,
    pick_best,
    random_walk,
    request_of,
)

HORIZONS = np.array([1, 2, 5, 12])


def constants(alpha, weight):
    return np.array([[alpha], [weight]])


def slope(y):
    return np.polyfit(np.arange(len(y)), y, 1)[0] if len(y) > 1 else 0.0


def plain_step(y, level, alpha, weight):
    """The forecast of the value after y."""
    return level + weight * slope(y) * sum((1 - alpha) ** i for i in range(len(y)))


def plain_forecasts(y, grid):
    """Forecasts from the last value by the constants of the smallest discounted loss."""
    levels, losses = [], []
    for alpha, weight in grid.T:
        level, loss = y[0], 0.0
        for t in range(1, len(y)):
            loss = LOSS_DISCOUNT * loss + abs(y[t] - plain_step(y[:t], level, alpha, weight))
            level += alpha * (y[t] - level)
        levels.append(level)
        losses.append(loss)
    best = pick_best(losses)
    (alpha, weight), level, path = grid[:, best], levels[best], list(y)
    for _ in range(HORIZONS[-1]):
        path.append(plain_step(np.array(path), level, alpha, weight))
        level += alpha * (path[-1] - level)
    return np.array(path)[len(y) - 1 + HORIZONS]


def test_by_hand():
    made = everywhere(
        dynamic_theta, np.array([0.0, 2.0, 4.0]), np.array([1, 2]), 1, constants(1.0, 0.5)
    )
    np.testing.assert_allclose(made, [[0, 0], [3, 3.75], [5, 5.85]])


@pytest.mark.parametrize("origin", [0, 1, 7, 40])
@pytest.mark.parametrize("drift", [0.0, 0.7])
def test_it_equals_plain_loops(origin, drift):
    y = random_walk(41, seed=4) + drift * np.arange(41)
    made = everywhere(dynamic_theta, y, HORIZONS, 1)[origin]
    expected = plain_forecasts(y[: origin + 1], DYNAMIC_THETA_GRID)
    np.testing.assert_allclose(made, expected, rtol=1e-9)


def test_theta_1_is_simple_smoothing():
    y = random_walk(41, seed=5)
    made = everywhere(dynamic_theta, y, HORIZONS, 1, constants(0.3, 0.0))
    simple = everywhere(smoothing.ses, y, HORIZONS, 1, np.array([[0.3], [0.0], [0.0]]))
    np.testing.assert_allclose(made, simple, rtol=1e-12)


def test_theta_2_is_the_theta_method_one_step_ahead():
    y = random_walk(41, seed=6)
    made = everywhere(dynamic_theta, y, np.array([1]), 1, constants(0.3, 0.5))
    other = everywhere(smoothing.theta, y, np.array([1]), 1, np.array([[0.3], [0.0], [0.0]]))
    np.testing.assert_allclose(made, other, rtol=1e-9)


def test_forecasts_start_from_the_last_value_itself():
    """The fit is to limited changes; what they take from the last value is added again."""
    y = random_walk(41, seed=7)
    made = dynamic_theta(History(y + 3.0, y), request_of(y, range(41), HORIZONS))
    np.testing.assert_allclose(made, everywhere(dynamic_theta, y, HORIZONS, 1) + 3.0, rtol=1e-9)


def test_a_line_is_continued():
    y = 3.0 + 2.0 * np.arange(400)
    made = everywhere(dynamic_theta, y, HORIZONS, 1, constants(0.5, 1.0))
    np.testing.assert_allclose(made[-1], y[-1] + 2.0 * HORIZONS, rtol=1e-9)
