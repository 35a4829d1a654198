"""The schedule and the sensors that start runs without a person, all off by default.

Schedule and sensor request the whole job over a range of batches with `resume`, so stored batches
with the same input cost almost nothing, however wide the range is. The store of the deployment
decides which batches are missing, because Dagster's records may be of another store; its source
decides which are due, see `pulse_assets.batches.due`.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Final

import dagster as dg

from pulse_assets.batches.due import Awaited, describe_waiting, waiting_batches
from pulse_assets.batches.grid import RANGE_TAGS, batch_keys, completed_keys
from pulse_assets.batches.status import DueBatches, due_batches
from pulse_assets.dagster.deployment import Deployment, Names
from pulse_assets.dagster.failures import plain_failures
from pulse_assets.dagster.internals import RUN_KEY_TAG
from pulse_assets.dagster.jobs import JOB_NAME, STORE_TAG, graph_assets, store_of
from pulse_assets.dagster.partitions import register_batches
from pulse_assets.dagster.run_process import UNFINISHED, fail_dead_runs
from pulse_assets.dagster.source_watch import Attempt, Memory, decide
from pulse_assets.errors import HistoricalDataError
from pulse_assets.preflight import resolve_options
from pulse_assets.settings import Settings

#: Tag of a run that the sensor requested: the name of the request.
REQUEST_TAG: Final = "pulse/request"

_RUNNING: Final = {dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING}


def build_schedule(deployment: Deployment) -> dg.ScheduleDefinition:
    """Train, every morning, the batches that are due and that the store lacks."""
    settings, names = deployment.settings, deployment.names

    @dg.schedule(
        name=names.definition("train_completed_batches"),
        cron_schedule="0 6 * * *",
        job_name=names.definition(JOB_NAME),
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Trains the batches whose window of target dates has ended and whose outcomes "
        "are public, and that the store lacks, that failed, or that were computed before. With an "
        "open end (`today`) the grid grows by itself.",
    )
    def train_completed_batches(
        context: dg.ScheduleEvaluationContext,
    ) -> dg.RunRequest | dg.SkipReason:
        tick = context.scheduled_execution_time
        run_key = tick.isoformat()
        with plain_failures():
            register_batches(settings, context.instance, tick.date())
            if run := _unfinished_run(deployment, context.instance, run_key):
                return dg.SkipReason(
                    f"run {run.run_id} over {settings.store} is {run.status.value}: the next "
                    "morning tries again (if it is dead, end it in the UI)"
                )
            due = due_batches(settings, deployment.options, tick.date())
        if not due.ended:
            return _nothing_yet(settings)
        if not due.keys:
            return dg.SkipReason(_all_stored(settings, due, tick.date()))
        if due.waiting:
            context.log.info(describe_waiting(due.waiting))
        return _request(deployment, run_key, [due.keys[0], due.keys[-1]], _counts(due))

    return train_completed_batches


def _all_stored(settings: Settings, due: DueBatches, today: date) -> str:
    """Say that no batch is to be computed, and what is waited for."""
    count = len(due.ended) - len(due.waiting)
    in_store = f"batches that ended before {today} are in {settings.store}, and none failed"
    if not due.waiting:
        return f"all {count} {in_store}"
    others = f"; all {count} other {in_store}" if count else ""
    return describe_waiting(due.waiting) + others


def _counts(due: DueBatches) -> dict[str, str]:
    """Return the tags that count the batches of a request."""
    counts = {"missing": due.missing, "failed": due.failed, "outdated": due.outdated}
    return {f"pulse/{name}": str(len(keys)) for name, keys in counts.items()}


def _nothing_yet(settings: Settings) -> dg.SkipReason:
    return dg.SkipReason(f"no batch from {settings.start_date} on has ended yet")


def build_source_sensor(deployment: Deployment) -> dg.SensorDefinition:
    """Train the batches again that new or changed files of the source make stale."""
    settings, names = deployment.settings, deployment.names

    @dg.sensor(
        name=names.definition("source_changed"),
        job_name=names.definition(JOB_NAME),
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Watches the series of the source: the version (ETag or modification time) of "
        "a file of one series, the rows of each series of a table. A change starts a run over all "
        "batches that recomputes those whose input changed. If the run fails, it is requested "
        "again after a growing pause.",
    )
    def source_changed(
        context: dg.SensorEvaluationContext,
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        with plain_failures():
            versions = settings.open_source().versions()
            register_batches(settings, context.instance)
            if not (settings.end_date or completed_keys(settings, datetime.now(UTC).date())):
                yield _nothing_yet(settings)
                return
            keys = batch_keys(settings)
        fail_dead_runs(context.instance, context.log.info)
        before = Memory.of(context.cursor)
        attempts = [_attempt(context.instance, name, before.at) for name in before.requests]
        decision = decide(before, versions, attempts, datetime.now(UTC))
        waiting = _waiting(deployment, keys) if decision.requests_run else {}
        due = [key for key in keys if key not in waiting]
        if not due:
            yield dg.SkipReason(describe_waiting(waiting))
            return
        context.update_cursor(decision.memory.cursor())
        if not decision.requests_run:
            yield dg.SkipReason(decision.reason)
            return
        context.log.info(decision.reason)
        request = decision.memory.requests[-1]
        yield _request(deployment, request, [due[0], due[-1]], {REQUEST_TAG: request})

    return source_changed


def _waiting(deployment: Deployment, keys: Sequence[str]) -> dict[str, list[Awaited]]:
    """Return what batches wait for; nothing if the source is faulty, as the run reports that."""
    with plain_failures():
        try:
            resolved = resolve_options(deployment.settings, deployment.options)
            return waiting_batches(deployment.settings, resolved, keys)
        except HistoricalDataError:
            return {}


def build_condition_sensor(names: Names) -> dg.AutomationConditionSensorDefinition:
    """Evaluate `AGGREGATE_CONDITION`."""
    return dg.AutomationConditionSensorDefinition(
        names.definition("aggregates_follow_batches"),
        target=graph_assets(names),
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Recomputes trust, results, forecasts and report once batches are computed.",
    )


def _unfinished_run(
    deployment: Deployment, instance: dg.DagsterInstance, run_key: str
) -> dg.DagsterRun | None:
    """Return a run over the store of this deployment that is queued or running.

    A run of a backfill is tagged with its store once it computes batches. The run of this very tick
    does not count: a daemon that was killed before it launched the run evaluates the tick again,
    and launches the run if it is requested again.
    """
    fail_dead_runs(instance)
    ours = deployment.settings.store.rstrip("/")
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        if store_of(run, deployment.names) == ours and run.tags.get(RUN_KEY_TAG) != run_key:
            return run
    return None


def _attempt(instance: dg.DagsterInstance, request: str, requested_at: float) -> Attempt:
    """Return the state of a request: of its newest run, which may be a re-execution."""
    records = instance.get_run_records(dg.RunsFilter(tags={REQUEST_TAG: request}), limit=1)
    if not records:
        return Attempt(request, "lost", request, "", requested_at)
    run, ended = records[0].dagster_run, records[0].end_time or requested_at
    if run.is_success:
        state = "succeeded"
    elif run.is_finished:
        state = "failed"
    else:
        state = "running" if run.status in _RUNNING else "waiting"
    return Attempt(request, state, run.run_id, run.status.value, ended)


def _request(
    deployment: Deployment, run_key: str, ends: Sequence[str], tags: dict[str, str]
) -> dg.RunRequest:
    resume = {"config": {"resume": True}}
    covered = dict(zip(RANGE_TAGS, ends, strict=True))
    return dg.RunRequest(
        run_key=run_key,
        run_config={"resources": {deployment.names.resource("training"): resume}},
        tags={STORE_TAG: deployment.settings.store} | covered | tags,
    )
