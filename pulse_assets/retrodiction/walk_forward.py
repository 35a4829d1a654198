"""Forecasts from every origin of a history, each made from what was known at its origin."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from pulse_assets.errors import RuleError
from pulse_assets.retrodiction.arrays import (
    LARGEST,
    Floats,
    Ints,
    ascending,
    end_of,
    first_known,
    kernel,
    rescale,
    scaled,
    unit_of,
)
from pulse_assets.retrodiction.asked import Asked
from pulse_assets.retrodiction.failures import (
    RuleFailedError,
    RuleFailure,
    describe_error,
    failed_everywhere,
)
from pulse_assets.retrodiction.guard import bound, limits
from pulse_assets.retrodiction.rules import Rule
from pulse_assets.retrodiction.user_rules import as_numbers


@dataclass(frozen=True)
class Task:
    """Histories to forecast, end to end, each from its first known value to its last origin.

    Attributes:
        firsts: of each series asked for, the place among its origins of the first that knows a
            value; as many as there are origins where none does.
        units: what the values of each series with such origins are divided by `[S]`, see
            `unit_of`.
        observed: their values `[T]`, NaN where missing.
        filled: the same, missing values carried forward.
        asked: what is to be forecast from them; its origins are those that know a value.
    """

    firsts: list[int]
    units: Floats
    observed: Floats
    filled: Floats
    asked: Asked

    @classmethod
    def of(
        cls,
        series: Sequence[Floats],
        origins: Sequence[Ints],
        horizons: Sequence[int] | Ints,
        season: int,
    ) -> Self:
        """Cut each series to what is known at its last origin: later values cannot play a part.

        Args:
            series: the series, `[T]` each, NaN where missing.
            origins: the origins of each, ascending.
            horizons: steps ahead `[H]`, ascending, >= 1.
            season: observations a season, >= 1.
        """
        values, begun, firsts = [], [], []
        for y, asked in zip(series, origins, strict=True):
            known = np.ascontiguousarray(y, np.float64)
            start = first_known(known)
            firsts.append(int(asked.searchsorted(start)))
            if firsts[-1] < len(asked):
                begun.append(asked[firsts[-1] :] - start)
                values.append(known[start : asked[-1] + 1])
        wanted = Asked.of([len(y) for y in values], begun, horizons, season)
        units, observed, filled = prepare(np.concatenate([*values, ()]), wanted.begins)
        return cls(firsts, units, observed, filled, wanted)

    def over(self, origins: Sequence[int]) -> Self:
        """Return the same task of the one series with other origins, counted from its begin."""
        rows = np.array([0, len(origins)])
        return replace(self, asked=self.asked._replace(rows=rows, origins=np.array(origins)))

    @cached_property
    def limits(self) -> tuple[Floats, Floats]:
        """The lowest and highest forecasts of guarded rules `[O * H]`, in units."""
        lowest, highest = limits(self.filled, self.asked)
        return lowest.ravel(), highest.ravel()

    def forecast(self, rule: Rule) -> Floats:
        """Run a rule: `[O, H]`, unit of the series, bounded and never infinite.

        Raises:
            RuleError: the rule failed or broke its contract.
        """
        forecasts = self.run(rule)
        if rule.guarded:
            # In place: new memory for many series costs more than the forecasts.
            bound(forecasts.ravel(), *self.limits, forecasts.ravel())
        rescale(forecasts, self.asked.rows, self.units)
        return forecasts

    def fill(
        self, rule: Rule, forecasts: Floats, failures: list[RuleFailure] | None = None
    ) -> None:
        """Run a rule and fill `forecasts` `[O, H]` as `forecast` does, but in units.

        Args:
            rule: the rule.
            forecasts: what is filled.
            failures: takes the origins from which the rule failed; None raises them.

        Raises:
            RuleError: the rule failed or broke its contract.
        """
        made = self.run(rule, failures)
        if rule.guarded:
            bound(made.ravel(), *self.limits, forecasts.ravel())
        else:
            forecasts[:] = made
            rescale(forecasts, self.asked.rows, np.ones(len(self.units)))

    def run(self, rule: Rule, failures: list[RuleFailure] | None = None) -> Floats:
        """Run a rule: `[O, H]` in units, not yet bounded.

        Args:
            rule: the rule.
            failures: takes the origins from which the rule failed; None raises them.

        Raises:
            RuleError: the rule failed or broke its contract.
        """
        asked, free = self.asked, rule.scale_free
        try:
            forecasts = self._run(rule)
        except RuleFailedError as error:
            if failures is None:
                raise RuleError(str(error)) from error
            forecasts = error.forecasts
            origins = asked.origins.tolist()
            failures += [RuleFailure(rule.name, origins[at], *why) for at, *why in error.failures]
        return forecasts if free else scaled(forecasts, asked.rows, 1.0 / self.units)

    def _run(self, rule: Rule) -> Floats:
        asked = self.asked
        shape = len(asked.origins), len(asked.horizons)
        y = self.filled if rule.scale_free else scaled(self.filled, asked.begins, self.units)
        try:
            return as_numbers(rule.forecast(y, asked), shape)
        except RuleFailedError:
            raise
        except Exception as error:  # any rule may raise anything
            failures = failed_everywhere(shape, *describe_error(error))
            raise RuleFailedError(rule.name, np.full(shape, np.nan), failures) from error


@kernel  # pragma: no cover
def prepare(values: Floats, begins: Ints) -> tuple[Floats, Floats, Floats]:
    """Return `units`, `observed` and `filled` of series that begin with a value, see `Task`."""
    units, observed, filled = np.empty(len(begins)), np.empty(len(values)), np.empty(len(values))
    for s in range(len(begins)):
        end = end_of(begins, s, len(values))
        units[s], last = unit_of(values[begins[s] : end]), 0.0
        for t in range(begins[s], end):
            known = np.isfinite(values[t])
            if known:
                last = max(-LARGEST, min(values[t] / units[s], LARGEST))
            filled[t], observed[t] = last, last if known else np.nan
    return units, observed, filled


def walk_forward(
    y: Floats,
    origins: Sequence[int] | Ints,
    horizons: Sequence[int] | Ints,
    season: int,
    rules: Sequence[Rule],
) -> Floats:
    """Forecast from each origin by each rule; the row of origin o depends on `y[: o + 1]` alone.

    Many series at once are a `Task`.

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
    task = Task.of([y], [asked], horizons, season)
    forecasts = np.full((len(rules), len(asked), len(task.asked.horizons)), np.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        for model, rule in enumerate(rules if len(task.units) else ()):
            forecasts[model, task.firsts[0] :] = task.forecast(rule)
    return forecasts[:, place]
