"""The figures of the competitions as a picture."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from benchmarks import competition_goals

#: A line and a marker for each competition.
_STYLES: Final = ("-o", "--s", ":^", "-.D")


def draw(figure: Any, result: Mapping[str, Any]) -> None:  # noqa: ANN401 - matplotlib's
    """Draw OWA with the goals and coverage by level; with peers, also SQL and seconds of all."""
    sets, peers = result["sets"], result.get("peers")
    figure.set_size_inches(15, 10 if peers else 5)
    axes = figure.subplots(2 if peers else 1, 2, squeeze=False)
    _draw_owa(axes[0, 0], sets)
    _draw_coverage(axes[0, 1], sets)
    if peers:
        models = [model for model in next(iter(peers.values()))["models"] if model != "Naive2"]
        count = max(part["series"] for part in peers.values())
        title = f"{{}}, at most {count} series of each set"
        for number, model in enumerate(models):
            places = np.arange(len(peers)) + 0.1 * (number - len(models) / 2)
            axes[1, 0].plot(places, _relative_sql(peers, model), "o", label=model)
        axes[1, 0].axhline(1.0, color="grey", lw=0.5)
        axes[1, 0].set(ylabel="SQL, ratio to AutoETS", title=title.format("Quantile losses"))
        _label_sets(axes[1, 0], peers)
        _draw_seconds(axes[1, 1], peers, title.format("Processor time"))


def _draw_owa(axes: Any, sets: Mapping[str, Any]) -> None:  # noqa: ANN401
    single = [
        min(
            row["owa"]
            for name, row in part["models"].items()
            if not name.startswith("ensemble") and name != "Naive2"
        )
        for part in sets.values()
    ]
    bars = {
        "ensemble": [part["models"]["ensemble"]["owa"] for part in sets.values()],
        "ensemble_median": [part["models"]["ensemble_median"]["owa"] for part in sets.values()],
        "the best single rule": single,
    }
    for shift, (label, values) in enumerate(bars.items()):
        axes.bar(np.arange(len(sets)) + 0.25 * (shift - 1), values, 0.25, label=label)
    goals = [competition_goals.OWA.get(name, np.nan) for name in sets]
    axes.plot(np.arange(len(sets)), goals, "k_", markersize=24, label="goal")
    axes.set(ylabel="OWA, ratio to Naive2", title="Errors of point forecasts, all series")
    axes.set_ylim(0.5, 1.3)
    _label_sets(axes, sets)


def _draw_coverage(axes: Any, sets: Mapping[str, Any]) -> None:  # noqa: ANN401
    """Draw how far each level's coverage is from the level, by set, in a style by competition."""
    competitions = list(dict.fromkeys(name.split()[0] for name in sets))
    for name, part in sets.items():
        coverage = part["models"]["ensemble"]["coverage"]
        levels = [float(level) for level in coverage]
        shares = np.array(list(coverage.values()), np.float64)  # None becomes NaN
        style = _STYLES[competitions.index(name.split()[0]) % len(_STYLES)]
        axes.plot(levels, shares - levels, style, label=name, lw=1, ms=4)
    goal = competition_goals.COVERAGE
    axes.axhspan(-goal, goal, color="grey", alpha=0.2, label=f"within {goal}")
    axes.set(xlabel="level of the quantile", ylabel="share of outcomes below it - level")
    axes.set_title("Coverage of the ensemble's quantiles, all series")
    axes.legend(fontsize=7, ncols=2)


def _relative_sql(peers: Mapping[str, Any], model: str) -> list[float]:
    parts = [part["models"] for part in peers.values()]
    return [models[model]["sql"] / models["AutoETS"]["sql"] for models in parts]


def _draw_seconds(axes: Any, peers: Mapping[str, Any], title: str) -> None:  # noqa: ANN401
    """Draw milliseconds per series of each model that was measured."""
    for model in next(iter(peers.values()))["models"]:
        taken = [
            1000.0 * (part["models"][model]["seconds"] or np.nan) / part["series"]
            for part in peers.values()
        ]
        if np.isfinite(taken).any():
            label = "all our rules and ensembles" if model == "ensemble" else model
            axes.semilogy(taken, "o", label=label)
    axes.set(ylabel="milliseconds per series", title=title)
    _label_sets(axes, peers)


def _label_sets(axes: Any, sets: Mapping[str, Any]) -> None:  # noqa: ANN401
    axes.set_xticks(np.arange(len(sets)), [name.replace(" ", "\n") for name in sets], fontsize=7)
    axes.legend(fontsize=8)
