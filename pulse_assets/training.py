"""`train(config)`: the whole graph from Python, as one Dagster run in this process.

The module is not named as its function, which the package exports: importing a module `train` would
put itself in the place of the function.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dagster as dg
import pandas as pd
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster_shared.error import SerializableErrorInfo

from pulse_assets.definitions import build_definitions
from pulse_assets.errors import ConfigurationError, TrainingError
from pulse_assets.execution.cluster import ClusterSpec, open_cluster
from pulse_assets.execution.tally import NoProgress, Progress
from pulse_assets.jobs import JOB_NAME
from pulse_assets.partitions import batch_partitions
from pulse_assets.preflight import check_ready
from pulse_assets.retrodiction.compilation import compile_kernels
from pulse_assets.settings import Settings, TrainingConfig, TrainingOptions, dagster_home
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.store import Store, open_store

#: The Dagster instance of a directory that has none: Dagster's defaults, nothing sent home, and no
#: invitation to join mailing lists when the UI is opened.
_INSTANCE: Final = "telemetry:\n  enabled: false\nnux:\n  enabled: false\n"


@dataclass(frozen=True)
class TrainingResults:
    """What a training found: the `training_results` object and where it lies.

    Attributes:
        data: the object, as `training_results.schema.json` describes it.
        results_path: where it is stored.
        report_path: where the HTML report is stored.
        success: whether no more batches failed than `max_failed_batches` allows.
        message: why not, naming the batches; empty on success.
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


def train(config: TrainingConfig, *, progress: Progress | None = None) -> TrainingResults:
    """Retrodict every batch of `config`, keep score, and return the aggregate.

    The run is recorded in the Dagster instance at DAGSTER_HOME (default `.pulse` in the working
    directory), so it can be looked at in the UI. Failed batches do not raise: see
    `TrainingResults.success`.

    Args:
        config: what to train on, over which range, by which rules and where.
        progress: who is told of each batch as it completes.

    Raises:
        ConfigurationError: a setting cannot be used.
        HistoricalDataError: the source, a file or a row of it cannot be used.
        RuleError: a rule is unknown or cannot be imported.
        StoreError: the store cannot be written.
        ClusterError: the Dask scheduler cannot be reached or was lost.
        TrainingError: the run ended without results.
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
    for folder, _ in copies:
        folder.check_writable()
    if config.dask_scheduler_address is None:
        compile_kernels()  # once, here, so that no worker of this machine has to
    with open_cluster(_cluster_of(config)), open_instance(dagster_home()) as instance:
        run = _execute(settings, options, instance, progress or NoProgress())
    results = _read_results(run, settings)
    for folder, name in copies:
        folder.write(name, json.dumps(results.data, indent=2).encode())
    return results


def _execute(
    settings: Settings, options: TrainingOptions, instance: dg.DagsterInstance, progress: Progress
) -> dg.ExecuteInProcessResult:
    keys = batch_partitions(settings).get_partition_keys()
    job = build_definitions(settings, resources={"progress": progress}).resolve_job_def(JOB_NAME)
    return job.execute_in_process(
        run_config=run_config(options),
        instance=instance,
        tags={
            "dagster/asset_partition_range_start": keys[0],
            "dagster/asset_partition_range_end": keys[-1],
        },
        raise_on_error=False,
    )


def run_config(options: TrainingOptions) -> dict[str, Any]:
    """Return the Dagster run configuration of `options`; its log goes to Python's `logging`."""
    return {
        "resources": {"training": {"config": options.model_dump(exclude_none=True)}},
        "loggers": {"python": {}},
    }


@contextmanager
def open_instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """Open the Dagster instance at `home`, and create it on first use.

    Raises:
        ConfigurationError: the directory cannot be made.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "dagster.yaml").exists():
            (home / "dagster.yaml").write_text(_INSTANCE, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"DAGSTER_HOME {home} cannot be written ({error.strerror}): name another directory"
        ) from error
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def _cluster_of(config: TrainingConfig) -> ClusterSpec:
    if config.dask_scheduler_address:
        return ClusterSpec("existing", {"address": config.dask_scheduler_address})
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


def _read_results(run: dg.ExecuteInProcessResult, settings: Settings) -> TrainingResults:
    """Read what the run stored.

    Raises:
        TrainingError: it stored no results.
    """
    message = "; ".join(failures(run))
    if not _published(run):
        raise TrainingError(message or "the run ended without results")
    store = open_store(settings.store, settings.s3)
    path = object_path("training_results", suffix="json")
    return TrainingResults(
        data=json.loads(store.read(path)),
        results_path=f"{store.uri}/{path}",
        report_path=f"{store.uri}/{object_path('training_report', suffix='html')}",
        success=run.success,
        message=message,
    )


def _published(run: dg.ExecuteInProcessResult) -> bool:
    made = {event.asset_key for event in run.get_asset_materialization_events()}
    return dg.AssetKey("training_report") in made


def failures(run: dg.ExecuteInProcessResult) -> Iterator[str]:
    """Yield what each failed step said of its failure, without tracebacks."""
    for event in run.filter_events(lambda event: event.is_step_failure):
        data = event.step_failure_data
        if data.user_failure_data and data.user_failure_data.description:
            yield data.user_failure_data.description
        elif data.error:
            yield _root_cause(data.error)


def _root_cause(error: SerializableErrorInfo) -> str:
    """Return the first error of a chain; an interrupt, which Dagster records, goes on as one."""
    while error.cause:
        error = error.cause
    if error.cls_name == DagsterExecutionInterruptedError.__name__:
        raise KeyboardInterrupt
    return error.message.strip()
