import numpy as np

from pulse_assets.retrodiction.guard import bound, largest_moves

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


def test_bound_by_hand():
    # The largest move is 2 by index 2, so forecasts stay within 3 of the last value.
    y = np.array([0.0, 1.0, -1.0])
    forecasts = np.array([[9.0, -9.0, 1.0, np.nan], [9.0, -9.0, 1.0, np.nan]])
    moves = largest_moves(y, np.array([1, 2, 3, 4]))
    made = bound(forecasts, np.array([1, 2]), y, moves)
    np.testing.assert_array_equal(made, [[2.5, -0.5, 1, np.nan], [2, -4, 1, np.nan]])


def test_bound_of_huge_values():
    y, horizon = np.array([1.7e308, -1.7e308]), np.array([1])
    forecasts = np.array([[5.0]])
    made = bound(forecasts, np.array([1]), y, largest_moves(y, horizon))
    assert made[0, 0] == 5.0


def test_infinite_forecasts_are_none():
    largest = np.finfo(np.float64).max
    forecasts = np.array([[largest, np.inf], [np.nan, -np.inf], [np.inf, 0.0]])
    made = bound(forecasts, np.array([0, 1, 2]), np.zeros(3), np.empty((0, 0)))
    np.testing.assert_array_equal(made, [[largest, np.nan], [np.nan, np.nan], [np.nan, 0]])
