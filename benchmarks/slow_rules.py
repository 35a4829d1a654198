"""What a model of statsforecast costs as a rule: the whole command with it and without.

    python -m benchmarks.slow_rules [--series 100] [--models HistoricAverage AutoETS] [options]

Monthly FRED series, six monthly batches, 2 workers. `HistoricAverage` takes no time to fit: what it
costs is the start of the processes that import statsforecast. Further options are those of
`pulse-train`. Then the same fits in one process: one series per call, as the rule does, and all
series in one call of `StatsForecast.forecast`.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from statsforecast import StatsForecast, models

from benchmarks.cost import CACHE, whole_command, write_panel
from benchmarks.fred import SEASON, load
from benchmarks.setting import RESULTS, publish
from pulse_assets.retrodiction.compilation import compile_kernels

OPTIONS: Final = (
    *("--start-date", "2022-04-01", "--end-date", "2022-09-30", "--batch-cadence", "monthly"),
    *("--history-days", "365", "--horizons", "1", "--max-workers", "2", "--models", "naive"),
)
#: Lengths of the series that are fitted in one process, and their number at most.
LENGTHS: Final = (24, 60, 120, 240)
FITTED: Final = 10


def fit_alone(name: str, length: int) -> dict[str, Any]:
    """Fit a model to series of some length, one by one and together; return seconds per fit."""
    series = [y[-length:] for y in load(CACHE).values()]
    found = series[:: -(-len(series) // FITTED)]
    model = getattr(models, name)(season_length=SEASON)
    model.forecast(y=found[0], h=SEASON)  # what is compiled or imported at the first call
    began = time.process_time()
    alone = [model.forecast(y=y, h=SEASON)["mean"] for y in found]
    one_by_one = time.process_time() - began
    frame = pd.concat(
        pd.DataFrame({"unique_id": i, "ds": np.arange(length), "y": y}) for i, y in enumerate(found)
    )
    began = time.process_time()
    together = StatsForecast([model], freq=1).forecast(df=frame, h=SEASON)
    return {
        "one_by_one": one_by_one / len(found),
        "together": (time.process_time() - began) / len(found),
        "equal": bool((together[name].to_numpy() == np.concatenate(alone)).all()),
    }


def show(result: dict[str, Any]) -> str:
    """Lay the figures out as text."""
    lines = [f"{result['series']} series, whole command: wall and processor seconds"]
    for name, taken in result["commands"].items():
        lines.append(f"  {name}: {taken['wall']:.1f}, {taken['processor']:.1f}")
    lines.append("processor seconds per fit of AutoETS: series by series, all in one call")
    for length, taken in result["fits"].items():
        equal = "equal forecasts" if taken["equal"] else "other forecasts"
        lines.append(
            f"  {length} months: {taken['one_by_one']:.3f}, {taken['together']:.3f}, {equal}"
        )
    return "\n".join(lines) + "\n"


def draw(figure: Any, result: dict[str, Any]) -> None:  # noqa: ANN401 - matplotlib's
    """Draw the processor seconds of the command, and those per fit."""
    figure.set_size_inches(9, 3.5)
    commands, fits = figure.subplots(1, 2)
    commands.barh(*zip(*((n, t["processor"]) for n, t in result["commands"].items()), strict=True))
    commands.set(xlabel="processor seconds of the command")
    for way in ("one_by_one", "together"):
        seconds = [taken[way] for taken in result["fits"].values()]
        fits.plot([*result["fits"]], seconds, marker="o", label=way.replace("_", " "))
    fits.set(xlabel="months", ylabel="processor seconds per fit", ylim=(0, None))
    fits.legend()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="what a model of statsforecast costs as a rule")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--series", type=int, default=100)
    parser.add_argument("--models", nargs="+", default=["HistoricAverage", "AutoETS"])
    chosen, options = parser.parse_known_args(arguments)
    compile_kernels()
    commands = {}
    with tempfile.TemporaryDirectory() as name:
        write_panel(Path(name) / "source", chosen.series)
        given = ("--source", f"{name}/source", *OPTIONS)
        for model in ("naive", *chosen.models):
            rules = [] if model == "naive" else [f"statsforecast:{model}"]
            commands[model] = whole_command(*given, *rules, *options)
            sys.stderr.write(f"{model}: {commands[model]}\n")
    fits = {length: fit_alone("AutoETS", length) for length in LENGTHS}
    result = {"series": chosen.series, "commands": commands, "fits": fits}
    sys.stdout.write(show(result))
    publish("slow_rules", result, draw, chosen.output)


if __name__ == "__main__":
    main()
