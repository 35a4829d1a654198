"""What loading a source of many series costs: processor time, and memory of the process.

    python -m benchmarks.sources [--series 10000]

Monthly series of 240 values each, in every kind of file that a source may hold. Each is loaded in a
process of its own.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from pulse_assets.history.source import open_source
from pulse_assets.storage.s3 import AWS

MONTHS: Final = pd.date_range("2000-01-01", periods=240, freq="MS")


def write_sources(folder: Path, count: int) -> list[Path]:
    """Write the same series in every kind of file; return the sources."""
    values = np.random.default_rng(0).normal(size=(len(MONTHS), count)).cumsum(0)
    names = [f"series_{i:05d}" for i in range(count)]
    wide = pd.DataFrame(values, columns=names)
    wide.insert(0, "date", MONTHS)
    long = wide.melt("date", var_name="unique_id", value_name="y").rename(columns={"date": "ds"})
    wide.to_csv(folder / "wide.csv", index=False)
    wide.to_parquet(folder / "wide.parquet", index=False)
    long.to_csv(folder / "panel.csv", index=False)
    long.to_parquet(folder / "panel.parquet", index=False)
    table = pa.Table.from_pandas(long.assign(year=long["ds"].dt.year), preserve_index=False)
    by_year = {"partitioning": ["year"], "partitioning_flavor": "hive"}
    ds.write_dataset(table, folder / "panel", format="parquet", **by_year)
    (folder / "files").mkdir()
    for name in names:
        series = wide[["date", name]].set_axis(["timestamp", "value"], axis=1)
        series.to_csv(folder / "files" / f"historical_{name}.csv", index=False)
    tables = ("panel.csv", "panel.parquet", "wide.csv", "wide.parquet", "panel", "files")
    return [folder / name for name in tables]


def load(source: Path) -> str:
    """Load every series of a source; return what that cost."""
    began = time.process_time()
    opened = open_source(str(source), AWS)
    rows = sum(len(opened.load(name).values) for name in opened.variables())
    seconds = time.process_time() - began
    # Of this process alone: getrusage would count the one that started it, too.
    status = Path("/proc/self/status").read_text("utf-8")
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1000
    files = [source] if source.is_file() else [f for f in source.rglob("*") if f.is_file()]
    size = sum(file.stat().st_size for file in files) / 1e6
    cost = f"{seconds:.1f} processor s, peak {peak:.0f} MB"
    return f"{source.name}: {size:.0f} MB, {rows:,} rows, {cost}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Load each source in a process of its own."""
    parser = argparse.ArgumentParser(description="what loading a source of many series costs")
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--load", type=Path, help="load this source only")
    chosen = parser.parse_args(arguments)
    if chosen.load:
        sys.stdout.write(load(chosen.load) + "\n")
        return
    with tempfile.TemporaryDirectory() as folder:
        for source in write_sources(Path(folder), chosen.series):
            command = [sys.executable, "-m", "benchmarks.sources", "--load", str(source)]
            subprocess.run(command, check=True)  # noqa: S603 - our own module


if __name__ == "__main__":
    main()
