"""A project of somebody else's with two deployments, as Dagster's commands and daemon run it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.test_utils import create_test_daemon_workspace_context, instance_for_test
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._daemon.daemon import get_default_daemon_logger
from dagster._time import get_current_timestamp

from pulse_assets.catalog import ASSETS, BATCH_TABLES

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2] / "examples" / "own_project"
TYPE = "pulse_assets.RetrodictionComponent"
#: Runs of a backfill are executed in the process and at the time of their request.
AT_ONCE = {
    "run_launcher": {
        "module": "dagster._core.launcher.sync_in_memory_run_launcher",
        "class": "SyncInMemoryRunLauncher",
    },
    "run_coordinator": {
        "module": "dagster._core.run_coordinator",
        "class": "DefaultRunCoordinator",
    },
    "telemetry": {"enabled": False},
}
#: The batches of a deployment, and the trust that is computed from all of them.
OURS = " or ".join(f'key:"us/{name}"' for name in (*BATCH_TABLES, "trust_ledger"))
OWN = {"orders", "mean_errors", "rows_of_trust"}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A copy of the example, over two batches of each deployment, with records of its own."""
    folder, home = tmp_path / "project", tmp_path / "home"
    shutil.copytree(PROJECT, folder)
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    for name, last in (("us", "2020-02-29"), ("uk", "2020-06-30")):
        attributes = folder / "src/team/defs" / name / "defs.yaml"
        dates = f"  start_date: '2020-01-01'\n  end_date: '{last}'\n  models: [naive, drift]\n"
        attributes.write_text(attributes.read_text() + dates)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder / "src")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("HOME", str(tmp_path))
    path = [str(folder / "src"), os.environ.get("PYTHONPATH")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, path)))
    monkeypatch.setenv("PULSE_STORE", str(tmp_path / "store"))
    return folder


def command(name, *words):
    """Run `dg` or `dagster` in the project; return its exit code and all that it printed."""
    program = str(Path(sys.executable).with_name(name))
    ran = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout, ran.stdout + ran.stderr


def of(*prefixes):
    return {f"{prefix}/{asset}" for prefix in prefixes for asset in ASSETS}


def test_dg_knows_the_component_scaffolds_one_more_and_checks_all(project):
    """A mistyped attribute is shown with its line."""
    code, listed, _ = command("dg", "list", "components", "--json")
    assert code == 0
    (ours,) = [row for row in json.loads(listed)["items"] if row["key"] == TYPE]
    assert ours["summary"].startswith("Retrodiction training")
    code, _, text = command("dg", "scaffold", "defs", TYPE, "euro-area")
    assert code == 0, text
    code, listed, text = command("dg", "list", "defs", "--json")
    assert code == 0, text
    assets = {row["asset_key"] for row in json.loads(listed)["assets"]}
    assert assets == OWN | of("us", "uk", "euro_area")

    attributes = project / "src/team/defs/us/defs.yaml"
    attributes.write_text(attributes.read_text() + "  sorce: sample\n")
    code, _, text = command("dg", "check", "yaml")
    assert code == 1
    line = len(attributes.read_text().splitlines())
    assert f"defs.yaml:{line}" in text
    assert "'sorce' was unexpected" in text


def test_a_team_materializes_its_deployment_with_its_own_executor(project, tmp_path):
    """One of two batches with its trust, and then the team's assets that are computed from them."""
    chosen = ("--assets", OURS, "--partition-range", "2020-01-01...2020-01-01")
    code, _, text = command("dg", "launch", *chosen)
    assert code == 0, text
    assert "Multiprocess executor" in text
    assert {path.name for path in (tmp_path / "store").iterdir()} == {"us"}
    made = {path.name for path in (tmp_path / "store" / "us").iterdir()}
    assert made == {*BATCH_TABLES, "trust_ledger"}

    chosen = ("--select", 'key:"mean_errors" or key:"rows_of_trust"')
    code, _, text = command("dagster", "asset", "materialize", "-m", "team.definitions", *chosen)
    assert code == 0, text
    assert "1 of 2 partitions of retrodictions are not in" in text


@pytest.mark.filterwarnings("ignore:Function `AssetSelection.sources`")  # Dagster's own call
def test_a_backfill_computes_the_batches_of_one_deployment(project, tmp_path):
    with (
        instance_for_test(overrides=AT_ONCE) as instance,
        create_test_daemon_workspace_context(
            ModuleTarget("team.definitions", None, str(project / "src"), "team"), instance
        ) as workspace,
    ):
        graph = workspace.create_request_context().asset_graph
        ours = [dg.AssetKey(["uk", name]) for name in (*BATCH_TABLES, "trust_ledger")]
        instance.add_backfill(
            PartitionBackfill.from_asset_partitions(
                backfill_id="ours",
                asset_graph=graph,
                partition_names=None,
                asset_selection=ours,
                backfill_timestamp=get_current_timestamp(),
                tags={},
                dynamic_partitions_store=instance,
                all_partitions=True,
                title=None,
                description=None,
                run_config=None,
            )
        )
        log = get_default_daemon_logger("backfill")
        for _ in range(9):
            list(execute_backfill_iteration(workspace, log))
            if instance.get_backfill("ours").status is BulkActionStatus.COMPLETED_SUCCESS:
                break
        assert instance.get_backfill("ours").status is BulkActionStatus.COMPLETED_SUCCESS
        recorded = {
            name: instance.get_materialized_partitions(dg.AssetKey(["uk", name]))
            for name in BATCH_TABLES
        }
    assert recorded == {name: {"2020-01-01", "2020-04-01"} for name in BATCH_TABLES}
    assert {path.name for path in (tmp_path / "store").iterdir()} == {"uk"}
    ledger = pq.read_table(tmp_path / "store" / "uk" / "trust_ledger" / "trust_ledger.parquet")
    assert {*ledger["batch"].to_pylist()} == {"2020-01-01", "2020-04-01"}
