import numpy as np

from pulse_assets.retrodiction.panel import block_horizons, empty_panel, place, unblock

LARGEST = np.finfo(np.float64).max


def test_horizons_are_spread_over_blocks_of_at_most_twelve():
    assert block_horizons(np.arange(1, 13)).tolist() == [[*range(1, 13)]]
    assert block_horizons(np.arange(1, 15)).tolist() == [[*range(1, 9)], [*range(9, 15), 14, 14]]


def test_a_rule_has_no_forecast_from_other_indices_than_its_origins():
    horizons = np.arange(1, 15)
    panel = empty_panel(block_horizons(horizons), 1, 5)
    panel[:] = 7.0  # what was in memory
    forecasts = np.arange(56.0).reshape(4, 14)
    place(panel, 0, forecasts, np.array([0, 1, 2, 4]))
    made = unblock(panel, np.arange(5), 14, 2.0)[0]
    np.testing.assert_array_equal(made[[0, 1, 2, 4]], 2.0 * forecasts)
    assert np.isnan(made[3]).all()


def test_values_stay_finite_in_their_unit():
    panel = np.array([1e308, -1e308, np.nan, 1.0]).reshape(1, 1, 1, 4)
    made = unblock(panel, np.array([0, -1]), 4, 4.0)[0]
    np.testing.assert_array_equal(made, [[LARGEST, -LARGEST, np.nan, 4.0], [np.nan] * 4])
