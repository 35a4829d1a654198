"""Seconds of each rule and of the whole suite on one core, beside statsforecast.

    python -m benchmarks.speed [--budget SECONDS] [--output DIRECTORY]

Two workloads: monthly, the FRED series x 109 origins x 12 horizons; daily, 21 stretches of the
S&P 500 x 2,496 origins x 5 horizons. A rule takes all series of a workload at once, of which the
gaps are filled and the limits of forecasts are known: what that takes, once for all rules, stands
beside them. The suite begins anew with every series. Peers refit at every origin and are timed on
a sample of them, then scaled up. Prints tables; writes `speed.json` and `speed.png`.
"""

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from statsforecast import models

from benchmarks import fred
from benchmarks.evaluation import last_origins
from benchmarks.memory import measure_memory
from benchmarks.setting import RESULTS, publish
from pulse_assets.array_types import Floats, Ints
from pulse_assets.retrodiction.compilation import compile_kernels
from pulse_assets.retrodiction.retrodict import retrodict
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, RULES, resolve_rules
from pulse_assets.retrodiction.walk_forward import SeriesBatch

DAILY: Final = Path("pulse_assets/sample_data/historical_spx_close.csv")
DAILY_SERIES, DAILY_ORIGINS, DAILY_LENGTH = 21, 2496, 2752
#: Observations of a series, and numbers of series, by which the time of the suite is drawn.
LENGTHS: Final = (500, 1000, 2000, 4000, 8000, 16000)
COUNTS: Final = (1, 2, 5, 10, 21)
#: Seconds of a one-pass sketch in numba on one core that set the mark: monthly, daily.
SKETCH: Final = {
    "naive": (0.0004, 0.0001),
    "ses": (0.002, 0.001),
    "holt": (0.007, 0.005),
    "damped_holt": (0.025, 0.074),
    "theta": (0.018, 0.014),
    "ar_diff_3": (0.009, 0.007),
}
#: The model of statsforecast that a rule answers to.
PEERS: Final[dict[str, Callable[[], Any]]] = {
    "naive": models.Naive,
    "ses": models.SimpleExponentialSmoothingOptimized,
    "holt": models.Holt,
    "damped_holt": lambda: models.AutoETS(model="AAN", damped=True),
    "theta": models.Theta,
    "ar_diff_3": lambda: models.ARIMA(order=(3, 1, 0)),
}


@dataclass(frozen=True)
class Workload:
    """Series, and what is forecast of each.

    Attributes:
        name: its name.
        series: the series, `[T]` each.
        origins: the origins `[O]` of each.
        horizons: steps ahead `[H]`.
        season: observations per season.
    """

    name: str
    series: tuple[Floats, ...]
    origins: tuple[Ints, ...]
    horizons: Ints
    season: int

    def prepare(self) -> SeriesBatch:
        """Fill the gaps of the series and find the limits of their forecasts, for all rules."""
        batch = SeriesBatch.of(self.series, self.origins, self.horizons, self.season)
        _ = batch.clip_bounds, batch.robust_history  # computed at the first use
        return batch

    def retrodict(self) -> None:
        """Run the default suite, with ensembles and intervals."""
        rules = resolve_rules(DEFAULT_MODELS)
        for y, origins in zip(self.series, self.origins, strict=True):
            retrodict(y, origins, self.horizons, self.season, rules)


def monthly(cache: Path) -> Workload:
    """Return the monthly workload."""
    series = tuple(fred.load(cache).values())
    origins = tuple(last_origins(y) for y in series)
    return Workload("monthly", series, origins, np.arange(1, 13), fred.SEASON)


def daily() -> Workload:
    """Return the daily workload: stretches of the S&P 500, begun at even steps."""
    y = pd.read_csv(DAILY)["value"].to_numpy(np.float64)
    starts = np.linspace(0, len(y) - DAILY_LENGTH, DAILY_SERIES).astype(int)
    series = tuple(y[start : start + DAILY_LENGTH] for start in starts)
    last = DAILY_LENGTH - 5
    origins = tuple(np.arange(last - DAILY_ORIGINS, last) for _ in starts)
    return Workload("daily", series, origins, np.arange(1, 6), 5)


def seconds(run: Callable[[], Any], repeats: int = 3) -> float:
    """Return the processor seconds of the fastest of several runs."""
    taken = []
    for _ in range(repeats):
        started = time.process_time()
        run()
        taken.append(time.process_time() - started)
    return min(taken)


def peer_seconds(load: Workload, make: Callable[[], Any], budget: float) -> float:
    """Refit a peer at origins spread over the series until the budget is spent; scale it up."""
    pairs = [(y, o) for y, origins in zip(load.series, load.origins, strict=True) for o in origins]
    order = np.random.default_rng(0).permutation(len(pairs))
    steps, spent, done = int(load.horizons[-1]), 0.0, 0
    make().forecast(y=pairs[0][0][np.isfinite(pairs[0][0])], h=steps)
    for i in order:
        y, origin = pairs[i]
        past = y[: origin + 1]
        started = time.process_time()
        # ARIMA refuses a few origins; their time counts.
        with contextlib.suppress(ValueError):
            make().forecast(y=past[np.isfinite(past)], h=steps)
        spent, done = spent + time.process_time() - started, done + 1
        if spent > budget:
            break
    return spent * len(pairs) / done


