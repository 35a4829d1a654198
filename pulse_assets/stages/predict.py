"""Stage 3, `retrodictions`: every rule's forecast of every target of a batch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pulse_assets.history.frequency import Frequency, get_frequency
from pulse_assets.retrodiction.partners import find_partners
from pulse_assets.retrodiction.retrodict import Retrodiction, retrodict
from pulse_assets.retrodiction.rules import Rule
from pulse_assets.retrodiction.scores import mase_scale
from pulse_assets.schema import RETRODICTIONS
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.columns import constant
from pulse_assets.stages.window import Floats, Ints, Observations, Pairs, Window


@dataclass(frozen=True)
class PlannedVariable:
    """A variable that a batch predicts: its window, what is predicted, and its frequency.

    `begin` is the first row from which the window's forecasts are made, see `Window.begin`.
    """

    name: str
    window: Window
    pairs: Pairs
    frequency: Frequency
    begin: int

    @property
    def origins(self) -> Ints:
        """Rows that the engine is asked to forecast from, ascending."""
        return np.unique(np.append(self.pairs.known, self.begin))


def planned_variables(
    planned: pa.Table, history: pa.Table, horizons: Sequence[int]
) -> list[PlannedVariable]:
    """Select the variables that the plan does not skip, from the plan and the observations."""
    observed = Observations.by_variable(history)
    found = []
    for row in planned.to_pylist():
        if row["skip_reason"] is None:
            name, frequency = row["variable"], get_frequency(row["frequency"])
            start = np.datetime64(row["window_start"])
            window = Window.of(observed[name].regular(frequency), start)
            pairs, begin = window.pairs(horizons), window.begin(horizons)
            found.append(PlannedVariable(name, window, pairs, frequency, begin))
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
    values, pairs = variable.window.observations.values, variable.pairs
    origins = variable.origins
    at = np.searchsorted(origins, pairs.known)
    reaches, ahead = np.unique(pairs.reach, return_inverse=True)
    made = forecast_series(
        variable.name,
        variable.window.observations,
        variable.frequency,
        (origins, reaches),
        seen,
        rules,
        options,
    )
    scale = mase_scale(values, origins, variable.frequency.scale_season)[at]
    return _table(batch_id, variable, made, (at, ahead), scale)


def forecast_series(
    name: str,
    observations: Observations,
    frequency: Frequency,
    asked: tuple[Ints, Ints],
    seen: Mapping[str, Observations],
    rules: Sequence[Rule],
    options: TrainingOptions,
) -> Retrodiction:
    """Forecast one variable by every rule, its partner rules and the ensembles.

    Args:
        name: of the variable.
        observations: its regular observations, [T].
        frequency: its frequency.
        asked: rows of the origins [O] and steps ahead [H], both ascending; partners are those
            that the first origin knows.
        seen: observations of all variables by name.
        rules: the rules.
        options: how to combine and bound.

    Raises:
        RuleError: a rule failed or broke its contract.
    """
    origins, reaches = asked
    partners = _partners(name, observations, seen, int(origins[0]), options.max_partners)
    return retrodict(
        observations.values,
        origins,
        reaches,
        frequency.season,
        [*rules, *partners],
        ensemble=options.ensemble,
        level=options.interval_level,
    )


def _partners(
    name: str, own: Observations, seen: Mapping[str, Observations], until: int, limit: int
) -> list[Rule]:
    if not limit:
        return []
    others = {other: o.as_known_on(own.dates) for other, o in seen.items() if other != name}
    return find_partners(own.values, others, until, limit=limit)


def _table(
    batch_id: str,
    variable: PlannedVariable,
    made: Retrodiction,
    picked: tuple[np.ndarray, np.ndarray],
    scale: Floats,
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
            constant(batch_id, length),
        ],
        schema=RETRODICTIONS,
    )
