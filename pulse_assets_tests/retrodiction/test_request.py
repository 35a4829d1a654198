import numpy as np

from pulse_assets.retrodiction.request import ForecastRequest


def test_series_are_concatenated():
    request = ForecastRequest.of([3, 0, 2], [[1, 2], [], [0]], [1, 4], 12)
    np.testing.assert_array_equal(request.series_offsets, [0, 3, 3])
    np.testing.assert_array_equal(request.origin_offsets, [0, 2, 2, 3])
    np.testing.assert_array_equal(request.origins, [1, 2, 3])
    np.testing.assert_array_equal(request.horizons, [1, 4])
    assert request.season == 12


def test_split_into_series():
    request = ForecastRequest.of([3, 2], [[1, 2], [0]], [1], 1)
    (first, of_first), (second, of_second) = request.split(np.arange(5.0))
    np.testing.assert_array_equal(first, [0, 1, 2])
    np.testing.assert_array_equal(of_first, [1, 2])
    np.testing.assert_array_equal(second, [3, 4])
    np.testing.assert_array_equal(of_second, [0])


def test_an_empty_request():
    request = ForecastRequest.of([], [], [1], 1)
    assert [len(request.series_offsets), len(request.origins), len(request.origin_offsets)] == [
        0,
        0,
        1,
    ]


def test_series_that_start_later_have_the_same_origins():
    request = ForecastRequest.of([3, 2], [[1, 2], [0]], [1], 1).with_later_starts(2)
    np.testing.assert_array_equal(request.series_offsets, [2, 5])
    np.testing.assert_array_equal(request.origins, [1, 2, 3])
