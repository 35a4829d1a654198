"""The whole command: what `pulse-train` costs beyond Dagster, and what a second worker gains.

    python -m benchmarks.end_to_end [--batches N] [--repeats N] [--workers] [--output DIRECTORY]

Runs `pulse-train` as a user would, each time with a store and a Dagster instance of its own:

- over the last batches of the bundled data with 2 workers, and over the same graph whose batches
  compute nothing (`empty_batches`): as many batches, assets and materializations. What one costs
  more than the other is ours; where others use the machine, compare the processor seconds;
- with `--workers`, over batches that compute for a minute, with 1 worker and with 2. Efficiency is
  half the quotient of their times: from the first batch handed out to the last one returned, which
  is what workers share, and of the whole command, with Dagster's start and the aggregates;
- in this process, the stages of a batch: how long its tables take to make and to store.

Prints tables; writes `end_to_end.json` and `end_to_end.png`.
"""

import argparse
import json
import math
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.setting import RESULTS, publish
from pulse_assets.batches.windows import TrainingBatch
from pulse_assets.dagster.instance import open_instance
from pulse_assets.history.calendars import decide_frequency, load_series
from pulse_assets.history.source import open_source
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, resolve_rules
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.observe import observe
from pulse_assets.stages.panel import Panel
from pulse_assets.stages.plan import plan
from pulse_assets.stages.predict import planned_variables, predict
from pulse_assets.stages.score import score
from pulse_assets.stages.variable_history import histories_of
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.s3 import AWS
from pulse_assets.storage.store import open_store
from pulse_assets.storage.tables import encode_table

SAMPLE: Final = Path("pulse_assets/sample_data")
LAST: Final = date(2022, 12, 31)
DAYS: Final = 30
#: The workload by which workers are compared: daily series, stretches of the S&P 500 that begin a
#: number of days apart, over as many batches as one worker computes in so many seconds.
SERIES, LENGTH, APART, HORIZONS, SECONDS = 12, 5000, 300, 40, 60.0
#: Batches there are to choose from.
WINDOWS: Final = 60
#: Last day of the batch whose stages are timed: the last window in which all series have values.
STAGED: Final = date(2022, 7, 30)
TRAIN, EMPTY = "pulse_assets.run_training", "benchmarks.empty_batches"


@dataclass(frozen=True)
class Taken:
    """What one run of the command took.

    Attributes:
        seconds: from start to end.
        processor: seconds of all its processes.
        batches: seconds from the first batch handed out to the last one returned.
        computing: seconds that the batches took, one by one.
        materializations: asset materializations that it recorded.
        compiled: kernels that it compiled.
        loaded: kernels that it loaded from the cache.
    """

    seconds: float
    processor: float
    batches: float
    computing: float
    materializations: int
    compiled: int
    loaded: int


def run(module: str, folder: Path, options: Sequence[str]) -> Taken:
    """Run the command in a new process, with its records and its store in `folder`."""
    environment = {**os.environ, "DAGSTER_HOME": str(folder / "home"), "NUMBA_DEBUG_CACHE": "1"}
    shutil.rmtree(folder / "home", ignore_errors=True)
    command = [sys.executable, "-m", module, "--store", str(folder / "store"), *options]
    began, used = time.perf_counter(), _processor_seconds()
    done = subprocess.run(  # noqa: S603
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    taken = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}")
    performance = _performance(folder / "store")
    return Taken(
        round(taken, 3),
        round(_processor_seconds() - used, 3),
        round(performance["duration_seconds"], 3),
        round(performance["estimated_sequential_time"], 3),
        _materializations(folder / "home"),
        len(re.findall(r"^\[cache\] data saved", done.stdout, re.MULTILINE)),
        len(re.findall(r"^\[cache\] data loaded", done.stdout, re.MULTILINE)),
    )


