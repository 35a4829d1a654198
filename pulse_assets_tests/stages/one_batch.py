"""The stages of one batch, one after the other, as a task runs them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import pyarrow as pa

from pulse_assets.batches.windows import TrainingBatch
from pulse_assets.history.forecast_days import with_days
from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.history.publication import lag_of, with_publication
from pulse_assets.history.series import Series
from pulse_assets.retrodiction.rules import Rule
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.observe import observe
from pulse_assets.stages.panel import Panel
from pulse_assets.stages.plan import plan
from pulse_assets.stages.predict import PlannedVariable, planned_variables, predict
from pulse_assets.stages.score import score
from pulse_assets.stages.variable_history import histories_of


class Stages(NamedTuple):
    """What the stages of one batch compute."""

    history: pa.Table
    planned: pa.Table
    variables: list[PlannedVariable]
    retrodictions: pa.Table
    levels: tuple[float, ...]

    @property
    def tables(self) -> dict[str, pa.Table]:
        """The tables that the look-ahead check reads."""
        names = "historical_data", "training_batches", "retrodictions"
        return dict(zip(names, (self.history, self.planned, self.retrodictions), strict=True))

    def score(self) -> pa.Table:
        """Return the `batch_metrics`."""
        batch = self.planned["batch"][0].as_py()
        return score(batch, self.planned, self.variables, self.retrodictions, self.levels)


def published(series: Mapping[str, Series], options: TrainingOptions) -> dict[str, Series]:
    """Return series and forecasts with days of publication, as `load_series` does."""
    loaded = {}
    for name, one in series.items():
        frequency = get_frequency(options.frequencies[name])
        lag = lag_of(name, options.publication_lag_days)
        own = with_publication(one, frequency, lag)
        given = tuple(with_days(each, own, frequency, lag) for each in one.forecasts)
        loaded[name] = replace(own, forecasts=given)
    return loaded


def run_stages(
    batch: TrainingBatch,
    series: Mapping[str, Series],
    rules: Sequence[Rule],
    options: TrainingOptions,
) -> Stages:
    """Compute one batch; the history is that of `options.history_days`."""
    history = observe(batch, published(series, options), options)
    histories = histories_of(history, options.frequencies)
    planned = plan(batch, histories, options.horizons)
    variables = planned_variables(planned, histories, options.horizons)
    panel = Panel({name: one.rows for name, one in histories.items()})
    forecasts = predict({batch.batch_id: variables}, panel, rules, options)
    table = forecasts[batch.batch_id].table()
    return Stages(history, planned, variables, table, options.quantile_levels)
