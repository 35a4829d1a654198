"""Stage 3, `retrodictions`: every rule's forecast of every target of a batch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from pulse_assets.array_types import Bools, Floats, Ints
from pulse_assets.catalog import RETRODICTIONS
from pulse_assets.retrodiction.retrodict import Retrodiction
from pulse_assets.retrodiction.rounding import round_sums, round_weights
from pulse_assets.retrodiction.rules import Rule
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.columns import constant, few_rows, quantile_columns
from pulse_assets.stages.panel import (
    Panel,
    Selected,
    SeriesForecasts,
    SeriesRequest,
    forecast_series,
)
from pulse_assets.stages.variable_history import Pairs, VariableHistory


@dataclass(frozen=True)
class PlannedVariable:
    """A variable that a batch predicts: its history and the pairs of origin and target."""

    name: str
    history: VariableHistory
    pairs: Pairs

    @property
    def squared_scale(self) -> Floats:
        """The denominator of rmsse of each pair, [P]."""
        return self.history.squared_scales[self.pairs.last_known_row]

    @property
    def heard(self) -> Bools:
        """Whether somebody else's forecasts count for each pair, [P].

        Where rows are steps, as in daily series, the number of steps is not sure from an origin
        whose own value is not known. Which date such a forecast is of is then unknown.
        """
        if self.history.frequency.counts_periods:
            return np.ones(len(self.pairs.target), bool)
        known_dates = self.history.available_history.dates[self.pairs.last_known_row]
        return known_dates == self.history.observations.dates[self.pairs.origin]


def planned_variables(
    planned: pa.Table, histories: Mapping[str, VariableHistory], horizons: Sequence[int]
) -> list[PlannedVariable]:
    """Return the variables that a batch's `training_batches` does not skip.

    Args:
        planned: the batch's `training_batches`.
        histories: of each variable, from the batch's anchor on.
        horizons: steps ahead to predict.
    """
    columns = ["variable", "window_start", "window_end"]
    chosen = planned.filter(planned["skip_reason"].is_null()).select(columns)
    variables = []
    for row in chosen.to_pylist():
        history = histories[row["variable"]]
        pairs = history.pairs(history.window(row["window_start"], row["window_end"]), horizons)
        variables.append(PlannedVariable(row["variable"], history, pairs))
    return variables


def predict(
    batches: Mapping[str, Sequence[PlannedVariable]],
    panel: Panel,
    rules: Sequence[Rule],
    options: TrainingOptions,
) -> "dict[str, BatchForecasts]":
    """Forecast each target of some batches by every rule, leading indicator and ensemble.

    The forecasts of a batch do not depend on the other batches: they only share the work.

    Args:
        batches: the planned variables of each batch, by partition key; all of one anchor.
        panel: the observations of all variables.
        rules: the rules.
        options: ensemble method, quantiles, bounds, indicators and what a rule's error does.

    Returns:
        The forecasts by partition key.
    """
    groups = _groups(batches, by_steps=any(rule.history_origins is not None for rule in rules))
    requests = [group.request for group in groups]
    selected = panel.select_indicators(requests, options.max_partners)
    forecasts = {key: BatchForecasts(key, [], options) for key in batches}
    for group in groups:
        for key, part in _forecast(group, panel, selected, rules, options):
            forecasts[key].parts.append(part)
    return forecasts


@dataclass(frozen=True)
class _Group:
    """One variable in several batches, whose targets are forecast together."""

    members: tuple[tuple[str, PlannedVariable], ...]

    @property
    def request(self) -> SeriesRequest:
        """All that the members need."""
        _, first = self.members[0]
        pairs = [variable.pairs for _, variable in self.members]
        return SeriesRequest.of(
            first.name,
            first.history,
            np.unique(np.concatenate([p.last_known_row for p in pairs])),
            np.unique(np.concatenate([p.steps_ahead for p in pairs])),
        )

    @property
    def parts(self) -> "list[_Group]":
        """A group for each member."""
        return [_Group((member,)) for member in self.members]


def _groups(batches: Mapping[str, Sequence[PlannedVariable]], *, by_steps: bool) -> list[_Group]:
    """Group the batches by variable, sorted by its name.

    Args:
        batches: planned variables by partition key.
        by_steps: group only those batches whose targets are the same steps ahead. A user's rule may
            forecast a path as a whole, so its forecasts may depend on how long the path is.
    """
    members: dict[tuple[str, bytes], list[tuple[str, PlannedVariable]]] = {}
    for key, variables in batches.items():
        for variable in variables:
            steps = np.unique(variable.pairs.steps_ahead).tobytes() if by_steps else b""
            members.setdefault((variable.name, steps), []).append((key, variable))
    return [_Group(tuple(members[name])) for name in sorted(members)]


@dataclass(frozen=True)
class _Rows:
    """The forecasts of one variable in one batch: M models, sorted by name, and P pairs.

    Attributes:
        variable: what was predicted.
        models: names of the models.
        numbers: forecasts, weights and quantiles [2 + L, M, P].
        errors: texts of errors [M, P], empty where there is none; None: no rule failed.
    """

    variable: PlannedVariable
    models: list[str]
    numbers: Floats
    errors: np.ndarray | None


@dataclass(frozen=True)
class BatchForecasts:
    """The forecasts of one batch, in a third of the memory of their table.

    Attributes:
        batch_id: the partition key.
        parts: the forecasts of each variable, ordered by its name.
        options: the levels of the quantiles, and which release of an outcome is `observed`.
    """

    batch_id: str
    parts: list[_Rows]
    options: TrainingOptions

    def table(self) -> pa.Table:
        """Return the forecasts as a sorted table of schema `RETRODICTIONS`."""
        parts = self.parts
        tables = [
            _table(self.batch_id, parts[run], self.options)
            for run in few_rows([part.numbers[0].size for part in parts])
        ]
        return pa.concat_tables([RETRODICTIONS.empty_table(), *tables]).unify_dictionaries()


def _forecast(
    group: _Group,
    panel: Panel,
    selected: Selected,
    rules: Sequence[Rule],
    options: TrainingOptions,
) -> Iterator[tuple[str, _Rows]]:
    """Yield partition key and forecasts of each member.

    If a rule failed, each member is forecast for itself: only then is an error told of the batches
    that it concerns, and a time limit counts for each batch.
    """
    forecasts = forecast_series(group.request, panel, selected, rules, options)
    if forecasts.retrodiction.errors and len(group.members) > 1:
        for part in group.parts:
            yield from _forecast(part, panel, selected, rules, options)
        return
    numbers, alone = _numbers(forecasts), None
    if group.request.given.models and not all(v.heard.all() for _, v in group.members):
        request = group.request.without_given()
        alone = forecast_series(request, panel, selected, rules, options)
    for key, variable in group.members:
        rows = _rows(variable, forecasts, numbers)
        yield (
            key,
            rows if alone is None else _only_heard(rows, _rows(variable, alone, _numbers(alone))),
        )


def _numbers(forecasts: SeriesForecasts) -> Floats:
    """Return forecasts, weights and quantiles, [2 + L, M, O, S]."""
    result = forecasts.retrodiction
    weights = round_weights(result.weights)
    return np.concatenate([[result.predicted, weights], result.quantiles])


def _only_heard(rows: _Rows, alone: _Rows) -> _Rows:
    """Return the rows with those of `alone` for pairs for which nobody else's forecasts count."""
    unheard = np.flatnonzero(~rows.variable.heard)
    numbers = rows.numbers.copy()
    numbers[:, :, unheard], numbers[1, :, unheard] = np.nan, 0.0
    places = [rows.models.index(name) for name in alone.models]
    numbers[:, np.array(places)[:, None], unheard] = alone.numbers[:, :, unheard]
    return replace(rows, numbers=numbers)


