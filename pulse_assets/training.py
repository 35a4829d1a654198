"""Training from Python: `train(config)`, and `TrainingPipeline().execute(config)`.

One call runs the whole graph as one Dagster run in this process. The module is not named as its
function, which the package exports: importing a module `train` would replace the function.

Dagster, pandas and the models of the results are imported when they are first needed: bad input is
reported before that.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from pulse_assets.checked_training import CheckedTraining
from pulse_assets.errors import TrainingError
from pulse_assets.execution.cluster import ClusterSpec, open_cluster
from pulse_assets.execution.kernels import prepare_kernels
from pulse_assets.execution.tally import NoProgress, Progress
from pulse_assets.retrodiction.rule_process import fresh_hosts
from pulse_assets.settings import Settings, TrainingConfig, dagster_home
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.store import Store, open_store
from pulse_assets.storage.tables import decode_table

if TYPE_CHECKING:
    import pandas as pd

    from pulse_assets.dagster.runs import RunOutcome
    from pulse_assets.result_records import BatchError, CheckOutcome, RuleErrors, SkippedVariable
    from pulse_assets.results import ResultsDocument

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingResults:
    """The results of a training and where they are stored.

    Attributes:
        data: the `training_results` object as plain values, as it is stored.
        results_path: path or address of the stored object.
        report_path: path or address of the HTML report.
        success: whether the run succeeded and every check of severity ERROR passed: no batch and
            no rule failed, every variable was predicted, no rule looks ahead, the tables are whole.
        store: where the tables of the training are.
        message: why the training did not succeed, in one sentence per failed check; else empty.
    """

    data: Mapping[str, Any]
    results_path: str
    report_path: str
    success: bool
    store: Store
    message: str = ""

    @cached_property
    def document(self) -> "ResultsDocument":
        """The same object with a type for each field: `results.document.batches.completed`."""
        from pulse_assets.results import ResultsDocument

        return ResultsDocument.model_validate(self.data)

    @property
    def models(self) -> "pd.DataFrame":
        """The leaderboard over all variables, one row per model, best skill first."""
        import pandas as pd

        return pd.DataFrame(self.data["models"])

    @cached_property
    def skill_by_horizon(self) -> "pd.DataFrame":
        """Skill, trust and mase by variable, model and horizon; variable None: over all of them.

        It is read from the store when it is first used.
        """
        return self._table("skill_by_horizon")

    @cached_property
    def significance(self) -> "pd.DataFrame":
        """Tests against `naive` and `ensemble_median`, and the model confidence sets.

        One row per variable, model and horizon; horizon None: over all of them. The columns are
        described by the asset `significance`. It is read from the store when it is first used.
        """
        frame = self._table("significance")
        return frame.assign(horizon=frame["horizon"].astype("Int32"))

    @cached_property
    def scores_by_period(self) -> "pd.DataFrame":
        """Scores by year, recession, calm and crisis, and the periods of `periods`.

        One row per period, variable and model; variable None: over all of them. The scores of a
        year are `query("kind == 'year' and period == '2008'")`. It is read from the store when it
        is first used.
        """
        frame = self._table("scores_by_period")
        return frame.astype({"kind": object, "period": object})

    def _table(self, asset: str) -> "pd.DataFrame":
        """Return the table of an asset without partitions, names as text."""
        path = object_path(asset)
        data, name = self.store.read(path), f"{self.store.uri}/{path}"
        frame = decode_table(data, asset, name=name).to_pandas()
        names = frame[["variable", "model"]].astype(object)
        return frame.assign(**names.where(names.notna(), None))

    @property
    def trust_scores(self) -> dict[str, float | None]:
        """Trust of `ensemble` by variable after the last batch, 0..1; None if undefined."""
        return self.document.variables.trust_scores

    @property
    def errors(self) -> "list[BatchError]":
        """The failed batches."""
        return self.document.errors

    @property
    def checks(self) -> "list[CheckOutcome]":
        """The results of the asset checks."""
        return self.document.checks

    @property
    def warnings(self) -> list[str]:
        """Messages of failed checks that warn, although the training may have succeeded."""
        from pulse_assets.stages.outcome import warnings_of

        return warnings_of(self.data)

    @property
    def skipped_variables(self) -> "list[SkippedVariable]":
        """Variables that batches leave out, and why."""
        return self.document.skipped_variables

    @property
    def rule_errors(self) -> "list[RuleErrors]":
        """Errors that rules raised."""
        return self.document.rule_errors


@dataclass(frozen=True)
class TrainingPipeline:
    """The training as an object: `TrainingPipeline().execute(config)` is `train(config)`.

    Attributes:
        progress: is notified of each batch as it completes.
    """

    progress: Progress | None = None

    def execute(self, config: TrainingConfig, *, data: Any = None) -> TrainingResults:  # noqa: ANN401
        """Train as `train` does, with its arguments, results and errors."""
        return train(config, data=data, progress=self.progress)


@fresh_hosts()
def train(
    config: TrainingConfig,
    *,
    data: Any = None,  # noqa: ANN401 - of any library
    progress: Progress | None = None,
) -> TrainingResults:
    """Retrodict every batch of `config`, score it, and return the aggregate.

    The run is recorded in the Dagster instance at DAGSTER_HOME (default `.pulse` in the working
    directory), so the UI shows it. Failed batches, rules and checks do not raise: see
    `TrainingResults.success`.

    Args:
        config: what to train on, over which range, by which rules and where.
        data: a data frame to train on instead of `config.source`: of pandas or Polars, or anything
            with Arrow's method `__arrow_c_stream__`. Long, with columns `unique_id`, `ds` and `y`,
            or wide, with dates in the first column and a column per variable. It is stored once in
            `source_data` of the store, under the hash of its content.
        progress: is notified of each batch as it completes.

    Raises:
        ConfigurationError: a setting cannot be used.
        HistoricalDataError: the source, a file or a row of it cannot be used.
        RuleError: a rule is unknown or cannot be imported.
        StoreError: the store cannot be written.
        ClusterError: the Dask scheduler cannot be reached or was lost.
        TrainingError: the run ended without results, or Dagster's records cannot be written.
        KeyboardInterrupt: the run was interrupted; finished batches are kept.

    Example:
        >>> short = {"start_date": "2010-01-01", "batch_limit": 2, "max_workers": 1}
        >>> results = train(TrainingConfig(variables=["gdp_growth"], models=["naive"], **short))
        >>> results.data["batches"]["completed"], results.data["skipped"]
        (1, [{'batch': '2010-01-31', 'reason': 'no observation in the window'}])
    """
    training = CheckedTraining.of(config, data)
    for note in training.source.notes():
        _log.warning("%s", note)
    return train_checked(training, progress or NoProgress())


def train_checked(training: CheckedTraining, progress: Progress) -> TrainingResults:
    """Train as `train` does, with input that is checked already."""
    from pulse_assets.dagster.instance import open_instance
    from pulse_assets.dagster.run_process import fail_dead_runs
    from pulse_assets.dagster.runs import execute_training

    training.save_source()
    cluster = ClusterSpec.of(training.config)
    prepare_kernels(cluster, progress)
    with open_cluster(cluster), open_instance(dagster_home()) as instance:
        fail_dead_runs(instance)
        outcome = execute_training(training.settings, training.options, instance, progress)
    results = _read_results(outcome, training.settings)
    training.write_copies(results.data)
    return results


def _read_results(outcome: "RunOutcome", settings: Settings) -> TrainingResults:
    """Read the results that the run stored.

    Raises:
        TrainingError: the run stored no results.
    """
    if not outcome.published:
        raise TrainingError("; ".join(outcome.failures) or "the run ended without results")
    store = open_store(settings.store, settings.s3)
    path = object_path("training_results", suffix="json")
    data = json.loads(store.read(path))
    return TrainingResults(
        data=data,
        results_path=f"{store.uri}/{path}",
        report_path=f"{store.uri}/{object_path('training_report', suffix='html')}",
        success=outcome.success and data["success"],
        store=store,
        message="; ".join(data["problems"] or outcome.failures),
    )
