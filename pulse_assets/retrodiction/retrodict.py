"""Retrodict one series: the forecasts of all rules and combinations, weights and quantiles."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from pulse_assets.array_types import Bools, Floats, Ints
from pulse_assets.retrodiction.arrays import ascending, first_known
from pulse_assets.retrodiction.combination import Method, combine
from pulse_assets.retrodiction.combination.prior import Prior, make_prior, no_prior
from pulse_assets.retrodiction.failures import RuleFailure
from pulse_assets.retrodiction.given_rule import GivenRule
from pulse_assets.retrodiction.indicators import IndicatorRule
from pulse_assets.retrodiction.known_series import KnownSeries, Revisions, versions
from pulse_assets.retrodiction.padding import (
    add_forecasts,
    pack,
    quantiles_by_model,
    unpack,
    unpack_weights,
)
from pulse_assets.retrodiction.quantiles import LEVELS, quantile_offsets
from pulse_assets.retrodiction.real_time import Vintage, run_on_vintages, vintages_of
from pulse_assets.retrodiction.rules import ENSEMBLES, BuiltIn, Rule
from pulse_assets.retrodiction.walk_forward import SeriesBatch

#: Bounds of a series that can have any value.
UNBOUNDED: Final = (-np.inf, np.inf)


@dataclass(frozen=True)
class Retrodiction:
    """Forecasts of one series from each requested origin.

    Attributes:
        models: names of the rules, then `ensemble` and `ensemble_median` `[M]`.
        predicted: forecasts `[M, O, H]` in the unit of the series; NaN where a model has none.
        quantiles: quantiles of each forecast `[L, M, O, H]`, ascending over the levels.
        weights: share of each rule in `ensemble` `[M, O, H]`; NaN for the two ensembles.
        errors: the origins of the whole history from which a rule failed; the forecasts are NaN.
    """

    models: tuple[str, ...]
    predicted: Floats
    quantiles: Floats
    weights: Floats
    errors: tuple[RuleFailure, ...] = ()


def retrodict(
    y: Floats | KnownSeries,
    origins: Sequence[int] | Ints,
    horizons: Sequence[int] | Ints,
    season: int,
    rules: Sequence[Rule],
    *,
    ensemble: Method = "dmsfe",
    levels: Sequence[float] = LEVELS,
    bounds: tuple[float, float] = UNBOUNDED,
    strict: bool = True,
) -> Retrodiction:
    """Forecast from each origin, combine, and add quantiles, using only what was known there.

    The rules run over the whole history, so that weights and quantiles at an origin depend on all
    forecasts verified by then. A value that a later one reveals to be implausible counts as
    missing from then on, in rules, weights and quantiles; see `KnownSeries`.

    Args:
        y: the series `[T]`, NaN where missing; values after the last origin are not used.
        origins: indices `[O]` of the last value that may be used.
        horizons: steps ahead `[H]`, ascending, >= 1.
        season: observations per season, >= 1.
        rules: the rules, with distinct names.
        ensemble: how `ensemble` weighs the rules, see `combine`.
        levels: of the quantiles `[L]`, ascending, 0..1.
        bounds: the least and the largest value that the series can have, in its unit: no forecast
            and no quantile lies outside.
        strict: whether the failure of a rule is raised; if not, its forecasts there are NaN.

    Returns:
        A `Retrodiction`. Quantiles are finite where their forecast is, but at the first value.

    Raises:
        RuleError: a rule failed or broke its contract, and `strict` is true; the message names it.

    Example:
        >>> from pulse_assets.retrodiction.rules import resolve_rules
        >>> y = np.array([1.0, 2.0, 4.0])
        >>> result = retrodict(y, [2], [3], 1, resolve_rules(["naive", "drift"]))
        >>> result.predicted[:, 0, 0].tolist()  # naive, drift, ensemble, ensemble_median
        [4.0, 8.5, 6.25, 6.25]
    """
    requested = np.array(origins, np.int64)
    if isinstance(y, np.ndarray):
        y = KnownSeries.of(y[: requested.max(initial=-1) + 1], season)
    settings = _Settings(
        np.array(horizons, np.int64), season, ensemble, np.array(levels), bounds, strict
    )
    revisions = _known_revisions(y, requested)
    known_versions = list(_versions(y, rules, requested))
    if len(known_versions) == 1:
        ((values, version_rules, _),) = known_versions
        return _retrodict(values, revisions, requested, version_rules, settings)
    # Each version includes the first origin, because slow rules start relative to it.
    first = requested.min()
    parts = [
        (
            _retrodict(
                values, revisions, np.append(first, requested[where]), version_rules, settings
            ),
            where,
        )
        for values, version_rules, where in known_versions
    ]
    return _joined(parts, requested)


def _known_revisions(y: KnownSeries, origins: Ints) -> Revisions | None:
    """Return the revisions of a series if one of some origins knows any, else None."""
    if y.revisions is None or not len(origins):
        return None
    return y.revisions if (y.revisions.known_from <= origins.max()).any() else None


class _Settings(NamedTuple):
    """What is the same for all versions of a series; see `retrodict`."""

    horizons: Ints
    season: int
    ensemble: Method
    levels: Floats
    bounds: tuple[float, float]
    strict: bool


def _versions(
    y: KnownSeries, rules: Sequence[Rule], origins: Ints
) -> Iterator[tuple[Floats, list[Rule], Bools]]:
    """Yield series and rules with their indicators as origins know them; see `versions`."""
    start = first_known(y.values) if any(isinstance(rule, IndicatorRule) for rule in rules) else 0
    series = [y]
    series += [rule.known_indicator(start) for rule in rules if isinstance(rule, IndicatorRule)]
    for (values, *indicators), where in versions(series, origins):
        remaining = iter(indicators)
        version_rules = [
            rule.with_indicator(next(remaining), start) if isinstance(rule, IndicatorRule) else rule
            for rule in rules
        ]
        yield values, version_rules, where


def _joined(parts: Sequence[tuple[Retrodiction, Bools]], origins: Ints) -> Retrodiction:
    """Return the forecasts of several vintages in the order of the origins.

    Args:
        parts: for each vintage, the forecasts from the first origin and from its own origins; and
            which of all origins are its own `[O]`.
        origins: all origins `[O]`.
    """
    first = parts[0][0]
    names = ("predicted", "quantiles", "weights")
    arrays = {name: np.empty(_with_origins(getattr(first, name), len(origins))) for name in names}
    errors: dict[RuleFailure, None] = {}
    for part, where in parts:
        for name, array in arrays.items():
            array[..., where, :] = getattr(part, name)[..., 1:, :]
        others = {*origins[~where].tolist()}
        errors |= dict.fromkeys(error for error in part.errors if error.origin not in others)
    return Retrodiction(first.models, **arrays, errors=tuple(errors))


def _with_origins(array: Floats, origins: int) -> tuple[int, ...]:
    """Return the shape of an array `[..., O, H]` with another number of origins."""
    return *array.shape[:-2], origins, array.shape[-1]


def _retrodict(
    y: Floats,
    revisions: Revisions | None,
    origins: Ints,
    rules: Sequence[Rule],
    settings: _Settings,
) -> Retrodiction:
    """Forecast from origins that know the same first releases; see `retrodict`."""
    ordered, at = origins, np.arange(len(origins))
    if not ascending(origins):
        ordered, at = np.unique(origins, return_inverse=True)
    batch = SeriesBatch.of([y], [ordered], settings.horizons, settings.season)
    usable, unit = batch.request.origins, batch.units[0] if len(batch.units) else 1.0
    start = int(ordered[-1] - usable[-1]) if len(usable) else 0  # index of the batch's first value
    vintages = None
    if revisions is not None and len(usable):
        vintages = vintages_of(y[: ordered[-1] + 1], revisions, settings.season)
    models = (*(rule.name for rule in rules), *ENSEMBLES)
    failures = None if settings.strict else list[RuleFailure]()
    first = max(int(ordered[0]) - start, 0) if len(usable) else 0
    padded = _run_rules(batch, vintages, rules, first, failures)
    if settings.bounds != UNBOUNDED:
        np.clip(padded, settings.bounds[0] / unit, settings.bounds[1] / unit, out=padded)
    series = batch.observed, batch.filled, batch.request.horizons, usable
    prior = _prior(rules, batch, settings, padded.shape[2])
    weights = combine(padded, *series, len(rules), settings.ensemble, prior)
    padded_quantiles = quantile_offsets(padded, *series, settings.levels, settings.season)
    add_forecasts(padded_quantiles, padded, usable, unit)
    # -1 for origins before the first known value.
    places = np.maximum(at - (len(ordered) - len(usable)), -1)
    indices = np.append(usable, -1)[places]
    predicted = unpack(padded, indices, unit, len(models))
    quantiles = quantiles_by_model(padded_quantiles, places, len(models))
    for model, rule in enumerate(rules):
        if isinstance(rule, GivenRule):
            quantiles[:, model] = rule.with_own_quantiles(origins, quantiles[:, model])
    by_model = unpack_weights(weights, places, len(rules), len(models))
    errors = (failure._replace(origin=failure.origin + start) for failure in failures or ())
    if settings.bounds != UNBOUNDED:
        # Once more: a weighted mean of equal forecasts differs from them by its rounding.
        for array in (predicted, quantiles):
            np.clip(array, *settings.bounds, out=array)
    return Retrodiction(models, predicted, quantiles, by_model, tuple(errors))


def _prior(rules: Sequence[Rule], batch: SeriesBatch, settings: _Settings, width: int) -> Prior:
    """Return the prior of the default ensemble; the one by regret alone has none."""
    if settings.ensemble != "dmsfe":
        return no_prior(len(batch.filled), width)
    names = [rule.name if isinstance(rule, BuiltIn) else None for rule in rules]
    robust = batch.robust_history.y_robust
    return make_prior(names, robust, batch.observed, settings.season, width)


def _run_rules(
    batch: SeriesBatch,
    vintages: Sequence[Vintage] | None,
    rules: Sequence[Rule],
    first: int,
    failures: list[RuleFailure] | None,
) -> Floats:
    """Run the rules over the whole history of one series; return a padded forecast array.

    Args:
        batch: the series and its origins.
        vintages: what each origin knows of the series; None: the values of the batch.
        rules: the rules `[M]`.
        first: the first requested origin, or the first known value if that is later. Slow rules
            start before it, and not before the first origin of the batch: versions of a series
            have other first origins, but must combine the same forecasts.
        failures: receives the origins from which a rule failed; None: they are raised.
    """
    length, request = len(batch.filled), batch.request
    by_rule = np.empty((len(rules), length, len(request.horizons)))
    everywhere = batch.at_origins(range(length))
    with np.errstate(over="ignore", invalid="ignore"):
        for rule, forecasts in zip(rules if length else (), by_rule, strict=False):
            origins, wanted = range(length), forecasts
            if rule.history_origins is not None:
                forecasts[:] = np.nan
                origins = slow_origins(first, int(request.origins[-1]), rule.history_origins)
                wanted = forecasts[origins.start : origins.stop]
            if isinstance(rule, GivenRule):
                everywhere.fill(rule, wanted, failures)  # it does not depend on the series
            elif vintages is not None:
                run_on_vintages(vintages, rule, batch, origins, wanted, failures)
            elif rule.history_origins is None:
                everywhere.fill(rule, wanted, failures)
            else:
                batch.at_origins(origins).fill(rule, wanted, failures)
    return pack(by_rule)


def slow_origins(first: int, last: int, before: int) -> range:
    """Return the origins at which a slow rule runs: `before` origins before the first one too.

    The ensemble needs its earlier forecasts for weights. All origins between are included,
    because weights must not depend on which of them are requested.

    Example:
        >>> slow_origins(5, 8, 2)
        range(3, 9)
    """
    return range(max(first - before, 0), last + 1)
