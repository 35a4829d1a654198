"""Rules without a free choice equal those of statsforecast."""

import numpy as np
import pandas as pd
import pytest
from statsforecast import StatsForecast
from statsforecast.models import (
    AutoCES,
    DynamicOptimizedTheta,
    HistoricAverage,
    Naive,
    RandomWalkWithDrift,
    SeasonalNaive,
    SimpleExponentialSmoothing,
    WindowAverage,
)

from pulse_assets.retrodiction import smoothing
from pulse_assets.retrodiction.complex_smoothing import complex_smoothing
from pulse_assets.retrodiction.dynamic_theta import dynamic_theta
from pulse_assets.retrodiction.walk_forward import walk_forward
from pulse_assets_tests.retrodiction.examples import everywhere, random_walk, rules, seasonal_walk

NAMES = ("naive", "drift", "seasonal_naive", "mean", "window_mean")


@pytest.mark.parametrize("season", [4, 12])
def test_equal_statsforecast(season):
    y, longest, windows = seasonal_walk(80, season), 15, 40
    frame = pd.DataFrame(
        {"unique_id": "a", "ds": np.arange(len(y)), "y": y},
    )
    models = [
        Naive(),
        RandomWalkWithDrift(),
        SeasonalNaive(season),
        HistoricAverage(),
        WindowAverage(season),
    ]
    theirs = StatsForecast(models, freq=1).cross_validation(
        h=longest, df=frame, n_windows=windows, step_size=1
    )
    origins = np.unique(theirs["cutoff"])
    ours = walk_forward(y, origins, range(1, longest + 1), season, rules(*NAMES))
    for mine, model in zip(ours, models, strict=True):
        expected = theirs[model.alias].to_numpy().reshape(windows, longest)
        np.testing.assert_allclose(mine, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9])
def test_ses_equals_statsforecast(alpha):
    y, constants = random_walk(60), np.array([[alpha], [0.0], [0.0]])
    ours = everywhere(smoothing.ses, y, np.array([1, 3]), 1, constants)
    for origin in (0, 1, 30, 59):
        theirs = SimpleExponentialSmoothing(alpha).forecast(y=y[: origin + 1], h=3)["mean"]
        np.testing.assert_allclose(ours[origin], theirs[[0, 2]], rtol=0, atol=1e-8)


def trending_walk(length, seed):
    return 100.0 + 0.3 * np.arange(length) + random_walk(length, seed)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_complex_smoothing_equals_statsforecast_with_its_constants(seed):
    """In a long series: its states start elsewhere."""
    y = trending_walk(600, seed)
    model = AutoCES(season_length=1, model="N").fit(y)
    par = model.model_["par"]
    constants = np.array([[par["alpha_0"]], [par["alpha_1"]]])
    ours = everywhere(complex_smoothing, y, np.array([1, 2, 12]), 1, constants)[-1]
    np.testing.assert_allclose(ours, model.predict(12)["mean"][[0, 1, 11]], rtol=1e-8)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_dynamic_theta_equals_statsforecast_with_its_constants(seed):
    """In a long series: its level starts elsewhere."""
    y = trending_walk(600, seed)
    model = DynamicOptimizedTheta(season_length=1).fit(y)
    par = model.model_["par"]
    constants = np.array([[par["alpha"]], [1.0 - 1.0 / par["theta"]]])
    ours = everywhere(dynamic_theta, y, np.array([1, 2, 12]), 1, constants)[-1]
    np.testing.assert_allclose(ours, model.predict(12)["mean"][[0, 1, 11]], rtol=1e-8)


@pytest.mark.parametrize(
    ("rule", "make"),
    [("ces", lambda: AutoCES(4, model="N")), ("dynamic_theta", lambda: DynamicOptimizedTheta(1))],
)
def test_errors_are_about_those_of_statsforecast_which_fits_at_each_origin(rule, make):
    y = trending_walk(120, 7)
    origins, h = np.arange(60, 116), 4
    truth = y[origins[:, None] + np.arange(1, h + 1)]
    ours = walk_forward(y, origins, range(1, h + 1), 1, rules(rule))[0]
    theirs = np.array([make().forecast(y=y[: o + 1], h=h)["mean"] for o in origins])
    ratio = np.abs(ours - truth).mean() / np.abs(theirs - truth).mean()
    assert 0.8 < ratio < 1.2
