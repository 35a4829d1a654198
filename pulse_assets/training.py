"""Training from Python: `train(config)`, and `TrainingPipeline().execute(config)`.

One call runs the whole graph as one Dagster run in this process. The module is not named as its
function, which the package exports: importing a module `train` would replace the function.

Dagster, pandas and the models of the results are imported when they are first needed: bad input is
reported before that.
"""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pulse_assets.checked_training import CheckedTraining
from pulse_assets.errors import TrainingError
from pulse_assets.execution.cluster import ClusterSpec, open_cluster
from pulse_assets.execution.kernels import prepare_kernels
from pulse_assets.execution.tally import NoProgress, Progress
from pulse_assets.retrodiction.rule_process import fresh_hosts
from pulse_assets.settings import Settings, TrainingConfig, dagster_home
from pulse_assets.storage.store import open_store
from pulse_assets.stored_results import TrainingResults

if TYPE_CHECKING:
    from pulse_assets.dagster.runs import RunOutcome

_log: Final = logging.getLogger(__name__)


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
        fail_dead_runs(instance, _log.warning)
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
    return TrainingResults.read(store, success=outcome.success, failures=outcome.failures)
