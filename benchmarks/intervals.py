"""Intervals at equal coverage: ours beside the conformal ones of statsforecast.

Whose intervals are narrower says nothing while one of them covers more. So the peer's are stretched
about their middle, all by one factor, until they cover as many of the same outcomes as ours.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from statsforecast.utils import ConformalIntervals

from benchmarks import fred
from benchmarks.evaluation import HORIZONS, INTERVALS, interval_bounds, last_origins
from benchmarks.quantile_scores import LEVELS
from pulse_assets.array_types import Floats, Ints
from pulse_assets.retrodiction.arrays import carry_forward
from pulse_assets.retrodiction.retrodict import retrodict
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, resolve_rules

#: Windows of a peer's conformal scores, of 12 months each; a short series has fewer.
WINDOWS: Final = 10
#: Months that the first of them leaves to fit the model.
FITTED: Final = 36


def compare_intervals(
    series: Mapping[str, Floats], make: Callable[..., Any], step: int
) -> dict[str, Any]:
    """Compare our intervals with a peer's, by level; widths are relative to naive's mean error.

    Args:
        series: the series by name.
        make: the peer's model of statsforecast.
        step: months between origins.
    """
    ours = np.array([our_bounds(y, step) for y in series.values()])
    theirs = np.array([peer_bounds(make, y, step) for y in series.values()])
    truth = np.array([y[_targets(y, step)] for y in series.values()])
    naive = np.array([_naive_error(y, step) for y in series.values()])
    found = {}
    for at, level in enumerate(INTERVALS):
        covered = coverage(ours[:, at], truth)
        factor = stretch(theirs[:, at], truth, covered)
        wide = {
            "ours": _relative_width(ours[:, at], naive),
            "peer, as it is": _relative_width(theirs[:, at], naive),
            "peer, stretched": factor * _relative_width(theirs[:, at], naive),
        }
        found[str(level)] = {
            "coverage": round(covered, 4),
            "peer_coverage": round(coverage(theirs[:, at], truth), 4),
            "stretched_by": round(factor, 4),
            "median_width": {name: round(float(np.median(w)), 4) for name, w in wide.items()},
            "narrower_on": int((wide["ours"] < wide["peer, stretched"]).sum()),
        }
    return found


def coverage(bounds: Floats, truth: Floats) -> float:
    """Return the share of outcomes `[S, O, H]` inside their intervals `[S, 2, O, H]`."""
    return float(((bounds[:, 0] <= truth) & (truth <= bounds[:, 1])).mean())


def stretch(bounds: Floats, truth: Floats, wanted: float) -> float:
    """Return the factor on the half widths at which a share `wanted` of the outcomes is covered.

    Args:
        bounds: lower and upper `[S, 2, O, H]`.
        truth: outcomes `[S, O, H]`.
        wanted: share, 0..1.

    Example:
        Four intervals of half width 1 about 0, outcomes 0.5, 1, 2, 4: three quarters of them lie
        within 2.

        >>> outcomes = np.array([0.5, 1.0, 2.0, 4.0]).reshape(1, 1, 4)
        >>> intervals = np.stack([-np.ones((1, 1, 4)), np.ones((1, 1, 4))], axis=1)
        >>> stretch(intervals, outcomes, 0.75)
        2.0
    """
    lower, upper = bounds[:, 0], bounds[:, 1]
    away = np.abs(truth - (lower + upper) / 2).ravel()
    half = (upper - lower).ravel() / 2
    needed = np.divide(away, half, out=np.where(away > 0, np.inf, 0.0), where=half > 0)
    return float(np.quantile(needed, wanted, method="inverted_cdf"))


def our_bounds(y: Floats, step: int) -> Floats:
    """Return the ensemble's bounds `[I, 2, O, H]`."""
    rules = resolve_rules(DEFAULT_MODELS)
    origins = last_origins(y)
    made = retrodict(y, origins, HORIZONS, fred.SEASON, rules, levels=LEVELS)
    quantiles = made.quantiles[:, made.models.index("ensemble"), ::step]
    return np.stack(interval_bounds(quantiles), axis=1)


def peer_bounds(make: Callable[..., Any], y: Floats, step: int) -> Floats:
    """Return a peer's bounds `[I, 2, O, H]`, refitted at every origin and for every window."""
    filled = carry_forward(y)
    start, steps = int(np.isfinite(filled).argmax()), int(HORIZONS[-1])
    levels = [round(100 * level) for level in INTERVALS]
    bounds = []
    for origin in last_origins(y, step):
        past = filled[start : origin + 1]
        windows = min(WINDOWS, (len(past) - FITTED) // steps)
        model = make(prediction_intervals=ConformalIntervals(n_windows=windows, h=steps))
        made = model.forecast(y=past, h=steps, level=levels)
        bounds.append([[made[f"lo-{q}"], made[f"hi-{q}"]] for q in levels])
    return np.moveaxis(np.array(bounds), 0, 2)


def _targets(y: Floats, step: int) -> Ints:
    return last_origins(y, step)[:, None] + HORIZONS


def _naive_error(y: Floats, step: int) -> float:
    return float(np.abs(y[_targets(y, step)] - y[last_origins(y, step)][:, None]).mean())


def _relative_width(bounds: Floats, naive: Floats) -> Floats:
    """Return each series' mean width `[S]` over naive's mean error."""
    return (bounds[:, 1] - bounds[:, 0]).mean(axis=(1, 2)) / naive
