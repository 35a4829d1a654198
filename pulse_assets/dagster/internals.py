"""Every private name of Dagster that the package uses, each behind a function or class of ours.

Dagster may change them in any release, so no other module imports from `dagster._core`,
`dagster._utils` or `dagster_shared`. If a release has changed one of them, the test
`pulse_assets_tests/dagster/test_internals.py` names it.
"""

import logging
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, cast
from uuid import uuid4

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.events import AssetMaterializationPlannedData, EngineEventData
from dagster._core.execution.api import execute_run_iterator
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from dagster._core.storage.runs import SqliteRunStorage
from dagster_shared.check import CheckError
from sqlalchemy import Connection

from pulse_assets.dagster.sqlite_files import SqliteFiles

if TYPE_CHECKING:
    from dagster_postgres import PostgresEventLogStorage

__all__ = ["CheckError", "InstanceRef"]

#: The tag in which Dagster stores the `run_key` of a run request.
RUN_KEY_TAG: Final = "dagster/run_key"
#: Tag of a re-execution: the id of the backfill that was launched first.
ROOT_TAG: Final = "dagster/root_backfill_id"

#: The attribute of a storage in PostgreSQL that writes groups of rows.
_GROUPS: Final = "pulse_groups"

#: What a group holds back: the rows that a batch adds to the event log, and lines of the log.
_ROWS_OF_BATCHES: Final = frozenset(
    {
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    }
)

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
        tags: of its runs; a re-execution names the first backfill.
    """

    @property
    def backfill_id(self) -> str: ...
    @property
    def asset_selection(self) -> Sequence[dg.AssetKey] | None: ...
    @property
    def run_config(self) -> Mapping[str, Any] | None: ...
    @property
    def tags(self) -> Mapping[str, str] | None: ...


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


def first_backfill(instance: dg.DagsterInstance, backfill: Backfill) -> Backfill:
    """Return the backfill that one re-executes, perhaps through others; itself if it is no such."""
    root = (backfill.tags or {}).get(ROOT_TAG)
    return (instance.get_backfill(root) if root else None) or backfill


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


def report_planned(
    instance: dg.DagsterInstance, run: dg.DagsterRun, step: str, asset: dg.AssetKey, partition: str
) -> None:
    """Record that a step of a run is to materialize a partition.

    Dagster shows a partition as failed if such a row is its latest and the run has failed.
    """
    planned = AssetMaterializationPlannedData(asset, partition, None)
    build = dg.DagsterEvent.build_asset_materialization_planned_event
    instance.report_dagster_event(build(run.job_name, step, planned), run.run_id, logging.DEBUG)


def sql_connections(
    instance: dg.DagsterInstance,
) -> list[Callable[[], AbstractContextManager[Any]]]:
    """Return the functions that open connections to the records of runs and events.

    There are none where the records are not in an SQL database.
    """
    storages = ((instance.run_storage, "connect"), (instance.event_log_storage, "index_connection"))
    connects = [getattr(storage, name, None) for storage, name in storages]
    return [connect for connect in connects if connect is not None]


class _LastingEvents(SqliteEventLogStorage):
    """Dagster's event log in SQLite files, whose connections stay open between events."""

    _files: SqliteFiles
    _present: set[str]
    _latest: dict[tuple[object, object], tuple[dg.EventLogEntry, int]]

    @contextmanager
    def group(self) -> Iterator[None]:
        """Write the events of a `with` block in one transaction; of an asset, the latest counts."""
        with self._files.group() as outermost:
            if outermost:
                self._latest = {}
            yield
            if outermost and self._latest:
                with self.index_connection() as connection:
                    for event, event_id in self._latest.values():
                        super()._store_asset_event(connection, event, event_id)

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        with self.group():
            super().store_event_batch(events)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        path = Path(self.path_for_shard(shard))
        with self._files.lock:
            if shard not in self._initialized_dbs:
                self._initdb(self._files.engine(path))
                self._files.leave(path)  # a new connection knows that the file has a log
                self._initialized_dbs.add(shard)
            with self._files.transaction(path) as connection:
                yield connection

    def _store_asset_event(self, conn: Connection, event: dg.EventLogEntry, event_id: int) -> None:
        """Note what is the latest of its asset; only the latest of a group is written."""
        if not self._files.grouping:
            return super()._store_asset_event(conn, event, event_id)
        what = event.get_dagster_event()
        of_asset = (what.asset_key, what.event_type)
        self._latest.pop(of_asset, None)
        self._latest[of_asset] = (event, event_id)

    def has_table(self, table_name: str) -> bool:
        return self._is_there(table_name, lambda: super(_LastingEvents, self).has_table(table_name))

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        look = super()._has_asset_key_col_on_connection
        return self._is_there(f"asset_keys.{column_name}", lambda: look(conn, column_name))

    def _is_there(self, name: str, look: Callable[[], bool]) -> bool:
        """Return whether a table or column is there; one that is there stays."""
        if name not in self._present and look():
            self._present.add(name)
        return name in self._present

    def dispose(self) -> None:
        super().dispose()
        self._files.close()


