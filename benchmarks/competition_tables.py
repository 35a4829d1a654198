"""The figures of the competitions as text: sets are columns, models are rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from benchmarks import competition_goals
from benchmarks.competition_goals import Goal, largest_gap

_FIRST: Final = 24
_COLUMN: Final = 10
#: Figures by title: what is read of a model's figures, and the number of digits.
_FIGURES: Final[dict[str, tuple[Callable[[Mapping[str, Any]], float | None], int]]] = {
    "OWA, ratio to Naive2": (lambda figures: figures["owa"], 4),
    "SQL": (lambda figures: figures["sql"], 4),
    "MSIS, intervals of 95 %": (lambda figures: figures["msis"], 3),
    "largest gap of coverage": (lambda figures: largest_gap(figures["coverage"]), 3),
    "series without forecast": (lambda figures: figures["missing"], 0),
    "processor seconds": (lambda figures: figures["seconds"], 2),
}


def of_models(sets: Mapping[str, Any]) -> str:
    """Lay out OWA of each model, best first, and SQL, MSIS and seconds of the ensembles."""
    models = list(next(iter(sets.values()))["models"])
    models.sort(key=lambda model: sum(part["models"][model]["owa"] for part in sets.values()))
    lines = [_head("all series", sets), _series(sets)]
    owa_goals = [competition_goals.OWA.get(name) for name in sets]
    blocks = list(_FIGURES)
    lines += _block(blocks[0], sets, models)
    lines.append(_row("goal", owa_goals, 3))
    ensembles = [model for model in models if model.startswith("ensemble")]
    for title in blocks[1:]:
        lines += _block(title, sets, [*ensembles, "Naive2"])
    return "\n".join(lines)


def of_coverage(sets: Mapping[str, Any], model: str = "ensemble") -> str:
    """Lay out the share of outcomes at or below each quantile, and inside intervals of 90 %."""
    coverages = [part["models"][model]["coverage"] for part in sets.values()]
    lines = [_head(f"coverage, {model}", sets)]
    lines += [_row(f"level {level}", [c[level] for c in coverages], 3) for level in coverages[0]]
    inside = [_between(coverage, "0.05", "0.95") for coverage in coverages]
    return "\n".join([*lines, _row("90 % intervals", inside, 3)])


def beside_peers(sets: Mapping[str, Any]) -> str:
    """Lay out the figures of our ensembles and of the peers on the same series, and the tests."""
    models = list(next(iter(sets.values()))["models"])
    lines = [_head("beside peers", sets), _series(sets)]
    for title in _FIGURES:
        lines += _block(title, sets, models)
    for kind, title in {
        "absolute": "ensemble's absolute errors",
        "quantile_losses": "ensemble's quantile losses",
    }.items():
        lines.append(f"\n{title}: horizons at which they are significantly smaller / larger")
        for model in models[1:]:
            tests = [part["tests"][model][kind] for part in sets.values()]
            lines.append(_texts(model, [f"{t['better']} / {t['worse']}" for t in tests]))
        lines.append(f"{title}: % of series on which their mean is smaller")
        for model in models[1:]:
            tests = [part["tests"][model][kind] for part in sets.values()]
            lines.append(_row(model, [100 * t["smaller_on"] / t["series"] for t in tests], 1))
    return "\n".join(lines)


def of_goals(goals: Sequence[Goal]) -> str:
    """Lay out the goals, those that are missed first."""
    ordered = sorted(goals, key=Goal.met)
    lines = [
        f"{'met' if goal.met() else 'missed':8}{goal.figure:16}{goal.set_name:20}"
        f"{goal.value:9.4f}  at most {goal.limit:.4f}"
        for goal in ordered
    ]
    return "\n".join([f"{sum(map(Goal.met, goals))} of {len(goals)} goals met", *lines])


def _head(title: str, sets: Iterable[str]) -> str:
    """Return two lines: the competitions, and the kinds of series under them."""
    competitions, kinds = zip(*(name.split(maxsplit=1) for name in sets), strict=True)
    return f"{_texts(title, competitions)}\n{_texts('', kinds)}"


def _series(sets: Mapping[str, Any]) -> str:
    return _row("series", [part["series"] for part in sets.values()], 0)


def _block(title: str, sets: Mapping[str, Any], models: Sequence[str]) -> list[str]:
    """Return a title and the rows of models that have the figure, other than 0; none without."""
    value, digits = _FIGURES[title]
    rows = {model: [value(part["models"][model]) for part in sets.values()] for model in models}
    lines = [_row(model, row, digits) for model, row in rows.items() if any(row)]
    return ["", title, *lines] if lines else []


def _between(coverage: Mapping[str, float | None], lower: str, upper: str) -> float | None:
    shares = coverage[lower], coverage[upper]
    return None if shares[0] is None or shares[1] is None else shares[1] - shares[0]


def _row(title: str, values: Iterable[float | None], digits: int) -> str:
    return _texts(title, ["-" if value is None else f"{value:.{digits}f}" for value in values])


def _texts(title: str, texts: Iterable[str]) -> str:
    return f"{title:{_FIRST}}" + "".join(f"{text:>{_COLUMN}}" for text in texts)
