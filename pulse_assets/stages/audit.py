"""Look at stored tables again: would the past have been predicted so without its future?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.retrodiction.rules import ENSEMBLES, Rule
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.columns import split_by
from pulse_assets.stages.predict import PlannedVariable, forecast_series, planned_variables
from pulse_assets.stages.window import Floats, Observations

Tables = Mapping[str, pa.Table]

#: Largest difference of a forecast that was made again, as a share of it: rounding, and no more.
ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class Remade:
    """Forecasts that were made again, and how far the furthest is from the stored one.

    Attributes:
        forecasts: how many were compared.
        difference: of the furthest, a share of the larger of the two; 0 where they are the same
            bits.
        variable: of the forecast that differs.
        model: of it; a rule before an ensemble, which differs because of it.
        failures: by model what it raised when it was made again; those are not compared.
    """

    forecasts: int
    difference: float
    variable: str = ""
    model: str = ""
    failures: Mapping[str, str] = field(default_factory=dict)


def remake(tables: Tables, rules: Sequence[Rule], options: TrainingOptions) -> Remade:
    """Forecast again from the first and the last origin of a batch, with the future cut off.

    Where a rule failed, then or now, it is not compared, nor are the ensembles of the variable,
    which were made with it or without.

    Args:
        tables: `historical_data`, `training_batches` and `retrodictions` of one batch.
        rules: the rules of the configuration that made them.
        options: that configuration.
    """
    options = options.model_copy(update={"on_rule_error": "skip"})
    history, stored = tables["historical_data"], split_by(tables["retrodictions"], "variable")
    found = [
        _remake_one(variable, row, history, stored[variable.name], rules, options)
        for variable in planned_variables(tables["training_batches"], history, options.horizons)
        for row in {*variable.pairs.known[[0, -1]].tolist()}
    ]
    furthest = max(found, key=blame, default=Remade(0, 0.0))
    failures = {name: text for one in found for name, text in one.failures.items()}
    compared = sum(one.forecasts for one in found)
    return replace(furthest, forecasts=compared, failures=failures)


def blame(one: Remade) -> tuple[bool, float]:
    """Return how much a difference tells: one of a single rule more than one of an ensemble."""
    return one.difference > ROUNDING and one.model not in ENSEMBLES, one.difference


def _remake_one(
    variable: PlannedVariable,
    row: int,
    history: pa.Table,
    stored: pa.Table,
    rules: Sequence[Rule],
    options: TrainingOptions,
) -> Remade:
    """Forecast one variable from the origins up to `row`, and compare those from `row` itself."""
    pairs, whole = variable.pairs, variable.window.learnt
    past = Observations(whole.dates[: row + 1], whole.values[: row + 1], whole.published[: row + 1])
    until = pa.scalar(past.dates[-1].item())
    seen = Observations.by_variable(history.filter(pc.field("timestamp") <= until))
    at = pairs.known == row
    # All horizons of the batch: a rule may forecast a path as a whole.
    reaches = np.unique(pairs.reach)
    ahead = reaches.searchsorted(pairs.reach[at])
    asked = np.array([row]), reaches
    made = forecast_series(
        variable.name, past, variable.window.frequency, asked, seen, rules, options
    )
    again = dict(zip(made.models, made.predicted[:, 0, ahead], strict=True))
    before = _by_model(stored, at)
    failures = {one.model: one.text for one in made.errors}
    failed = {*failures, *stored.filter(stored["error"].is_valid())["model"].to_pylist()}
    if failed:
        failed.update(ENSEMBLES)
    # Of a partner that is chosen for other origins of the batch, here is no forecast.
    nobody = np.full(len(ahead), np.nan)
    compared = [
        Remade(
            len(ahead),
            _furthest(again.get(name, nobody), before.get(name, nobody)),
            variable.name,
            name,
        )
        for name in sorted((again | before).keys() - failed)
    ]
    worst = max(compared, key=blame, default=Remade(0, 0.0))
    return replace(worst, forecasts=len(compared) * len(ahead), failures=failures)


def _by_model(stored: pa.Table, at: np.ndarray) -> dict[str, Floats]:
    """Return by model the stored forecasts of some pairs; rows stand in the order of the pairs."""
    rows = split_by(stored, "model")
    found = {name: one["predicted"].to_numpy() for name, one in rows.items()}
    return {name: values[at] for name, values in found.items() if len(values)}


def _furthest(again: Floats, before: Floats) -> float:
    """Return the largest difference; of a forecast that one side alone has it is infinite.

    Example:
        >>> _furthest(np.array([1.0, np.nan]), np.array([2.0, np.nan]))
        0.5
    """
    same = (again == before) | (np.isnan(again) & np.isnan(before))
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = np.abs(again - before) / np.maximum(np.abs(again), np.abs(before))
    apart = np.where(same, 0.0, np.nan_to_num(apart, nan=np.inf))
    return float(apart.max(initial=0.0))


def count_duplicates(table: pa.Table, key: Sequence[str]) -> int:
    """Count the rows whose key another row has had before.

    Example:
        >>> count_duplicates(pa.table({"a": [1, 1, 2], "b": [1, 1, 1]}), ["a", "b"])
        1
    """
    return table.num_rows - table.group_by(list(key)).aggregate([]).num_rows
