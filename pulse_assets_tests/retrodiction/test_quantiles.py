import numpy as np
import pytest

from pulse_assets.retrodiction.intervals import (
    FIRST_ERRORS,
    LEARNING_RATE,
    PEAK_DISCOUNT,
    SCALE_POWER,
    first_quantile,
    interval_radius,
    local_scale,
)
from pulse_assets.retrodiction.padding import pack
from pulse_assets.retrodiction.retrodict import retrodict
from pulse_assets_tests.retrodiction.examples import rules


def radius_of(y, forecasts, h=1, alpha=0.1, filled=None):
    padded, filled = pack(np.full((1, len(y), 1), np.nan)), y if filled is None else filled
    padded[0, :, 0] = forecasts
    made = interval_radius(padded, y, filled, np.array([h]), np.arange(len(y)), 1, alpha)
    return made[0, :, 0]


def test_persistence_lends_its_radius_at_first():
    # Its errors are 4 and 4, each in units of the local scale, which is the same throughout.
    y = np.array([0.0, 4.0, 0.0, 4.0])
    np.testing.assert_allclose(radius_of(y, np.zeros(4)), [np.nan, 4, 4, 4])


def test_the_local_scale_is_a_power_of_the_mean_change():
    made = local_scale(np.array([0.0, 0.0, 4.0, 4.0]))
    late = [0.0, 4 / 1.5, 2 / 1.75]
    long = [0.0, 4 / 1.995, 3.98 / 2.985025]
    expected = ((np.array(late) + np.array(long)) / 2) ** SCALE_POWER
    np.testing.assert_allclose(made, [0.0, *expected])
    # Its lower bound is 0.3 of the mean change of the history: 100 changes of 1 in 5100.
    calm = np.append(np.arange(101.0), np.full(5000, 100.0))
    change = local_scale(calm)[-1] ** (1 / SCALE_POWER)
    np.testing.assert_allclose(change, 0.3 * 100 / 5100)


def test_starts_from_the_conformal_quantile_of_the_first_errors():
    y = np.arange(1.0, FIRST_ERRORS + 2.0)
    errors = radius_of(y, np.zeros(FIRST_ERRORS + 1), alpha=0.5)
    # Errors 2 ... FIRST_ERRORS + 1; rank ceil(11 / 2) = 6 of them is 7.
    assert errors[FIRST_ERRORS] == 7.0


def test_the_conformal_quantile_of_errors_in_any_order():
    errors = np.full(FIRST_ERRORS, np.inf)
    made = [first_quantile(errors, n, 10.0 - n, 0.5) for n in range(1, 10)]
    # 9; 8, 9; 7, 8, 9; ...: of n the one of rank ceil((n + 1) / 2).
    assert made == [9, 9, 8, 8, 7, 7, 6, 6, 5]


@pytest.mark.parametrize("seed", range(3))
def test_tracks_the_quantile_step_by_step(seed):
    rng = np.random.default_rng(seed)
    y = rng.standard_normal(60)
    unit = local_scale(y)
    scores = np.abs(y[1:]) / np.append(unit[1], unit[1:-1])
    quantile, peak = np.sort(scores[:FIRST_ERRORS])[FIRST_ERRORS - 1], 0.0
    expected = []
    for n, score in enumerate(scores):
        if n >= FIRST_ERRORS:
            step = (max(peak, quantile) + quantile) / 2
            quantile += LEARNING_RATE * step * ((score > quantile) - 0.1)
        peak = max(PEAK_DISCOUNT * peak, score)
        expected.append(max(quantile, 0.0) * unit[n + 1])
    np.testing.assert_allclose(
        radius_of(y, np.zeros(60))[FIRST_ERRORS:], expected[FIRST_ERRORS - 1 :], rtol=1e-12
    )


def test_missing_outcomes_and_forecasts_change_nothing():
    rng = np.random.default_rng(0)
    y, forecasts = rng.standard_normal(60), np.zeros(60)
    y[30:40], forecasts[45:50] = np.nan, np.nan
    filled = np.where(np.isnan(y), y[29], y)
    radius = radius_of(y, forecasts, filled=filled)
    in_units = radius / local_scale(filled)
    np.testing.assert_allclose(in_units[29:40], in_units[29])
    np.testing.assert_allclose(in_units[46:51], in_units[45])


def test_a_storm_widens_the_intervals_far_ahead_before_their_errors_are_verified():
    y = np.append(np.random.default_rng(0).standard_normal(300), [30.0, -20.0])
    radius = radius_of(y, np.zeros(302), h=12)
    assert radius[-1] > 2.0 * radius[-3]


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
