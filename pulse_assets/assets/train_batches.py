"""The partitioned assets, computed by one step, so that a batch stays in memory.

Each block of batches is one Dask task, whose worker writes the objects. The step only records them:
one materialization per table of a batch as its block completes, none for the tables of a failed
batch.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import dagster as dg

from pulse_assets.assets.specs import described
from pulse_assets.batches.blocks import group_batches
from pulse_assets.batches.fingerprint import (
    code_fingerprint,
    configuration_fingerprint,
    used_calendars,
)
from pulse_assets.batches.grid import RANGE_TAGS, batch_keys, batch_of, check_keys
from pulse_assets.catalog import ASSETS, BATCH_TABLES, STATUS_TABLE
from pulse_assets.dagster.deployment import Deployment, Names
from pulse_assets.dagster.failures import plain_failures
from pulse_assets.dagster.internals import grouped_rows, report_metadata, report_planned
from pulse_assets.dagster.jobs import COMPUTED_TAG, POOL, STORE_TAG
from pulse_assets.dagster.partitions import batch_partitions
from pulse_assets.dagster.previews import PLOTTED
from pulse_assets.errors import (
    ClusterError,
    ConfigurationError,
    StoreError,
    StoreUnavailableError,
)
from pulse_assets.execution.batch_task import BatchSummary, BatchTask, fail_batches, run_batches
from pulse_assets.execution.cluster import (
    active_client,
    describe_cluster,
    remote_client,
    threads_of,
    threads_of_run,
)
from pulse_assets.execution.fan_out import fan_out
from pulse_assets.execution.interrupts import uninterrupted
from pulse_assets.execution.phases import end_block
from pulse_assets.execution.submissions import Watch
from pulse_assets.execution.tally import Progress, RunTally
from pulse_assets.execution.worker_calls import call_workers
from pulse_assets.execution.worker_check import WorkerCheck
from pulse_assets.preflight import check_ready
from pulse_assets.retrodiction.hosted_rules import rule_versions
from pulse_assets.retrodiction.kernel_cache import warn_of_compilation
from pulse_assets.retrodiction.rule_process import close_hosts, fresh_hosts
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.storage.layout import PartitionedTables, object_path
from pulse_assets.storage.store import open_store

if TYPE_CHECKING:
    from distributed import Client

#: Seconds that a worker may take to end its rule hosts.
_CLOSE_SECONDS: Final = 10.0

_log: Final = logging.getLogger("pulse_assets.cluster")


def build_train_batches(deployment: Deployment) -> dg.AssetsDefinition:
    """Define the step over the batch grid of a deployment."""
    settings, names = deployment.settings, deployment.names

    @dg.multi_asset(
        name=names.definition("train_batches"),
        specs=_specs(deployment),
        partitions_def=batch_partitions(settings),
        can_subset=True,
        pool=POOL,
        backfill_policy=dg.BackfillPolicy(settings.max_batches_per_run),
        required_resource_keys=deployment.resource_keys("training", "data", "progress"),
    )
    def train_batches(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        tables = _tables_to_compute(context)
        with plain_failures(), fresh_hosts():  # bad input is a failure without a traceback
            run = deployment.settings_of(context.resources)
            context.instance.add_run_tags(context.run.run_id, {STORE_TAG: run.store})
            keys = _keys_of(context, settings)
            options = check_ready(run, deployment.options_of(context.resources))
            _check_upstream(run, options, tables, keys)
            warn_of_compilation()
            watch = _watch_workers(context, run, options)
            tasks = _tasks(run, options, keys, tables)
            _link_dashboard(context)
            progress: Progress = deployment.resource(context.resources, "progress")
            tally = RunTally(len(keys), progress)
            for summaries in _summaries(tasks, watch):
                with uninterrupted(), grouped_rows(context.instance):
                    for summary in summaries:
                        tally.add(summary)
                        _announce(context, names, run, summary, tables, tally)
                    end_block(progress)
                    if line := tally.due_line():
                        context.log.info(line)
        context.instance.add_run_tags(context.run.run_id, {COMPUTED_TAG: "true"})
        yield from _close(context, names, tally, options.max_failed_batches)

    return train_batches


def _specs(deployment: Deployment) -> list[dg.AssetSpec]:
    """Describe the four assets; of a batch that failed only the status table exists.

    They are `skippable`, because Dagster fails a step that does not yield an output. Nothing
    downstream may depend on them, because Dagster skips a step whose input is missing.
    """
    names = deployment.names
    return [
        dg.AssetSpec(
            names.key(name),
            deps=names.keys(ASSETS[name].upstream),
            skippable=name != STATUS_TABLE,
            code_version=code_fingerprint()[:12],
            **described(name, deployment),
        ).with_io_manager_key(names.resource("parquet_io"))
        for name in BATCH_TABLES
    ]


def _keys_of(context: dg.AssetExecutionContext, settings: Settings) -> Sequence[str]:
    """Return the keys of the batches of the run.

    Raises:
        ConfigurationError: the run has no partitions, or one that is no batch of the grid.
    """
    if not (context.has_partition_key or context.has_partition_key_range):
        keys = batch_keys(settings)
        ends = dict(zip(RANGE_TAGS, (keys[0], keys[-1]), strict=True))
        raise ConfigurationError(
            "the run names no batches: select partitions in the UI, or give their range, as in "
            f"--tags '{json.dumps(ends)}'"
        )
    check_keys(context.partition_keys, settings)
    return context.partition_keys


def _check_upstream(
    run: Settings, options: TrainingOptions, tables: frozenset[str], keys: Sequence[str]
) -> None:
    """Refuse to compute tables from others that the run neither computes nor finds in the store.

    Raises:
        StoreError: a table of a batch is missing, or of another configuration.
    """
    upstream = {name for table in tables for name in ASSETS[table].upstream}
    configuration = configuration_fingerprint(run, options)
    for name in sorted(upstream - tables):
        store = open_store(run.store, run.s3)
        prints = PartitionedTables(store, name, run.batch_length, keys).fingerprints()
        ours = [key for key in prints if prints[key].get("configuration") == configuration]
        if missing := sorted({*keys} - {*ours}):
            raise StoreError(
                f"{name} of {len(missing)} of {len(keys)} batches, from {missing[0]} on, is not in "
                f"{run.store} or of another configuration, and {', '.join(sorted(tables))} cannot "
                f"be computed without it: select {name}, too"
            )


def _tables_to_compute(context: dg.AssetExecutionContext) -> frozenset[str]:
    """Return the selected tables; with the forecasts, also the status table that scores them.

    *Re-execute from failure* of a backfill selects the tables of which Dagster has no record: three
    tables of a batch that failed, but not its status table, which would still report the failure.
    """
    selected = frozenset(key.path[-1] for key in context.selected_asset_keys)
    return selected | {STATUS_TABLE} if "retrodictions" in selected else selected


def _yields_status(context: dg.AssetExecutionContext) -> bool:
    return STATUS_TABLE in {key.path[-1] for key in context.selected_asset_keys}


def _link_dashboard(context: dg.AssetExecutionContext) -> None:
    """Put a link to the dashboard of the run's Dask cluster, if it has one, into the run's log."""
    if link := describe_cluster(active_client()).get("dashboard"):
        report_metadata(
            context.instance,
            context.run,
            f"The batches compute on Dask; its dashboard: {link}",
            {"dashboard": dg.MetadataValue.url(link)},
        )


def _watch_workers(
    context: dg.AssetExecutionContext, run: Settings, options: TrainingOptions
) -> Watch:
    """Check the workers that the cluster has, and return what to do about those that join."""
    client = remote_client()
    packages = ["holidays"] if used_calendars(options) else []
    check = WorkerCheck(client, run, options.variables or (), packages) if client else None
    if check:
        check()

    def report(line: str) -> None:
        context.log.warning(line)
        _log.warning(line)  # the screen of a command, which does not show the run's log

    return Watch(check, report)


def _tasks(
    settings: Settings, options: TrainingOptions, keys: Iterable[str], tables: frozenset[str]
) -> list[BatchTask]:
    """Return a task for each block of batches."""
    variables = options.variables or ()
    rules = rule_versions(options.models or (), options.rule_timeout_seconds)
    batches = [batch_of(settings, key, variables) for key in keys]
    if "historical_data" in tables:
        blocks = group_batches(batches, options, threads_of_run())
    else:  # each batch is computed from what is stored of it
        blocks = [(batch,) for batch in batches]
    return [BatchTask(block, settings, options, tables, rules) for block in blocks]


def _summaries(tasks: list[BatchTask], watch: Watch) -> Iterator[Sequence[BatchSummary]]:
    """Compute the batches, and yield those of a task together.

    A batch whose worker was lost each time it was tried counts as failed.

    Raises:
        StoreUnavailableError: a worker cannot use the store or the source.
        ClusterError: the scheduler was lost, or a worker has other rules or packages than the run,
            or does not see its store.
    """
    client = active_client()
    with _workers_hosts(client if tasks and tasks[0].rules else None):
        yield from _results(tasks, client, watch)


def _results(
    tasks: list[BatchTask], client: "Client | None", watch: Watch
) -> Iterator[Sequence[BatchSummary]]:
    for batch_task, result in fan_out(run_batches, tasks, client, watch):
        if isinstance(result, StoreUnavailableError | ClusterError):
            raise result
        yield fail_batches(batch_task, result) if isinstance(result, Exception) else result


@contextmanager
def _workers_hosts(client: "Client | None") -> Iterator[None]:
    """End the rule hosts of the workers of a cluster, which may go on living, after the batches."""
    try:
        yield
    finally:
        if client is not None:
            with suppress(Exception):  # the cluster may be lost
                call_workers(client, threads_of(client), close_hosts, seconds=_CLOSE_SECONDS)


def _announce(
    context: dg.AssetExecutionContext,
    names: Names,
    run: Settings,
    summary: BatchSummary,
    tables: frozenset[str],
    tally: RunTally,
) -> None:
    """Record what a batch stored, except a status table that the step itself yields."""
    key = summary.batch_id
    if summary.status == "failed":
        context.log.error(f"batch {key} failed: {summary.error_type}: {summary.error}")
        _show_as_failed(context, key, names.keys(tables - {STATUS_TABLE}))
    if summary.rule_errors:
        context.log.warning(f"batch {key}: rules failed from {summary.rule_errors} origins")
    for name in tables & {STATUS_TABLE} if summary.status == "failed" else tables:
        metadata = _metadata(run, summary, name)
        if name == STATUS_TABLE and _yields_status(context):
            context.add_asset_metadata(metadata, asset_key=names.key(name), partition_key=key)
        else:
            metadata |= _run_metadata(tally) if name == STATUS_TABLE else {}
            context.log_event(
                dg.AssetMaterialization(names.key(name), partition=key, metadata=metadata)
            )


def _show_as_failed(
    context: dg.AssetExecutionContext, key: str, assets: Sequence[dg.AssetKey]
) -> None:
    """Let the UI show a batch as failed, also one that an earlier run computed.

    The rows with which a run begins name all its batches at once, which Dagster does not search for
    failed ones.
    """
    step = context.op_execution_context.get_step_execution_context().step.key
    for asset in sorted(assets):
        report_planned(context.instance, context.run, step, asset, key)


def _metadata(run: Settings, summary: BatchSummary, name: str) -> dict[str, dg.MetadataValue]:
    path = object_path(name, summary.batch_id, run.batch_length)
    metadata: dict[str, dg.MetadataValue] = {
        "status": dg.MetadataValue.text("unchanged" if summary.unchanged else summary.status),
        "dagster/uri": dg.MetadataValue.text(f"{run.store.rstrip('/')}/{path}"),
    }
    if summary.error:
        metadata["reason"] = dg.MetadataValue.text(summary.error)
    if summary.rule_errors and name in ("retrodictions", STATUS_TABLE):
        metadata["rule_errors"] = dg.MetadataValue.int(summary.rule_errors)
    if name in summary.rows:
        metadata["dagster/row_count"] = dg.MetadataValue.int(summary.rows[name])
        metadata["bytes"] = dg.MetadataValue.int(summary.bytes[name])
    if name == STATUS_TABLE:
        numbers = {"seconds": summary.seconds, **_costs_of(summary), **summary.scores}
        metadata |= {
            PLOTTED[key]: dg.MetadataValue.float(round(float(value), 4))
            for key, value in numbers.items()
        }
    return metadata


def _costs_of(summary: BatchSummary) -> dict[str, Any]:
    """Return the batch's share of what its block cost; empty if it lost its worker."""
    costs = asdict(summary.costs) | {"batches": None} if summary.costs else {}
    numbers = {name: value for name, value in costs.items() if value is not None}
    return numbers | {"block": summary.block} if numbers else {}


def _run_metadata(tally: RunTally) -> dict[str, dg.MetadataValue]:
    return {
        "run_seconds": dg.MetadataValue.float(round(tally.elapsed, 4)),
        "run_sequential_seconds": dg.MetadataValue.float(round(tally.sequential_seconds, 4)),
        "run_cluster": dg.MetadataValue.json(describe_cluster(active_client())),
        **{
            f"run_{name}": dg.MetadataValue.float(round(float(value), 4))
            for name, value in asdict(tally.costs).items()
            if value is not None
        },
    }


def _close(
    context: dg.AssetExecutionContext, names: Names, tally: RunTally, most_failed: int
) -> Iterator[dg.MaterializeResult]:
    """Yield the status table with the run's timings; without it, fail if too many batches did."""
    if _yields_status(context):
        yield dg.MaterializeResult(asset_key=names.key(STATUS_TABLE), metadata=_run_metadata(tally))
    elif len(tally.failed) > most_failed:
        count = "1 batch" if len(tally.failed) == 1 else f"{len(tally.failed)} batches"
        raise dg.Failure(f"{count} failed: {', '.join(tally.failed)}")