def _processor_seconds() -> float:
    """Return what all processes that this one started, and theirs, have used by now."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _performance(store: Path) -> dict[str, float]:
    results = store / object_path("training_results", suffix="json")
    return json.loads(results.read_text(encoding="utf-8"))["performance"]


def _materializations(home: Path) -> int:
    with open_instance(home) as instance:
        (latest,) = instance.get_runs(limit=1)
        kind = dg.DagsterEventType.ASSET_MATERIALIZATION
        return len(instance.all_logs(latest.run_id, of_type=kind))


def compare_with_empty(batches: int, repeats: int) -> dict[str, Any]:
    """Run the sample's last batches with 2 workers, and the graph of empty ones, in turn."""
    begin = LAST - timedelta(days=DAYS * batches - 1)
    options = ["--start-date", str(begin), "--end-date", str(LAST), "--max-workers", "2"]
    found: dict[str, list[Taken]] = {"batches": [], "empty batches": []}
    with _folder() as real, _folder() as empty:
        run(TRAIN, empty, options)  # what the aggregates of the empty batches read
        for _ in range(repeats):
            shutil.rmtree(real / "store", ignore_errors=True)
            found["batches"].append(run(TRAIN, real, options))
            found["empty batches"].append(run(EMPTY, empty, options))
    fastest = {name: min(all_of, key=lambda t: t.seconds) for name, all_of in found.items()}
    ours, bare = fastest["batches"], fastest["empty batches"]
    if ours.materializations != bare.materializations:
        raise SystemExit(f"not the same graph: {fastest}")
    return {
        "count": batches,
        "runs": {name: [vars(t) for t in all_of] for name, all_of in found.items()},
        "ratio": ours.seconds / bare.seconds,
        "processor_ratio": ours.processor / bare.processor,
        "milliseconds_a_batch": {n: 1000 * t.seconds / batches for n, t in fastest.items()},
        "compiled": ours.compiled,
        "loaded": ours.loaded,
    }


def compare_workers(repeats: int) -> dict[str, Any]:
    """Run batches that compute for a minute with 1 worker, in the run's own process, and with 2."""
    found: dict[int, list[Taken]] = {1: [], 2: []}
    with _folder() as folder:
        options = _write_daily_source(folder / "source")
        trial = run(TRAIN, folder, [*options, "--max-workers", "1", "--batch-limit", "2"])
        # Even: of an odd number two workers would leave one idle at the end.
        count = min(2 * math.ceil(SECONDS / trial.computing), WINDOWS)
        for _ in range(repeats):
            for workers, taken in found.items():
                shutil.rmtree(folder / "store")
                limits = ["--max-workers", str(workers), "--batch-limit", str(count)]
                taken.append(run(TRAIN, folder, [*options, *limits]))
    one, two = (min(found[n], key=lambda taken: taken.seconds) for n in found)
    return {
        "count": count,
        "runs": {str(n): [vars(taken) for taken in all_of] for n, all_of in found.items()},
        "efficiency": one.batches / two.batches / 2,
        "efficiency_of_the_command": one.seconds / two.seconds / 2,
    }


def _write_daily_source(folder: Path) -> list[str]:
    """Write stretches of one series as several on the same dates; return the options for it."""
    table = pd.read_csv(SAMPLE / "historical_spx_close.csv")
    dates, values = table["timestamp"].to_numpy()[-LENGTH:], table["value"].to_numpy()
    folder.mkdir()
    for i in range(SERIES):
        part = pd.DataFrame({"timestamp": dates, "value": values[i * APART :][:LENGTH]})
        part.to_csv(folder / f"historical_daily_{i}.csv", index=False)
    begin = LAST - timedelta(days=DAYS * WINDOWS - 1)
    horizons = map(str, range(1, HORIZONS + 1))
    ends = ["--start-date", str(begin), "--end-date", str(LAST)]
    return ["--source", str(folder), *ends, "--horizons", *horizons]


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def time_stages() -> dict[str, float]:
    """Time each stage of a batch of the sample, the fastest of several runs, in seconds."""
    with _folder() as folder:
        batch, stages = _stages()
        table = stages["retrodictions"]()
        store = open_store(str(folder))

        def write() -> None:
            data = encode_table(table, "retrodictions", fingerprint={})
            store.write(object_path("retrodictions", batch.batch_id, DAYS), data)

        found = _fastest({**stages, "encode and write": write})
    found["rows"] = table.num_rows
    return found


def _stages() -> tuple[TrainingBatch, dict[str, Callable[[], Any]]]:
    """Return the stages of a batch of the sample, each with its input at hand."""
    rules, source = resolve_rules(DEFAULT_MODELS), open_source("sample", AWS)
    names = source.variables()
    first = STAGED - timedelta(days=DAYS - 1)
    batch = TrainingBatch(str(first), first, STAGED + timedelta(days=1), tuple(names))
    frequencies = {name: decide_frequency(source.load(name)) for name in names}
    series = load_series(source, names, frequencies, source.usual_lag_days())
    options = TrainingOptions(frequencies=frequencies)
    history = observe(batch, series, options)
    histories = histories_of(history, options.frequencies)
    planned = plan(batch, histories, options.horizons)
    panel = Panel({name: one.rows for name, one in histories.items()})
    variables = planned_variables(planned, histories, options.horizons)

    def retrodict() -> pa.Table:
        forecasts = predict({batch.batch_id: variables}, panel, rules, options)
        return forecasts[batch.batch_id].table()

    made = retrodict()
    return batch, {
        "historical_data": lambda: observe(batch, series, options),
        "training_batches": lambda: plan(batch, histories, options.horizons),
        "retrodictions": retrodict,
        "batch_metrics": lambda: score(
            batch.batch_id, planned, variables, made, options.quantile_levels
        ),
    }


