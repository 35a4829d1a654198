import numpy as np
import pytest

from pulse_assets.retrodiction.intervals import LEARNING_RATE, PEAK_DISCOUNT, START, interval_radius
from pulse_assets.retrodiction.retrodict import retrodict
from pulse_assets_tests.retrodiction.examples import rules


def radius_of(y, forecasts, h=1, alpha=0.1):
    return interval_radius(forecasts[None, :, None].copy(), y, y, np.array([h]), alpha)[0, :, 0]


def test_persistence_lends_its_radius_at_first():
    y = np.array([0.0, 3.0, 1.0, 1.0])
    np.testing.assert_array_equal(radius_of(y, np.zeros(4)), [np.nan, 3, 3, 3])


def test_starts_from_the_conformal_quantile_of_the_first_errors():
    y = np.arange(1.0, START + 2.0)
    errors = radius_of(y, np.zeros(START + 1), alpha=0.5)
    # Errors 2 ... START + 1; rank ceil(11 / 2) = 6 of them is 7.
    assert errors[START] == 7.0


def test_tracks_the_quantile_step_by_step():
    rng = np.random.default_rng(0)
    y = rng.standard_normal(60)
    scores = np.abs(y[1:])
    quantile, peak = np.sort(scores[:START])[START - 1], 0.0
    expected = []
    for n, score in enumerate(scores):
        if n >= START:
            quantile += LEARNING_RATE * max(peak, quantile) * ((score > quantile) - 0.1)
        peak = max(PEAK_DISCOUNT * peak, score)
        expected.append(max(quantile, 0.0))
    np.testing.assert_allclose(
        radius_of(y, np.zeros(60))[START:], expected[START - 1 :], rtol=1e-12
    )


def test_missing_outcomes_and_forecasts_change_nothing():
    rng = np.random.default_rng(0)
    y, forecasts = rng.standard_normal(60), np.zeros(60)
    y[30:40], forecasts[45:50] = np.nan, np.nan
    filled = np.where(np.isnan(y), y[29], y)
    radius = interval_radius(forecasts[None, :, None].copy(), y, filled, np.array([1]), 0.1)[
        0, :, 0
    ]
    assert (radius[29:40] == radius[29]).all()
    assert (radius[46:51] == radius[45]).all()


def test_wild_years_are_forgotten():
    y = np.random.default_rng(0).standard_normal(800)
    y[:100] *= 1000.0
    assert radius_of(y, np.zeros(800))[-1] < 10.0


@pytest.mark.parametrize("level", [0.8, 0.9])
@pytest.mark.parametrize("seed", range(3))
def test_coverage_is_nominal_on_stationary_series(level, seed):
    rng = np.random.default_rng(seed)
    y = np.zeros(3000)
    for t in range(1, 3000):
        y[t] = 0.6 * y[t - 1] + rng.standard_normal()
    horizons = np.array([1, 6])
    origins = np.arange(200, 2990)
    made = retrodict(
        y, origins, horizons, 1, rules("naive", "mean", "ses", "ar_level_1"), level=level
    )
    for j, h in enumerate(horizons):
        inside = (made.lower[:, :, j] <= y[origins + h]) & (y[origins + h] <= made.upper[:, :, j])
        np.testing.assert_allclose(inside.mean(axis=1), level, atol=0.02)


def test_a_constant_series_has_intervals_of_no_width():
    made = retrodict(np.full(40, 3.0), [39], [1, 5], 1, rules())
    awake = ~np.isnan(made.predicted)
    np.testing.assert_allclose(made.lower[awake], 3.0, rtol=1e-12)
    np.testing.assert_allclose(made.upper[awake], 3.0, rtol=1e-12)
