"""How a run writes Dagster's records: few rows, in groups, over connections that stay open."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import dagster as dg
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import QueuePool

from pulse_assets.dagster.internals import group_postgres_rows, keep_sqlite_open, sql_connections

#: Seconds after which a connection is replaced, as in Dagster's webserver.
_RECYCLE: Final = 3600

#: Variables of the environment in which Dagster looks for how it writes rows. One row per asset
#: says which batches a run plans, not one per asset and batch. The rows of a step's end are written
#: in groups of this number.
_FEW_ROWS: Final[Mapping[str, str]] = {
    "DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS": "true",
    "DAGSTER_EVENT_BATCH_SIZE": "1000",
}


@contextmanager
def few_rows() -> Iterator[None]:
    """Let Dagster plan and write rows in groups in a `with` block, unless the user says otherwise.

    It looks into the environment of the process at each event.
    """
    ours = {name: value for name, value in _FEW_ROWS.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


def keep_connections(instance: dg.DagsterInstance) -> None:
    """Keep connections open from one event to the next: to SQLite files and to PostgreSQL.

    Without this Dagster opens two connections per event of a run, which is most of the cost of an
    event: PostgreSQL starts a process for each, SQLite opens and tidies its files. A connection to
    PostgreSQL that the server has closed is replaced, so a run still waits for a restart.
    Connections to other databases are unchanged.
    """
    keep_sqlite_open(instance)
    group_postgres_rows(instance)
    instance.optimize_for_webserver(statement_timeout=0, pool_recycle=_RECYCLE, max_overflow=20)
    for pool in filter(None, map(_pool, sql_connections(instance))):
        if not event.contains(pool, "checkout", _check_alive):
            event.listen(pool, "checkout", _check_alive)


def _pool(connect: Callable[[], AbstractContextManager[Any]]) -> QueuePool | None:
    """Return the pool of a database server's connections; other databases have none."""
    with connect() as connection:
        engine = connection.engine
    return engine.pool if engine.name != "sqlite" and isinstance(engine.pool, QueuePool) else None


def _check_alive(connection: Any, _record: object, _proxy: object) -> None:  # noqa: ANN401 - DBAPI's
    """Tell the pool of a connection that the server has closed; it then opens another.

    Raises:
        DisconnectionError: the connection is closed.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except connection.Error as error:
        raise DisconnectionError from error
