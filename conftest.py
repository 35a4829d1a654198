"""What tests and the examples in docstrings share."""

import gc
import os
import signal
import sqlite3
from datetime import date
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Engine
from sqlalchemy.pool import Pool


def pytest_collection_finish() -> None:
    """Take what has been imported out of every later garbage collection: it stays anyway."""
    gc.collect()
    gc.freeze()


@event.listens_for(Engine, "connect")
def _wait_for_no_disk(connection: object, _record: object) -> None:
    """Let SQLite not wait until Dagster's records are on the disk: no test cuts the power."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


@lru_cache(maxsize=16)
def _engine_of(url: str, poolclass: type[Pool], timeout: float) -> Engine:
    return create_engine(url, poolclass=poolclass, connect_args={"timeout": timeout})


# Dagster makes an engine for each event and compiles its SQL anew: a fifth of a small training.
sqlite_event_log.create_engine = lambda url, poolclass, connect_args: _engine_of(
    url, poolclass, **connect_args
)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the tests out of the developer's own store and settings."""
    for name in [*os.environ]:
        if name.startswith(("PULSE_", "AWS_", "S3_", "LOG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(autouse=True)
def _names_in_examples(doctest_namespace: dict[str, object]) -> None:
    """Give the examples what their module has imported anyway."""
    doctest_namespace.update(np=np, date=date)


def pytest_configure() -> None:
    """Undo what a shell does to commands in the background: they ignore interrupts.

    The tests send interrupts to this process and to programs, which inherit what it ignores.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
