"""The process of a run, recorded in a tag, so that the next run can detect that it died.

Dagster's run monitoring asks the launcher whether a run is alive. It does not cover runs of
`pulse-train`, nor runs whose machine stopped together with the launcher. A run is marked as failed
only if its process is seen to be dead. A run of another container or machine is left as it is; a
line says what is known of it.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

import dagster as dg

from pulse_assets.dagster.jobs import STORE_TAG
from pulse_assets.execution.process_identity import ProcessIdentity

#: Tag of a run: the words of a `ProcessIdentity`, and the id of the run.
PROCESS_TAG: Final = "pulse/process"

#: Statuses of a run that has not ended.
UNFINISHED: Final = [
    dg.DagsterRunStatus[name]
    for name in ("NOT_STARTED", "QUEUED", "STARTING", "STARTED", "CANCELING", "SUSPENDED")
]
#: Statuses of a run that should soon be in a process.
_BEGINNING: Final = (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING)

_DIED: Final = "The process of this run died."
_RESUME: Final = "Finished batches are kept: a run with `resume: true` computes the others."

_log: Final = logging.getLogger(__name__)


def process_tags(run_id: str) -> Mapping[str, str]:
    """Return the tag of a run that lives in this process."""
    return {PROCESS_TAG: f"{ProcessIdentity.own()} {run_id}"}


def fail_dead_runs(
    instance: dg.DagsterInstance, report: Callable[[str], object] = _log.info
) -> None:
    """Mark runs as failed whose process has died, or that no process has begun in time.

    Args:
        instance: where the runs are recorded.
        report: is called with a line per run that is marked, and per run of which it cannot be
            seen from here whether it lives.
    """
    for record in instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED)):
        run = record.dagster_run
        if process := _process(run):
            line = _judge_process(instance, run, process)
        elif run.status in _BEGINNING and STORE_TAG in run.tags:
            line = _judge_start(instance, record)
        else:
            line = None
        if line:
            report(f"run {run.run_id[:8]} {line}")


def _process(run: dg.DagsterRun) -> ProcessIdentity | None:
    """Return the process that a run names; None if it names none or that of another run.

    Dagster copies the tags of a run to its re-execution, which is in another process.
    """
    words, _, run_id = run.tags.get(PROCESS_TAG, "").rpartition(" ")
    try:
        return ProcessIdentity.parse(words) if run_id == run.run_id else None
    except ValueError:
        return None


def _judge_process(
    instance: dg.DagsterInstance, run: dg.DagsterRun, process: ProcessIdentity
) -> str | None:
    """Mark a run as failed if its process is dead; return what to say of it, if anything."""
    lives = process.lives()
    if lives:
        return None
    where = f"process {process.pid} on {process.host}"
    if lives is None:
        last_sign = _last_sign(instance, run)
        if not process.precedes_boot(last_sign):
            return (
                f"is recorded as {run.status.value}; whether its {where} lives cannot be seen "
                f"from here ({process.hidden_by()}). Its latest record is "
                f"{_age(last_sign)} old. It is left as it is: terminate it in the UI if it is dead"
            )
    instance.report_run_failed(run, f"{_DIED} {_RESUME}")
    return f"was marked as failed: its {where} has died"


def _judge_start(instance: dg.DagsterInstance, record: dg.RunRecord) -> str | None:
    """Mark a run as failed that no process has begun, as Dagster's run monitoring does.

    That happens if a daemon or code server is killed while it launches the run. Where the
    monitoring is off, the run is left as it is.
    """
    run, limit = record.dagster_run, instance.run_monitoring_start_timeout_seconds
    launched = instance.get_run_stats(run.run_id).launch_time or record.create_timestamp.timestamp()
    if limit <= 0 or time.time() - launched < limit:
        return None
    if not instance.run_monitoring_enabled:
        return (
            f"is recorded as {run.status.value} since {_age(launched)}, and no process has begun "
            "it. It is left as it is: enable run_monitoring in dagster.yaml, or terminate it in "
            "the UI"
        )
    reason = f"no process has begun it in {limit} seconds (run_monitoring of dagster.yaml)"
    instance.report_run_failed(run, f"The run did not begin: {reason}. {_RESUME}")
    return f"was marked as failed: {reason}"


def _last_sign(instance: dg.DagsterInstance, run: dg.DagsterRun) -> float:
    """Return when the latest event of a run was recorded, in seconds since 1970; 0 without any."""
    records = instance.get_records_for_run(run.run_id, limit=1, ascending=False).records
    return records[0].event_log_entry.timestamp if records else 0.0


def _age(moment: float) -> str:
    """Return the time since a moment in words.

    Example:
        >>> _age(time.time() - 7300)
        '2 hours'
    """
    seconds = max(time.time() - moment, 0)
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} seconds"
