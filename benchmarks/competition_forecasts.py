"""The forecasts of one model for a set of series, and those of our models.

Each series is forecast once, from its last value, as in the competitions.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.competition_series import CompetitionSeries, naive2_quantiles
from benchmarks.quantile_scores import LEVELS
from pulse_assets.array_types import Floats
from pulse_assets.retrodiction.retrodict import retrodict
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, resolve_rules


@dataclass(frozen=True)
class ModelForecasts:
    """The forecasts of one model for the series of a set, all of which have H values to forecast.

    Attributes:
        predicted: point forecasts `[S, H]`; NaN where the model has none.
        quantiles: of each of the `LEVELS` `[S, L, H]`; NaN where the model has none.
        seconds: processor seconds for each series `[S]`; NaN where they were not measured.
    """

    predicted: Floats
    quantiles: Floats
    seconds: Floats

    def of(self, indices: Sequence[int]) -> "ModelForecasts":
        """Return the forecasts of these series."""
        at = list(indices)
        return ModelForecasts(self.predicted[at], self.quantiles[at], self.seconds[at])

    def missing(self) -> int:
        """Return the number of series of which a point forecast or quantile is missing."""
        known = np.isfinite(self.predicted) & np.isfinite(self.quantiles).all(axis=1)
        return int((~known.all(axis=1)).sum())

    def filled(self, other: "ModelForecasts") -> "ModelForecasts":
        """Return the forecasts with those of another model where one is missing."""
        missing = np.isnan(self.predicted), np.isnan(self.quantiles)
        return ModelForecasts(
            np.where(missing[0], other.predicted, self.predicted),
            np.where(missing[1], other.quantiles, self.quantiles),
            self.seconds,
        )


def our_forecasts(group: Sequence[CompetitionSeries]) -> dict[str, ModelForecasts]:
    """Retrodict the last origin of each series with the default rules; return it by model.

    The seconds, those of all rules and both ensembles together, stand at `ensemble`.
    """
    rules = resolve_rules(DEFAULT_MODELS)
    models: tuple[str, ...] = ()
    predicted, quantiles, seconds = [], [], []
    for series in group:
        started = time.process_time()
        steps = np.arange(1, len(series.future) + 1)
        origins = [len(series.history) - 1]
        made = retrodict(series.history, origins, steps, series.season, rules, levels=LEVELS)
        seconds.append(time.process_time() - started)
        predicted.append(made.predicted[:, 0])
        quantiles.append(np.moveaxis(made.quantiles[:, :, 0], 0, 1))
        models = made.models
    unmeasured = np.full(len(group), np.nan)
    return {
        model: ModelForecasts(
            np.array([p[m] for p in predicted]),
            np.array([q[m] for q in quantiles]),
            np.array(seconds) if model == "ensemble" else unmeasured,
        )
        for m, model in enumerate(models)
    }


def reference_forecasts(group: Sequence[CompetitionSeries]) -> ModelForecasts:
    """Return the forecasts of Naive2, with the quantiles of a normal random walk."""
    quantiles = np.array([naive2_quantiles(series, LEVELS) for series in group])
    middle = quantiles[:, LEVELS.index(0.5)]
    return ModelForecasts(middle, quantiles, np.full(len(group), np.nan))


def median_forecasts(models: Mapping[str, ModelForecasts]) -> ModelForecasts:
    """Return the median over models of their point forecasts and of the quantiles of each level.

    A model without a forecast is left out of the median. The seconds are those of all models.
    """
    all_models = list(models.values())
    return ModelForecasts(
        _median([m.predicted for m in all_models]),
        _median([m.quantiles for m in all_models]),
        np.sum([m.seconds for m in all_models], axis=0),
    )


def _median(values: Sequence[Floats]) -> Floats:
    """Return the median over arrays of the values that are not NaN; NaN where none is."""
    ordered = np.sort(np.array(values), axis=0)  # NaN last
    counts = np.isfinite(ordered).sum(axis=0, keepdims=True)
    lower, upper = np.maximum(counts - 1, 0) // 2, np.maximum(counts, 1) // 2
    return np.mean([np.take_along_axis(ordered, at, axis=0)[0] for at in (lower, upper)], axis=0)
