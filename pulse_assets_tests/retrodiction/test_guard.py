import numpy as np

from pulse_assets.retrodiction.guard import bound, forecast_bounds, largest_moves

HORIZONS = np.array([1, 3])


def test_largest_moves_by_hand():
    y = np.array([0.0, 1.0, -1.0, -4.0, -4.0])
    np.testing.assert_array_equal(
        largest_moves(y, HORIZONS), [[0, 0], [1, 1], [2, 2], [3, 5], [3, 5]]
    )


def test_largest_moves_equal_the_plain_definition():
    y = np.random.default_rng(0).standard_normal(30)
    made = largest_moves(y, HORIZONS)
    for t in range(1, 30):
        for j, h in enumerate(HORIZONS):
            moves = [abs(y[s] - y[s - i]) for s in range(t + 1) for i in range(1, min(h, s) + 1)]
            assert made[t, j] == max(moves)


def test_bounds_by_hand():
    lowest, highest = forecast_bounds(np.array([0.0, 1.0, -1.0]), np.array([1]))
    np.testing.assert_array_equal(lowest[:, 0], [0, -0.5, -4])
    np.testing.assert_array_equal(highest[:, 0], [0, 2.5, 2])


def test_bounds_of_huge_values_do_not_warn():
    lowest, highest = forecast_bounds(np.array([1.7e308, -1.7e308]), np.array([1]))
    assert lowest[1, 0] == -np.inf
    assert highest[1, 0] == np.inf


def test_bound_clips_and_drops():
    forecasts = np.array([[9.0, np.inf], [-9.0, np.nan], [1.0, -np.inf]])
    lowest, highest = np.full((4, 2), -2.0), np.full((4, 2), 3.0)
    bound(forecasts, np.array([1, 2, 3]), lowest, highest, True)
    np.testing.assert_array_equal(forecasts, [[3, np.nan], [-2, np.nan], [1, np.nan]])


def test_unguarded_forecasts_are_only_made_finite():
    forecasts = np.array([[9.0, np.inf]])
    bound(forecasts, np.array([0]), np.zeros((1, 2)), np.zeros((1, 2)), False)
    np.testing.assert_array_equal(forecasts, [[9, np.nan]])
