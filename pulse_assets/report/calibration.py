"""How often outcomes lie below the quantiles of the ensemble: in words, figures and a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from pulse_assets.report.figures import draw_calibration, draw_pit
from pulse_assets.report.gallery import CaptionedFigure
from pulse_assets.retrodiction.rules import ENSEMBLE
from pulse_assets.stages.calibration import LevelShare, listed_levels

#: Largest distance of a share from its level, chance apart, that is about right.
ABOUT_RIGHT: Final = 0.02
#: Fewer outcomes say nothing of calibration.
FEW: Final = 30


@dataclass(frozen=True)
class CalibrationRow:
    """The shares of one variable at the listed levels.

    Attributes:
        variable: name.
        n: outcomes.
        shares: below the quantile of each listed level.
    """

    variable: str
    n: int
    shares: Sequence[LevelShare]


@dataclass(frozen=True)
class CalibrationSection:
    """What the section of the page shows.

    Attributes:
        reading: one sentence.
        figures: shares against levels, and the histogram.
        levels: those that the table lists, as text.
        rows: of the table.
    """

    reading: str
    figures: Sequence[CaptionedFigure]
    levels: Sequence[str]
    rows: Sequence[CalibrationRow]


def describe_section(
    results: Mapping[str, Any], variables: Sequence[str]
) -> CalibrationSection | None:
    """Return the section; None if no outcome has been compared with a quantile of the ensemble.

    Args:
        results: the `training_results` object.
        variables: those of the table, in order.
    """
    calibration = results["calibration"]
    counts = calibration["models"].get(ENSEMBLE)
    if counts is None:
        return None
    levels = np.array(calibration["levels"])
    listed = listed_levels(len(levels))
    of_variables = calibration["variables"]
    return CalibrationSection(
        reading=read_calibration(results),
        figures=[_shares_figure(levels, counts), _pit_figure(levels, counts)],
        levels=[f"{100.0 * levels[i]:g}" for i in listed],
        rows=[
            _row(name, of_variables[name], levels, listed)
            for name in variables
            if name in of_variables
        ],
    )


def _row(
    name: str, counts: Mapping[str, Any], levels: np.ndarray, listed: list[int]
) -> CalibrationRow:
    n = counts["n"]
    shares = [LevelShare(float(levels[i]), counts["below"][i], n) for i in listed]
    return CalibrationRow(name, n, shares)


def read_calibration(results: Mapping[str, Any]) -> str:
    """Say in a sentence whether intervals have the right width and forecasts the right height.

    Args:
        results: the `training_results` object, with quantiles of the ensemble.

    Example:
        'Of 1 000 outcomes the 90 % intervals hold 84.0 %: a little too narrow; 50.2 % lie
        below the median: forecasts neither too high nor too low.'
    """
    calibration, interval = results["calibration"], results["configuration"].get("interval_level")
    counts = calibration["models"][ENSEMBLE]
    n, below = counts["n"], dict(zip(calibration["levels"], counts["below"], strict=True))
    coverage = next(row["coverage"] for row in results["models"] if row["model"] == ENSEMBLE)
    if n < FEW:
        return f"{n} outcome{'s are' if n > 1 else ' is'} too few to judge the quantiles by."
    parts = []
    if interval and coverage is not None:
        share = LevelShare(interval, coverage, n)
        width = describe_distance(share, "too narrow", "about right", "too wide")
        parts.append(f"the {100.0 * interval:g} % intervals hold {100.0 * coverage:.1f} %: {width}")
    if 0.5 in below:
        share = LevelShare(0.5, below[0.5], n)
        height = describe_distance(share, "too low", "neither too high nor too low", "too high")
        percent = 100.0 * below[0.5]
        parts.append(f"{percent:.1f} % lie below the median: forecasts {height}")
    outcomes = f"{n:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"Of {outcomes} outcomes {'; '.join(parts)}." if parts else ""


def describe_distance(share: LevelShare, below: str, near: str, above: str) -> str:
    """Return in words how far a share is from its level.

    Args:
        share: of outcomes.
        below: what it means that the share is too small.
        near: that it is within 2 points of its level, chance apart.
        above: what it means that it is too large.

    Example:
        >>> describe_distance(LevelShare(0.9, 0.86, 10_000), "too narrow", "right", "too wide")
        'a little too narrow'
    """
    if share.is_near(ABOUT_RIGHT):
        return near
    direction = below if share.share < share.level else above
    return f"a little {direction}" if share.is_near() else direction


def _shares_figure(levels: np.ndarray, counts: Mapping[str, Any]) -> CaptionedFigure:
    n, shares = counts["n"], counts["below"]
    near = np.array([LevelShare(level, level, n).expected() for level in np.arange(101) / 100.0]).T
    values = ", ".join(
        f"{100.0 * s:.1f} % at {100.0 * t:g} %" for t, s in zip(levels, shares, strict=True)
    )
    return CaptionedFigure(
        title="Share of outcomes below each quantile",
        note="grey: within 5 points of the diagonal, chance apart",
        alt=f"Line chart: share of outcomes below the quantile of each level: {values}.",
        svg=draw_calibration(levels, np.array(shares), (near[0], near[1])),
        legend={"ensemble": "ensemble", "observed": "calibrated"},
    )


def _pit_figure(levels: np.ndarray, counts: Mapping[str, Any]) -> CaptionedFigure:
    pit = np.array(counts["pit"], np.float64)
    values = ", ".join(f"{count:,.0f}" for count in pit)
    return CaptionedFigure(
        title="Outcomes between neighbouring quantiles (PIT)",
        note="ends high: intervals too narrow; left high: forecasts too high",
        alt=f"Histogram: outcomes between neighbouring quantiles, the lowest first: {values}.",
        svg=draw_pit(levels, pit),
        legend={
            "ensemble": "outcomes",
            "observed": "expected if calibrated",
        },
    )
