"""Forecast from every origin of a history, each time with the values known at the origin."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from pulse_assets.array_types import Floats, Ints
from pulse_assets.errors import RuleError
from pulse_assets.retrodiction.arrays import (
    LARGEST,
    ascending,
    end_of,
    first_known,
    kernel,
    rescale,
    scaled,
    unit_of,
)
from pulse_assets.retrodiction.clipping import clip_bounds, clip_forecasts
from pulse_assets.retrodiction.failures import (
    RuleFailedError,
    RuleFailure,
    describe_error,
    failed_everywhere,
)
from pulse_assets.retrodiction.request import ForecastRequest, History
from pulse_assets.retrodiction.rules import BuiltIn, Rule
from pulse_assets.retrodiction.user_rules import as_numbers
from pulse_assets.retrodiction.winsorise import winsorise_changes


@dataclass(frozen=True)
class SeriesBatch:
    """One or more series to forecast, each from its first known value to its last origin.

    Series without an origin at which a value is known are left out.

    Attributes:
        first_origins: index of each given series' first origin with a known value, among its
            origins; their number where there is none.
        units: what the values of each series are divided by `[S]`; see `unit_of`.
        observed: the values of the series in units, concatenated `[T]`; NaN where missing.
        filled: the same with missing values carried forward.
        request: the requested forecasts; its origins are those with a known value.
    """

    first_origins: list[int]
    units: Floats
    observed: Floats
    filled: Floats
    request: ForecastRequest

    @classmethod
    def of(
        cls,
        series: Sequence[Floats],
        origins: Sequence[Ints],
        horizons: Sequence[int] | Ints,
        season: int,
    ) -> Self:
        """Cut each series after its last origin, so that no later value can have an effect.

        Args:
            series: the series, `[T]` each, NaN where missing.
            origins: the origins of each, ascending.
            horizons: steps ahead `[H]`, ascending, >= 1.
            season: observations per season, >= 1.
        """
        values, usable, first_origins = [], [], []
        for y, requested in zip(series, origins, strict=True):
            contiguous = np.ascontiguousarray(y, np.float64)
            start = first_known(contiguous)
            first_origins.append(int(requested.searchsorted(start)))
            if first_origins[-1] < len(requested):
                usable.append(requested[first_origins[-1] :] - start)
                values.append(contiguous[start : requested[-1] + 1])
        request = ForecastRequest.of([len(y) for y in values], usable, horizons, season)
        units, observed, filled = prepare(np.concatenate([*values, ()]), request.series_offsets)
        return cls(first_origins, units, observed, filled, request)

    def at_origins(self, origins: range) -> Self:
        """Return a batch of one series with other origins, indices of its values here."""
        # NumPy reads a range element by element, which takes as long as a simple rule.
        indices = np.arange(origins.start, origins.stop)
        offsets = np.array([0, len(indices)])
        request = self.request._replace(origin_offsets=offsets, origins=indices)
        return replace(self, request=request)

    @cached_property
    def clip_bounds(self) -> tuple[Floats, Floats]:
        """The lowest and highest forecasts of guarded rules `[O * H]`, in units."""
        lowest, highest = clip_bounds(self.filled, self.request)
        return lowest.ravel(), highest.ravel()

    @cached_property
    def robust_history(self) -> History:
        """The series in units and a copy with outlying changes limited, for all robust rules."""
        return History(self.filled, winsorise_changes(self.filled, self.request.series_offsets))

    def forecast(self, rule: Rule) -> Floats:
        """Return a rule's forecasts `[O, H]` in the unit of the series, clipped and finite or NaN.

        Raises:
            RuleError: the rule failed or broke its contract.
        """
        forecasts = self.run(rule)
        if rule.guarded:
            # In place: new memory for many series takes longer than the forecasts.
            clip_forecasts(forecasts.ravel(), *self.clip_bounds, forecasts.ravel())
        rescale(forecasts, self.request.origin_offsets, self.units)
        return forecasts

    def fill(
        self, rule: Rule, forecasts: Floats, failures: list[RuleFailure] | None = None
    ) -> None:
        """Fill `forecasts` `[O, H]` with a rule's forecasts as `forecast` does, but in units.

        Args:
            rule: the rule.
            forecasts: the array to fill.
            failures: receives the origins from which the rule failed; None: they are raised.

        Raises:
            RuleError: the rule failed or broke its contract.
        """
        raw = self.run(rule, failures)
        if rule.guarded:
            clip_forecasts(raw.ravel(), *self.clip_bounds, forecasts.ravel())
        else:
            forecasts[:] = raw
            rescale(forecasts, self.request.origin_offsets, np.ones(len(self.units)))

    def run(self, rule: Rule, failures: list[RuleFailure] | None = None) -> Floats:
        """Return a rule's forecasts `[O, H]` in units, not clipped.

        Args:
            rule: the rule.
            failures: receives the origins from which the rule failed; None: they are raised.

        Raises:
            RuleError: the rule failed or broke its contract.
        """
        try:
            forecasts = self._run(rule)
        except RuleFailedError as error:
            if failures is None:
                raise RuleError(str(error)) from error
            forecasts = error.forecasts
            origins = self.request.origins.tolist()
            failures += [RuleFailure(rule.name, origins[at], *why) for at, *why in error.failures]
        if rule.scale_free:
            return forecasts
        return scaled(forecasts, self.request.origin_offsets, 1.0 / self.units)

    def _run(self, rule: Rule) -> Floats:
        request, y = self.request, self.filled
        shape = len(request.origins), len(request.horizons)
        if not rule.scale_free:
            y = scaled(y, request.series_offsets, self.units)
        try:
            if isinstance(rule, BuiltIn) and rule.robust and rule.scale_free:
                forecasts = rule.function(self.robust_history, request)
            else:
                forecasts = rule.forecast(y, request)
            return as_numbers(forecasts, shape)
        except RuleFailedError:
            raise
        except Exception as error:  # any rule may raise anything
            failures = failed_everywhere(shape, *describe_error(error))
            raise RuleFailedError(rule.name, np.full(shape, np.nan), failures) from error


@kernel  # pragma: no cover
def prepare(values: Floats, series_offsets: Ints) -> tuple[Floats, Floats, Floats]:
    """Return `units`, `observed` and `filled` of series whose first value is known."""
    units = np.empty(len(series_offsets))
    observed, filled = np.empty(len(values)), np.empty(len(values))
    for s in range(len(series_offsets)):
        start, end = series_offsets[s], end_of(series_offsets, s, len(values))
        units[s], last = unit_of(values[start:end]), 0.0
        for t in range(start, end):
            present = np.isfinite(values[t])
            if present:
                last = max(-LARGEST, min(values[t] / units[s], LARGEST))
            filled[t], observed[t] = last, last if present else np.nan
    return units, observed, filled


def walk_forward(
    y: Floats,
    origins: Sequence[int] | Ints,
    horizons: Sequence[int] | Ints,
    season: int,
    rules: Sequence[Rule],
) -> Floats:
    """Return the forecasts of each rule from each origin o, which depend on `y[: o + 1]` only.

    For many series at once, see `SeriesBatch`.

    Args:
        y: the series `[T]`, NaN where missing. Rules get the last known value instead.
        origins: indices `[O]` of the last value that may be used.
        horizons: steps ahead `[H]`, ascending, >= 1.
        season: observations per season, >= 1.
        rules: the rules `[M]`.

    Returns:
        Forecasts `[M, O, H]` in the unit of the series; NaN where a rule has none, as before the
        first known value.

    Raises:
        RuleError: a rule failed or returned another shape; the message names it.

    Example:
        >>> from pulse_assets.retrodiction.rules import resolve_rules
        >>> walk_forward(np.array([1.0, 3.0]), [0, 1], [1], 1, resolve_rules(["naive"]))
        array([[[1.],
                [3.]]])
    """
    ordered, place = np.array(origins, np.int64), slice(None)
    if not ascending(ordered):
        ordered, place = np.unique(ordered, return_inverse=True)
    batch = SeriesBatch.of([y], [ordered], horizons, season)
    forecasts = np.full((len(rules), len(ordered), len(batch.request.horizons)), np.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        for model, rule in enumerate(rules if len(batch.units) else ()):
            forecasts[model, batch.first_origins[0] :] = batch.forecast(rule)
    return forecasts[:, place]
