"""Stage 3, `retrodictions`: every rule's forecast of every target of a batch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from pulse_assets.array_types import Dates, Floats, Ints
from pulse_assets.catalog import RETRODICTIONS
from pulse_assets.history.frequency import Frequency, get_frequency
from pulse_assets.retrodiction.failures import RuleFailure
from pulse_assets.retrodiction.indicators import screen_indicators
from pulse_assets.retrodiction.known_series import KnownSeries
from pulse_assets.retrodiction.retrodict import Retrodiction, retrodict
from pulse_assets.retrodiction.rounding import round_bounds, round_weights
from pulse_assets.retrodiction.rules import ENSEMBLES, Rule
from pulse_assets.retrodiction.scores import mase_scale
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.columns import constant
from pulse_assets.stages.window import Observations, Pairs, Window

#: Rows from one screening of leading indicators to the next. Slow rules restart there too.
SCREENING_ROWS: Final = 24


@dataclass(frozen=True)
class PlannedVariable:
    """A variable that a batch predicts: its window and the pairs of origin and target."""

    name: str
    window: Window
    pairs: Pairs


def planned_variables(
    planned: pa.Table, history: pa.Table, horizons: Sequence[int]
) -> list[PlannedVariable]:
    """Return the variables that a batch's `training_batches` does not skip."""
    observations = Observations.by_variable(history)
    variables = []
    for row in planned.to_pylist():
        if row["skip_reason"] is None:
            name, frequency = row["variable"], get_frequency(row["frequency"])
            window = Window.of(observations[name], np.datetime64(row["window_start"]), frequency)
            variables.append(PlannedVariable(name, window, window.pairs(horizons)))
    return variables


def predict(
    batch_id: str,
    planned: Iterable[PlannedVariable],
    history: pa.Table,
    rules: Sequence[Rule],
    options: TrainingOptions,
) -> pa.Table:
    """Forecast each target of a batch by every rule, leading indicator and ensemble.

    Returns:
        A table of schema `RETRODICTIONS`.
    """
    observations = Observations.by_variable(history)
    parts = [
        _predict_variable(batch_id, variable, observations, rules, options) for variable in planned
    ]
    return pa.concat_tables([RETRODICTIONS.empty_table(), *parts]).unify_dictionaries()


def _predict_variable(
    batch_id: str,
    variable: PlannedVariable,
    observations: Mapping[str, Observations],
    rules: Sequence[Rule],
    options: TrainingOptions,
) -> pa.Table:
    window, pairs = variable.window, variable.pairs
    origins, origin_index = np.unique(pairs.last_known_row, return_inverse=True)
    steps_ahead, step_index = np.unique(pairs.steps_ahead, return_inverse=True)
    forecasts = forecast_series(
        variable.name,
        window.available_history,
        window.frequency,
        origins,
        steps_ahead,
        observations,
        rules,
        options,
    )
    measure = partial(mase_scale, season=window.frequency.scale_season)
    scale = window.known_series.measure(origins, measure)[origin_index]
    errors = _error_column(forecasts, origins, origin_index)
    return _table(batch_id, variable, forecasts, (origin_index, step_index), scale, errors)


def _error_column(forecasts: Retrodiction, origins: Ints, origin_index: Ints) -> pa.Array:
    """Return the error of each rule at the origin of each pair, model by model."""
    texts = [*dict.fromkeys(failure.text for failure in forecasts.errors)]
    codes = np.full((len(forecasts.models), len(origins)), -1, np.int32)
    for failure in forecasts.errors:
        model, origin = forecasts.models.index(failure.model), origins.searchsorted(failure.origin)
        codes[model, origin] = texts.index(failure.text)
    pair_codes = codes[:, origin_index].ravel()
    indices = pa.array(pair_codes, mask=pair_codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(texts, pa.string()))


def forecast_series(
    name: str,
    available_history: Observations,
    frequency: Frequency,
    origins: Ints,
    steps_ahead: Ints,
    observations: Mapping[str, Observations],
    rules: Sequence[Rule],
    options: TrainingOptions,
) -> Retrodiction:
    """Forecast one variable by every rule, its leading indicators and the ensembles.

    A forecast must not depend on which other origins are requested, because that set depends on
    later data. So leading indicators are screened, and slow rules restart, at every
    `SCREENING_ROWS`th row of the series, whichever origins follow it.

    Args:
        name: the variable.
        available_history: its regular observations in publication order, [T].
        frequency: its frequency.
        origins: rows of the last value known at each origin, ascending, [O].
        steps_ahead: steps from those rows to the targets, ascending, [H].
        observations: observations of all variables by name.
        rules: the rules.
        options: ensemble method, interval level, leading indicators and what a rule's error does.

    Returns:
        Forecasts [M, O, H]. A leading indicator's forecasts are NaN at origins for which it was not
        selected. The errors are those at the requested origins; a rule that failed only before them
        has one error, at the first of them.

    Raises:
        RuleError: a rule failed and `on_rule_error` is `fail`.
    """
    own, others = KnownSeries.of(available_history.values, frequency.season), {}
    if options.max_partners:
        dates = available_history.dates
        others = {other: x.as_known_on(dates) for other, x in observations.items() if other != name}
    parts = [
        retrodict(
            own,
            np.append(segment.first_row, origins[segment.origins]),
            steps_ahead,
            frequency.season,
            [*rules, *segment.indicators],
            ensemble=options.ensemble,
            level=options.interval_level,
            strict=options.on_rule_error == "fail",
        )
        for segment in _segments(own, others, origins, rules, options)
    ]
    errors = _errors_at_origins(origins, available_history.dates, parts)
    return replace(_join_segments(parts), errors=errors)


