"""Look-ahead check: recompute stored forecasts without later data, and compare the two."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.array_types import Bools, Floats
from pulse_assets.retrodiction.retrodict import Retrodiction
from pulse_assets.retrodiction.rules import ENSEMBLES, Rule
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.columns import split_by
from pulse_assets.stages.observations import Observations
from pulse_assets.stages.panel import Panel, SeriesRequest, forecast_series
from pulse_assets.stages.predict import PlannedVariable, planned_variables
from pulse_assets.stages.variable_history import VariableHistory, histories_of

Tables = Mapping[str, pa.Table]

#: Columns of `retrodictions` that `recompute` needs.
COMPARED_COLUMNS: Final = ("variable", "model", "predicted", "error")

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


def recompute(
    tables: Tables,
    rules: Sequence[Rule],
    options: TrainingOptions,
    variables: Sequence[str] | None = None,
) -> Recomputed:
    """Recompute the forecasts from a batch's first and last origins without later data.

    A rule that failed, in the batch or now, is not compared. Neither are the ensembles of its
    variable, because only one of the two computations includes the rule.

    Args:
        tables: `historical_data` and `training_batches` of one batch, and `COMPARED_COLUMNS` of its
            `retrodictions`, of these variables or more.
        rules: the rules of the configuration that computed the batch.
        options: the options of that configuration.
        variables: whose forecasts are recomputed, all others being possible indicators; None: all.
    """
    options = options.model_copy(update={"on_rule_error": "skip"})
    histories = histories_of(tables["historical_data"], options.frequencies)
    retrodictions = split_by(tables["retrodictions"], "variable")
    results = []
    planned = tables["training_batches"]
    if variables is not None:
        planned = planned.filter(pc.field("variable").isin(pa.array(variables, pa.string())))
    for day, origins in _origins_by_day(planned_variables(planned, histories, options.horizons)):
        public = {name: history.rows.public_on(day) for name, history in histories.items()}
        panel = Panel(public)
        requests = [_request(variable, row, public[variable.name]) for variable, row in origins]
        selected = panel.select_indicators(requests, options.max_partners)
        for (variable, row), request in zip(origins, requests, strict=True):
            rows = retrodictions[variable.name]
            for own_request, pairs in _by_hearing(variable, row, request):
                again = forecast_series(own_request, panel, selected, rules, options).retrodiction
                results.append(_compare(variable, pairs, own_request, again, rows))
    worst = max(results, key=difference_rank, default=Recomputed(0, 0.0))
    failures = {name: text for result in results for name, text in result.failures.items()}
    return replace(worst, forecasts=sum(r.forecasts for r in results), failures=failures)


def difference_rank(result: Recomputed) -> tuple[bool, float]:
    """Return the sort key of a difference: a rule's ranks above those of the ensembles."""
    is_rule = result.difference > ROUNDING and result.model not in ENSEMBLES
    return is_rule, result.difference


def _origins_by_day(
    planned: Iterable[PlannedVariable],
) -> list[tuple[np.datetime64, list[tuple[PlannedVariable, int]]]]:
    """Return each variable's first and last known row, by the day on which it was known first.

    Variables that share a day share what was public on it.
    """
    by_day: dict[np.datetime64, list[tuple[PlannedVariable, int]]] = {}
    for variable in planned:
        days = variable.history.available_history.published
        for row in sorted({*variable.pairs.last_known_row[[0, -1]].tolist()}):
            by_day.setdefault(cast("np.datetime64", days[row]), []).append((variable, row))
    return sorted(by_day.items(), key=itemgetter(0))


def _request(variable: PlannedVariable, row: int, public: Observations) -> SeriesRequest:
    """Ask for the forecasts of a variable from one row, with no row after it.

    Args:
        variable: the variable.
        row: of its available history.
        public: what was public of it on the day on which the row was.
    """
    rows = public.until(variable.history.available_history.dates[row])
    history = VariableHistory(rows, variable.history.frequency)
    # All steps of the batch: a rule may forecast a path as a whole.
    steps = np.unique(variable.pairs.steps_ahead)
    # Which dates have an observation is known: it says what somebody else's forecasts are of.
    labels = variable.history.observations.dates
    return SeriesRequest.of(variable.name, history, np.array([row]), steps, labels)


def _by_hearing(
    variable: PlannedVariable, row: int, request: SeriesRequest
) -> Iterator[tuple[SeriesRequest, Bools]]:
    """Yield the request and the pairs from a row for which somebody else's forecasts count; others.

    See `PlannedVariable.heard`.
    """
    own = variable.pairs.last_known_row == row
    heard = own & variable.heard if request.given.models else own
    if heard.any():
        yield request, heard
    if (own & ~heard).any():
        yield request.without_given(), own & ~heard


def _compare(
    variable: PlannedVariable,
    selected: Bools,
    request: SeriesRequest,
    retrodiction: Retrodiction,
    retrodictions: pa.Table,
) -> Recomputed:
    """Compare the stored forecasts of the selected pairs of a variable, [P]."""
    pairs = variable.pairs
    step_index = request.steps_ahead.searchsorted(pairs.steps_ahead[selected])
    recomputed = dict(
        zip(retrodiction.models, retrodiction.predicted[:, 0, step_index], strict=True)
    )
    failures = {failure.model: failure.text for failure in retrodiction.errors}
    failed = {*failures, *_models_with_errors(retrodictions)}
    excluded = {*failed, *ENSEMBLES} if failed else failed
    differences = _differences(recomputed, _stored_forecasts(retrodictions, selected), excluded)
    results = [Recomputed(0, d, variable.name, model) for model, d in differences.items()]
    worst = max(results, key=difference_rank, default=Recomputed(0, 0.0))
    return replace(worst, forecasts=len(results) * len(step_index), failures=failures)


def _models_with_errors(retrodictions: pa.Table) -> list[str]:
    return retrodictions.filter(retrodictions["error"].is_valid())["model"].to_pylist()


def _stored_forecasts(retrodictions: pa.Table, selected: Bools) -> dict[str, Floats]:
    """Return the stored forecasts of the selected pairs by model.

    The rows are ordered by model, then pair.
    """
    models = retrodictions["model"].take(np.arange(0, retrodictions.num_rows, len(selected)))
    predicted = retrodictions["predicted"].to_numpy().reshape(-1, len(selected))
    return dict(zip(models.to_pylist(), predicted[:, selected], strict=True))


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
