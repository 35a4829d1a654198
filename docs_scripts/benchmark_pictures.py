"""Draw the pictures of the page on benchmarks from the results of `make bench`.

    python -m docs_scripts.benchmark_pictures [--results DIRECTORY] [--output DIRECTORY]

Reads `accuracy.json` and `competitions.json`, writes `benchmarks_accuracy.svg` and
`benchmarks_competitions.svg`.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

#: Text is text, in the reader's own font, and equal results give equal files.
_STYLE: Final[Any] = {"svg.fonttype": "none", "svg.hashsalt": "pulse_assets", "font.size": 9}
#: The models that the pictures show, and their colours.
_COLOURS: Final = {
    "ensemble": "#3f51b5",
    "ensemble_median": "#7986cb",
    "ar_log_12": "#ef6c00",
    "holt": "#00897b",
    "theta_adjusted": "#8e24aa",
    "Holt": "#00897b",
    "AutoETS": "#c62828",
    "the best single rule": "#ef6c00",
    "DynamicOptimizedTheta": "#8e24aa",
    "AutoCES": "#6d4c41",
}
Results = Mapping[str, Any]


def draw_accuracy(result: Results) -> Figure:
    """Draw the error by horizon, of our rules and of peers, relative to `naive`."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    half, peers = result["parts"]["report half"], result["peers"]
    _draw_horizons(left, half["models"], f"{half['series']} series held out, 109 origins")
    _draw_horizons(right, peers["models"], f"{peers['series']} of all series, 10 origins")
    left.set_ylabel("mean absolute error over that of naive")
    return figure


def _draw_horizons(axes: Any, models: Results, title: str) -> None:  # noqa: ANN401
    for name in (name for name in _COLOURS if name in models):
        errors = models[name]["by_horizon"]
        width = 2.5 if name == "ensemble" else 1.2
        axes.plot(range(1, len(errors) + 1), errors, color=_COLOURS[name], lw=width, label=name)
    axes.axhline(1.0, color="grey", lw=1, ls=":", label="naive")
    axes.set(xlabel="months ahead", title=title, ylim=(0.65, 1.12))
    axes.legend(frameon=False, ncols=3, loc="upper center", columnspacing=1, handlelength=1.4)


def draw_competitions(result: Results) -> Figure:
    """Draw OWA, and quantile losses relative to those of AutoETS, by competition."""
    figure = Figure(figsize=(9, 6.4), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True)
    names = [*result["sets"]]
    _draw_owa(top, [result["sets"][name]["models"] for name in names])
    _draw_losses(bottom, [result["peers"][name]["models"] for name in names])
    bottom.set_xticks(range(len(names)), [name.replace(" ", "\n", 1) for name in names])
    return figure


def _draw_owa(axes: Any, sets: Sequence[Results]) -> None:  # noqa: ANN401
    ours = ("ensemble", "ensemble_median")
    bars = {name: [models[name]["owa"] for models in sets] for name in ours}
    bars["the best single rule"] = [
        min(row["owa"] for name, row in models.items() if name not in (*ours, "Naive2"))
        for models in sets
    ]
    for shift, (name, values) in enumerate(bars.items(), start=-1):
        places = [place + 0.27 * shift for place in range(len(sets))]
        axes.bar(places, values, 0.25, color=_COLOURS[name], label=name)
    axes.axhline(1.0, color="grey", lw=1, ls=":", label="Naive2")
    axes.set(ylabel="OWA", title="Errors of point forecasts, relative to Naive2", ylim=(0.0, 1.5))
    axes.legend(frameon=False, ncols=4)


def _draw_losses(axes: Any, sets: Sequence[Results]) -> None:  # noqa: ANN401
    for name in ("ensemble", "DynamicOptimizedTheta", "AutoCES"):
        losses = [models[name]["sql"] / models["AutoETS"]["sql"] for models in sets]
        axes.plot(range(len(sets)), losses, "o", color=_COLOURS[name], label=name)
    axes.axhline(1.0, color=_COLOURS["AutoETS"], lw=1, ls=":", label="AutoETS")
    axes.set(ylabel="sql", title="Quantile losses, relative to AutoETS", ylim=(0.75, 1.65))
    axes.legend(frameon=False, ncols=4)


def main() -> None:
    """Draw both pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--output", type=Path, default=Path("docs/pictures"))
    options = parser.parse_args()
    pictures = {"accuracy": draw_accuracy, "competitions": draw_competitions}
    with mpl.rc_context(_STYLE):
        for name, draw in pictures.items():
            result = json.loads((options.results / f"{name}.json").read_text("utf-8"))
            path = options.output / f"benchmarks_{name}.svg"
            draw(result).savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
