"""Dagster's command `dg` finds the project: `[tool.dg]` of pyproject.toml."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pulse_assets.dagster.jobs import JOB_NAME
from pulse_assets.definitions import build_definitions
from pulse_assets.settings import Settings

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


@pytest.fixture
def dg(tmp_path):
    """Run `dg` in the root of the project, with records of its own."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(ROOT / "dagster.yaml", home)

    def run(*words):
        return subprocess.run(
            [str(Path(sys.executable).with_name("dg")), *words],
            cwd=ROOT,
            env={**os.environ, "DAGSTER_HOME": str(home), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_dg_lists_the_definitions(dg):
    listed = dg("list", "defs", "--json")
    assert listed.returncode == 0, listed.stderr
    found = json.loads(listed.stdout)
    graph = build_definitions(Settings()).resolve_asset_graph()
    assert {row["asset_key"] for row in found["assets"]} == {
        key.to_user_string() for key in graph.get_all_asset_keys()
    }
    assert JOB_NAME in {row["name"] for row in found["jobs"]}


def test_dg_checks_the_definitions(dg):
    checked = dg("check", "defs")
    assert checked.returncode == 0, checked.stderr
    assert "All definitions loaded successfully" in checked.stdout + checked.stderr
