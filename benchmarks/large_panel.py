"""What a training over thousands of series costs: time by phase, memory of each process.

    python -m benchmarks.large_panel [--series 1000 10000]

Monthly series of 240 values each, random walks with drift and seasons, in one source; 24 monthly
batches, the default models. The peaks are of resident memory, sampled five times a second.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import psutil

#: Twenty years; the batches are the months of the last two.
MONTHS: Final = np.arange("2003-01", "2023-01", dtype="datetime64[M]")
DATES: Final = ("--start-date", "2021-01-01", "--end-date", "2022-12-31")


@dataclass
class Measured:
    """What one command cost."""

    series: int
    wall: float
    processor: float
    #: Megabytes of the run process, and of the largest of the other processes.
    run: float
    other: float
    store: float
    output: str


def write_source(folder: Path, count: int) -> None:
    """Write `count` monthly series of 240 values."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    seasons = np.sin(np.arange(len(MONTHS)) * 2 * np.pi / 12)
    stamps = [f"{month}-01," for month in MONTHS.astype(str)]
    for number in range(count):
        walk = rng.normal(0.1, 1.0, len(MONTHS)).cumsum()
        values = 100 + walk + rng.uniform(0, 5) * seasons
        rows = (f"{stamp}{value:.5g}\n" for stamp, value in zip(stamps, values, strict=True))
        name = folder / f"historical_series_{number:05d}.csv"
        name.write_text("timestamp,value\n" + "".join(rows))


def measure(count: int, folder: Path, options: Sequence[str] = ()) -> Measured:
    """Run `pulse-train` over `count` series and watch its processes."""
    source, store, home = folder / "source", folder / "store", folder / "home"
    if not source.exists():
        write_source(source, count)
    places = ("--source", str(source), "--store", str(store), "--batch-cadence", "monthly")
    began = time.perf_counter()
    with (folder / "output.txt").open("w+") as output:
        run = psutil.Popen(
            [sys.executable, "-m", "pulse_assets.run_training", *places, *DATES, *options],
            env=os.environ | {"DAGSTER_HOME": str(home)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        peaks, used = _watch(run)
        wall = time.perf_counter() - began
        output.seek(0)
        said = output.read()
    others = [peak for pid, peak in peaks.items() if pid != run.pid]
    stored = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
    processor = sum(used.values())
    return Measured(
        count, wall, processor, peaks[run.pid], max(others, default=0), stored / 1e6, said
    )


def _watch(run: psutil.Process) -> tuple[dict[int, float], dict[int, float]]:
    """Return the peak of memory and the processor seconds of each process, until the run ends."""
    peaks: dict[int, float] = {}
    used: dict[int, float] = {}
    while run.is_running() and run.status() != psutil.STATUS_ZOMBIE:
        for process in _tree(run):
            try:
                megabytes, times = process.memory_info().rss / 1e6, process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            peaks[process.pid] = max(peaks.get(process.pid, 0), megabytes)
            used[process.pid] = times.user + times.system
        time.sleep(0.2)
    run.wait()
    return peaks, used


def _tree(run: psutil.Process) -> list[psutil.Process]:
    try:
        return [run, *run.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def show(measured: Measured) -> str:
    """Lay the figures out as a line."""
    return (
        f"{measured.series} series: {measured.wall:.0f} s, {measured.processor:.0f} processor s; "
        f"run {measured.run:.0f} MB, largest other process {measured.other:.0f} MB; "
        f"store {measured.store:.0f} MB\n"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each number of series that the command line names."""
    parser = argparse.ArgumentParser(description="what a training over many series costs")
    parser.add_argument("--series", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--folder", type=Path, help="keep source, store and output here")
    chosen, options = parser.parse_known_args(arguments)
    for count in chosen.series:
        with tempfile.TemporaryDirectory() as name:
            folder = (chosen.folder or Path(name)) / str(count)
            measured = measure(count, folder, options)
        sys.stdout.write(measured.output + show(measured))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
