"""What many batches in one run cost: time by phase, memory by process, rows of the event log.

    python -m benchmarks.scale --batches 1000 10000
    python -m benchmarks.scale --batches 10000 --postgres postgresql+psycopg2://user@host/database
    python -m benchmarks.scale --rows 3000

One daily series, one rule and batches of a day, so that next to nothing is computed: what is
measured is Dagster's and Dask's own work. Scheduler, workers and run are processes of their own.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import psutil
import yaml

from pulse_assets.dagster.instance import open_instance
from pulse_assets.dagster.internals import grouped_rows
from pulse_assets.execution.cluster import ClusterSpec, active_client, open_cluster
from pulse_assets.execution.fan_out import fan_out

_START = date(1990, 1, 1)
_HISTORY = 60
_KINDS = {
    "planned": dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    "materialization": dg.DagsterEventType.ASSET_MATERIALIZATION,
}


@dataclass
class Measured:
    """What one run cost; its seconds depend on disk and neighbours, processor seconds hardly."""

    batches: int
    seconds: dict[str, float] = field(default_factory=dict)
    run_megabytes: dict[str, float] = field(default_factory=dict)
    peak_megabytes: dict[str, float] = field(default_factory=dict)
    processor_seconds: dict[str, float] = field(default_factory=dict)
    rows: int = 0
    events: dict[str, tuple[int, float]] = field(default_factory=dict)


def _write_source(folder: Path, batches: int) -> None:
    days = [_START + timedelta(days=i - _HISTORY) for i in range(batches + _HISTORY)]
    lines = [f"{day},{100 + i % 97}" for i, day in enumerate(days)]
    folder.mkdir()
    (folder / "historical_daily.csv").write_text("timestamp,value\n" + "\n".join(lines) + "\n")


@contextmanager
def _dask(folder: Path, workers: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start a scheduler and workers; yield them in this order."""
    file = folder / "scheduler.json"
    common = ["--no-dashboard", "--scheduler-file", str(file)]
    local = ["--host", "127.0.0.1"]
    commands = [
        ["scheduler", "--port", "0"],
        *[["worker", "--nthreads", "1", "--no-nanny"]] * workers,
    ]
    started = []
    try:
        for what, *options in commands:
            module = [sys.executable, "-m", f"distributed.cli.dask_{what}"]
            started.append(
                subprocess.Popen(  # noqa: S603 - our own command
                    [*module, *options, *common, *local], stderr=subprocess.DEVNULL
                )
            )
            while not file.exists():
                time.sleep(0.1)
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def _watch(measured: Measured, processes: dict[str, psutil.Process], store: Path) -> None:
    """Note the peaks of memory and when the first and the last batch were stored, until the end."""
    began = time.monotonic()
    metrics = store / "batch_metrics" / "batch_size_days=1"
    while processes["run"].is_running() and processes["run"].status() != psutil.STATUS_ZOMBIE:
        for name, process in processes.items():
            megabytes = process.memory_info().rss / 1e6
            measured.peak_megabytes[name] = max(measured.peak_megabytes.get(name, 0), megabytes)
            measured.processor_seconds[name] = sum(process.cpu_times()[:2])
        done = len([*metrics.glob("*.parquet")])
        for phase, least in (("to the first batch", 1), ("to the last batch", measured.batches)):
            if done >= least and phase not in measured.seconds:
                measured.seconds[phase] = time.monotonic() - began
                measured.run_megabytes[phase] = measured.peak_megabytes["run"]
        time.sleep(0.5)
    measured.seconds["in all"] = time.monotonic() - began


def _train(folder: Path, batches: int, address: str) -> subprocess.Popen[bytes]:
    options = {
        "source": str(folder / "source"),
        "store": str(folder / "store"),
        "start_date": str(_START),
        "end_date": str(_START + timedelta(days=batches - 1)),
        "batch_size_days": 1,
        "history_days": _HISTORY,
        "horizons": [1],
        "models": ["naive"],
        "use_dask": True,
        "dask_scheduler_address": address,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(options))
    command = [sys.executable, "-m", "pulse_assets.run_training"]
    return subprocess.Popen([*command, "--config", str(folder / "config.yaml")])  # noqa: S603


