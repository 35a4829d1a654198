import numpy as np
import pytest
from scipy import stats

from pulse_assets.retrodiction import quantiles as q
from pulse_assets.retrodiction.error_scale import (
    LEAST_SHARE,
    MEAN_KNOWN_FROM,
    SCALE_POWER,
    SKEW,
    local_scale,
)
from pulse_assets.retrodiction.padding import pack
from pulse_assets.retrodiction.quantiles import first_quantiles, quantile_offsets, step_weights
from pulse_assets.retrodiction.retrodict import retrodict
from pulse_assets_tests.retrodiction.examples import random_walk, rules

LEVELS = np.array([0.05, 0.25, 0.5, 0.9])


def offsets_of(y, forecasts, h=1, levels=LEVELS, filled=None, season=1):
    """Return the offsets `[T, L]` of one model at every index."""
    padded, filled = pack(np.full((1, len(y), 1), np.nan)), y if filled is None else filled
    padded[0, :, 0] = forecasts
    made = quantile_offsets(padded, y, filled, np.array([h]), np.arange(len(y)), levels, season)
    return made[0, :, :, 0]


def plain_skew(y, forecast):
    """The factor of z^2, from the definition in the docstring of `error_scale`."""
    if min(y) < 0.0 < max(y) or not any(y):
        return 0.0
    return np.sign(y.sum()) * SKEW / max(abs(forecast), LEAST_SHARE * np.abs(y).mean())


def plain_straightened(error, skew):
    """The larger root of skew z^2 + z = error, nearer to 0; there is none beyond its turn."""
    if skew == 0.0:
        return error
    if skew * error < -0.25:
        return 2.0 * error
    roots = np.roots([skew, 1.0, -error])
    return roots[np.abs(roots).argmin()].real


def plain_skewed(straight, skew):
    return straight + skew * straight**2 if skew * straight > -0.5 else straight / 2.0


def plain_offsets(y, forecasts, h, levels, season=1):
    """The same in plain Python, from the definition in the docstring of the module."""
    scale = local_scale(y, season)
    first = stats.t.ppf(levels, 4)
    # The root of the ratio of the densities of Student's t law with 4 degrees of freedom.
    weight = (stats.t.pdf(0.0, 4) / stats.t.pdf(first, 4)) ** 0.5
    found, typical, tracked = [], [], list(first)
    verified = count = total = 0.0
    for t in range(len(y)):
        if t >= h:
            then = scale[t - h] or scale[t] or 1.0
            made = forecasts[t - h]
            error = plain_straightened(y[t] - made, plain_skew(y[: t - h + 1], made)) / then
            if typical[t - 1] > 0:
                unit_error = error / typical[t - 1]
                tracked = [
                    value + q.STEP * w * (tau - (unit_error < value) - (unit_error == value) / 2)
                    for value, tau, w in zip(tracked, levels, weight, strict=True)
                ]
            size = abs(error)
            if verified >= MEAN_KNOWN_FROM:
                size = min(size, q.ERROR_LIMIT * total / count)
            kept = min(q.ERROR_DISCOUNT, max(1 - q.FADING / (t + 1), 0.5))
            verified, count, total = verified + 1, kept * count + 1, kept * total + size
        change = scale[t] ** (1 / SCALE_POWER)
        prior = q.FIRST_SIZE * h**q.FIRST_SIZE_POWER * (change / scale[t] if change else 0.0)
        typical.append((q.FIRST_ERRORS * prior + total) / (q.FIRST_ERRORS + count))
        wider = 1 + q.WIDER / (count + q.WIDER_FROM)
        unit = (scale[t] or 1.0) if t else np.nan
        straight, skew = typical[t] * wider * unit, plain_skew(y[: t + 1], forecasts[t])
        found.append(sorted(plain_skewed(value * straight, skew) for value in tracked))
    return np.array(found)


@pytest.mark.parametrize("h", [1, 3])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sign", [0, 1, -1])
def test_equals_the_definition(sign, seed, h):
    """Of series of both signs, and of one sign: some errors are as large as the values."""
    rng = np.random.default_rng(seed)
    y = rng.standard_t(3, 80).cumsum()
    y = sign * np.abs(y) if sign else y
    forecasts, season = y + rng.normal(size=80), 1 + 3 * (seed % 2)
    made = offsets_of(y, forecasts, h, season=season)
    np.testing.assert_allclose(made, plain_offsets(y, forecasts, h, LEVELS, season), rtol=1e-9)


def test_begins_with_the_law_of_student():
    levels = np.array([0.001, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.999])
    made = first_quantiles(levels)
    np.testing.assert_allclose(made, stats.t.ppf(levels, 4), atol=1e-12)
    np.testing.assert_array_equal(made, -made[::-1])
    assert stats.t.expect(abs, args=(4,)) == pytest.approx(1.0)
    ratio = stats.t.pdf(0.0, 4) / stats.t.pdf(made, 4)
    np.testing.assert_allclose(step_weights(made), ratio**0.5)


