import numpy as np

from pulse_assets.retrodiction.asked import Asked


def test_series_lie_end_to_end():
    asked = Asked.of([3, 0, 2], [[1, 2], [], [0]], [1, 4], 12)
    np.testing.assert_array_equal(asked.begins, [0, 3, 3])
    np.testing.assert_array_equal(asked.rows, [0, 2, 2, 3])
    np.testing.assert_array_equal(asked.origins, [1, 2, 3])
    np.testing.assert_array_equal(asked.horizons, [1, 4])
    assert asked.season == 12


def test_one_by_one():
    asked = Asked.of([3, 2], [[1, 2], [0]], [1], 1)
    (first, of_first), (second, of_second) = asked.one_by_one(np.arange(5.0))
    np.testing.assert_array_equal(first, [0, 1, 2])
    np.testing.assert_array_equal(of_first, [1, 2])
    np.testing.assert_array_equal(second, [3, 4])
    np.testing.assert_array_equal(of_second, [0])


def test_nothing_asked():
    asked = Asked.of([], [], [1], 1)
    assert [len(asked.begins), len(asked.origins), len(asked.rows)] == [0, 0, 1]


def test_later_series_keep_their_origins():
    asked = Asked.of([3, 2], [[1, 2], [0]], [1], 1).later(2)
    np.testing.assert_array_equal(asked.begins, [2, 5])
    np.testing.assert_array_equal(asked.origins, [1, 2, 3])
