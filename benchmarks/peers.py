"""The models of statsforecast, refitted at every origin, beside ours on 40 of the series.

10 origins 12 months apart, horizons 1 to 12: at 109 origins their automatic models take hours.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from statsforecast.models import (
    AutoARIMA,
    AutoETS,
    AutoTheta,
    Holt,
    SimpleExponentialSmoothingOptimized,
)

from benchmarks.comparison import geometric_mean, significance
from benchmarks.evaluation import HORIZONS, TESTED, Evaluation, last_origins
from benchmarks.intervals import compare_intervals
from pulse_assets.array_types import Floats
from pulse_assets.retrodiction.arrays import carry_forward

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
#: Take minutes.
SLOW: Final = frozenset({"AutoTheta", "AutoARIMA"})


def compare(found: Evaluation, series: Mapping[str, Floats], *, full: bool) -> dict[str, Any]:
    """Run the peers on the series of an evaluation, print and return all figures.

    Args:
        found: our errors on the series.
        series: the series by name.
        full: whether the `SLOW` ones run too, and AutoETS for its intervals.
    """
    ours = dict(zip(found.models, zip(*found.errors, strict=True), strict=True))
    errors = {name: [e[::STEP] for e in ours[name]] for name in ("ensemble", "naive")}
    seconds: dict[str, float] = {}
    for name, make in PEERS.items():
        if full or name not in SLOW:
            started = time.perf_counter()
            errors[name] = [peer_errors(make, series[n]) for n in found.series]
            seconds[name] = round(time.perf_counter() - started, 1)
            sys.stderr.write(f"{name}: {seconds[name]} s\n")
    models = {
        name: _summarise(errors[name], errors) | {"seconds": seconds.get(name)} for name in errors
    }
    sys.stdout.write(_table(models, len(found.series)))
    of_these = {name: series[name] for name in found.series}
    bounded = {"Holt": Holt} | ({"AutoETS": AutoETS} if full else {})
    intervals = {}
    for name, make in bounded.items():
        intervals[name] = compare_intervals(of_these, make, STEP)
        for level, row in intervals[name].items():
            sys.stdout.write(f"intervals, {name}, level {level}: {row}\n")
    return {"series": len(found.series), "models": models, "intervals": intervals}


def peer_errors(make: Callable[[], Any], y: Floats) -> Floats:
    """Return the absolute errors `[O, H]` of a model refitted at each origin."""
    filled = carry_forward(y)
    start = int(np.isfinite(filled).argmax())
    errors = []
    for o in last_origins(y, STEP):
        made = make().forecast(y=filled[start : o + 1], h=STEPS)["mean"]
        errors.append(np.abs(made - y[o + HORIZONS]))
    return np.array(errors)


def _summarise(errors: Sequence[Floats], of_all: Mapping[str, Sequence[Floats]]) -> dict[str, Any]:
    """Relate a model's errors, `[O, H]` a series, to naive's and to the ensemble's.

    Origins lie a year apart, so that their forecasts share no target: they are tested as forecasts
    of one step are, whatever the horizon.
    """
    mae = np.array([e.mean(axis=0) for e in errors])
    naive = np.array([e.mean(axis=0) for e in of_all["naive"]])
    pairs = list(zip(of_all["ensemble"], errors, strict=True))
    tests = {h: [(a[:, h - 1], b[:, h - 1]) for a, b in pairs] for h in TESTED}
    return {
        "mae_to_naive": round(float(geometric_mean(mae.mean(axis=1) / naive.mean(axis=1))), 4),
        "by_horizon": [round(float(v), 4) for v in geometric_mean(mae / naive)],
        "ensemble_dm": significance([(a.mean(axis=1), b.mean(axis=1)) for a, b in pairs], 1),
        "ensemble_dm_by_horizon": {str(h): significance(t, 1) for h, t in tests.items()},
    }


def _table(models: Mapping[str, Any], count: int) -> str:
    """Lay the figures out as text; a ratio is the ensemble's error over the model's."""
    lines = [f"{count} series, 10 origins", f"{'':20}{'error':>7}{'ratio':>7}"]
    ours = models["ensemble"]["mae_to_naive"]
    for name, row in sorted(models.items(), key=lambda item: item[1]["mae_to_naive"]):
        took = "" if row["seconds"] is None else f"{row['seconds']:8.1f} s"
        figures = f"{row['mae_to_naive']:7.3f}{ours / row['mae_to_naive']:7.3f}"
        lines.append(f"{name:20}{figures}{took:>12}  ensemble {row['ensemble_dm']}")
    return "\n".join(lines) + "\n"