def test_the_first_quantiles_are_those_of_a_random_walk():
    # Of both signs, so without skew. No error of horizon 2 is verified.
    y = np.array([-1.0, -1.0, -1.0, 7.0])
    made = offsets_of(y, np.full(4, np.nan), h=2, levels=np.array([0.05, 0.5, 0.95]))[3]
    change = local_scale(y, 1)[3] ** (1 / SCALE_POWER)
    expected = 2.1318468 * q.FIRST_SIZE * 2**q.FIRST_SIZE_POWER * change * 1.1
    np.testing.assert_allclose(made, [-expected, 0.0, expected], rtol=1e-6)


def test_errors_of_the_opposite_sign_have_the_opposite_quantiles():
    rng = np.random.default_rng(0)
    y, forecasts = rng.exponential(size=(2, 200))
    levels = np.array([0.1, 0.3, 0.7, 0.9])
    made, opposite = offsets_of(y, forecasts, 1, levels), offsets_of(-y, -forecasts, 1, levels)
    np.testing.assert_allclose(opposite, -made[:, ::-1], rtol=1e-12)


def test_a_horizon_does_not_depend_on_the_others():
    y = random_walk(120)
    pool, origins = rules("naive", "ses", "drift"), range(120)
    together = retrodict(y, origins, [1, 2, 5, 12], 1, pool)
    for j, h in enumerate([1, 2, 5, 12]):
        alone = retrodict(y, origins, [h], 1, pool)
        np.testing.assert_array_equal(alone.quantiles[..., 0], together.quantiles[..., j])


def test_a_level_does_not_depend_on_the_others_where_none_cross():
    y = random_walk(300)
    alone = retrodict(y, [299], [1, 12], 1, rules("naive"), levels=[0.9])
    together = retrodict(y, [299], [1, 12], 1, rules("naive"), levels=[0.1, 0.5, 0.9])
    np.testing.assert_array_equal(alone.quantiles[0], together.quantiles[2])


def test_missing_outcomes_and_forecasts_change_nothing():
    rng = np.random.default_rng(0)
    y, forecasts = rng.standard_normal(60), np.zeros(60)
    y[30:40], forecasts[45:50] = np.nan, np.nan
    filled = np.where(np.isnan(y), y[29], y)
    made = offsets_of(y, forecasts, filled=filled)[:, 0]
    # The prior of one error alone depends on the recent changes.
    in_units = made / local_scale(filled, 1)
    np.testing.assert_allclose(in_units[29:40], in_units[29], rtol=0.05)
    np.testing.assert_allclose(in_units[46:51], in_units[45], rtol=0.05)


def test_a_storm_widens_the_quantiles_far_ahead_before_their_errors_are_verified():
    y = np.append(np.random.default_rng(0).standard_normal(300), [30.0, -20.0])
    made = offsets_of(y, np.zeros(302), h=12)[:, -1]
    assert made[-1] > 2.0 * made[-3]


def test_wild_years_are_forgotten():
    y = np.random.default_rng(0).standard_normal(800)
    y[:100] *= 1000.0
    assert offsets_of(y, np.zeros(800))[-1, -1] < 10.0


@pytest.mark.parametrize("seed", range(3))
def test_each_level_holds_its_share_on_stationary_series(seed):
    rng = np.random.default_rng(seed)
    y = np.zeros(3000)
    for t in range(1, 3000):
        y[t] = 0.6 * y[t - 1] + rng.standard_normal()
    horizons, origins = np.array([1, 6]), np.arange(200, 2990)
    levels = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
    pool = rules("naive", "mean", "ses", "ar_level_1")
    made = retrodict(y, origins, horizons, 1, pool, levels=levels)
    for j, h in enumerate(horizons):
        below = (y[origins + h] <= made.quantiles[:, :, :, j]).mean(axis=2)
        np.testing.assert_allclose(below, np.broadcast_to(levels[:, None], below.shape), atol=0.02)


def test_skewed_errors_have_skewed_quantiles():
    y = np.random.default_rng(0).exponential(size=3000)
    made = offsets_of(y, np.ones(3000), levels=np.array([0.05, 0.5, 0.95]))
    # Quantiles of the exponential law, less its mean; the local scale moves around its mean.
    expected = np.log([1 / 0.95, 2, 20]) - 1
    np.testing.assert_allclose(made[-1000:].mean(axis=0), expected, rtol=0.2)


def test_a_constant_series_has_quantiles_of_no_width():
    made = retrodict(np.full(40, 3.0), [39], [1, 5], 1, rules())
    awake = ~np.isnan(made.predicted)
    for quantile in made.quantiles:
        np.testing.assert_allclose(quantile[awake], 3.0, rtol=1e-12)


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (0.0, np.inf), (-np.inf, 0.5)])
def test_no_forecast_and_no_quantile_lies_outside_the_bounds(bounds):
    y = np.clip(np.random.default_rng(0).normal(0.4, 0.4, 120).cumsum() % 1.0, *bounds)
    made = retrodict(y, range(120), [1, 3], 4, rules(), bounds=bounds)
    for values in (made.predicted, made.quantiles):
        known = values[~np.isnan(values)]
        assert bounds[0] <= known.min() <= known.max() <= bounds[1]
