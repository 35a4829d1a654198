import numpy as np

from pulse_assets.retrodiction.clipping import clip_bounds, clip_forecasts, largest_moves
from pulse_assets_tests.retrodiction.examples import request_of

HORIZONS = np.array([1, 3])


def test_largest_moves_by_hand():
    y = np.array([0.0, 1.0, -1.0, -4.0, -4.0])
    np.testing.assert_array_equal(
        largest_moves(y, request_of(y, range(5), HORIZONS)),
        [[0, 0], [1, 1], [2, 2], [3, 5], [3, 5]],
    )


def test_largest_moves_equal_the_plain_definition():
    y = np.random.default_rng(0).standard_normal(30)
    made = largest_moves(y, request_of(y, range(30), HORIZONS))
    for t in range(1, 30):
        for j, h in enumerate(HORIZONS):
            moves = [abs(y[s] - y[s - i]) for s in range(t + 1) for i in range(1, min(h, s) + 1)]
            assert made[t, j] == max(moves)


def clipped(forecasts, y, origins, horizons):
    made = np.empty(forecasts.size)
    lowest, highest = clip_bounds(y, request_of(y, origins, horizons))
    clip_forecasts(forecasts.ravel(), lowest.ravel(), highest.ravel(), made)
    return made.reshape(forecasts.shape)


def test_clipping_by_hand():
    # The largest move is 2 by index 2, so forecasts stay within 3 of the last value.
    y = np.array([0.0, 1.0, -1.0])
    forecasts = np.array([[9.0, -9.0, 1.0, np.nan], [9.0, -9.0, 1.0, np.nan]])
    made = clipped(forecasts, y, [1, 2], [1, 2, 3, 4])
    np.testing.assert_array_equal(made, [[2.5, -0.5, 1, np.nan], [2, -4, 1, np.nan]])


def test_clipping_of_huge_values():
    y = np.array([1.7e308, -1.7e308])
    assert clipped(np.array([[5.0]]), y, [1], [1])[0, 0] == 5.0


def test_infinite_forecasts_are_none():
    largest = np.finfo(np.float64).max
    y = np.array([1.7e308, -1.7e308, 0.0])  # moves so large that there are no bounds
    forecasts = np.array([[largest, np.inf], [np.nan, -np.inf]])
    made = clipped(forecasts, y, [1, 2], [1, 2])
    np.testing.assert_array_equal(made, [[largest, np.nan], [np.nan, np.nan]])
