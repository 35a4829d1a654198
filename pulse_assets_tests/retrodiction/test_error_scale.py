"""The local scale of errors, and their skew."""

import numpy as np
import pytest

from pulse_assets.retrodiction.error_scale import (
    LEAST_SHARE,
    SCALE_POWER,
    SKEW,
    local_scale,
    signed_level,
    skew_of,
    skewed,
    straightened,
)


def test_the_local_scale_is_a_power_of_the_mean_change():
    made = local_scale(np.array([0.0, 0.0, 4.0, 4.0]), 1)
    late = [0.0, 4 / 1.5, 2 / 1.75]
    long = [0.0, 4 / 1.995, 3.98 / 2.985025]
    expected = ((np.array(late) + np.array(long)) / 2) ** SCALE_POWER
    np.testing.assert_allclose(made, [0.0, *expected])
    # Its lower bound is 0.3 of the mean change of the history: 100 changes of 1 in 5100.
    calm = np.append(np.arange(101.0), np.full(5000, 100.0))
    change = local_scale(calm, 1)[-1] ** (1 / SCALE_POWER)
    np.testing.assert_allclose(change, 0.3 * 100 / 5100)


@pytest.mark.parametrize("season", [2, 4, 12])
def test_usual_changes_are_subtracted(season):
    """The scale is that of a series whose changes are the surprises, computed place by place."""
    rng = np.random.default_rng(season)
    y = 5.0 * np.tile(rng.standard_normal(season), 30) + rng.standard_normal(30 * season).cumsum()
    surprises = np.zeros(len(y))
    for place in range(season):
        changes = [(t, y[t] - y[t - 1]) for t in range(1, len(y)) if t % season == place]
        usual = 0.0
        for n, (t, change) in enumerate(changes):
            surprises[t] = change - usual
            # The mean of the first ten; then it forgets.
            usual = np.mean([c for _, c in changes[: n + 1]]) if n < 10 else usual
            usual = 0.9 * usual + 0.1 * change if n >= 10 else usual
    expected = local_scale(np.abs(surprises).cumsum(), 1)
    np.testing.assert_allclose(local_scale(y, season), expected, rtol=1e-9)
    late = slice(2 * season, None)
    assert local_scale(y, season)[late].mean() < 0.6 * local_scale(y, 1)[late].mean()


def test_a_season_without_noise_still_has_a_scale():
    made = local_scale(np.tile([1.0, 5.0, 2.0], 100), 3)
    assert (made[1:] > 0.0).all()
    np.testing.assert_allclose(local_scale(np.full(50, 7.0), 4), 0.0)


def test_one_crisis_is_not_usual_for_years():
    """A change of 1,000 at one place moves the usual change there by 20 mean ones at most."""
    y = np.random.default_rng(0).standard_normal(480).cumsum()
    jump = np.where(np.arange(480) >= 240, 1000.0, 0.0)
    assert (local_scale(y + jump, 12)[300:] < 2.0 * local_scale(y, 12)[300:]).all()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_level_is_that_of_one_sign(sign):
    y = np.array([0.0, 0.0, 3.0, 5.0, 0.0, -1.0, 8.0])
    expected = sign * np.array([np.inf, np.inf, 1.0, 2.0, 1.6, np.inf, np.inf])
    np.testing.assert_allclose(
        signed_level(sign * y), np.where(np.isinf(expected), np.inf, expected)
    )


def test_skew_by_hand():
    assert skew_of(3.0, 2.0) == skew_of(-3.0, 2.0) == SKEW / 3.0
    assert skew_of(0.0, 4.0) == skew_of(np.nan, 4.0) == SKEW / (LEAST_SHARE * 4.0)
    assert skew_of(3.0, -2.0) == -SKEW / 3.0
    assert skew_of(3.0, np.inf) == 0.0


@pytest.mark.parametrize("skew", [0.0, 0.01, -0.3, 2.0])
def test_straightening_is_undone(skew):
    errors = np.append(np.linspace(-50.0, 50.0, 1001), [1e300, -1e300])
    straight = np.array([straightened(error, skew) for error in errors])
    assert (np.diff(straight[:-2]) > 0.0).all()
    again = np.array([skewed(z, skew) for z in straight])
    np.testing.assert_allclose(again, errors, rtol=1e-9, atol=1e-12)
    opposite = np.array([straightened(-error, -skew) for error in errors])
    np.testing.assert_array_equal(opposite, -straight)


def test_it_is_the_square_root_of_the_distance_from_the_opposite_forecast():
    """Box and Cox: y + f = 2 f (1 + z / (4 f))^2, so outcomes from -f on are put back exactly."""
    forecast, y = 10.0, np.linspace(-9.9, 100.0, 50)
    z = 4.0 * forecast * (np.sqrt((y + forecast) / (2.0 * forecast)) - 1.0)
    made = [straightened(value - forecast, skew_of(forecast, 1.0)) for value in y]
    np.testing.assert_allclose(made, z, rtol=1e-9, atol=1e-9)
