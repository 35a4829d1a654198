"""Rules without a free choice equal those of statsforecast."""

import numpy as np
import pandas as pd
import pytest
from statsforecast import StatsForecast
from statsforecast.models import (
    HistoricAverage,
    Naive,
    RandomWalkWithDrift,
    SeasonalNaive,
    SimpleExponentialSmoothing,
    WindowAverage,
)

from pulse_assets.retrodiction import smoothing
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