class _LastingRuns(SqliteRunStorage):
    """Dagster's records of runs in a SQLite file, whose connection stays open."""

    _files: SqliteFiles

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with self._files.transaction(
            Path(self._conn_string.removeprefix("sqlite:///"))
        ) as connection:
            yield connection

    def dispose(self) -> None:
        super().dispose()
        self._files.close()


def keep_sqlite_open(instance: dg.DagsterInstance) -> None:
    """Keep the connections to SQLite files open until the instance is disposed of.

    Records in other databases are unchanged. The storages change their class, because the instance
    of a run that the UI launched exists before any code of ours, and Dagster cannot replace them.
    """
    kinds = {SqliteEventLogStorage: _LastingEvents, SqliteRunStorage: _LastingRuns}
    for storage in (instance.event_log_storage, instance.run_storage):
        if lasting := kinds.get(type(storage)):
            files = SqliteFiles()
            vars(storage).update(_files=files, _present=set(), _latest={})
            storage.__class__ = lasting
            weakref.finalize(storage, files.close)


class _PostgresGroups:
    """Writes the events of a group to Dagster's event log in PostgreSQL in one transaction."""

    def __init__(self, storage: "PostgresEventLogStorage") -> None:
        self._storage = storage
        self._store = storage.store_event
        self._of_thread = threading.local()

    @contextmanager
    def group(self) -> Iterator[None]:
        """Write the events of a `with` block of this thread at its end; an error drops them.

        Of an asset, the latest counts.
        """
        if self._held is not None:
            yield
            return
        self._of_thread.held = []
        try:
            yield
            self._write()
        finally:
            self._of_thread.held = None

    @property
    def _held(self) -> list[dg.EventLogEntry] | None:
        """The events of this thread that are not written yet; None outside of a group."""
        return getattr(self._of_thread, "held", None)

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Store an event, which stands for the method of the storage."""
        if self._held is None:
            self._store(event)
        elif not event.is_dagster_event or event.get_dagster_event().event_type in _ROWS_OF_BATCHES:
            self._held.append(event)
        else:  # it may need what is before it
            self._write()
            self._store(event)

    def _write(self) -> None:
        """Write what this thread holds: all rows at once, and the latest of each asset."""
        if not (events := self._held):
            return
        insert = self._storage.prepare_insert_event_batch(events)
        with self._storage.index_transaction() as connection:
            ids = connection.execute(insert.returning(insert.table.c.id)).scalars().all()
            latest: dict[tuple[str, str], tuple[dg.EventLogEntry, int]] = {}
            for event, row in zip(events, ids, strict=True):
                if event.is_dagster_event:
                    self._storage._store_asset_event_tags(connection, [event], [row])
                    latest[_asset_and_kind(event)] = event, row
            # Two runs that write the same assets in another order would wait for each other.
            for place in sorted(latest):
                self._storage._store_asset_event(connection, *latest[place])
        events.clear()


def _asset_and_kind(event: dg.EventLogEntry) -> tuple[str, str]:
    what = event.get_dagster_event()
    return what.asset_key.to_string() if what.asset_key else "", what.event_type_value


def group_postgres_rows(instance: dg.DagsterInstance) -> None:
    """Let `grouped_rows` write in groups to PostgreSQL; other databases are unchanged."""
    storage = instance.event_log_storage
    if type(storage).__name__ == "PostgresEventLogStorage" and _GROUPS not in vars(storage):
        groups = _PostgresGroups(cast("PostgresEventLogStorage", storage))
        vars(storage).update({_GROUPS: groups, "store_event": groups.store_event})


def grouped_rows(instance: dg.DagsterInstance) -> AbstractContextManager[None]:
    """Write the events of a `with` block in one transaction, in SQLite files and PostgreSQL."""
    storage = instance.event_log_storage
    groups = storage if isinstance(storage, _LastingEvents) else vars(storage).get(_GROUPS)
    return groups.group() if groups else nullcontext()


def serve_webserver(arguments: Sequence[str], guard: Callable[[Any], Any]) -> None:
    """Run the command `dagster-webserver` with a guard in front of its application.

    Args:
        arguments: the options of the command.
        guard: returns the ASGI application to serve instead of Dagster's.
    """
    from dagster_webserver import cli

    program: Any = cli
    build = program.create_app_from_workspace_process_context

    def build_guarded(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        return guard(build(*args, **kwargs))

    program.create_app_from_workspace_process_context = build_guarded
    program.cli([*arguments], auto_envvar_prefix="DAGSTER_WEBSERVER")


def run_dev(arguments: Sequence[str], webserver: Sequence[str]) -> None:
    """Run the command `dagster dev` with another program as its webserver.

    Args:
        arguments: the options of the command.
        webserver: Python's options for the program, which takes those of `dagster-webserver`.
    """
    from dagster._cli import cli, dev

    program: Any = dev
    start, own = program.open_ipc_subprocess, ["-m", "dagster_webserver"]

    def start_other(parts: list[str], **kwargs: Any) -> Any:  # noqa: ANN401
        is_webserver = parts[1:3] == own
        return start([parts[0], *webserver, *parts[3:]] if is_webserver else parts, **kwargs)

    program.open_ipc_subprocess = start_other
    cli(["dev", *arguments], auto_envvar_prefix="DAGSTER_CLI")