def measure(load: Workload, column: int, budget: float) -> dict[str, Any]:
    """Time every rule, the suite and the peers on a workload."""
    batch = load.prepare()
    ours = {name: seconds(lambda r=rule: batch.forecast(r), 9) for name, rule in RULES.items()}
    prepared = seconds(load.prepare)
    peers = {name: peer_seconds(load, make, budget) for name, make in PEERS.items()}
    suite = seconds(load.retrodict)
    lines = [f"{load.name}: seconds", f"{'':24}{'ours':>9}{'/ sketch':>9}{'peer':>11}{'ratio':>9}"]
    for name, took in ours.items():
        sketch = f"{took / SKETCH[name][column]:9.2f}" if name in SKETCH else " " * 9
        peer = f"{peers[name]:11.1f}{peers[name] / took:9.0f}" if name in peers else ""
        lines.append(f"{name:24}{took:9.4f}{sketch}{peer}")
    lines.append(f"{'preparing, once':24}{prepared:9.4f}")
    lines.append(f"{'suite, all of it':24}{suite:9.4f}")
    sys.stdout.write("\n".join(lines) + "\n\n")
    sketch = {name: mark[column] for name, mark in SKETCH.items()}
    timed = {"rules": ours, "prepare": prepared, "suite": suite}
    return timed | {"sketch": sketch, "peers": peers}


def linearity(load: Workload) -> dict[str, list[list[float]]]:
    """Time the suite on ever more observations of one series, and on ever more series."""
    y = np.concatenate(load.series)
    rules = resolve_rules(DEFAULT_MODELS)
    by_length = [
        [n, seconds(lambda n=n: retrodict(y[:n], np.arange(n - 5), load.horizons, 5, rules))]
        for n in LENGTHS
    ]
    by_count = []
    for n in COUNTS:
        part = Workload("part", load.series[:n], load.origins[:n], load.horizons, load.season)
        by_count.append([n, seconds(part.retrodict, 1)])
    return {"observations": by_length, "series": by_count}


def draw(figure: Any, result: Mapping[str, Any]) -> None:  # noqa: ANN401 - matplotlib's
    """Draw seconds beside the peers', by observations and by series; peak memory by rows."""
    figure.set_size_inches(18, 4.5)
    bars, *lines, memory = figure.subplots(1, 4)
    found, at = result["monthly"], np.arange(len(PEERS))
    bars.barh(at - 0.2, [found["peers"][name] for name in PEERS], 0.4, label="statsforecast")
    bars.barh(at + 0.2, [found["rules"][name] for name in PEERS], 0.4, label="pulse_assets")
    bars.set(xscale="log", xlabel="seconds, monthly workload", yticks=at, yticklabels=list(PEERS))
    bars.legend()
    for axes, (label, points) in zip(lines, result["linearity"].items(), strict=True):
        x, took = np.array(points).T
        axes.loglog(x, took, "o-", label="suite")
        axes.loglog(x, took[-1] * x / x[-1], "k:", label="linear")
        axes.set(xlabel=label, ylabel="seconds")
        axes.legend()
    rows, peak, stored = np.array(result["memory"]).T
    memory.plot(rows / 1000, peak, "o-", label="peak over that of a tiny batch")
    memory.plot(rows / 1000, stored, "k:", label="table of the forecasts")
    memory.set(xlabel="rows of a batch, thousands", ylabel="megabytes")
    memory.legend()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="speed of rules and suite on one core")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--budget", type=float, default=2.0, help="seconds to time each peer")
    options = parser.parse_args(arguments)
    compiled = seconds(compile_kernels, 1)
    sys.stdout.write(f"kernels compiled or loaded in {compiled:.1f} s\n\n")
    loads = monthly(options.output / "cache"), daily()
    result: dict[str, Any] = {"compile": compiled}
    for column, load in enumerate(loads):
        load.retrodict()
        result[load.name] = measure(load, column, options.budget)
    result["linearity"] = linearity(loads[1])
    for label, points in result["linearity"].items():
        sys.stdout.write(_columns(label, "seconds", "microseconds each", points))
    result["memory"] = by_rows = measure_memory()
    sys.stdout.write("rows of a batch, peak megabytes, megabytes of their table\n")
    sys.stdout.writelines(f"{n:12.0f}{peak:12.1f}{size:12.1f}\n" for n, peak, size in by_rows)
    publish("speed", result, draw, options.output)


def _columns(label: str, unit: str, each: str, points: Sequence[Sequence[float]]) -> str:
    rows = [f"{n:12.0f}{took:12.4f}{1e6 * took / n:12.2f}" for n, took in points]
    return "\n".join([f"{label}, {unit}, {each}", *rows]) + "\n\n"


if __name__ == "__main__":
    main()
