"""Complex exponential smoothing equals plain arithmetic."""

import numpy as np
import pytest

from pulse_assets.retrodiction import smoothing
from pulse_assets.retrodiction.complex_smoothing import COMPLEX_GRID, complex_smoothing
from pulse_assets.retrodiction.request import History
from pulse_assets.retrodiction.smoothing import LOSS_DISCOUNT, MAX_GRID
from pulse_assets_tests.retrodiction.examples import (
    everywhere,
    pick_best,
    random_walk,
    request_of,
)

HORIZONS = np.array([1, 2, 5, 12])


def constants(real, imaginary):
    return np.array([[real], [imaginary]])


def step(real, imaginary):
    """What one step does with the level and its potential, and with the error."""
    return np.array([[1, imaginary - 1], [1, 1 - real]]), np.array(
        [real - imaginary, real + imaginary]
    )


def plain_forecasts(y, grid):
    """Forecasts from the last value by the constants of the smallest discounted loss."""
    states, losses = [], []
    for real, imaginary in grid.T:
        transition, gain = step(real, imaginary)
        state, loss = np.array([y[0], y[0] / real]), 0.0
        for value in y[1:]:
            error = value - state[0]
            loss = LOSS_DISCOUNT * loss + abs(error)
            state = transition @ state + gain * error
        states.append(state)
        losses.append(loss)
    best = pick_best(losses)
    transition, _ = step(*grid[:, best])
    return [(np.linalg.matrix_power(transition, h - 1) @ states[best])[0] for h in HORIZONS]


def test_by_hand():
    made = everywhere(
        complex_smoothing, np.array([4.0, 8.0]), np.array([1, 9]), 1, constants(1.5, 1.0)
    )
    np.testing.assert_allclose(made, [[4, 4], [6, 6]])
    # l = 4 + 0.5 * 8 / 3 + 0 * 4 and c = 4 - 0.5 * 8 / 3 + 3 * 4 after the error of 4.
    made = everywhere(
        complex_smoothing, np.array([4.0, 8.0]), np.array([1, 2]), 1, constants(1.5, 1.5)
    )
    level, potential = 4 + 4 / 3, 16 - 4 / 3
    np.testing.assert_allclose(made[1], [level, level + 0.5 * potential])


@pytest.mark.parametrize("origin", [0, 1, 7, 40])
@pytest.mark.parametrize("drift", [0.0, 0.7])
def test_it_equals_plain_loops(origin, drift):
    y = 20.0 + random_walk(41, seed=4) + drift * np.arange(41)
    made = everywhere(complex_smoothing, y, HORIZONS, 1)[origin]
    expected = plain_forecasts(y[: origin + 1], COMPLEX_GRID)
    np.testing.assert_allclose(made, expected, rtol=1e-9)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9])
def test_an_imaginary_part_of_1_is_simple_smoothing(alpha):
    y = random_walk(41, seed=5)
    made = everywhere(complex_smoothing, y, HORIZONS, 1, constants(1 + alpha, 1.0))
    simple = everywhere(smoothing.ses, y, HORIZONS, 1, np.array([[alpha], [0.0], [0.0]]))
    np.testing.assert_allclose(made, simple, rtol=1e-12)


def test_forecasts_start_from_the_last_value_itself():
    """The fit is to limited changes; what they take from the last value is added again."""
    y = random_walk(41, seed=7)
    made = complex_smoothing(History(y + 3.0, y), request_of(y, range(41), HORIZONS))
    np.testing.assert_allclose(made, everywhere(complex_smoothing, y, HORIZONS, 1) + 3.0)


@pytest.mark.parametrize("combination", COMPLEX_GRID.T.tolist())
def test_no_combination_lets_an_error_grow(combination):
    """The published condition of stability: earlier errors fade."""
    transition, gain = step(*combination)
    discount = transition - np.outer(gain, [1, 0])
    assert np.abs(np.linalg.eigvals(discount)).max() < 1
    assert COMPLEX_GRID.shape[1] <= MAX_GRID


def test_it_grows_with_a_series_that_grows_by_a_share():
    y = 50.0 * 1.02 ** np.arange(120)
    made = everywhere(complex_smoothing, y, np.array([1, 6]), 1)[-1]
    np.testing.assert_allclose(made, y[-1] * 1.02 ** np.array([1, 6]), rtol=0.01)
