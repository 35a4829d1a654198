"""The median of the rules, beside NumPy's."""

import numpy as np
import pytest

from pulse_assets.retrodiction.combination.median import fill_medians, medians, sort_columns


@pytest.mark.parametrize("count", [*range(1, 20), 33, 64, 100])
def test_any_number_of_columns_is_sorted(count):
    values = np.random.default_rng(count).integers(0, 50, (count, 200)).astype(float)
    values[values == 0.0] = np.inf
    expected = np.sort(values, axis=0)
    sort_columns(values)
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 17])
def test_medians_leave_sleeping_rules_out(count):
    rng = np.random.default_rng(count)
    forecasts = rng.standard_normal((300, count + 3))
    forecasts[rng.random(forecasts.shape) < 0.4] = np.nan
    forecasts[:, count:] = 1e9  # the places after the rules do not count
    forecasts[7, :count] = np.nan
    active = ~np.isnan(forecasts[:, :count])
    expected = np.full(300, np.nan)
    for t in np.flatnonzero(active.any(axis=1)):
        expected[t] = np.median(forecasts[t, :count][active[t]])
    np.testing.assert_allclose(medians(forecasts, count), expected, rtol=1e-15)


def test_medians_of_the_largest_numbers_are_finite():
    largest = np.finfo(float).max
    assert medians(np.array([[largest, largest], [-largest, largest]]), 2).tolist() == [largest, 0]


def test_the_median_has_the_second_place_after_the_rules():
    forecasts = np.array([[[3.0, np.nan, 1.0, 2.0, 0.0, 0.0]]])
    fill_medians(forecasts, 4)
    assert forecasts[0, 0].tolist()[4:] == [0.0, 2.0]