def _fastest(stages: Mapping[str, Callable[[], Any]], rounds: int = 15) -> dict[str, float]:
    """Time the stages in turn, so that a busy moment of the machine is not one stage's alone."""
    found = dict.fromkeys(stages, np.inf)
    for _ in range(rounds):
        for name, stage in stages.items():
            began = time.perf_counter()
            stage()
            found[name] = min(found[name], time.perf_counter() - began)
    return found


def show(result: Mapping[str, Any]) -> str:
    """Lay the figures out as text."""
    graph, workers, stages = (result[name] for name in ("graph", "workers", "stages"))
    lines = [f"{graph['count']} batches, 2 workers: seconds, processor seconds, materializations"]
    for name, runs in graph["runs"].items():
        for taken in runs:
            figures = f"{taken['seconds']:9.1f}{taken['processor']:9.1f}"
            lines.append(f"{name:24}{figures}{taken['materializations']:9d}")
    per_batch = graph["milliseconds_a_batch"].items()
    lines += [f"{name:24}{value:9.0f} ms a batch" for name, value in per_batch]
    lines.append(f"{'ratio':24}{graph['ratio']:9.2f}{graph['processor_ratio']:9.2f}")
    lines.append(f"{'kernels compiled':24}{graph['compiled']:9d}, loaded {graph['loaded']}")
    if workers:
        lines.append(f"{workers['count']} batches of daily series: seconds, of the batches alone")
        for count, runs in workers["runs"].items():
            for taken in runs:
                figures = f"{taken['seconds']:9.1f}{taken['batches']:9.1f}"
                lines.append(f"{'workers ' + count:24}{figures}")
        both = workers["efficiency_of_the_command"], workers["efficiency"]
        lines.append(f"{'efficiency':24}{both[0]:9.2f}{both[1]:9.2f}")
    lines.append(f"one batch, {stages['rows']} rows: milliseconds")
    stored = [(name, value) for name, value in stages.items() if name != "rows"]
    lines += [f"{name:24}{1000 * value:9.1f}" for name, value in stored]
    return "\n".join(lines) + "\n"


def draw(figure: Any, result: Mapping[str, Any]) -> None:  # noqa: ANN401 - matplotlib's
    """Draw seconds of the command beside those of the empty graph, and by workers."""
    figure.set_size_inches(13, 3.5)
    graph, stages, *more = figure.subplots(1, 3 if result["workers"] else 2)
    for kind, share in (("seconds", 1.0), ("processor", 0.6)):
        runs = result["graph"]["runs"].items()
        least = {name: min(taken[kind] for taken in all_of) for name, all_of in runs}
        graph.bar(list(least), list(least.values()), 0.8 * share, label=kind)
    graph.set(ylabel="seconds", title=f"{result['graph']['count']} batches, 2 workers")
    graph.legend()
    parts = {name: 1000 * taken for name, taken in result["stages"].items() if name != "rows"}
    stages.barh(list(parts), list(parts.values()))
    stages.set(xlabel="milliseconds", title="one batch")
    for workers in more:
        for kind, share in (("seconds", 1.0), ("batches", 0.6)):
            runs = result["workers"]["runs"].items()
            least = [min(taken[kind] for taken in all_of) for _, all_of in runs]
            workers.bar([count for count, _ in runs], least, 0.8 * share, label=kind)
        workers.set(xlabel="workers", ylabel="seconds", title="batches of daily series")
        workers.legend()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="the whole command, end to end")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--batches", type=int, default=120)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--workers", action="store_true", help="compare 1 worker with 2 as well")
    options = parser.parse_args(arguments)
    result = {
        "stages": time_stages(),
        "graph": compare_with_empty(options.batches, options.repeats),
        "workers": compare_workers(options.repeats) if options.workers else None,
    }
    sys.stdout.write(show(result))
    publish("end_to_end", result, draw, options.output)


if __name__ == "__main__":
    main()