def _rows(variable: PlannedVariable, forecasts: SeriesForecasts, numbers: Floats) -> _Rows:
    """Take the forecasts of one batch from `numbers` [2 + L, M, O, S] of all."""
    request, pairs = forecasts.request, variable.pairs
    origins = request.origins.searchsorted(pairs.last_known_row)
    steps = request.steps_ahead.searchsorted(pairs.steps_ahead)
    models = forecasts.models_at(pairs.last_known_row)
    chosen = numbers[:, np.array(models)[:, None], origins, steps]
    errors = _error_texts(forecasts.retrodiction, request.origins)
    return _Rows(
        variable,
        [forecasts.retrodiction.models[model] for model in models],
        chosen,
        None if errors is None else errors[models][:, origins],
    )


def _error_texts(retrodiction: Retrodiction, origins: Ints) -> np.ndarray | None:
    """Return the text of each error [M, O]; None if there is none."""
    if not retrodiction.errors:
        return None
    texts = np.full((len(retrodiction.models), len(origins)), "", object)
    for failure in retrodiction.errors:
        texts[retrodiction.models.index(failure.model), origins.searchsorted(failure.origin)] = (
            failure.text
        )
    return texts


def _table(batch_id: str, parts: Sequence[_Rows], options: TrainingOptions) -> pa.Table:
    """Return the rows of some variables of a batch, in order of model, then pair."""
    models = sorted({name for part in parts for name in part.models})
    codes = {name: code for code, name in enumerate(models)}
    predicted, weight, *quantiles = np.concatenate(
        [part.numbers.reshape(len(part.numbers), -1) for part in parts], axis=1
    )
    lengths = [part.numbers[0].size for part in parts]
    rows = list(zip((part.variable.name for part in parts), lengths, strict=True))
    columns = {
        "variable": pa.DictionaryArray.from_arrays(
            np.repeat(np.arange(len(parts), dtype=np.int32), lengths),
            [part.variable.name for part in parts],
        ),
        "model": pa.DictionaryArray.from_arrays(
            np.concatenate([_each_pair(part, codes) for part in parts]), models
        ),
        "predicted": predicted,
        **quantile_columns(np.array(quantiles), rows, options),
        "weight": weight,
        "error": _error_column(parts),
        "batch": constant(batch_id, sum(lengths)),
        **_pair_columns(parts, options.score_against),
    }
    return pa.table([columns[name] for name in RETRODICTIONS.names], schema=RETRODICTIONS)


