"""Scores of models on a set of series of a competition, and tests of one model against another.

Source:
    Makridakis, Spiliotis and Assimakopoulos (2020), "The M4 Competition: 100,000 time series and 61
    forecasting methods", International Journal of Forecasting 36 (1),
    doi:10.1016/j.ijforecast.2019.04.014 (OWA, MSIS).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from benchmarks.comparison import significance
from benchmarks.competition_forecasts import ModelForecasts, reference_forecasts
from benchmarks.competition_series import CompetitionSeries
from benchmarks.quantile_scores import (
    LEVELS,
    interval_coverage_by_horizon,
    quantile_coverage,
    scaled_interval_scores,
    scaled_quantile_losses,
)
from pulse_assets.array_types import Floats

#: The levels of SQL: all but those of MSIS's interval.
SQL_LEVELS: Final = LEVELS[1:-1]
#: Share of outcomes that MSIS's interval misses.
ALPHA: Final = 0.05
#: Name of the reference in results.
REFERENCE: Final = "Naive2"


@dataclass(frozen=True)
class SetScores:
    """The scores of one model on a set; a missing forecast counts as Naive2's.

    Attributes:
        absolute: absolute errors over the series' scale `[S, H]`; NaN without a scale.
        relative: 200 |f - y| / (|f| + |y|) `[S, H]`.
        quantile_losses: mean over `SQL_LEVELS` of the scaled quantile losses `[S, H]`.
        interval_scores: scaled, of the interval of 95 % `[S, H]`.
        coverage: share of outcomes at or below the quantile of each of the `LEVELS` `[L]`, of the
            forecasts that are not missing.
        coverage_90: share of outcomes in the interval of 90 % by horizon `[H]`, of the same.
        missing: number of series of which a forecast is missing.
        seconds: processor seconds; NaN where not measured.
    """

    absolute: Floats
    relative: Floats
    quantile_losses: Floats
    interval_scores: Floats
    coverage: Floats
    coverage_90: Floats
    missing: int
    seconds: float


def score(
    group: Sequence[CompetitionSeries], forecasts: ModelForecasts, reference: ModelForecasts
) -> SetScores:
    """Score forecasts for the series of a set.

    Args:
        group: the series, all with as many values to forecast.
        forecasts: of the model.
        reference: of Naive2, which stand in for those that are missing.
    """
    observed = np.array([series.future for series in group])
    scales = np.array([series.scale() for series in group])
    known = dict(zip(LEVELS, np.moveaxis(forecasts.quantiles, 1, 0), strict=True))
    filled = forecasts.filled(reference)
    gaps = np.abs(filled.predicted - observed)
    sizes = np.abs(filled.predicted) + np.abs(observed)
    quantiles = filled.quantiles
    return SetScores(
        absolute=gaps / scales[:, None],
        relative=200.0 * np.divide(gaps, sizes, out=np.zeros_like(gaps), where=sizes > 0.0),
        quantile_losses=scaled_quantile_losses(observed, quantiles[:, 1:-1], SQL_LEVELS, scales),
        interval_scores=scaled_interval_scores(
            observed, quantiles[:, 0], quantiles[:, -1], ALPHA, scales
        ),
        coverage=quantile_coverage(observed, forecasts.quantiles),
        coverage_90=interval_coverage_by_horizon(observed, known[0.05], known[0.95]),
        missing=forecasts.missing(),
        seconds=float(forecasts.seconds.sum()),
    )


def owa(scores: SetScores, reference: SetScores) -> float:
    """Return the mean of MASE and sMAPE, each over that of Naive2."""
    mase = np.nanmean(scores.absolute) / np.nanmean(reference.absolute)
    smape = scores.relative.mean() / reference.relative.mean()
    return float(mase + smape) / 2.0


def summarise(scores: SetScores, reference: SetScores) -> dict[str, Any]:
    """Return the figures of a model on a set: means over series and horizons."""
    return {
        "owa": round(owa(scores, reference), 4),
        "mase": _rounded(np.nanmean(scores.absolute)),
        "smape": _rounded(scores.relative.mean()),
        "sql": _rounded(np.nanmean(scores.quantile_losses)),
        "msis": _rounded(np.nanmean(scores.interval_scores)),
        "coverage": {
            f"{level:g}": _rounded(share)
            for level, share in zip(LEVELS, scores.coverage, strict=True)
        },
        "coverage_90_by_horizon": [_rounded(share) for share in scores.coverage_90],
        "missing": scores.missing,
        "seconds": _rounded(scores.seconds, 3),
    }


def evaluate(
    group: Sequence[CompetitionSeries], models: Mapping[str, ModelForecasts]
) -> tuple[dict[str, SetScores], dict[str, Any]]:
    """Return the scores of the models and of Naive2 on a set, and their figures."""
    reference = reference_forecasts(group)
    with_reference = {**models, REFERENCE: reference}
    scores = {name: score(group, f, reference) for name, f in with_reference.items()}
    figures = {name: summarise(s, scores[REFERENCE]) for name, s in scores.items()}
    return scores, {"series": len(group), "models": figures}


def compare(first: SetScores, second: SetScores) -> dict[str, Any]:
    """Test whether the first model's losses are smaller, at each horizon over the series of a set.

    A series is forecast once, so losses are paired by series: at one horizon they are those of
    independent series, and the test of Diebold and Mariano is that of forecasts one step ahead. The
    horizons of one series are no sample, as one surprise moves all of them.

    Returns:
        Of absolute errors and of quantile losses, the number of horizons at which the first is
        significantly better, worse or neither; and on how many series its mean loss is smaller.
    """
    found: dict[str, Any] = {}
    for kind in ("absolute", "quantile_losses"):
        pair: tuple[Floats, Floats] = getattr(first, kind), getattr(second, kind)
        one, other = (losses[np.isfinite(pair[0]).all(axis=1)] for losses in pair)
        smaller = int((one.mean(axis=1) < other.mean(axis=1)).sum())
        tests = significance(list(zip(one.T, other.T, strict=True)), 1)
        found[kind] = tests | {"smaller_on": smaller, "series": len(one)}
    return found


def _rounded(value: float | np.floating, digits: int = 4) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None
