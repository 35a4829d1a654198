"""The goals that the forecasts of competition series are held against."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

#: OWA that `ensemble` must not exceed on a set.
OWA: Final = {
    "M1 monthly": 0.88,
    "M1 quarterly": 0.865,
    "M3 yearly": 0.853,
    "M3 quarterly": 0.88,
    "M3 monthly": 0.81,
    "M3 other": 0.610,
}
#: MSIS that it must not exceed.
MSIS: Final = {"M3 monthly": 6.5}
#: The peer whose SQL it must not exceed on the same series.
PEER: Final = "AutoETS"
#: Largest distance of a level's coverage from the level, on sets of these names.
COVERAGE: Final = 0.02
COVERED: Final = ("M1", "M3", "FRED")


class Goal(NamedTuple):
    """A goal on a set: a figure that must not exceed a limit.

    Attributes:
        figure: what is measured.
        set_name: the set of series.
        value: measured.
        limit: the largest value that meets the goal.
    """

    figure: str
    set_name: str
    value: float
    limit: float

    def met(self) -> bool:
        """Return whether the goal is met."""
        return self.value <= self.limit


def goals(result: Mapping[str, Any]) -> list[Goal]:
    """Return all goals that can be judged by the figures of a result, see `competitions`."""
    found = [goal for name, part in result["sets"].items() for goal in _of_set(name, part)]
    for name, part in result.get("peers", {}).items():
        models = part["models"]
        limit = models[PEER]["sql"]
        found.append(Goal(f"SQL, {PEER}'s", name, models["ensemble"]["sql"], limit))
    return found


def _of_set(name: str, part: Mapping[str, Any]) -> Iterator[Goal]:
    figures = part["models"]["ensemble"]
    if name in OWA:
        yield Goal("OWA", name, figures["owa"], OWA[name])
    if name in MSIS:
        yield Goal("MSIS", name, figures["msis"], MSIS[name])
    if name.startswith(COVERED):
        yield Goal("coverage", name, largest_gap(figures["coverage"]), COVERAGE)


def largest_gap(coverage: Mapping[str, float | None]) -> float:
    """Return the largest distance of a level's coverage from the level; None is no distance.

    Example:
        >>> largest_gap({"0.1": 0.15, "0.9": 0.87})
        0.05
    """
    gaps = [abs(share - float(level)) for level, share in coverage.items() if share is not None]
    return round(max(gaps, default=0.0), 4)
