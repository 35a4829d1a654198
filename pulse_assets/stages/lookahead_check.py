"""Look-ahead check: recompute stored forecasts without later data, and compare the two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.array_types import Bools, Floats, Ints
from pulse_assets.retrodiction.retrodict import Retrodiction
from pulse_assets.retrodiction.rules import ENSEMBLES, Rule
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.columns import split_by
from pulse_assets.stages.predict import PlannedVariable, forecast_series, planned_variables
from pulse_assets.stages.window import Observations

Tables = Mapping[str, pa.Table]

#: Largest relative difference of two forecasts that counts as rounding.
ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class Recomputed:
    """The number of recomputed forecasts, and the largest difference from the stored ones.

    Attributes:
        forecasts: number of forecasts compared.
        difference: largest absolute difference as a share of the larger forecast; 0 if all are
            equal bit for bit.
        variable: variable of the forecast that differs most.
        model: model of that forecast; a rule rather than an ensemble that includes it.
        failures: error by model of the rules that failed when they were recomputed; these are not
            compared.
    """

    forecasts: int
    difference: float
    variable: str = ""
    model: str = ""
    failures: Mapping[str, str] = field(default_factory=dict)


def recompute(tables: Tables, rules: Sequence[Rule], options: TrainingOptions) -> Recomputed:
    """Recompute the forecasts from a batch's first and last origins without later data.

    A rule that failed, in the batch or now, is not compared. Neither are the ensembles of its
    variable, because only one of the two computations includes the rule.

    Args:
        tables: `historical_data`, `training_batches` and `retrodictions` of one batch.
        rules: the rules of the configuration that computed the batch.
        options: the options of that configuration.
    """
    options = options.model_copy(update={"on_rule_error": "skip"})
    history = tables["historical_data"]
    retrodictions = split_by(tables["retrodictions"], "variable")
    results = [
        _recompute_origin(variable, row, history, retrodictions[variable.name], rules, options)
        for variable in planned_variables(tables["training_batches"], history, options.horizons)
        for row in {*variable.pairs.last_known_row[[0, -1]].tolist()}
    ]
    worst = max(results, key=difference_rank, default=Recomputed(0, 0.0))
    failures = {name: text for result in results for name, text in result.failures.items()}
    return replace(worst, forecasts=sum(r.forecasts for r in results), failures=failures)


def difference_rank(result: Recomputed) -> tuple[bool, float]:
    """Return the sort key of a difference: a rule's ranks above those of the ensembles."""
    is_rule = result.difference > ROUNDING and result.model not in ENSEMBLES
    return is_rule, result.difference


def _recompute_origin(
    variable: PlannedVariable,
    row: int,
    history: pa.Table,
    retrodictions: pa.Table,
    rules: Sequence[Rule],
    options: TrainingOptions,
) -> Recomputed:
    """Compare the stored forecasts of a variable whose last known value is at `row`."""
    pairs = variable.pairs
    selected = pairs.last_known_row == row
    # All steps of the batch: a rule may forecast a path as a whole.
    steps_ahead = np.unique(pairs.steps_ahead)
    retrodiction = _forecast_without_future(variable, row, steps_ahead, history, rules, options)
    step_index = steps_ahead.searchsorted(pairs.steps_ahead[selected])
    predicted = retrodiction.predicted[:, 0, step_index]
    recomputed = dict(zip(retrodiction.models, predicted, strict=True))
    failures = {failure.model: failure.text for failure in retrodiction.errors}
    failed = {*failures, *_models_with_errors(retrodictions)}
    excluded = {*failed, *ENSEMBLES} if failed else failed
    stored_forecasts = _stored_forecasts(retrodictions, selected)
    differences = _differences(recomputed, stored_forecasts, excluded)
    results = [Recomputed(0, d, variable.name, model) for model, d in differences.items()]
    worst = max(results, key=difference_rank, default=Recomputed(0, 0.0))
    return replace(worst, forecasts=len(results) * len(step_index), failures=failures)


def _forecast_without_future(
    variable: PlannedVariable,
    row: int,
    steps_ahead: Ints,
    history: pa.Table,
    rules: Sequence[Rule],
    options: TrainingOptions,
) -> Retrodiction:
    """Forecast a variable from one row, with no data dated after that row, [M, 1, H]."""
    window, end = variable.window, row + 1
    available = window.available_history
    past = Observations(available.dates[:end], available.values[:end], available.published[:end])
    last_date = pa.scalar(past.dates[-1].item())
    observations = Observations.by_variable(history.filter(pc.field("timestamp") <= last_date))
    return forecast_series(
        variable.name,
        past,
        window.frequency,
        np.array([row]),
        steps_ahead,
        observations,
        rules,
        options,
    )


def _models_with_errors(retrodictions: pa.Table) -> list[str]:
    return retrodictions.filter(retrodictions["error"].is_valid())["model"].to_pylist()


def _stored_forecasts(retrodictions: pa.Table, selected: Bools) -> dict[str, Floats]:
    """Return the stored forecasts of the selected pairs by model; rows are ordered as the pairs."""
    by_model = split_by(retrodictions, "model")
    return {
        name: rows["predicted"].to_numpy()[selected]
        for name, rows in by_model.items()
        if rows.num_rows
    }


def _differences(
    recomputed: Mapping[str, Floats], stored_forecasts: Mapping[str, Floats], excluded: set[str]
) -> dict[str, float]:
    """Return the largest difference between recomputed and stored forecasts by model.

    A leading indicator that was selected only for other origins of the batch has NaN forecasts in
    the stored table and none in the recomputed one: these count as equal.
    """
    absent = np.full(1, np.nan)
    return {
        model: _largest_difference(
            recomputed.get(model, absent), stored_forecasts.get(model, absent)
        )
        for model in sorted({*recomputed, *stored_forecasts} - excluded)
    }


def _largest_difference(recomputed: Floats, previous: Floats) -> float:
    """Return the largest relative difference; infinite where only one of the two is NaN.

    Example:
        >>> _largest_difference(np.array([1.0, np.nan]), np.array([2.0, np.nan]))
        0.5
    """
    equal = (recomputed == previous) | (np.isnan(recomputed) & np.isnan(previous))
    with np.errstate(invalid="ignore", divide="ignore"):
        largest = np.maximum(np.abs(recomputed), np.abs(previous))
        difference = np.abs(recomputed - previous) / largest
    difference = np.where(equal, 0.0, np.nan_to_num(difference, nan=np.inf))
    return float(difference.max(initial=0.0))
