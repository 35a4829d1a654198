"""Every private name of Dagster that the package uses, each behind a function or class of ours.

Dagster may change them in any release, so no other module imports from `dagster._core`,
`dagster._utils` or `dagster_shared`. If a release has changed one of them, the test
`pulse_assets_tests/dagster/test_internals.py` names it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import uuid4

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.events import EngineEventData
from dagster._core.execution.api import execute_run_iterator
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from dagster_shared.check import CheckError

__all__ = ["CheckError", "InstanceRef"]

#: The tag in which Dagster stores the `run_key` of a run request.
RUN_KEY_TAG: Final = "dagster/run_key"

#: Overrides of a `dagster.yaml`, with which Dagster copies nothing of what steps print.
NO_COMPUTE_LOGS: Final[dict[str, Any]] = {
    "compute_logs": {
        "module": NoOpComputeLogManager.__module__,
        "class": NoOpComputeLogManager.__name__,
    }
}


class ErrorInfo(Protocol):
    """An error as Dagster records it in an event.

    Attributes:
        message: type and text of the error, on a line of its own.
        cls_name: name of its class.
        cause: the error that caused it, as after `raise ... from`.
        context: the error that was being handled when it was raised.
    """

    @property
    def message(self) -> str: ...
    @property
    def cls_name(self) -> str | None: ...
    @property
    def cause(self) -> "ErrorInfo | None": ...
    @property
    def context(self) -> "ErrorInfo | None": ...


class Backfill(Protocol):
    """A backfill as Dagster records it.

    Attributes:
        backfill_id: its id.
        asset_selection: the selected assets; None if it is one of a job.
        run_config: configuration of its runs.
    """

    @property
    def backfill_id(self) -> str: ...
    @property
    def asset_selection(self) -> Sequence[dg.AssetKey] | None: ...
    @property
    def run_config(self) -> Mapping[str, Any] | None: ...


def new_run_id() -> str:
    """Return an id that no other run has."""
    return str(uuid4())


def run_events(
    job: dg.JobDefinition, run: dg.DagsterRun, instance: dg.DagsterInstance
) -> Iterator[dg.DagsterEvent]:
    """Execute a created run in this process and yield its events as they occur.

    `JobDefinition.execute_in_process` would keep all events in memory.
    """
    return execute_run_iterator(InMemoryJob(job), run, instance)


def ended_backfills(instance: dg.DagsterInstance, since: datetime) -> Iterator[Backfill]:
    """Yield the backfills launched since then that have ended by themselves, the latest first."""
    statuses = [BulkActionStatus.COMPLETED_FAILED, BulkActionStatus.COMPLETED_SUCCESS]
    yield from instance.get_backfills(BulkActionsFilter(statuses=statuses, created_after=since))


def check_evaluations(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey, limit: int
) -> Iterator[tuple[str, dg.AssetCheckEvaluation]]:
    """Yield run id and result of the latest evaluations of an asset check, the latest first."""
    records = instance.event_log_storage.get_asset_check_execution_history(key, limit)
    for record in records:
        evaluation = record.evaluation
        if isinstance(evaluation, dg.AssetCheckEvaluation):  # else it is planned
            yield record.run_id, evaluation


def report_metadata(
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    message: str,
    metadata: Mapping[str, dg.MetadataValue],
) -> None:
    """Add a message with metadata, such as a link, to the log of a run."""
    instance.report_engine_event(message, run, EngineEventData(metadata))


def sql_connections(
    instance: dg.DagsterInstance,
) -> list[Callable[[], AbstractContextManager[Any]]]:
    """Return the functions that open connections to the records of runs and events.

    There are none where the records are not in an SQL database.
    """
    storages = ((instance.run_storage, "connect"), (instance.event_log_storage, "index_connection"))
    connects = [getattr(storage, name, None) for storage, name in storages]
    return [connect for connect in connects if connect is not None]
