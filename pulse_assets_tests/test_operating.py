"""Runs that share Dagster's records: in other PID namespaces, beside a UI, retried and limited."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import psutil
import pytest
import yaml

from pulse_assets import TrainingConfig
from pulse_assets.dagster.instance import open_instance
from pulse_assets.dagster.jobs import POOL
from pulse_assets.dagster.run_process import PROCESS_TAG
from pulse_assets.settings import dagster_home
from pulse_assets_tests.conftest import object_count, stored
from pulse_assets_tests.execution.clusters import wait_until
from pulse_assets_tests.test_four_ways import serving

ROOT = Path(__file__).parents[1]
SHIPPED = [ROOT / "dagster.yaml", *(ROOT / "deploy").glob("dagster.yaml")]
UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
OPTIONS = {
    "models": ["naive", "pulse_assets_tests.own_rules:Gated"],
    "horizons": [1],
    "rule_timeout_seconds": 300,
}
STARTED, FAILURE = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE


class Training:
    """`pulse-train` over three batches in a process of its own, and a gate before its forecasts."""

    def __init__(self, source, folder, name, *before):
        self.store, self.gate = folder / f"store-{name}", folder / f"gate-{name}"
        self._output = folder / f"{name}.txt"
        command = [*before, sys.executable, "-m", "pulse_assets.run_training"]
        config = folder / f"{name}.yaml"
        config.write_text(yaml.safe_dump(self.config(source).model_dump(mode="json")))
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [*command, "--config", str(config)],
                env=os.environ | {"GATE": str(self.gate)},
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def config(self, source):
        dates = {"start_date": "2005-01-01", "end_date": "2005-03-31", "max_workers": 1}
        return TrainingConfig(source=str(source), store=str(self.store), **dates, **OPTIONS)

    def open(self):
        self.gate.touch()

    def finish(self):
        """Wait for the end; return the exit code and what was said."""
        return self.process.wait(120), self._output.read_text()


@pytest.fixture
def training(source, tmp_path):
    with contextlib.ExitStack() as stack:

        def training(name, *before):
            started = Training(source, tmp_path, name, *before)
            stack.callback(started.process.wait, 60)
            stack.callback(started.process.kill)
            return started

        yield training


@pytest.fixture
def records():
    """The Dagster instance that all processes share."""
    with open_instance(dagster_home()) as instance:
        yield instance


def statuses(instance):
    return sorted(run.status.value for run in instance.get_runs())


def may_unshare():
    if not shutil.which("unshare"):
        return False
    return subprocess.run([*UNSHARE, "true"], capture_output=True).returncode == 0


@pytest.mark.slow
def test_trainings_in_two_pid_namespaces_leave_each_other_alone(training, records):
    """As two pods of one host's network have them: the same host name, and process ids from 1."""
    if not may_unshare():
        pytest.skip("no PID namespace can be made here: it needs root on Linux")
    first = training("first", *UNSHARE)
    wait_until(lambda: statuses(records) == ["STARTED"], 90)
    second = training("second", *UNSHARE)
    second.open()
    code, output = second.finish()
    assert code == 0, output
    (run,) = records.get_runs(dg.RunsFilter(statuses=[STARTED]))
    (line,) = [line for line in output.splitlines() if f"run {run.run_id[:8]}" in line]
    assert "is recorded as STARTED; whether its process " in line
    assert "cannot be seen from here (it is in another PID namespace)" in line
    first.open()
    assert first.finish()[0] == 0
    assert statuses(records) == ["SUCCESS", "SUCCESS"]
    assert len({run.tags[PROCESS_TAG].split()[4] for run in records.get_runs()}) == 2


