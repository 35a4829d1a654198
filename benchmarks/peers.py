"""The models of statsforecast, refitted at every origin, beside ours on 40 of the series.

10 origins 12 months apart, horizons 1 to 12: at 109 origins their automatic models take hours.
"""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from statsforecast.models import (
    AutoARIMA,
    AutoETS,
    AutoTheta,
    Holt,
    SimpleExponentialSmoothingOptimized,
)
from statsforecast.utils import ConformalIntervals

from benchmarks.accuracy import (
    HORIZONS,
    LEVELS,
    Evaluation,
    geometric_mean,
    last_origins,
    significance,
)
from pulse_assets.retrodiction.arrays import carry_forward

Floats = NDArray[np.float64]

#: Months between origins.
STEP: Final = 12
STEPS: Final = int(HORIZONS[-1])
#: Non-seasonal, as they are mostly run on such series, which are mostly adjusted for season.
PEERS: Final[dict[str, Callable[[], Any]]] = {
    "SES, optimised": SimpleExponentialSmoothingOptimized,
    "Holt": Holt,
    "AutoETS": AutoETS,
    "AutoTheta": AutoTheta,
    "AutoARIMA": AutoARIMA,
}
#: Takes eight minutes.
SLOW: Final = frozenset({"AutoARIMA"})


def compare(found: Evaluation, series: Mapping[str, Floats], *, full: bool) -> dict[str, Any]:
    """Run the peers on the series of an evaluation, print and return all figures.

    Args:
        found: our errors on the series.
        series: the series by name.
        full: whether the `SLOW` ones run too.
    """
    ours = {name: [e[m, ::STEP] for e in found.errors] for m, name in enumerate(found.models)}
    errors, seconds = {"ensemble": ours["ensemble"], "naive": ours["naive"]}, {}
    for name, make in PEERS.items():
        if name in SLOW and not full:
            continue
        started = time.perf_counter()
        errors[name] = [peer_errors(make, series[n]) for n in found.series]
        seconds[name] = round(time.perf_counter() - started, 1)
        sys.stderr.write(f"{name}: {seconds[name]} s\n")
    result = {
        name: {
            "mae_to_naive": round(float(_ratio(errors[name], errors["naive"])), 4),
            "seconds": seconds.get(name),
            "ensemble_dm": _test(errors["ensemble"], errors[name]),
        }
        for name in errors
    }
    for name, row in sorted(result.items(), key=lambda item: item[1]["mae_to_naive"]):
        took = "" if row["seconds"] is None else f"{row['seconds']:8.1f} s"
        sys.stdout.write(f"{name:20}{row['mae_to_naive']:7.3f}{took:>12}  {row['ensemble_dm']}\n")
    intervals = conformal(found, series)
    sys.stdout.write(f"intervals at {LEVELS}: {intervals}\n")
    return {"models": result, "intervals": intervals}


def peer_errors(make: Callable[[], Any], y: Floats) -> Floats:
    """Return the absolute errors `[O, H]` of a model refitted at each origin."""
    filled = carry_forward(y)
    start = int(np.isfinite(filled).argmax())
    errors = []
    for o in last_origins(y, STEP):
        made = make().forecast(y=filled[start : o + 1], h=STEPS)["mean"]
        errors.append(np.abs(made - y[o + HORIZONS]))
    return np.array(errors)


def _ratio(errors: list[Floats], base: list[Floats]) -> Floats:
    return geometric_mean(
        np.array([e.mean() / b.mean() for e, b in zip(errors, base, strict=True)])
    )


def _test(ours: list[Floats], theirs: list[Floats]) -> dict[str, int]:
    """Test the mean error over horizons; origins a year apart share no target, so h = 1."""
    return significance(
        [(a.mean(axis=1), b.mean(axis=1)) for a, b in zip(ours, theirs, strict=True)], 1
    )


def conformal(found: Evaluation, series: Mapping[str, Floats]) -> dict[str, Any]:
    """Compare our intervals with the conformal ones of Holt; widths over naive's mean error."""
    at, ensemble = found.models.index("naive"), found.models.index("ensemble")
    coverage, width = [], []
    for name, errors in zip(found.series, found.errors, strict=True):
        covered, wide = _holt_intervals(series[name])
        coverage.append(covered)
        width.append(wide / errors[at].mean())
    return {
        "ensemble": _figures(found.coverage[:, ensemble], found.width[:, ensemble]),
        "Holt, conformal": _figures(np.array(coverage), np.array(width)),
    }


def _holt_intervals(y: Floats) -> tuple[Floats, Floats]:
    """Return coverage and mean width `[L]` of Holt's conformal intervals."""
    filled = carry_forward(y)
    start = int(np.isfinite(filled).argmax())
    inside, wide = [], []
    levels = [round(100 * level) for level in LEVELS]
    for o in last_origins(y, STEP):
        model = Holt(prediction_intervals=ConformalIntervals(n_windows=5, h=STEPS))
        made = model.forecast(y=filled[start : o + 1], h=STEPS, level=levels)
        truth = y[o + HORIZONS]
        inside.append([(made[f"lo-{q}"] <= truth) & (truth <= made[f"hi-{q}"]) for q in levels])
        wide.append([made[f"hi-{q}"] - made[f"lo-{q}"] for q in levels])
    return np.mean(inside, axis=(0, 2)), np.mean(wide, axis=(0, 2))


def _figures(coverage: Floats, width: Floats) -> dict[str, list[float]]:
    return {
        "coverage": [round(float(v), 4) for v in coverage.mean(axis=0)],
        "median_width": [round(float(v), 4) for v in np.median(width, axis=0)],
    }
