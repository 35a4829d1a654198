"""What tests and the examples in docstrings share."""

import os
from datetime import date
from pathlib import Path

import numpy as np
import pytest


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
