"""Retrodict one series: every rule, the combinations, their weights and intervals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from pulse_assets.retrodiction.arrays import Bools, Floats, Ints, first_known
from pulse_assets.retrodiction.ensemble import Method, combine
from pulse_assets.retrodiction.failures import RuleFailure
from pulse_assets.retrodiction.intervals import interval_radius
from pulse_assets.retrodiction.known_series import KnownSeries, vintages
from pulse_assets.retrodiction.panel import fold, unfold, unfold_weights
from pulse_assets.retrodiction.partners import PartnerRule
from pulse_assets.retrodiction.rules import ENSEMBLES, Rule
from pulse_assets.retrodiction.walk_forward import Task


@dataclass(frozen=True)
class Retrodiction:
    """Forecasts of one series from each origin asked for.

    Attributes:
        models: names of the rules, then `ensemble` and `ensemble_equal` `[M]`.
        predicted: forecasts `[M, O, H]`, unit of the series; NaN where a model has none.
        lower: lower bounds of the intervals `[M, O, H]`.
        upper: upper bounds of the intervals `[M, O, H]`.
        weights: share of each rule in `ensemble` `[M, O, H]`; NaN for the two ensembles.
        errors: the origins of the whole history from which a rule failed; its forecasts there are
            NaN.
    """

    models: tuple[str, ...]
    predicted: Floats
    lower: Floats
    upper: Floats
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
    level: float = 0.9,
    strict: bool = True,
) -> Retrodiction:
    """Forecast from each origin, combine and bound, by what was known at the origin alone.

    Rules run over the whole history, so that the weights and intervals at an origin rest on every
    forecast verified by then. A value that the next one shows to be implausible counts as missing
    from then on, see `KnownSeries`: neither rules nor weights nor intervals remember it.

    Args:
        y: the series `[T]`, NaN where missing; values after the last origin are not used.
        origins: indices `[O]` of the last value that may be used.
        horizons: steps ahead `[H]`, ascending, >= 1.
        season: observations a season, >= 1.
        rules: the rules, with distinct names.
        ensemble: how `ensemble` weighs the rules, see `combine`.
        level: nominal coverage of the intervals, 0..1.
        strict: whether a rule that fails is raised; else it has no forecast where it failed.

    Returns:
        A `Retrodiction`. An interval is finite where its forecast is and `horizon + 1` values
        were known.

    Raises:
        RuleError: a rule failed or broke its contract, in strict mode; it is named.

    Example:
        >>> from pulse_assets.retrodiction.rules import resolve_rules
        >>> y = np.array([1.0, 2.0, 4.0])
        >>> made = retrodict(y, [2], [3], 1, resolve_rules(["naive", "drift"]))
        >>> made.predicted[:, 0, 0].tolist()  # naive, drift, ensemble, ensemble_equal
        [4.0, 8.5, 6.25, 6.25]
    """
    wanted = np.array(origins, np.int64)
    if isinstance(y, np.ndarray):
        y = KnownSeries.of(y[: wanted.max(initial=-1) + 1], season)
    known = list(_vintages(y, rules, wanted))
    make = partial(
        _retrodict,
        horizons=horizons,
        season=season,
        ensemble=ensemble,
        level=level,
        strict=strict,
    )
    if len(known) == 1:
        ((values, pool, _),) = known
        return make(values, wanted, pool)
    # With the first origin in each, at which slow rules begin.
    first = wanted.min()
    parts = [(make(values, np.append(first, wanted[of]), pool), of) for values, pool, of in known]
    return _joined(parts, wanted)


def _vintages(
    y: KnownSeries, rules: Sequence[Rule], origins: Ints
) -> Iterator[tuple[Floats, list[Rule], Bools]]:
    """Yield the series and the rules, with their partners, as origins know them; see `vintages`."""
    start = first_known(y.values) if any(isinstance(rule, PartnerRule) for rule in rules) else 0
    series = [y]
    series += [rule.known(start) for rule in rules if isinstance(rule, PartnerRule)]
    for (known, *others), of in vintages(series, origins):
        values = iter(others)
        pool = [
            rule.with_partner(next(values), start) if isinstance(rule, PartnerRule) else rule
            for rule in rules
        ]
        yield known, pool, of


def _joined(parts: Sequence[tuple[Retrodiction, Bools]], origins: Ints) -> Retrodiction:
    """Put the forecasts of several vintages into the order of the origins.

    Args:
        parts: the forecasts from the first origin and from those of a vintage, and which those are
            `[O]`.
        origins: all origins `[O]`.
    """
    models, steps = parts[0][0].models, parts[0][0].predicted.shape[2]
    names = ("predicted", "lower", "upper", "weights")
    arrays = {name: np.empty((len(models), len(origins), steps)) for name in names}
    errors: dict[RuleFailure, None] = {}
    for made, of in parts:
        for name, array in arrays.items():
            array[:, of] = getattr(made, name)[:, 1:]
        others = {*origins[~of].tolist()}
        errors |= dict.fromkeys(one for one in made.errors if one.origin not in others)
    return Retrodiction(models, **arrays, errors=tuple(errors))


def _retrodict(
    y: Floats,
    origins: Ints,
    rules: Sequence[Rule],
    *,
    horizons: Sequence[int] | Ints,
    season: int,
    ensemble: Method,
    level: float,
    strict: bool,
) -> Retrodiction:
    """Forecast from origins that know the same series; see `retrodict`."""
    asked, at = np.unique(origins, return_inverse=True)
    task = Task.of([y], [asked], horizons, season)
    begun, unit = task.asked.origins, task.units[0] if len(task.units) else 1.0
    start = int(asked[-1] - begun[-1]) if len(begun) else 0  # the task's series begins there
    models = (*(rule.name for rule in rules), *ENSEMBLES)
    failures = None if strict else []
    panel = _panel(task, rules, max(int(asked[0]) - start, 0) if len(begun) else 0, failures)
    known = task.observed, task.filled, task.asked.horizons, begun
    weights = combine(panel, *known, len(rules), ensemble)
    radius = interval_radius(panel, *known, len(models), 1.0 - level)
    # Of origins before the first known value: -1.
    places = np.maximum(at - (len(asked) - len(begun)), -1)
    rows = np.append(begun, -1)[places]
    made = unfold(panel, rows, radius, places, unit, len(models))
    shares = unfold_weights(weights, places, len(rules), len(models))
    errors = (one._replace(origin=one.origin + start) for one in failures or ())
    return Retrodiction(models, *made, shares, tuple(errors))


def _panel(
    task: Task, rules: Sequence[Rule], first: int, failures: list[RuleFailure] | None
) -> Floats:
    """Run the rules over the whole history of the one series.

    Args:
        task: the series and its origins.
        rules: the rules `[M]`.
        first: the first origin asked for, or the first known value if that is later. Slow rules
            begin before it, and not before the first origin of the task: vintages of a series
            that begins late have other origins, and must not learn from other forecasts.
        failures: takes the origins from which the rule failed; None raises them.
    """
    length, asked = len(task.filled), task.asked
    whole, made = task.over(range(length)), np.empty((len(rules), length, len(asked.horizons)))
    with np.errstate(over="ignore", invalid="ignore"):
        for rule, forecasts in zip(rules if length else (), made, strict=False):
            if rule.history_origins is None:
                whole.fill(rule, forecasts, failures)
            else:
                forecasts[:] = np.nan
                origins = slow_origins(first, int(asked.origins[-1]), rule.history_origins)
                rows = slice(origins.start, origins.stop)
                task.over(origins).fill(rule, forecasts[rows], failures)
    return fold(made)


def slow_origins(first: int, last: int, before: int) -> range:
    """List the origins at which a slow rule runs so that the ensemble can judge it at those asked.

    So many before the first one, and those between them too: which of them are asked for must not
    change what is learnt of the rule.

    Example:
        >>> slow_origins(5, 8, 2)
        range(3, 9)
    """
    return range(max(first - before, 0), last + 1)
