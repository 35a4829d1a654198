"""What tests and the examples in docstrings share."""

import gc
import os
import sqlite3
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine


def pytest_collection_finish() -> None:
    """Take what has been imported out of every later garbage collection: it stays anyway."""
    gc.collect()
    gc.freeze()


@event.listens_for(Engine, "connect")
def _wait_for_no_disk(connection: object, _record: object) -> None:
    """Let SQLite not wait until Dagster's records are on the disk: no test cuts the power."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


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
