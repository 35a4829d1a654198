"""Stage 3, `retrodictions`: every rule's forecast of every target of a batch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa

from pulse_assets.catalog import RETRODICTIONS
from pulse_assets.history.frequency import Frequency, get_frequency
from pulse_assets.retrodiction.failures import RuleFailure
from pulse_assets.retrodiction.known_series import KnownSeries
from pulse_assets.retrodiction.partners import find_partners
from pulse_assets.retrodiction.retrodict import Retrodiction, retrodict
from pulse_assets.retrodiction.rules import ENSEMBLES, Rule
from pulse_assets.retrodiction.scores import mase_scale
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.columns import constant
from pulse_assets.stages.window import Floats, Ints, Observations, Pairs, Window

#: Rows of a variable after which its partner rules are chosen anew, and slow rules begun anew.
CHOICE_ROWS: Final = 24


@dataclass(frozen=True)
class PlannedVariable:
    """A variable that a batch predicts: its window and what is predicted."""

    name: str
    window: Window
    pairs: Pairs


def planned_variables(
    planned: pa.Table, history: pa.Table, horizons: Sequence[int]
) -> list[PlannedVariable]:
    """Select the variables that the plan does not skip, from the plan and the observations."""
    observed = Observations.by_variable(history)
    found = []
    for row in planned.to_pylist():
        if row["skip_reason"] is None:
            name, frequency = row["variable"], get_frequency(row["frequency"])
            window = Window.of(observed[name], np.datetime64(row["window_start"]), frequency)
            found.append(PlannedVariable(name, window, window.pairs(horizons)))
    return found


def predict(
    batch_id: str,
    planned: Iterable[PlannedVariable],
    history: pa.Table,
    rules: Sequence[Rule],
    options: TrainingOptions,
) -> pa.Table:
    """Forecast every planned target of a batch by every rule, the partner rules and the ensembles.

    Returns:
        A table of schema `RETRODICTIONS`.
    """
    seen = Observations.by_variable(history)
    parts = [_predict_one(batch_id, variable, seen, rules, options) for variable in planned]
    return pa.concat_tables([RETRODICTIONS.empty_table(), *parts]).unify_dictionaries()


def _predict_one(
    batch_id: str,
    variable: PlannedVariable,
    seen: Mapping[str, Observations],
    rules: Sequence[Rule],
    options: TrainingOptions,
) -> pa.Table:
    window, pairs = variable.window, variable.pairs
    origins, at = np.unique(pairs.known, return_inverse=True)
    reaches, ahead = np.unique(pairs.reach, return_inverse=True)
    made = forecast_series(
        variable.name, window.learnt, window.frequency, (origins, reaches), seen, rules, options
    )
    measure = partial(mase_scale, season=window.frequency.scale_season)
    scale = window.known.measure(origins, measure)[at]
    return _table(batch_id, variable, made, (at, ahead), scale, _error_column(made, origins, at))


def _error_column(made: Retrodiction, origins: Ints, at: Ints) -> pa.Array:
    """Return what each rule raised instead of a forecast of each pair, model by model."""
    texts = [*dict.fromkeys(one.text for one in made.errors)]
    codes = np.full((len(made.models), len(origins)), -1, np.int32)
    for one in made.errors:
        place = made.models.index(one.model), int(origins.searchsorted(one.origin))
        codes[place] = texts.index(one.text)
    chosen = codes[:, at].ravel()
    indices = pa.array(chosen, mask=chosen < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(texts, pa.string()))


def forecast_series(
    name: str,
    learnt: Observations,
    frequency: Frequency,
    asked: tuple[Ints, Ints],
    seen: Mapping[str, Observations],
    rules: Sequence[Rule],
    options: TrainingOptions,
) -> Retrodiction:
    """Forecast one variable by every rule, its partner rules and the ensembles.

    What an origin's forecasts rest on must not depend on which other origins are asked for: that
    could be known from later rows only. So partner rules are chosen, and slow rules begun, at
    every `CHOICE_ROWS`th row, for the origins from there to the next.

    Args:
        name: of the variable.
        learnt: its regular observations in the order of publication, [T].
        frequency: its frequency.
        asked: rows of the origins [O] and steps ahead [H], both ascending.
        seen: observations of all variables by name.
        rules: the rules.
        options: how to combine and bound.

    Returns:
        A `Retrodiction`; a partner rule has no forecast from origins it was not chosen for. Its
        errors are those of the origins asked for; a rule that failed from earlier ones alone has
        one at the first of them.

    Raises:
        RuleError: a rule failed and `on_rule_error` is `fail`.
    """
    origins, reaches = asked
    own, others = KnownSeries.of(learnt.values, frequency.season), {}
    if options.max_partners:
        others = {o: x.as_known_on(learnt.dates) for o, x in seen.items() if o != name}
    parts = []
    for begin, partners, rows in _choices(own, others, origins, rules, options):
        made = retrodict(
            own,
            np.append(begin, origins[rows]),
            reaches,
            frequency.season,
            [*rules, *partners],
            ensemble=options.ensemble,
            level=options.interval_level,
            strict=options.on_rule_error == "fail",
        )
        parts.append(made)
    return replace(_without_begins(parts), errors=_errors_at(origins, learnt, parts))


def _errors_at(
    origins: Ints, learnt: Observations, parts: Sequence[Retrodiction]
) -> tuple[RuleFailure, ...]:
    """Return the failures of rules at the origins asked for; none of those before is silent."""
    everywhere = {(one.model, one.origin): one for part in parts for one in part.errors}
    asked = set(origins.tolist())
    found = [one for one in everywhere.values() if one.origin in asked]
    told = {one.model for one in found}
    for one in everywhere.values():
        if one.model not in told:
            told.add(one.model)
            message = f"{one.message} (from the earlier origin {learnt.dates[one.origin]})"
            found.append(one._replace(origin=int(origins[0]), message=message))
    return tuple(sorted(found))


def _choices(
    own: KnownSeries,
    others: Mapping[str, KnownSeries],
    origins: Ints,
    rules: Sequence[Rule],
    options: TrainingOptions,
) -> list[tuple[int, list[Rule], slice]]:
    """Return from which row on, with which partner rules, each run of origins is forecast.

    Neighbouring runs with the same partners are one, unless a slow rule would begin elsewhere.
    """
    slow = any(rule.history_origins is not None for rule in rules)
    choices: list[tuple[int, list[Rule], slice]] = []
    begins, firsts = np.unique(origins // CHOICE_ROWS * CHOICE_ROWS, return_index=True)
    for begin, first, end in zip(begins, firsts, [*firsts[1:], len(origins)], strict=True):
        found = find_partners(own.at(int(begin)), others, int(begin), limit=options.max_partners)
        found.sort(key=lambda rule: rule.name)
        if choices and not slow and _names(choices[-1][1]) == _names(found):
            begin, found, rows = choices.pop()
            first = rows.start
        choices.append((int(begin), found, slice(int(first), int(end))))
    return choices


def _without_begins(parts: Sequence[Retrodiction]) -> Retrodiction:
    """Put runs of origins side by side, each without the row it begins at, [M, O, H]."""
    names = dict.fromkeys(name for part in parts for name in part.models[: -len(ENSEMBLES)])
    models = (*names, *ENSEMBLES)

    def joined(values: Iterable[Floats], absent: float) -> Floats:
        runs = []
        for part, made in zip(parts, values, strict=True):
            run = np.full((len(models), *made.shape[1:]), absent)
            run[[models.index(name) for name in part.models]] = made
            runs.append(run[:, 1:])
        return np.concatenate(runs, axis=1)

    return Retrodiction(
        models,
        predicted=joined((part.predicted for part in parts), np.nan),
        lower=joined((part.lower for part in parts), np.nan),
        upper=joined((part.upper for part in parts), np.nan),
        weights=joined((part.weights for part in parts), 0.0),
    )


def _names(rules: Sequence[Rule]) -> list[str]:
    return [rule.name for rule in rules]


def _table(
    batch_id: str,
    variable: PlannedVariable,
    made: Retrodiction,
    picked: tuple[np.ndarray, np.ndarray],
    scale: Floats,
    errors: pa.Array,
) -> pa.Table:
    """Lay the [M, O, H] arrays out as rows: all pairs of the first model, then of the next."""
    models, pairs = len(made.models), variable.pairs
    dates = variable.window.observations.dates
    length = models * len(pairs.target)

    def column(values: np.ndarray) -> np.ndarray:
        return values[:, *picked].ravel()

    def same(values: np.ndarray) -> np.ndarray:
        return np.tile(values, models)

    model = np.repeat(np.arange(models, dtype=np.int32), len(pairs.target))
    return pa.table(
        [
            constant(variable.name, length),
            pa.DictionaryArray.from_arrays(model, list(made.models)),
            same(dates[pairs.origin]),
            same(pairs.horizon.astype(np.int32)),
            same(dates[pairs.target]),
            column(made.predicted),
            column(made.lower),
            column(made.upper),
            same(variable.window.observations.values[pairs.target]),
            same(scale),
            column(made.weights),
            errors,
            constant(batch_id, length),
        ],
        schema=RETRODICTIONS,
    )
