"""The models of statsforecast on the series of competitions, and the median of all three.

Their forecasts do not depend on this project, and those of whole sets take an hour: they are stored
by version of statsforecast and read from there the next time, with the seconds they took.
"""

import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from statsforecast.models import AutoCES, AutoETS, DynamicOptimizedTheta

from benchmarks.competition_forecasts import ModelForecasts, median_forecasts
from benchmarks.competition_series import CompetitionSeries, sample
from benchmarks.quantile_scores import LEVELS
from pulse_assets.array_types import Floats

PEERS: Final[dict[str, Callable[..., Any]]] = {
    "AutoETS": AutoETS,
    "DynamicOptimizedTheta": DynamicOptimizedTheta,
    "AutoCES": AutoCES,
}
MEDIAN: Final = "median of the three"
#: Series per set that the peers forecast unless all are wanted.
SAMPLE_SIZE: Final = 60
#: Coverage of the peers' intervals in percent, whose bounds are the quantiles but the median.
_INTERVALS: Final = [round(100 * (1 - 2 * level)) for level in LEVELS if level < 0.5]


def peer_forecasts(
    sets: Mapping[str, Sequence[CompetitionSeries]], cache: Path, *, full: bool
) -> dict[str, tuple[list[int], dict[str, ModelForecasts]]]:
    """Return the indices of the series used of each set, and the peers' forecasts for them.

    Args:
        sets: the series by set.
        cache: directory where forecasts are stored and looked for.
        full: whether all series are used, not a sample of them.
    """
    found = {}
    for name, group in sets.items():
        indices = sample(group, len(group) if full else SAMPLE_SIZE)
        used, counts = [group[i] for i in indices], f"{len(indices)} of {len(group)}"
        models = {}
        for model in PEERS:
            path = cache / f"{model} {name} {counts} {version('statsforecast')}.npz"
            models[model] = _stored(path, model, used)
        found[name] = indices, {**models, MEDIAN: median_forecasts(models)}
    return found


def forecast_all(model: str, group: Sequence[CompetitionSeries]) -> ModelForecasts:
    """Return a peer's forecasts for all series; those of a series on which it fails are NaN."""
    make = PEERS[model]
    predicted, quantiles, seconds = [], [], []
    for series in group:
        started = time.process_time()
        made = _forecast(make, series)
        seconds.append(time.process_time() - started)
        predicted.append(made[LEVELS.index(0.5)])
        quantiles.append(made)
    return ModelForecasts(np.array(predicted), np.array(quantiles), np.array(seconds))


def _forecast(make: Callable[..., Any], series: CompetitionSeries) -> Floats:
    """Return the quantiles `[L, H]` of a model's own intervals about its forecast.

    They have no median: the forecast stands for it. All are NaN if the model fails, be it by an
    error or by a value that is not finite: some do on series that are short or constant.
    """
    steps = len(series.future)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = make(season_length=series.season)
            made = model.forecast(y=series.history.copy(), h=steps, level=_INTERVALS)
    except Exception as error:  # any fault of a model is a missing forecast
        sys.stderr.write(f"{make} on {len(series.history)} values: {error!r}\n")
        return np.full((len(LEVELS), steps), np.nan)
    lower = [made[f"lo-{share}"] for share in _INTERVALS]
    upper = [made[f"hi-{share}"] for share in reversed(_INTERVALS)]
    quantiles = np.array([*lower, made["mean"], *upper], np.float64)
    return quantiles if np.isfinite(quantiles).all() else np.full_like(quantiles, np.nan)


def _stored(path: Path, model: str, group: Sequence[CompetitionSeries]) -> ModelForecasts:
    """Return the forecasts stored at a path; make and store them if there are none."""
    if path.exists():
        with np.load(path) as parts:
            if np.array_equal(parts["levels"], LEVELS):
                return ModelForecasts(parts["predicted"], parts["quantiles"], parts["seconds"])
    _forecast(PEERS[model], group[0])  # compiles what is compiled
    made = forecast_all(model, group)
    sys.stderr.write(f"{path.stem}: {made.seconds.sum():.1f} processor seconds\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        levels=np.array(LEVELS),
        predicted=made.predicted,
        quantiles=made.quantiles,
        seconds=made.seconds,
    )
    return made
