"""Forecasts from every origin of a history, each made from what was known at its origin."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pulse_assets.errors import RuleError
from pulse_assets.retrodiction.arrays import Bools, Floats, Ints, carry_forward
from pulse_assets.retrodiction.guard import bound, forecast_bounds
from pulse_assets.retrodiction.rules import Rule
from pulse_assets.retrodiction.user_rules import checked_shape


@dataclass(frozen=True)
class Task:
    """A history to forecast, from its first known value to the last origin asked for.

    Attributes:
        start: index in the whole series of the first known value.
        observed: the values from there `[N]`, NaN where missing.
        filled: the same, missing values carried forward.
        horizons: steps ahead `[H]`, ascending.
        season: observations a season.
        lowest: the lowest forecast `[N, H]` a guarded rule may make.
        highest: the highest.
    """

    start: int
    observed: Floats
    filled: Floats
    horizons: Ints
    season: int
    lowest: Floats
    highest: Floats

    @classmethod
    def of(cls, y: Floats, last: int, horizons: Sequence[int] | Ints, season: int) -> "Task":
        """Cut `y` to what is known at index `last`: later values cannot play a part."""
        known = np.isfinite(y[: last + 1])
        start = int(known.argmax()) if known.any() else last + 1
        observed = np.where(known, y[: last + 1], np.nan)[start:]
        filled = carry_forward(observed)
        steps = np.array(horizons, np.int64)
        return cls(start, observed, filled, steps, season, *forecast_bounds(filled, steps))

    def forecast(self, rule: Rule, origins: Ints) -> Floats:
        """Run a rule: `[O, H]` for origins counted from `start`; bounded, never infinite.

        Raises:
            RuleError: the rule failed or broke its contract.
        """
        try:
            made = rule.forecast(self.filled, origins, self.horizons, self.season)
        except RuleError:
            raise
        except Exception as error:
            raise RuleError(
                f"rule {rule.name!r} failed: {type(error).__name__}: {error}"
            ) from error
        forecasts = checked_shape(rule.name, made, (len(origins), len(self.horizons)))
        bound(forecasts, origins, self.lowest, self.highest, rule.guarded)
        return forecasts


def walk_forward(
    y: Floats,
    origins: Sequence[int] | Ints,
    horizons: Sequence[int] | Ints,
    season: int,
    rules: Sequence[Rule],
) -> Floats:
    """Forecast from each origin by each rule; the row of origin o depends on `y[: o + 1]` alone.

    Args:
        y: the series `[T]`, NaN where missing. Rules see the last known value instead.
        origins: indices `[O]` of the last value that may be used.
        horizons: steps ahead `[H]`, ascending, >= 1.
        season: observations a season, >= 1.
        rules: the rules `[M]`.

    Returns:
        Forecasts `[M, O, H]`, unit of the series; NaN where a rule has none, as before the first
        known value.

    Raises:
        RuleError: a rule failed or returned another shape; the message names it.

    Example:
        >>> from pulse_assets.retrodiction.rules import resolve_rules
        >>> walk_forward(np.array([1.0, 3.0]), [0, 1], [1], 1, resolve_rules(["naive"]))
        array([[[1.],
                [3.]]])
    """
    asked = np.array(origins, np.int64)
    task = Task.of(y, int(asked.max(initial=-1)), horizons, season)
    forecasts = np.full((len(rules), len(asked), len(task.horizons)), np.nan)
    begun = asked >= task.start
    for model, rule in enumerate(rules):
        if begun.any():
            forecasts[model, begun] = task.forecast(rule, asked[begun] - task.start)
    return forecasts


def origins_to_run(rule: Rule, asked: Ints, length: int) -> Ints:
    """List the origins at which a rule runs so that the ensemble can judge it at those asked."""
    if rule.history_origins is None or not len(asked):
        return np.arange(length)
    wanted: Bools = np.zeros(length, np.bool_)
    wanted[asked] = True
    first = int(asked.min())
    wanted[max(first - rule.history_origins, 0) : first] = True
    return np.flatnonzero(wanted)
