"""Peak memory of a batch by the rows that it makes, each batch in a process of its own.

    python -m benchmarks.memory DAYS

Computes one batch of the bundled S&P 500, DAYS long, and prints its rows, how much the peak memory
of the process rose over that of an empty batch, and the size of its table in memory; megabytes.
"""

import subprocess
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from pulse_assets.batches.windows import TrainingBatch
from pulse_assets.history.calendars import load_series
from pulse_assets.history.source import open_source
from pulse_assets.retrodiction.compilation import compile_kernels
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, resolve_rules
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.observe import observe
from pulse_assets.stages.panel import Panel
from pulse_assets.stages.plan import plan
from pulse_assets.stages.predict import planned_variables, predict
from pulse_assets.stages.variable_history import histories_of
from pulse_assets.storage.s3 import AWS
from pulse_assets.storage.tables import encode_table

LAST: Final = date(2022, 12, 31)
#: Lengths of the batches, in days.
LENGTHS: Final = (30, 250, 500, 1000, 2000, 4000)
NAME: Final = "spx_close"


def measure_memory(lengths: Sequence[int] = LENGTHS) -> list[list[float]]:
    """Return rows, rise of the peak and size of the table of each batch; megabytes."""
    found = []
    for days in lengths:
        command = [sys.executable, "-m", "benchmarks.memory", str(days)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
        found.append([float(part) for part in printed.split()])
    return found


def compute(days: int) -> tuple[int, float]:
    """Compute and encode a batch; return rows and megabytes of its forecasts."""
    options = TrainingOptions(frequencies={NAME: "business_daily"})
    series = load_series(open_source("sample", AWS), [NAME], options.frequencies, {})
    batch = TrainingBatch("one", LAST - timedelta(days=days), LAST, (NAME,))
    histories = histories_of(observe(batch, series, options), options.frequencies)
    planned = plan(batch, histories, options.horizons)
    variables = planned_variables(planned, histories, options.horizons)
    panel = Panel({NAME: histories[NAME].rows})
    table = predict({"one": variables}, panel, resolve_rules(DEFAULT_MODELS), options)[
        "one"
    ].table()
    encode_table(table, "retrodictions", fingerprint={})
    return table.num_rows, table.nbytes / 1e6


def _peak() -> float:
    """Return the peak memory of this process in megabytes, as Linux tells it.

    Not from `getrusage`, where a process begins with the peak of the one that started it.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    compile_kernels()
    compute(1)
    before = _peak()
    rows, size = compute(int(sys.argv[1]))
    print(rows, np.round(_peak() - before, 2), np.round(size, 2))  # noqa: T201
