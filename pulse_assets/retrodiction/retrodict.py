"""Retrodict one series: every rule, the combinations, their weights and intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pulse_assets.retrodiction.arrays import LARGEST, Floats, Ints, kernel, rescale, unit_of
from pulse_assets.retrodiction.ensemble import Method, combine
from pulse_assets.retrodiction.intervals import interval_radius
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
    unit = unit_of(task.filled)
    observed, filled = rescale(task.observed, 1.0 / unit), rescale(task.filled, 1.0 / unit)
    panel = _panel(task, rules, asked, unit)
    weights = combine(panel, observed, filled, task.horizons, ensemble)
    radius = interval_radius(panel, observed, filled, task.horizons, 1.0 - level)
    panel, radius, weights = (_at(a, asked - task.start) for a in (panel, radius, weights))
    models = (*(rule.name for rule in rules), *ENSEMBLES)
    predicted, lower, upper = (rescale(a, unit) for a in (panel, panel - radius, panel + radius))
    return Retrodiction(models, predicted, lower, upper, weights)


def _panel(task: Task, rules: Sequence[Rule], asked: Ints, unit: float) -> Floats:
    """Run the rules over the history: `[H, N, M + 2]`, so that rules lie side by side.

    The last two places are for the combinations.
    """
    panel = np.full((len(task.horizons), len(task.filled), len(rules) + 2), np.nan)
    begun = asked[asked >= task.start] - task.start
    for model, rule in enumerate(rules):
        if len(begun):
            origins = origins_to_run(rule, begun, len(task.filled))
            _place(panel, model, task.forecast(rule, origins), origins, 1.0 / unit)
    return panel


@kernel  # pragma: no cover
def _place(panel: Floats, model: int, forecasts: Floats, origins: Ints, factor: float) -> None:
    """Put a rule's forecasts `[O, H]` times the factor into a panel of NaN, none infinite."""
    for row in range(len(origins)):
        for j in range(len(panel)):
            value = forecasts[row, j] * factor
            if not np.isnan(value):
                panel[j, origins[row], model] = max(-LARGEST, min(value, LARGEST))


def _at(values: Floats, origins: Ints) -> Floats:
    """Pick origins from `[H, N, M]`: `[M, O, H]`, NaN before the first known value."""
    if not values.shape[1]:
        return np.full((values.shape[2], len(origins), values.shape[0]), np.nan)
    picked = values.take(origins, axis=1, mode="clip")
    picked[:, origins < 0] = np.nan
    return picked.transpose(2, 1, 0)
