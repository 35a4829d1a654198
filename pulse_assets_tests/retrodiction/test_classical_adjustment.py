"""Rules on classically adjusted series equal plain arithmetic, and know nothing later."""

from functools import partial

import numpy as np
import pytest

from pulse_assets.retrodiction import smoothing
from pulse_assets.retrodiction.classical_adjustment import (
    adjusted_if_seasonal,
    classically_adjusted,
)
from pulse_assets.retrodiction.complex_smoothing import complex_smoothing
from pulse_assets.retrodiction.dynamic_theta import dynamic_theta
from pulse_assets.retrodiction.request import ForecastRequest, History
from pulse_assets_tests.retrodiction.examples import everywhere, rules, seasonal_walk

HORIZONS = np.array([1, 2, 5, 12])
THETA = partial(classically_adjusted, rule=smoothing.theta)
SMOOTHING = (
    *(smoothing.theta, smoothing.ses, smoothing.damped_holt),
    *(dynamic_theta, complex_smoothing),
)


def plain_size(known):
    """The largest history, up to all that is known, of which indices are estimated."""
    size, due = 0, 1
    while due <= known:
        size, due = due, int(due * 1.1) + 1
    return size


def plain_correlation(values, lag):
    centred = values - values.mean()
    return centred[lag:] @ centred[:-lag] / (centred @ centred)


def plain_indices(values, season):
    """Indices by places, or None without a season: the arithmetic of Naive2, with arrays."""
    if len(values) < 3 * season:
        return None
    lags = [plain_correlation(values, lag) for lag in range(1, season + 1)]
    limit = 1.645 * np.sqrt((1 + 2 * np.sum(np.square(lags[:-1]))) / len(values))
    if abs(lags[-1]) <= limit:
        return None
    weights = np.ones(season + 1 - season % 2)
    weights[[0, -1]] = 0.5 if season % 2 == 0 else 1.0
    half = season // 2
    average = np.convolve(values, weights / season, "valid")
    middle = values[half : len(values) - half]
    by_ratio = (values > 0).all() or (values < 0).all()
    parts = middle / average if by_ratio else middle - average
    places = np.arange(half, len(values) - half) % season
    means = np.array([parts[places == place].mean() for place in range(season)])
    return means / means.mean() if by_ratio else means - means.mean()


def plain_forecasts(y, season, rule):
    """The rule's forecasts from the last value of y, adjusted and put back."""
    early = y[: plain_size(len(y))]
    by_ratio = (early > 0).all() or (early < 0).all()
    indices = plain_indices(early, season)
    if indices is None:
        indices = np.full(season, 1.0 if by_ratio else 0.0)
    own = indices[np.arange(len(y)) % season]
    ahead = indices[(len(y) - 1 + HORIZONS) % season]
    made = everywhere(rule, y / own if by_ratio else y - own, HORIZONS, 1)[-1]
    return made * ahead if by_ratio else made + ahead


SERIES = {
    "by ratio": (seasonal_walk(60), 4),
    "all negative": (-seasonal_walk(60), 4),
    "both signs": (seasonal_walk(60) - 50.0, 4),
    "odd season": (seasonal_walk(60, season=5), 5),
    "monthly": (seasonal_walk(80, season=12), 12),
    "no season": (np.random.default_rng(8).standard_normal(60) + 50.0, 4),
    "changes sign late": (seasonal_walk(60) * np.where(np.arange(60) < 40, 1.0, -1.0), 4),
}


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("rule", SMOOTHING)
def test_it_equals_plain_arithmetic(name, rule):
    y, season = SERIES[name]
    made = everywhere(classically_adjusted, y, HORIZONS, season, rule=rule)
    for origin in (0, 5, 11, 13, 36, 40, 49, len(y) - 1):
        expected = plain_forecasts(y[: origin + 1], season, rule)
        np.testing.assert_allclose(made[origin], expected, rtol=1e-8)


def test_the_examples_have_a_season_or_none():
    seasonal = {name: plain_indices(y, season) is not None for name, (y, season) in SERIES.items()}
    assert [name for name, found in seasonal.items() if not found] == ["no season"]


def test_a_pure_season_is_repeated():
    made = everywhere(THETA, np.tile([1.0, 3.0], 6), np.array([1, 2, 3]), 2)
    np.testing.assert_allclose(made[-1], [1, 3, 1])


def test_without_a_season_there_are_no_forecasts():
    assert np.isnan(everywhere(THETA, seasonal_walk(60), HORIZONS, 1)).all()


@pytest.mark.parametrize(
    ("name", "rule"), [("ces", complex_smoothing), ("dynamic_theta", dynamic_theta)]
)
def test_a_rule_that_is_adjusted_if_seasonal_forecasts_without_seasons_too(name, rule):
    y, (own,) = seasonal_walk(60), rules(name)
    for season, expected in (
        (1, everywhere(rule, y, HORIZONS, 1)),
        (4, everywhere(classically_adjusted, y, HORIZONS, 4, rule=rule)),
    ):
        np.testing.assert_array_equal(everywhere(own.function, y, HORIZONS, season), expected)
        made = everywhere(adjusted_if_seasonal, y, HORIZONS, season, rule=rule)
        np.testing.assert_array_equal(made, expected)


def test_a_forecast_is_the_same_whatever_else_is_requested():
    """Neither other origins nor other series change a bit: estimates are due at fixed sizes."""
    one, other = seasonal_walk(70), seasonal_walk(50, seed=2) - 50.0
    y = np.append(one, other)
    alone = [everywhere(THETA, x, HORIZONS, 4) for x in (one, other)]
    origins = [[3, 30, 31, 69], [12, 49]]
    request = ForecastRequest.of([70, 50], origins, HORIZONS, 4)
    together = THETA(History(y, y), request)
    expected = np.concatenate([made[at] for made, at in zip(alone, origins, strict=True)])
    assert together.tobytes() == expected.tobytes()
    nothing = ForecastRequest.of([70, 50], [[], [20]], HORIZONS, 4)
    assert THETA(History(y, y), nothing).tobytes() == alone[1][20].tobytes()
