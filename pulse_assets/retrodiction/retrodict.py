"""Retrodict one series: every rule, the combinations, their weights and intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pulse_assets.retrodiction.arrays import LARGEST, Floats, Ints
from pulse_assets.retrodiction.ensemble import Method, combine
from pulse_assets.retrodiction.intervals import interval_radius
from pulse_assets.retrodiction.panel import empty_panel, place, unfold
from pulse_assets.retrodiction.rules import ENSEMBLES, Rule
from pulse_assets.retrodiction.walk_forward import Task, origins_to_run


@dataclass(frozen=True)
class Retrodiction:
    """Forecasts of one series from each origin asked for.

    Attributes:
        models: names of the rules, then `ensemble` and `ensemble_equal` `[M]`.
        predicted: forecasts `[M, O, H]`, unit of the series; NaN where a model has none.
        lower: lower bounds of the intervals `[M, O, H]`.
        upper: upper bounds of the intervals `[M, O, H]`.
        weights: share of each rule in `ensemble` `[M, O, H]`; NaN for the two ensembles.
    """

    models: tuple[str, ...]
    predicted: Floats
    lower: Floats
    upper: Floats
    weights: Floats


def retrodict(
    y: Floats,
    origins: Sequence[int] | Ints,
    horizons: Sequence[int] | Ints,
    season: int,
    rules: Sequence[Rule],
    *,
    ensemble: Method = "dmsfe",
    level: float = 0.9,
) -> Retrodiction:
    """Forecast from each origin, combine and bound, by what was known at the origin alone.

    Rules run over the whole history, so that the weights and intervals at an origin rest on every
    forecast verified by then.

    Args:
        y: the series `[T]`, NaN where missing; values after the last origin are not read.
        origins: indices `[O]` of the last value that may be used.
        horizons: steps ahead `[H]`, ascending, >= 1.
        season: observations a season, >= 1.
        rules: the rules, with distinct names.
        ensemble: how `ensemble` weighs the rules, see `combine`.
        level: nominal coverage of the intervals, 0..1.

    Returns:
        A `Retrodiction`. An interval is finite where its forecast is and `horizon + 1` values
        were known.

    Raises:
        RuleError: a rule failed or broke its contract; the message names it.

    Example:
        >>> from pulse_assets.retrodiction.rules import resolve_rules
        >>> y = np.array([1.0, 2.0, 4.0])
        >>> made = retrodict(y, [2], [3], 1, resolve_rules(["naive", "drift"]))
        >>> made.predicted[:, 0, 0].tolist()  # naive, drift, ensemble, ensemble_equal
        [4.0, 8.5, 6.25, 6.25]
    """
    asked = np.array(origins, np.int64)
    task = Task.of(y, int(asked.max(initial=-1)), horizons, season)
    begun = np.unique(asked[asked >= task.start]) - task.start
    models = (*(rule.name for rule in rules), *ENSEMBLES)
    panel = _panel(task, rules, begun)
    known = task.observed, task.filled, task.horizons, begun
    weights = combine(panel, *known, len(rules), ensemble)
    radius = interval_radius(panel, *known, len(models), 1.0 - level)
    row = np.where(asked >= task.start, np.searchsorted(begun, asked - task.start), -1)
    index = np.where(row < 0, -1, asked - task.start)
    predicted = unfold(panel, index, len(models), task.unit)
    radius = unfold(radius, row, len(models), task.unit)
    weights = unfold(weights, row, len(rules), 1.0)
    with np.errstate(over="ignore"):
        lower, upper = predicted - radius, predicted + radius
    for limit in (lower, upper):
        np.clip(limit, -LARGEST, LARGEST, out=limit)
    nobody = np.full((len(ENSEMBLES), *weights.shape[1:]), np.nan)
    return Retrodiction(models, predicted, lower, upper, np.concatenate([weights, nobody]))


def _panel(task: Task, rules: Sequence[Rule], begun: Ints) -> Floats:
    """Run the rules over the history."""
    panel = empty_panel(len(rules), len(task.filled), len(task.horizons))
    with np.errstate(over="ignore", invalid="ignore"):
        for model, rule in enumerate(rules if len(begun) else ()):
            origins = origins_to_run(rule, begun, len(task.filled))
            place(panel, model, task.forecast(rule, origins), origins)
    return panel
