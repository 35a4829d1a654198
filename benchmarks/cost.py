"""What a training costs by variables, batches and workers.

    python -m benchmarks.cost [--variables 30 60 120 240 500] [--batches 100 200 402]

Variables: processor seconds of one process for a block of 30 monthly batches of FRED series, with
and without leading indicators; their exponent is that of the power law through 60 and the largest
number. Batches and workers: the whole command on the bundled data, all its processes counted.
"""

import argparse
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.fred import load
from benchmarks.setting import RESULTS, publish
from pulse_assets.batches.grid import batch_keys, batch_of
from pulse_assets.execution.batch_task import BatchTask, run_batches
from pulse_assets.preflight import resolve_options
from pulse_assets.retrodiction.compilation import compile_kernels
from pulse_assets.settings import TrainingConfig

CACHE: Final = Path(tempfile.gettempdir()) / "gretl"
#: The last month of every series: what matters here is their length.
LAST: Final = np.datetime64("2022-09")
#: A block of thirty monthly batches.
DATES: Final[dict[str, Any]] = {
    "start_date": "2015-01-01",
    "end_date": "2017-07-01",
    "batch_cadence": "monthly",
}
#: From this number of variables on the exponent is measured.
SMALLEST: Final = 60


def write_panel(folder: Path, count: int) -> None:
    """Write `count` monthly series; beyond those of FRED copies of them with noise."""
    folder.mkdir()
    series = {name: values[-690:] for name, values in load(CACHE).items()}  # from 1965 on
    names, rng = [*series], np.random.default_rng(0)
    for i in range(count):
        name = names[i % len(names)]
        noise = 0.003 * rng.standard_normal(len(series[name])) * (i >= len(names))
        months = LAST - np.arange(len(series[name]))[::-1]
        rows = zip(months.astype(str), series[name] * (1.0 + noise), strict=True)
        text = "".join(f"{month}-01,{value:.7g}\n" for month, value in rows if value == value)
        label = "".join(c if c.isalnum() else "_" for c in name.lower())
        (folder / f"historical_{label}_{i}.csv").write_text("timestamp,value\n" + text)


def by_variables(counts: Sequence[int]) -> dict[str, dict[int, float]]:
    """Return processor seconds per batch by number of variables, without and with indicators."""
    seconds: dict[str, dict[int, float]] = {"no indicators": {}, "indicators": {}}
    for count in counts:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_panel(folder / "source", count)
            for label, partners in (("no indicators", 0), ("indicators", 3)):
                config = TrainingConfig(
                    source=str(folder / "source"),
                    store=str(folder / label.replace(" ", "_")),
                    max_partners=partners,
                    **DATES,
                )
                seconds[label][count] = _block(config)
    return seconds


def _block(config: TrainingConfig) -> float:
    settings = config.settings()
    options = resolve_options(settings, config.options())
    batches = tuple(
        batch_of(settings, key, options.variables or ()) for key in batch_keys(settings)
    )
    began = time.process_time()
    summaries = run_batches(BatchTask(batches, settings, options))
    taken = time.process_time() - began
    if {summary.status for summary in summaries} != {"completed"}:
        raise RuntimeError("a batch was not completed")
    return taken / len(batches)


def exponent(seconds: dict[int, float]) -> float:
    """Return the exponent of the power law from `SMALLEST` to the largest number of variables."""
    largest = max(seconds)
    return math.log(seconds[largest] / seconds[SMALLEST]) / math.log(largest / SMALLEST)


def whole_command(*options: str) -> dict[str, float]:
    """Run `pulse-train` on the bundled data; return wall and processor seconds of all processes."""
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "pulse_assets.run_training", "--store", f"{name}/store"]
        before, began = _children(), time.perf_counter()
        subprocess.run(  # noqa: S603
            [*command, *options],
            env=os.environ | {"DAGSTER_HOME": f"{name}/home"},
            check=True,
            capture_output=True,
        )
        return {"wall": time.perf_counter() - began, "processor": _children() - before}


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def show(result: dict[str, Any]) -> str:
    """Lay the figures out as text."""
    lines = ["processor seconds per batch, by variables"]
    for label, seconds in result["variables"].items():
        figures = ", ".join(f"{count}: {value:.3f}" for count, value in seconds.items())
        lines.append(f"  {label}: {figures}; exponent {exponent(seconds):.2f}")
    for kind in ("batches", "workers"):
        lines.append(f"whole command, by {kind}: wall and processor seconds")
        lines += [
            f"  {count}: {taken['wall']:.1f}, {taken['processor']:.1f}"
            for count, taken in result[kind].items()
        ]
    return "\n".join(lines) + "\n"


def draw(figure: Any, result: dict[str, Any]) -> None:  # noqa: ANN401 - matplotlib's
    """Draw cost against variables, batches and workers."""
    figure.set_size_inches(13, 3.5)
    variables, *others = figure.subplots(1, 3)
    counts = list(next(iter(result["variables"].values())))
    for label, seconds in result["variables"].items():
        variables.loglog(counts, list(seconds.values()), marker="o", label=label)
    variables.set(xlabel="variables", ylabel="processor seconds per batch")
    variables.set_xticks(counts, map(str, counts))
    variables.set_xticks([], minor=True)
    variables.legend()
    for axes, kind in zip(others, ("batches", "workers"), strict=True):
        for unit in ("wall", "processor"):
            taken = [one[unit] for one in result[kind].values()]
            axes.plot(list(result[kind]), taken, marker="o", label=unit)
        axes.set(xlabel=kind, ylabel="seconds", ylim=(0, None), xticks=list(result[kind]))
        axes.legend()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="what a training costs")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--variables", type=int, nargs="+", default=[30, 60, 120, 240, 500])
    parser.add_argument("--batches", type=int, nargs="+", default=[100, 200, 402])
    chosen = parser.parse_args(arguments)
    compile_kernels()
    workers = {
        count: whole_command("--max-workers", str(count), "--start-date", "2006-01-01")
        for count in (1, 2)
    }
    batches = {
        count: whole_command("--max-workers", "2", "--batch-limit", str(count))
        for count in chosen.batches
    }
    result = {"variables": by_variables(chosen.variables), "batches": batches, "workers": workers}
    sys.stdout.write(show(result))
    publish("cost", result, draw, chosen.output)


if __name__ == "__main__":
    main()
