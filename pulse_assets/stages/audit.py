"""Look at stored tables again: would the past have been predicted so without its future?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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

    `difference` is a share of the larger of the two; 0 where they are the same bits. `variable` and
    `model` name the forecast that differs: a rule before an ensemble, which differs because of it.
    """

    forecasts: int
    difference: float
    variable: str = ""
    model: str = ""


def remake(tables: Tables, rules: Sequence[Rule], options: TrainingOptions) -> Remade:
    """Forecast again from the first and the last origin of a batch, with the future cut off.

    Args:
        tables: `historical_data`, `training_batches` and `retrodictions` of one batch.
        rules: the rules of the configuration that made them.
        options: that configuration.

    Raises:
        RuleError: a rule failed.
    """
    history, stored = tables["historical_data"], split_by(tables["retrodictions"], "variable")
    found = [
        _remake_one(variable, row, history, stored[variable.name], rules, options)
        for variable in planned_variables(tables["training_batches"], history, options.horizons)
        for row in {*variable.pairs.known[[0, -1]].tolist()}
    ]
    furthest = max(found, key=_blame, default=Remade(0, 0.0))
    return replace(furthest, forecasts=sum(one.forecasts for one in found))


def _blame(one: Remade) -> tuple[bool, float]:
    """Return how much a difference says: of a single rule more than of an ensemble."""
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
    reaches, ahead = np.unique(pairs.reach[at], return_inverse=True)
    asked = np.array([row]), reaches
    made = forecast_series(
        variable.name, past, variable.window.frequency, asked, seen, rules, options
    )
    again = dict(zip(made.models, made.predicted[:, 0, ahead], strict=True))
    before = _by_model(stored, at)
    # Of a partner that is chosen for other origins of the batch, here is no forecast.
    names, nobody = sorted(again | before), np.full(len(ahead), np.nan)
    pairs_of = {n: (again.get(n, nobody), before.get(n, nobody)) for n in names}
    compared = [replace(_compare(*pairs_of[n]), variable=variable.name, model=n) for n in names]
    worst = max(compared, key=_blame, default=Remade(0, 0.0))
    return replace(worst, forecasts=sum(one.forecasts for one in compared))


def _by_model(stored: pa.Table, at: np.ndarray) -> dict[str, Floats]:
    """Return by model the stored forecasts of some pairs; rows stand in the order of the pairs."""
    rows = split_by(stored, "model")
    found = {name: one["predicted"].to_numpy() for name, one in rows.items()}
    return {name: values[at] for name, values in found.items() if len(values)}


def _compare(again: Floats, before: Floats) -> Remade:
    """Compare forecasts; one that is missing on one side only is infinitely far.

    Example:
        >>> _compare(np.array([1.0, np.nan]), np.array([2.0, np.nan]))
        Remade(forecasts=2, difference=0.5, variable='', model='')
    """
    same = (again == before) | (np.isnan(again) & np.isnan(before))
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = np.abs(again - before) / np.maximum(np.abs(again), np.abs(before))
    apart = np.where(same, 0.0, np.nan_to_num(apart, nan=np.inf))
    return Remade(again.size, float(apart.max(initial=0.0)))


def count_duplicates(table: pa.Table, key: Sequence[str]) -> int:
    """Count the rows whose key another row has had before.

    Example:
        >>> count_duplicates(pa.table({"a": [1, 1, 2], "b": [1, 1, 1]}), ["a", "b"])
        1
    """
    return table.num_rows - table.group_by(list(key)).aggregate([]).num_rows
