"""Accuracy on the monthly FRED series: every rule, both ensembles and, if asked, other libraries.

    python -m benchmarks.accuracy [--peers [--full]] [--series N] [--output DIRECTORY]

Prints tables; writes `accuracy.json` and `accuracy.png`. An error is the mean absolute error
relative to the last value carried on (`naive`), as the geometric mean over series. Constants of
the engine were chosen on the validation half of the series; the report half is the one to read.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import fred
from benchmarks.comparison import geometric_mean, significance
from benchmarks.evaluation import HORIZONS, TESTED, Evaluation, interval_bounds, last_origins
from benchmarks.quantile_scores import LEVELS
from benchmarks.setting import RESULTS, publish
from pulse_assets.array_types import Floats
from pulse_assets.retrodiction.retrodict import retrodict
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, resolve_rules

#: Error of `ensemble` over `naive`'s, on all series, that must not be exceeded.
GOAL = 0.700
#: Ratios to `naive` that a series must not exceed.
BAD, VERY_BAD = 1.10, 1.25


def evaluate(series: Mapping[str, Floats], names: Sequence[str] = DEFAULT_MODELS) -> Evaluation:
    """Retrodict every series."""
    rules = resolve_rules(list(names))
    errors, coverage, width, below = [], [], [], []
    started, models = time.perf_counter(), ()
    for y in series.values():
        origins = last_origins(y)
        truth = y[origins[:, None] + HORIZONS]
        made = retrodict(y, origins, HORIZONS, fred.SEASON, rules, levels=LEVELS)
        models = made.models
        error = np.abs(made.predicted - truth)
        naive = error[models.index("naive")]
        lower, upper = interval_bounds(made.quantiles)
        inside = np.where(np.isnan(lower), np.nan, (lower <= truth) & (truth <= upper))
        at_or_below = np.where(np.isnan(made.quantiles), np.nan, truth <= made.quantiles)
        coverage.append(_mean_known(inside))
        width.append(_mean_known(upper - lower) / naive.mean())
        below.append(_mean_known(at_or_below))
        # Who has no forecast is charged naive's error: leaving out series would flatter it.
        errors.append(np.where(np.isnan(error), naive, error))
    taken = time.perf_counter() - started
    figures = np.array(coverage), np.array(width), np.array(below)
    return Evaluation(tuple(series), models, tuple(errors), *figures, taken)


def _mean_known(values: Floats) -> Floats:
    """Return the mean over origins and horizons of `[L, M, O, H]`: `[M, L]`; NaN where none."""
    count = np.isfinite(values).sum(axis=(2, 3))
    return (np.nansum(values, axis=(2, 3)) / np.where(count, count, np.nan)).T


def against_naive(found: Evaluation, model: str = "ensemble") -> dict[str, dict[str, int]]:
    """Test a model against `naive` on each series, a horizon at a time."""
    one, other = found.models.index(model), found.models.index("naive")
    return {
        str(h): significance([(e[one, :, h - 1], e[other, :, h - 1]) for e in found.errors], h)
        for h in TESTED
    }


def summarise(found: Evaluation) -> dict[str, Any]:
    """Return the figures of a set of series, by model."""
    ratios, by_horizon = found.ratios(), found.by_horizon()
    means = geometric_mean(ratios)
    models = {
        name: {
            "mae_to_naive": round(float(means[m]), 4),
            "by_horizon": [round(float(v), 4) for v in by_horizon[m]],
            "series_above_1.10": int((ratios[:, m] > BAD).sum()),
            "series_above_1.25": int((ratios[:, m] > VERY_BAD).sum()),
            "worst": round(float(ratios[:, m].max()), 4),
            "coverage": [round(float(v), 4) for v in np.nanmean(found.coverage[:, m], axis=0)],
            "width": [round(float(v), 4) for v in np.nanmedian(found.width[:, m], axis=0)],
            "below": {
                f"{level:g}": round(float(v), 4)
                for level, v in zip(LEVELS, np.nanmean(found.below[:, m], axis=0), strict=True)
            },
        }
        for m, name in enumerate(found.models)
    }
    return {"series": len(found.series), "models": models, "dm_naive": against_naive(found)}


def table(title: str, summary: Mapping[str, Any]) -> str:
    """Lay the figures of a set of series out as text."""
    head = (
        f"{'':24}{'all':>7}{'h=1':>7}{'h=3':>7}{'h=6':>7}{'h=12':>7}"
        f"{'>1.10':>7}{'>1.25':>7}{'worst':>7}{'80 %':>7}{'95 %':>7}"
    )
    lines = [f"{title}: {summary['series']} series, mean absolute error over naive's", head]
    rows = sorted(summary["models"].items(), key=lambda item: item[1]["mae_to_naive"])
    for name, row in rows:
        steps = [row["by_horizon"][h - 1] for h in TESTED]
        figures = "".join(f"{v:7.3f}" for v in (row["mae_to_naive"], *steps))
        counts = f"{row['series_above_1.10']:7d}{row['series_above_1.25']:7d}{row['worst']:7.2f}"
        covered = "".join(f"{100 * v:7.1f}" for v in row["coverage"])
        lines.append(f"{name:24}{figures}{counts}{covered}")
    below = summary["models"]["ensemble"]["below"]
    shares = ", ".join(f"{level}: {share:.3f}" for level, share in below.items())
    lines.append(f"outcomes at or below the ensemble's quantiles of level {shares}")
    tests = summary["dm_naive"].items()
    lines += [f"ensemble against naive at h = {h}: {count}" for h, count in tests]
    return "\n".join(lines)


def draw(figure: Any, result: Mapping[str, Any]) -> None:  # noqa: ANN401 - matplotlib's
    """Draw errors by horizon, of ours and beside the peers, and how many series differ."""
    title, summary = next(iter(result["parts"].items()))
    drawn: list[tuple[str, Mapping[str, Any]]] = [
        (f"{title}, {summary['series']} series, 109 origins", summary["models"])
    ]
    tests = {f"naive, h={h}": count for h, count in summary["dm_naive"].items()}
    if peers := result.get("peers"):
        drawn.append((f"{peers['series']} series, 10 origins", peers["models"]))
        tests |= {name: row["ensemble_dm"] for name, row in peers["models"].items()}
        del tests["ensemble"], tests["naive"]
    figure.set_size_inches(7 * len(drawn) + 5, 5.5)
    *panels, counts = figure.subplots(1, len(drawn) + 1)
    for axes, (name, models) in zip(panels, drawn, strict=True):
        _draw_horizons(axes, name, models)
    _draw_tests(counts, tests)


def _draw_horizons(axes: Any, title: str, models: Mapping[str, Any]) -> None:  # noqa: ANN401
    for name, row in sorted(models.items(), key=lambda item: item[1]["mae_to_naive"]):
        own = name.startswith("ensemble")
        axes.plot(HORIZONS, row["by_horizon"], lw=2.5 if own else 1.0, ls="-" if own else "--")
        axes.annotate(name, (HORIZONS[-1], row["by_horizon"][-1]), fontsize=7, va="center")
    axes.set(xlabel="horizon, months", ylabel="mean absolute error / naive's", title=title)
    axes.set_ylim(0.65, 1.05)  # rules that err more than naive would squeeze all others


def _draw_tests(axes: Any, tests: Mapping[str, Mapping[str, int]]) -> None:  # noqa: ANN401
    begun = np.zeros(len(tests))
    for kind in ("better", "neither", "worse", "undefined"):
        share = np.array([count[kind] / sum(count.values()) for count in tests.values()])
        axes.barh(list(tests), 100 * share, left=begun, label=kind)
        begun += 100 * share
    axes.set(xlabel="% of series", title="ensemble against ..., Diebold-Mariano at 5 %")
    axes.legend()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="accuracy on the monthly FRED series")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--peers", action="store_true", help="run statsforecast on 40 series too")
    parser.add_argument("--full", action="store_true", help="run the slow ones of it as well")
    parser.add_argument("--series", type=int, help="only the first so many series")
    options = parser.parse_args(arguments)
    series = dict(list(fred.load(options.output / "cache").items())[: options.series])
    found = evaluate(series)
    halves = {half: [n for n in series if fred.in_validation_half(n) == half] for half in (0, 1)}
    parts = {"report half": halves[0], "validation half": halves[1], "all": list(series)}
    report = {title: summarise(found.of(names)) for title, names in parts.items() if names}
    for title, summary in report.items():
        sys.stdout.write(table(title, summary) + "\n\n")
    error = report["all"]["models"]["ensemble"]["mae_to_naive"]
    verdict = "met" if error <= GOAL else "missed"
    sys.stdout.write(f"goal, all series: {error:.4f}, at most {GOAL:.3f}: {verdict}\n\n")
    result: dict[str, Any] = {
        "seconds": round(found.seconds, 1),
        "goal": GOAL,
        "parts": report,
    }
    if options.peers:
        from benchmarks.peers import compare

        sample = [name for name in fred.sample_names() if name in series]
        result["peers"] = compare(found.of(sample), series, full=options.full)
    publish("accuracy", result, draw, options.output)


if __name__ == "__main__":
    main()