@pytest.mark.slow
def test_two_trainings_and_a_ui_share_sqlite_and_a_killed_run_is_retried(
    training, source, tmp_path
):
    """All three hold a run at once. The daemon launches the run that was killed once more."""
    home, gate = dagster_home(), tmp_path / "gate-ui"
    home.mkdir(parents=True)
    retries = {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False}
    (home / "dagster.yaml").write_text(
        yaml.safe_dump({"telemetry": {"enabled": False}, "run_retries": retries})
    )
    one = training("one")
    config = one.config(source).model_copy(update={"store": str(tmp_path / "store-ui")})
    with (
        serving(config, tmp_path / "servers.log", GATE=str(gate)) as ui,
        open_instance(home) as records,
    ):
        other = training("other")
        backfill = ui.launch(OPTIONS | {"resume": True}, ui.keys())
        wait_until(lambda: statuses(records) == ["STARTED"] * 3, 120)
        (run,) = [run for run in records.get_runs() if "dagster/backfill" in run.tags]
        wait_until(lambda: PROCESS_TAG in records.get_run_by_id(run.run_id).tags, 30)
        _, pid, *_ = records.get_run_by_id(run.run_id).tags[PROCESS_TAG].split()
        psutil.Process(int(pid)).kill()
        wait_until(lambda: records.get_run_by_id(run.run_id).status == FAILURE, 60)
        for held in (one.gate, other.gate, gate):
            held.touch()
        assert ui.ended(backfill)["status"] == "COMPLETED_SUCCESS"
        assert [train.finish()[0] for train in (one, other)] == [0, 0]
        (retried,) = records.get_runs(dg.RunsFilter(tags={"dagster/retry_number": "1"}))
        assert retried.parent_run_id == run.run_id
        assert statuses(records) == ["FAILURE", *["SUCCESS"] * 4]
    objects = stored(config.store)
    assert len(objects) == object_count(3)
    assert objects == stored(one.store) == stored(other.store)


@pytest.mark.slow
def test_a_pool_limits_how_many_runs_compute_batches(training, records):
    """A run that has to wait says so in its log, and goes on when a slot is free."""
    log = records.event_log_storage
    log.set_concurrency_slots(POOL, 1)
    assert log.claim_concurrency_slot(POOL, "another-run", "train_batches").is_claimed
    run = training("limited")
    run.open()

    def blocked():
        events = [entry for run in records.get_runs() for entry in records.all_logs(run.run_id)]
        return any("blocked by" in entry.message for entry in events)

    wait_until(blocked, 90)
    assert stored(run.store) == {}
    log.free_concurrency_slots_for_run("another-run")
    code, output = run.finish()
    assert code == 0, output
    assert len(stored(run.store)) == object_count(3)


# Runs that a killed daemon was launching


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.parent.name)
def test_a_run_that_nothing_begins_is_failed_within_two_minutes(file):
    monitoring = yaml.safe_load(file.read_text())["run_monitoring"]
    assert monitoring["enabled"]
    assert file.parent.name != "deploy" or monitoring["max_runtime_seconds"] == 86_400
    assert monitoring["start_timeout_seconds"] + monitoring["poll_interval_seconds"] <= 115


def test_the_instance_of_a_new_home_is_monitored_too(records):
    assert records.run_monitoring_enabled
    limits = (records.run_monitoring_start_timeout_seconds, 20)
    assert (limits[0], records.run_monitoring_poll_interval_seconds) == (90, 20)


@dg.job
def empty():
    pass


@pytest.mark.slow
def test_a_daemon_that_is_started_again_ends_runs_of_nobody():
    """One caught in STARTING, one that is recorded as running for longer than any may.

    By the settings that are shipped, in seconds instead of minutes and a day.
    """
    home = dagster_home()
    home.mkdir(parents=True)
    limits = {"start_timeout_seconds": 3, "max_runtime_seconds": 3, "poll_interval_seconds": 1}
    (home / "dagster.yaml").write_text(
        yaml.safe_dump({"run_monitoring": {"enabled": True, **limits}})
    )
    with open_instance(home) as records:
        runs = [records.create_run_for_job(empty) for _ in range(2)]
        for run, kind in zip(runs, ("RUN_STARTING", "RUN_START"), strict=True):
            event = dg.DagsterEvent(dg.DagsterEventType[kind].value, run.job_name)
            records.report_dagster_event(event, run.run_id)
        assert statuses(records) == ["STARTED", "STARTING"]
        command = [sys.executable, "-m", "dagster._daemon", "run", "--empty-workspace"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as daemon:
            wait_until(lambda: statuses(records) == ["FAILURE"] * 2, 90)
            daemon.terminate()
