"""`train(config)`: the whole graph from Python, as one Dagster run in this process.

The module is not named as its function, which the package exports: importing a module `train` would
put itself in the place of the function.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import pandas as pd

from pulse_assets.batches.grid import batch_keys
from pulse_assets.dagster.definitions import build_definitions
from pulse_assets.dagster.instance import DATABASE_ERRORS, lost_records, open_instance
from pulse_assets.dagster.internals import ErrorInfo, new_run_id, run_events
from pulse_assets.dagster.jobs import JOB_NAME
from pulse_assets.dagster.partitions import register_batches
from pulse_assets.dagster.resources import DATA_SETTINGS
from pulse_assets.dagster.run_process import fail_dead_runs, process_tags
from pulse_assets.errors import StoreUnavailableError, TrainingError
from pulse_assets.execution.cluster import TLS_FILES, ClusterSpec, open_cluster
from pulse_assets.execution.interrupts import lasting_interrupts
from pulse_assets.execution.tally import NoProgress, Progress
from pulse_assets.preflight import check_ready
from pulse_assets.retrodiction.compilation import compile_kernels
from pulse_assets.retrodiction.rule_process import fresh_hosts
from pulse_assets.settings import Settings, TrainingConfig, TrainingOptions, dagster_home
from pulse_assets.stages.outcome import warnings_of
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.store import Store, open_store


@dataclass(frozen=True)
class TrainingResults:
    """What a training found: the `training_results` object and where it lies.

    Attributes:
        data: the object, as `training_results.schema.json` describes it.
        results_path: where it is stored.
        report_path: where the HTML report is stored.
        success: whether the run ended well and every check of severity ERROR passed: no batch and
            no rule failed, every variable was predicted, no rule looks ahead, the tables are whole.
        message: why not, in one sentence per failed check; empty on success.
    """

    data: Mapping[str, Any]
    results_path: str
    report_path: str
    success: bool
    message: str = ""

    @property
    def models(self) -> pd.DataFrame:
        """The leaderboard over all variables, a row a model, best skill first."""
        return pd.DataFrame(self.data["models"])

    @property
    def trust_scores(self) -> dict[str, float]:
        """Trust of `ensemble` by variable after the last batch, 0..1."""
        return dict(self.data["variables"]["trust_scores"])

    @property
    def errors(self) -> list[dict[str, str]]:
        """The failed batches: batch, type and message."""
        return list(self.data["errors"])

    @property
    def checks(self) -> list[dict[str, Any]]:
        """The asset checks: name, asset, severity, passed, message and values."""
        return list(self.data["checks"])

    @property
    def warnings(self) -> list[str]:
        """What a person should know although the training succeeded: failed checks that warn."""
        return warnings_of(self.data)

    @property
    def skipped_variables(self) -> list[dict[str, Any]]:
        """What batches leave out: variable, reason, count of batches, first and last batch."""
        return list(self.data["skipped_variables"])

    @property
    def rule_errors(self) -> list[dict[str, Any]]:
        """What rules raised: model, type, message, count, batches, variable and first_origin."""
        return list(self.data["rule_errors"])


@lasting_interrupts()
@fresh_hosts()
def train(config: TrainingConfig, *, progress: Progress | None = None) -> TrainingResults:
    """Retrodict every batch of `config`, keep score, and return the aggregate.

    The run is recorded in the Dagster instance at DAGSTER_HOME (default `.pulse` in the working
    directory), so it can be looked at in the UI. Failed batches, rules and checks do not
    raise: see `TrainingResults.success`.

    Args:
        config: what to train on, over which range, by which rules and where.
        progress: who is told of each batch as it completes.

    Raises:
        ConfigurationError: a setting cannot be used.
        HistoricalDataError: the source, a file or a row of it cannot be used.
        RuleError: a rule is unknown or cannot be imported.
        StoreError: the store cannot be written.
        ClusterError: the Dask scheduler cannot be reached or was lost.
        TrainingError: the run ended without results, or Dagster's records cannot be written.
        KeyboardInterrupt: somebody ended the run; finished batches are kept.

    Example:
        >>> short = {"start_date": "2010-01-01", "batch_limit": 2, "max_workers": 1}
        >>> results = train(TrainingConfig(variables=["gdp_growth"], models=["naive"], **short))
        >>> results.data["batches"]["completed"], results.data["skipped"]
        (1, [{'batch': '2010-01-31', 'reason': 'no observation in the window'}])
    """
    settings = config.settings()
    options = check_ready(settings, config.options())
    copies = _copies(config)
    for folder, name in copies:
        _check_copy(folder, name)
    if config.dask_scheduler_address is None:
        compile_kernels()  # once, here, so that no worker of this machine has to
    with open_cluster(_cluster_of(config)), open_instance(dagster_home()) as instance:
        fail_dead_runs(instance)
        run = _execute(settings, options, instance, progress or NoProgress())
    results = _read_results(run, settings)
    for folder, name in copies:
        folder.write(name, json.dumps(results.data, indent=2).encode())
    return results


@dataclass
class _Outcome:
    """What is kept of the events of a run, however many they are."""

    success: bool = False
    published: bool = False
    failures: list[str] = field(default_factory=list)

    def note(self, event: dg.DagsterEvent) -> None:
        """Keep what matters of an event."""
        self.success |= event.event_type == dg.DagsterEventType.RUN_SUCCESS
        if event.is_step_materialization:
            self.published |= event.asset_key == dg.AssetKey("training_report")
        if event.is_step_failure:
            self.failures.append(failure_of(event))
        elif event.is_job_failure and not self.failures:  # outside of all steps
            error = _error_of(event)
            cause = _said_by(error).splitlines()[0] if error else event.message
            self.failures.append(f"the run ended without results: {cause}")


def _execute(
    settings: Settings, options: TrainingOptions, instance: dg.DagsterInstance, progress: Progress
) -> _Outcome:
    """Run the job in this process; its events are not kept, as `execute_in_process` would.

    A run that is interrupted before it starts, while Dagster notes all that it plans, is marked as
    failed here: Dagster would leave it for ever not started.
    """
    definitions = build_definitions(
        settings, resources={"progress": progress}, executor=dg.in_process_executor
    )
    job, run_id, outcome = definitions.resolve_job_def(JOB_NAME), new_run_id(), _Outcome()
    interrupted = False
    try:
        register_batches(settings, instance)
        run = instance.create_run_for_job(
            job,
            run_id=run_id,
            run_config=run_config(settings, options),
            tags=_tags(settings, run_id),
        )
        for event in run_events(job, run, instance):
            outcome.note(event)
            interrupted |= _is_interrupt(event)
    except BaseException:
        with suppress(Exception):  # what was raised matters more than a record of it
            _fail_unfinished(instance, run_id)
        raise
    if interrupted:
        raise KeyboardInterrupt
    return outcome


def _tags(settings: Settings, run_id: str) -> dict[str, str]:
    keys = batch_keys(settings)
    return {
        "dagster/asset_partition_range_start": keys[0],
        "dagster/asset_partition_range_end": keys[-1],
        **process_tags(run_id),
    }


def _is_interrupt(event: dg.DagsterEvent) -> bool:
    """Tell whether a step or run failed of an interrupt, which Dagster records as an error."""
    error = _error_of(event)
    names = {dg.DagsterExecutionInterruptedError.__name__, KeyboardInterrupt.__name__}
    return error is not None and _root_cause(error).cls_name in names


def _error_of(event: dg.DagsterEvent) -> ErrorInfo | None:
    """Return the error of a step or run that failed."""
    if event.is_step_failure:
        return event.step_failure_data.error
    return event.job_failure_data.error if event.is_job_failure else None


def _fail_unfinished(instance: dg.DagsterInstance, run_id: str) -> None:
    run = instance.get_run_by_id(run_id)
    if run and not run.is_finished:
        instance.report_run_failed(run, "The run was interrupted before it started.")


def run_config(settings: Settings, options: TrainingOptions) -> dict[str, Any]:
    """Return the Dagster run configuration; its log goes to Python's `logging`.

    It names source and store too, so that a re-execution from the UI reads and writes the same.
    """
    data = settings.model_dump(include={*DATA_SETTINGS}, exclude_none=True)
    return {
        "resources": {
            "training": {"config": options.model_dump(exclude_none=True)},
            "data": {"config": data},
        },
        "loggers": {"python": {}},
    }


def _cluster_of(config: TrainingConfig) -> ClusterSpec:
    if config.dask_scheduler_address:
        files = {name: getattr(config, f"dask_{name}") for name in TLS_FILES}
        certificates = {name: str(file) for name, file in files.items() if file}
        return ClusterSpec("existing", {"address": config.dask_scheduler_address, **certificates})
    port = config.dask_dashboard_port
    options = {
        "n_workers": config.max_workers,
        "threads_per_worker": config.dask_threads_per_worker,
        "dashboard_address": None if port is None else f"127.0.0.1:{port}",
    }
    return ClusterSpec("local", options, forced=config.use_dask)


def _copies(config: TrainingConfig) -> list[tuple[Store, str]]:
    """Return folder and name of each copy of the results that the user asked for."""
    asked = [str(place) for place in (config.output_file, config.s3_output_file) if place]
    parts = [place.rpartition("/") for place in asked]
    return [(open_store(folder or ".", config.s3), name) for folder, _, name in parts]


def _check_copy(folder: Store, name: str) -> None:
    """Fail now if the copy of the results cannot be written.

    Raises:
        StoreUnavailableError: it cannot; the message names the copy, not the store.
    """
    try:
        folder.check_writable()
    except StoreUnavailableError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        raise StoreUnavailableError(
            f"output_file {folder.uri}/{name}: cannot be written: {error.__cause__.strerror}: name "
            "a file elsewhere or correct the permissions of its folder"
        ) from error


def _read_results(run: _Outcome, settings: Settings) -> TrainingResults:
    """Read what the run stored.

    Raises:
        TrainingError: it stored no results.
    """
    if not run.published:
        raise TrainingError("; ".join(run.failures) or "the run ended without results")
    store = open_store(settings.store, settings.s3)
    path = object_path("training_results", suffix="json")
    data = json.loads(store.read(path))
    return TrainingResults(
        data=data,
        results_path=f"{store.uri}/{path}",
        report_path=f"{store.uri}/{object_path('training_report', suffix='html')}",
        success=run.success and data["success"],
        message="; ".join(data["problems"] or run.failures),
    )


def failure_of(event: dg.DagsterEvent) -> str:
    """Return the message of a failed step, without traceback."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    return _said_by(data.error) if data.error else "a step failed"


def _said_by(error: ErrorInfo) -> str:
    """Return what an error that Dagster recorded says: in our words where any are in its chain."""
    links = [error]
    while following := links[-1].cause or links[-1].context:
        links.append(following)
    for link in links:
        name, _, text = link.message.strip().partition(": ")
        if name.startswith(f"{__package__}."):
            return text
        if link.cls_name in DATABASE_ERRORS:
            return lost_records(text, dagster_home())
    return _root_cause(error).message.strip()


def _root_cause(error: ErrorInfo) -> ErrorInfo:
    while error.cause:
        error = error.cause
    return error
