"""The daemon's own ticks of schedule and sensor over a code location that is loaded once."""

import logging
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.test_utils import (
    create_test_daemon_workspace_context,
    freeze_time,
    instance_for_test,
)
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._scheduler.scheduler import launch_scheduled_runs

from pulse_assets.batches.grid import batch_keys
from pulse_assets.dagster.jobs import JOB_NAME
from pulse_assets.dagster.partitions import dynamic_grid
from pulse_assets.definitions import build_definitions
from pulse_assets.settings import Settings
from pulse_assets.storage.layout import PartitionedTables
from pulse_assets.storage.store import open_store

pytestmark = pytest.mark.slow

QUEUE_ONLY = {
    "run_launcher": {"module": "dagster._core.test_utils", "class": "MockedRunLauncher"},
    "telemetry": {"enabled": False},
}
TODAY = datetime.combine(datetime.now(UTC).date(), time(5), UTC)
DAY = timedelta(days=1)
LOG = logging.getLogger("test")
START, END = (f"dagster/asset_partition_range_{end}" for end in ("start", "end"))
TARGET = ModuleTarget("pulse_assets.definitions", None, ".", "pulse")
RESUME = {"resume": True, "models": ["naive"], "horizons": [1]}


def clock_at(moment):
    """Return the class `datetime` of a later moment."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return moment.astimezone(tz)

    return Clock


class Daemon:
    """An instance, and the code location as it was when it was loaded."""

    def __init__(self, instance, workspace):
        self.instance, self.workspace = instance, workspace
        entries = workspace.create_request_context().get_code_location_entries().values()
        (location,) = [entry.code_location for entry in entries]
        (self.repository,) = location.get_repositories().values()

    def schedule_tick(self, at):
        with freeze_time(at):
            list(launch_scheduled_runs(self.workspace, LOG, at, {}, max_catchup_runs=1))
        return self.last_tick(self.repository.get_schedule("train_completed_batches"))

    def sensor_tick(self, at):
        with freeze_time(at):
            list(execute_sensor_iteration(self.workspace, LOG, None, None))
        return self.last_tick(self.repository.get_sensor("source_changed"))

    def last_tick(self, one):
        (tick,) = self.instance.get_ticks(one.get_remote_origin_id(), one.selector_id, limit=1)
        return tick


@pytest.fixture
def growing(tmp_path, monkeypatch):
    """Windows of 30 days, of which two have ended by now, and a daily series that goes on."""
    first = (TODAY - 65 * DAY).date()
    days = [first + i * DAY for i in range(-100, 140)]
    source = tmp_path / "source"
    source.mkdir()
    rows = [f"{day},{i % 7}" for i, day in enumerate(days)]
    (source / "historical_x.csv").write_text("timestamp,value\n" + "\n".join(rows) + "\n")
    place = {
        "source": str(source),
        "store": str(tmp_path / "store"),
        "start_date": str(first),
        "end_date": "today",
    }
    for name, value in place.items():
        monkeypatch.setenv(f"PULSE_{name.upper()}", value)
    return Settings(**place)


@pytest.fixture
def daemon(growing):
    with (
        instance_for_test(overrides=QUEUE_ONLY) as instance,
        create_test_daemon_workspace_context(TARGET, instance) as workspace,
    ):
        yield Daemon(instance, workspace)


def test_a_grid_of_days_grows_without_a_reload(daemon, growing, monkeypatch):
    """The old location accepts the tick of a later day, and its run makes the new batches."""
    job = build_definitions(growing).resolve_job_def(JOB_NAME)  # of today
    shown = daemon.instance.get_dynamic_partitions(dynamic_grid(growing))
    assert shown == batch_keys(growing)  # in the UI as soon as the location is loaded
    with freeze_time(TODAY):
        daemon.instance.start_schedule(daemon.repository.get_schedule("train_completed_batches"))
    later = TODAY + 61 * DAY
    tick = daemon.schedule_tick(later)
    assert tick.error is None
    assert tick.status is TickStatus.SUCCESS
    keys = batch_keys(growing, later.date())
    assert len(shown) == 2
    assert len(keys) == 4
    run = daemon.instance.get_run_by_id(tick.run_ids[0])
    assert (run.tags[START], run.tags[END]) == (keys[0], keys[-1])
    daemon.instance.report_run_canceled(run)

    monkeypatch.setattr("pulse_assets.settings.deployment.datetime", clock_at(later))
    config = {"resources": {"training": {"config": RESUME}}}
    result = job.execute_in_process(run_config=config, tags=run.tags, instance=daemon.instance)
    assert result.success
    store = open_store(growing.store, growing.s3)
    made = PartitionedTables(store, "batch_metrics", growing.batch_length, keys).load(["status"])
    assert made["status"].unique().to_pylist() == ["completed"]
    assert daemon.schedule_tick(later + DAY).skip_reason.startswith("all 4 batches")


def test_the_sensor_asks_for_a_b_and_a_again(daemon, growing):
    file = Path(growing.source) / "historical_x.csv"
    with freeze_time(TODAY):
        daemon.instance.start_sensor(daemon.repository.get_sensor("source_changed"))
    kept, at, runs = file.with_name("kept"), TODAY, []
    for change in (
        lambda: None,
        lambda: (file.rename(kept), file.write_text("timestamp,value\n2000-01-01,1\n")),
        lambda: kept.rename(file),
    ):
        change()
        at += timedelta(minutes=15)
        runs += daemon.sensor_tick(at).run_ids
        again = daemon.sensor_tick(at + timedelta(minutes=6))
        assert again.skip_reason == f"run {runs[-1]} waits to be started"
    assert len(set(runs)) == daemon.instance.get_runs_count() == 3
