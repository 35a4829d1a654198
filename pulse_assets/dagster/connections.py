"""Connections to the database of Dagster's records, which a run writes to at each event."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

import dagster as dg
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import QueuePool

from pulse_assets.dagster.internals import sql_connections

#: Seconds after which a connection is replaced, as in Dagster's webserver.
_RECYCLE: Final = 3600


def keep_connections(instance: dg.DagsterInstance) -> None:
    """Keep connections to PostgreSQL open from one event to the next, as Dagster's webserver does.

    Without this Dagster opens two connections per event of a run, and PostgreSQL starts a process
    for each, which is most of the cost of an event. A connection that the server has closed is
    replaced, so a run still waits for a restart. Connections to other databases are unchanged.
    """
    instance.optimize_for_webserver(statement_timeout=0, pool_recycle=_RECYCLE, max_overflow=20)
    for pool in filter(None, map(_pool, sql_connections(instance))):
        if not event.contains(pool, "checkout", _check_alive):
            event.listen(pool, "checkout", _check_alive)


def _pool(connect: Callable[[], AbstractContextManager[Any]]) -> QueuePool | None:
    """Return the pool of a database server's connections; other databases have none."""
    with connect() as connection:
        pool = connection.engine.pool
    return pool if isinstance(pool, QueuePool) else None


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