def _each_pair(part: _Rows, codes: Mapping[str, int]) -> np.ndarray:
    """Return the code of each model, repeated for each of its pairs."""
    own = np.array([codes[name] for name in part.models], np.int32)
    return np.repeat(own, len(part.variable.pairs.target))


def _pair_columns(parts: Sequence[_Rows], score_against: str) -> dict[str, np.ndarray]:
    """Return the columns that are the same for all models."""
    columns: dict[str, list[np.ndarray]] = {}
    for part in parts:
        pairs, history = part.variable.pairs, part.variable.history
        dates = history.observations.dates
        own = {
            "origin_date": dates[pairs.origin],
            "made_at": history.made_at[pairs.origin],
            "horizon": pairs.horizon.astype(np.int32),
            "target_date": dates[pairs.target],
            "observed": history.outcomes(score_against)[pairs.target],
            "observed_latest": history.outcomes("latest")[pairs.target],
            "scale": round_sums(history.mase_scales[pairs.last_known_row]),
        }
        for name, column in own.items():
            columns.setdefault(name, []).append(np.tile(column, len(part.models)))
    return {name: np.concatenate(arrays) for name, arrays in columns.items()}


def _error_column(parts: Sequence[_Rows]) -> pa.Array:
    """Return the error of each row, null where there is none."""
    texts = [
        np.full(part.numbers[0].size, "", object) if part.errors is None else part.errors.ravel()
        for part in parts
    ]
    column = np.concatenate(texts)
    kind = RETRODICTIONS.field("error").type
    return pa.array(column, pa.string(), mask=column == "").dictionary_encode().cast(kind)
