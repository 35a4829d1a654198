"""Forecasts from every origin of a history, each made from what was known at its origin."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from pulse_assets.errors import RuleError
from pulse_assets.retrodiction.arrays import (
    LARGEST,
    Floats,
    Ints,
    ascending,
    carry_forward,
    first_known,
    kernel,
    rescale,
    unit_of,
)
from pulse_assets.retrodiction.guard import bound, largest_moves
from pulse_assets.retrodiction.rules import Rule
from pulse_assets.retrodiction.user_rules import checked_shape

#: Moves for rules that may move as far as they like, see `bound`.
UNBOUNDED: Final = np.empty((0, 0))


@dataclass(frozen=True)
class Task:
    """A history to forecast, from its first known value to the last origin asked for.

    Attributes:
        start: index in the whole series of the first known value.
        unit: what all values below are divided by, see `unit_of`.
        observed: the values from `start` on `[N]`, NaN where missing.
        filled: the same, missing values carried forward.
        horizons: steps ahead `[H]`, ascending.
        season: observations a season.
    """

    start: int
    unit: float
    observed: Floats
    filled: Floats
    horizons: Ints
    season: int

    @classmethod
    def of(cls, y: Floats, last: int, horizons: Sequence[int] | Ints, season: int) -> "Task":
        """Cut `y` to what is known at index `last`: later values cannot play a part."""
        known = np.array(y[: last + 1], np.float64)
        start, unit, observed, filled = prepare(known)
        return cls(start, unit, observed, filled, np.array(horizons, np.int64), season)

    @cached_property
    def moves(self) -> Floats:
        """The largest moves so far `[N, H]`, which bound guarded rules."""
        return largest_moves(self.filled, self.horizons)

    def forecast(self, rule: Rule, origins: Ints) -> Floats:
        """Run a rule: `[O, H]` in units, for ascending origins counted from `start`.

        Forecasts are bounded and never infinite.

        Raises:
            RuleError: the rule failed or broke its contract.
        """
        unit = 1.0 if rule.scale_free else self.unit
        y = self.filled if unit == 1.0 else rescale(self.filled, unit)
        try:
            made = rule.forecast(y, origins, self.horizons, self.season)
        except RuleError:
            raise
        except Exception as error:
            raise RuleError(
                f"rule {rule.name!r} failed: {type(error).__name__}: {error}"
            ) from error
        forecasts = checked_shape(rule.name, made, (len(origins), len(self.horizons)))
        if unit != 1.0:
            forecasts = rescale(forecasts, 1.0 / unit)
        return bound(forecasts, origins, self.filled, self.moves if rule.guarded else UNBOUNDED)


@kernel  # pragma: no cover
def prepare(y: Floats) -> tuple[int, float, Floats, Floats]:
    """Return `start`, `unit`, `observed` and `filled` of a series `[T]`, see `Task`."""
    start = first_known(y)
    filled = carry_forward(y[start:])
    unit = unit_of(filled)
    observed = np.empty(len(filled))
    for t in range(len(filled)):
        value = filled[t] / unit
        value = LARGEST if value > LARGEST else value
        filled[t] = -LARGEST if value < -LARGEST else value
        observed[t] = filled[t] if np.isfinite(y[start + t]) else np.nan
    return start, unit, observed, filled


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
    asked, place = np.array(origins, np.int64), slice(None)
    if not ascending(asked):
        asked, place = np.unique(asked, return_inverse=True)
    task = Task.of(y, int(asked.max(initial=-1)), horizons, season)
    forecasts = np.full((len(rules), len(asked), len(task.horizons)), np.nan)
    begun = asked[asked >= task.start] - task.start
    with np.errstate(over="ignore", invalid="ignore"):
        for model, rule in enumerate(rules if len(begun) else ()):
            made = task.forecast(rule, begun)
            forecasts[model, len(asked) - len(begun) :] = rescale(made, task.unit)
    return forecasts[:, place]


def origins_to_run(rule: Rule, asked: Ints, length: int) -> Ints:
    """List the origins at which a rule runs so that the ensemble can judge it at those asked.

    Those between them too: which of them are asked for must not change what is learnt of the rule.
    """
    if rule.history_origins is None or not len(asked):
        return np.arange(length)
    return np.arange(max(int(asked.min()) - rule.history_origins, 0), int(asked.max()) + 1)
