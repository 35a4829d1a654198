"""Open connections to the SQLite files of Dagster's records, and groups of rows in one transaction.

Dagster opens a file anew for each event: it creates an engine, compiles its statements, and SQLite
copies its log into the file when the connection is closed, which together are nearly all that an
event costs. Here a connection stays open from one event to the next. No lock on a file is held in
between, so that other processes read and write the same files.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

#: Seconds to wait for another process that writes, as long as Dagster waits for the event log.
_BUSY_SECONDS: Final = 30


class SqliteFiles:
    """The connections of one storage to its files: one per file, one thread at a time.

    Attributes:
        lock: what a thread holds while it uses a connection or writes a group.
    """

    def __init__(self) -> None:
        """Open nothing yet."""
        self.lock = threading.RLock()
        self._open: dict[Path, _OpenFile] = {}
        self._left_behind: list[Engine] = []
        self._group: tuple[ExitStack, dict[Path, Connection]] | None = None

    @contextmanager
    def transaction(self, path: Path) -> Iterator[Connection]:
        """Yield a connection in a transaction, which the end of the block commits.

        Inside a `group` of the same thread the end of the group commits it instead.
        """
        with self.lock:
            if self._group is None:
                with self.engine(path).begin() as connection:
                    yield connection
            else:
                yield self._grouped(path, *self._group)

    @contextmanager
    def group(self) -> Iterator[bool]:
        """Write all rows of a `with` block in one transaction per file; an error undoes them.

        Other threads that use the same storage wait for the end of the block.

        Yields:
            Whether the block is a group of its own, and not part of one around it.
        """
        with self.lock:
            if self._group is not None:
                yield False
                return
            try:
                with ExitStack() as stack:
                    self._group = (stack, {})
                    yield True
            finally:
                self._group = None

    @property
    def grouping(self) -> bool:
        """Whether a thread, which may be another one, writes a group."""
        return self._group is not None

    def engine(self, path: Path) -> Engine:
        """Return the engine of a file, with a new connection if the file is a new one."""
        with self.lock:
            entry = self._open.get(path)
            if entry and not entry.is_current():
                self.leave(path)
                entry = None
            if entry is None:
                entry = self._open[path] = _OpenFile(path)
            return entry.engine

    def leave(self, path: Path) -> None:
        """Close the connection to a file; one that a parent process opened is not touched."""
        with self.lock:
            entry = self._open.pop(path)
            if entry.process == os.getpid():
                entry.engine.dispose()
            else:  # SQLite forbids to use or close it in this process
                self._left_behind.append(entry.engine)

    def close(self) -> None:
        """Close all connections; later use opens them again."""
        with self.lock:
            for path in [*self._open]:
                self.leave(path)

    def _grouped(
        self, path: Path, stack: ExitStack, connections: dict[Path, Connection]
    ) -> Connection:
        if path not in connections:
            connections[path] = stack.enter_context(self.engine(path).begin())
        return connections[path]


class _OpenFile:
    """A file, the engine of its connection, and when both must be given up."""

    def __init__(self, path: Path) -> None:
        self.process = os.getpid()
        self._path = path
        self._identity: tuple[int, int] | None = None
        self.engine = create_engine(
            f"sqlite:///{path}",
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=-1,
            # The lock of `SqliteFiles` lets one thread at a time use the connection.
            connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
        )
        event.listen(self.engine, "connect", self._connected)

    def is_current(self) -> bool:
        """Return whether this process opened the file that has this path now."""
        if self.process != os.getpid():
            return False
        return self._identity is None or self._identity == _identity(self._path)

    def _connected(self, connection: Any, _record: object) -> None:  # noqa: ANN401 - DBAPI's
        self._identity = _identity(self._path)
        if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
            # A commit need not wait for the disk: if the machine stops, the last rows may be lost,
            # but the file stays whole.
            connection.execute("PRAGMA synchronous = NORMAL")


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the device and the number of a file; None if there is none."""
    try:
        entry = path.stat()
    except OSError:
        return None
    return entry.st_dev, entry.st_ino