def measure(batches: int, workers: int, postgres: str | None) -> Measured:
    """Run `batches` batches once in a Dagster instance of its own, or in that of `postgres`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_source(folder / "source", batches)
        home = folder / "home"
        home.mkdir()
        _write_home(home, postgres)
        os.environ["DAGSTER_HOME"] = str(home)
        measured = Measured(batches)
        with _dask(folder, workers) as (scheduler, *_):
            address = json.loads((folder / "scheduler.json").read_text())["address"]
            run = _train(folder, batches, address)
            processes = {"run": psutil.Process(run.pid), "scheduler": psutil.Process(scheduler.pid)}
            watcher = threading.Thread(target=_watch, args=(measured, processes, folder / "store"))
            watcher.start()
            if run.wait():
                raise SystemExit("the training failed")
            watcher.join()
        with open_instance(home) as instance:
            (latest,) = instance.get_runs(limit=1)
            _read_log(measured, instance, latest.run_id)
        return measured


def _read_log(measured: Measured, instance: dg.DagsterInstance, run_id: str) -> None:
    """Note what the event log of a run says: its rows, and how long those of a kind took."""
    measured.rows = len(instance.all_logs(run_id))
    for what, kind in _KINDS.items():
        written = [row.timestamp for row in instance.all_logs(run_id, of_type=kind)]
        measured.events[what] = (len(written), written[-1] - written[0])


def measure_rows(count: int, postgres: str | None, *, ours: bool) -> str:
    """Record materializations of a step, three at a time, as Dagster does or as our runs do."""
    used, began = 0.0, 0.0

    @dg.op(out=dg.Out(dg.Nothing))
    def record(context: dg.OpExecutionContext) -> None:
        nonlocal used, began
        used, began = time.process_time(), time.monotonic()
        for number in range(count // 3):
            with grouped_rows(context.instance):
                for table in ("historical_data", "training_batches", "retrodictions"):
                    metadata = {"status": "completed", "dagster/row_count": number, "bytes": 12345}
                    row = dg.AssetMaterialization(table, partition=str(number), metadata=metadata)
                    context.log_event(row)
        used, began = time.process_time() - used, time.monotonic() - began

    @dg.job(logger_defs={"quiet": dg.LoggerDefinition(lambda _: logging.getLogger("quiet"))})
    def rows() -> None:
        record()

    with tempfile.TemporaryDirectory() as name:
        _write_home(Path(name), postgres)
        os.environ["DAGSTER_HOME"] = name
        with open_instance(Path(name)) if ours else dg.DagsterInstance.get() as instance:
            rows.execute_in_process(instance=instance, run_config={"loggers": {"quiet": {}}})
    database = "PostgreSQL" if postgres else "SQLite"
    who = "our runs write" if ours else "Dagster writes"
    return (
        f"{count} rows in {database} as {who} them: "
        f"{count / began:.0f} a second, {1000 * used / count:.2f} ms of processor time each"
    )


def _write_home(home: Path, postgres: str | None) -> None:
    settings: dict[str, object] = {"telemetry": {"enabled": False}}
    if postgres:
        settings["storage"] = {"postgres": {"postgres_url": postgres}}
    (home / "dagster.yaml").write_text(yaml.safe_dump(settings))


@dataclass(frozen=True)
class Nothing:
    """A task without work."""

    name: str

    def parts(self) -> "list[Nothing]":
        """Return the task itself, which cannot be divided."""
        return [self]


def do_nothing(task: Nothing) -> str:
    """Return what a batch's summary would be."""
    return task.name


def measure_tasks(count: int, workers: int) -> str:
    """Send empty tasks through the fan-out alone, without Dagster."""
    this = psutil.Process()
    with tempfile.TemporaryDirectory() as name, _dask(Path(name), workers) as (scheduler, *_):
        address = json.loads((Path(name) / "scheduler.json").read_text())["address"]
        with open_cluster(ClusterSpec("existing", {"address": address})):
            before, began = this.memory_info().rss / 1e6, sum(this.cpu_times()[:2])
            for _ in fan_out(do_nothing, (Nothing(str(i)) for i in range(count)), active_client()):
                pass
            used = sum(this.cpu_times()[:2]) - began
            grown = this.memory_info().rss / 1e6 - before
            peak = psutil.Process(scheduler.pid).memory_info().rss / 1e6
    return (
        f"{count} empty tasks: {used:.1f} s of this process, which grew by {grown:.0f} MB; "
        f"scheduler {peak:.0f} MB"
    )


def _print(measured: Measured) -> None:
    phases = ", ".join(f"{value:.1f} s {name}" for name, value in measured.seconds.items())
    until = ", ".join(f"{value:.0f} MB {name}" for name, value in measured.run_megabytes.items())
    peaks = ", ".join(f"{name} {value:.0f} MB" for name, value in measured.peak_megabytes.items())
    used = ", ".join(f"{name} {value:.0f} s" for name, value in measured.processor_seconds.items())
    rate = measured.rows / measured.seconds["in all"]
    kinds = ", ".join(
        f"{count} {what} rows in {seconds:.0f} s"
        for what, (count, seconds) in measured.events.items()
    )
    print(  # noqa: T201
        f"{measured.batches} batches: {phases}; processor {used}; "
        f"peak memory {peaks} (run {until}); "
        f"{measured.rows} rows of the event log, {rate:.0f} a second: {kinds}",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each number of batches that the command line names."""
    parser = argparse.ArgumentParser(description="how far one run goes")
    parser.add_argument("--batches", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--postgres", metavar="URL", help="default: SQLite")
    parser.add_argument("--rows", type=int, metavar="N", help="measure N rows alone, no batches")
    chosen = parser.parse_args(arguments)
    if chosen.rows:
        for ours in (False, True):
            print(measure_rows(chosen.rows, chosen.postgres, ours=ours), flush=True)  # noqa: T201
        return
    for batches in chosen.batches:
        print(measure_tasks(batches, chosen.workers), flush=True)  # noqa: T201
        _print(measure(batches, chosen.workers, chosen.postgres))


if __name__ == "__main__":
    main()