def _errors_at_origins(
    origins: Ints, dates: Dates, parts: Sequence[Retrodiction]
) -> tuple[RuleFailure, ...]:
    """Return the failures at the requested origins, and one per rule that failed only before."""
    failures = {(failure.model, failure.origin): failure for p in parts for failure in p.errors}
    requested = set(origins.tolist())
    errors = [failure for failure in failures.values() if failure.origin in requested]
    reported = {failure.model for failure in errors}
    for failure in failures.values():
        if failure.model not in reported:
            reported.add(failure.model)
            message = f"{failure.message} (from the earlier origin {dates[failure.origin]})"
            errors.append(failure._replace(origin=int(origins[0]), message=message))
    return tuple(sorted(errors))


class _Segment(NamedTuple):
    """Consecutive origins that are forecast with the same leading indicators.

    Attributes:
        first_row: row at which the indicators were screened, and from which slow rules start.
        indicators: a rule per leading indicator, ordered by name.
        origins: the segment's part of the requested origins.
    """

    first_row: int
    indicators: list[Rule]
    origins: slice


def _segments(
    own: KnownSeries,
    others: Mapping[str, KnownSeries],
    origins: Ints,
    rules: Sequence[Rule],
    options: TrainingOptions,
) -> list[_Segment]:
    """Split the origins at the rows where leading indicators are screened.

    Neighbouring segments with the same indicators are merged, unless a slow rule has to restart.
    """
    slow = any(rule.history_origins is not None for rule in rules)
    segments: list[_Segment] = []
    rows, firsts = np.unique(origins // SCREENING_ROWS * SCREENING_ROWS, return_index=True)
    ends = [*firsts[1:].tolist(), len(origins)]
    for row, first, end in zip(rows.tolist(), firsts.tolist(), ends, strict=True):
        indicators = screen_indicators(own.at(row), others, row, limit=options.max_partners)
        indicators.sort(key=lambda rule: rule.name)
        segment = _Segment(row, indicators, slice(first, end))
        if segments and not slow and _names(segments[-1].indicators) == _names(indicators):
            previous = segments.pop()
            segment = previous._replace(origins=slice(previous.origins.start, end))
        segments.append(segment)
    return segments


def _join_segments(parts: Sequence[Retrodiction]) -> Retrodiction:
    """Concatenate the forecasts of segments, [M, O, H], each without its screening row."""
    names = dict.fromkeys(name for part in parts for name in part.models[: -len(ENSEMBLES)])
    models = (*names, *ENSEMBLES)

    def joined(arrays: Iterable[Floats], absent: float) -> Floats:
        blocks = []
        for part, values in zip(parts, arrays, strict=True):
            block = np.full((len(models), *values.shape[1:]), absent)
            block[[models.index(name) for name in part.models]] = values
            blocks.append(block[:, 1:])
        return np.concatenate(blocks, axis=1)

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
    forecasts: Retrodiction,
    pair_index: tuple[Ints, Ints],
    scale: Floats,
    errors: pa.Array,
) -> pa.Table:
    """Return [M, O, H] arrays as rows by model, then pair; `pair_index` has each pair's O and H."""
    models, pairs = len(forecasts.models), variable.pairs
    dates = variable.window.observations.dates
    length = models * len(pairs.target)

    def column(values: np.ndarray) -> np.ndarray:
        return values[:, *pair_index].ravel()

    def same(values: np.ndarray) -> np.ndarray:
        return np.tile(values, models)

    model = np.repeat(np.arange(models, dtype=np.int32), len(pairs.target))
    predicted = forecasts.predicted
    lower, upper = round_bounds(predicted, forecasts.lower, forecasts.upper)
    return pa.table(
        [
            constant(variable.name, length),
            pa.DictionaryArray.from_arrays(model, list(forecasts.models)),
            same(dates[pairs.origin]),
            same(pairs.horizon.astype(np.int32)),
            same(dates[pairs.target]),
            column(predicted),
            column(lower),
            column(upper),
            same(variable.window.observations.values[pairs.target]),
            same(scale),
            column(round_weights(forecasts.weights)),
            errors,
            constant(batch_id, length),
        ],
        schema=RETRODICTIONS,
    )
