"""Figures as inline SVG that takes its colours and its font from the page around it.

Only numbers and dates are drawn. Names of variables and rules are in the HTML beside a figure,
where they are escaped, wrap on a phone and are not read as formulas. Importing this module
imports matplotlib.
"""

import re
from collections.abc import Mapping
from io import StringIO
from typing import Any, Final, Literal

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

#: The role of a line; the legend and the style sheet of the page use the same words.
Role = Literal["ensemble", "best", "second", "naive", "observed"]

#: Okabe and Ito's colours, which colour-blind readers can distinguish; in grey the dashes help.
_STYLES: Final[dict[Role, dict[str, Any]]] = {
    "ensemble": {"color": "#0072b2", "linestyle": "-", "linewidth": 2.0},
    "best": {"color": "#d55e00", "linestyle": (0, (5, 1.5)), "linewidth": 1.5},
    "second": {"color": "#009e73", "linestyle": (0, (5, 1.5, 1, 1.5)), "linewidth": 1.5},
    "naive": {"color": "#777777", "linestyle": (0, (1, 1.5)), "linewidth": 1.5},
    "observed": {"color": "#101010", "linestyle": "-", "linewidth": 0.9},
}
_INK: Final = "#101010"
_GRID: Final = "#dddddd"

#: Colours matplotlib writes, and the style sheet's names for them, which follow light and dark.
_VARIABLES: Final = {
    "#0072b2": "var(--first)",
    "#d55e00": "var(--second)",
    "#009e73": "var(--third)",
    "#777777": "var(--muted)",
    _INK: "currentColor",
    _GRID: "var(--line)",
}
#: Metadata that matplotlib writes unless told None; the date would change the bytes.
_METADATA: Final = ("Creator", "Date", "Format", "Type")

#: Parts of an SVG that would affect the rest of the page: styles of all elements, repeated ids.
_TIDY: Final = (
    (r"<defs>\s*<style.*?</style>\s*</defs>\s*", ""),
    (r' id="[A-Za-z0-9.]+_\d+"', ""),
    (r"font-family: '[^;\"]+", "font-family: inherit"),
)
#: The look of every figure and picture of the package.
SETTINGS: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",  # bundled with matplotlib: the same widths on every machine
    "font.size": 11,
    "axes.labelsize": 11,
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_WIDTH: Final = 5.2  # inches: 10.5 pt text is still 10 px high on a screen 390 px wide

#: Inches around panels, and the distance of a title from its axis. A layout engine of matplotlib
#: would draw every figure twice more to measure the texts, and figures would not line up.
_LEFT, _RIGHT, _TOP, _BOTTOM, _BETWEEN = 0.88, 0.1, 0.22, 0.57, 0.25
_TITLE_LEFT, _TITLE_BELOW = 0.69, 0.36

#: Numbers from here on are not drawn.
_LARGEST: Final = 1e100

#: Lines shorter than this show their points, for one point alone draws no line.
_FEW: Final = 13


@mpl.rc_context(SETTINGS)
def draw_trust(lines: Mapping[Role, pd.DataFrame], *, key: str) -> str:
    """Draw trust after each batch; the first line with its credible band.

    Args:
        lines: by role, `ensemble` among them, each with columns `batch` (first day of the batch),
            `trust`, `lower`, `upper` (0..1).
        key: makes the ids of the figure unique on the page.
    """
    figure, (axes,) = _panels(1, 2.6)
    axes.axhline(0.5, color=_INK, linewidth=0.6)
    ensemble = lines["ensemble"]
    draw_band(axes, ensemble["batch"], ensemble["lower"], ensemble["upper"])
    for role, line in lines.items():
        draw_line(axes, role, line["batch"], line["trust"])
    axes.set(ylim=(0, 1), ylabel="trust (0..1)", xlabel="first day of the batch")
    _format_dates(axes)
    return _to_svg(figure, key)


@mpl.rc_context(SETTINGS)
def draw_skill(lines: Mapping[Role, pd.DataFrame], *, key: str) -> str:
    """Draw skill against naive by horizon.

    Args:
        lines: by role, each with columns `horizon` (steps) and `skill` (share of naive's error).
        key: makes the ids of the figure unique on the page.
    """
    figure, (axes,) = _panels(1, 2.6)
    axes.axhline(0.0, color=_INK, linewidth=0.6)
    for role, line in lines.items():
        draw_line(axes, role, line["horizon"], 100 * line["skill"])
    axes.set(ylabel="skill (% of naive's error)", xlabel="horizon (steps)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return _to_svg(figure, key)


@mpl.rc_context(SETTINGS)
def draw_forecasts(rows: pd.DataFrame, *, key: str) -> str:
    """Draw forecasts and observations, and in a second panel the errors inside their intervals.

    On the scale of a long series a forecast one step ahead hides behind the observation. The
    lower panel subtracts the forecast, and so shows their distance.

    Args:
        rows: in order of date, columns `target_date`, `predicted`, `lower`, `upper`, `observed`.
        key: makes the ids of the figure unique on the page.
    """
    figure, (level, error) = _panels(2, 4.4)
    dates, predicted = rows["target_date"], rows["predicted"]
    draw_band(level, dates, rows["lower"], rows["upper"])
    draw_line(level, "ensemble", dates, predicted)
    draw_line(level, "observed", dates, rows["observed"])
    draw_band(error, dates, rows["lower"] - predicted, rows["upper"] - predicted)
    draw_line(error, "observed", dates, rows["observed"] - predicted)
    level.set(ylabel="level (unit of the series)")
    error.set(ylabel="error (unit of the series)", xlabel="date predicted (target_date)")
    _format_dates(error)
    return _to_svg(figure, key)


@mpl.rc_context(SETTINGS)
def draw_next(past: pd.DataFrame, future: pd.DataFrame, *, key: str) -> str:
    """Draw the last retrodictions, the observations, and after them the next forecasts.

    Args:
        past: in order of date, columns `target_date`, `predicted`, `observed`.
        future: in order of date, columns `target_date`, `predicted`, `lower`, `upper`.
        key: makes the ids of the figure unique on the page.
    """
    figure, (axes,) = _panels(1, 2.6)
    draw_line(axes, "observed", past["target_date"], past["observed"])
    draw_line(axes, "naive", past["target_date"], past["predicted"])
    draw_band(axes, future["target_date"], future["lower"], future["upper"])
    draw_line(axes, "ensemble", future["target_date"], future["predicted"])
    axes.set(ylabel="level (unit of the series)", xlabel="date predicted (target_date)")
    _format_dates(axes)
    return _to_svg(figure, key)


def _panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(_WIDTH, height))
    wide = _WIDTH - _LEFT - _RIGHT
    high = (height - _TOP - _BOTTOM - (count - 1) * _BETWEEN) / count
    figure.subplots_adjust(
        left=_LEFT / _WIDTH,
        right=1 - _RIGHT / _WIDTH,
        top=1 - _TOP / height,
        bottom=_BOTTOM / height,
        hspace=_BETWEEN / high,
    )
    axes = list(figure.subplots(count, sharex=True, squeeze=False)[:, 0])
    figure.patch.set_visible(False)
    for panel in axes:
        panel.patch.set_visible(False)
        panel.yaxis.set_label_coords(-_TITLE_LEFT / wide, 0.5)
        panel.xaxis.set_label_coords(0.5, -_TITLE_BELOW / high)
        # Numbers no wider than the margin; larger and smaller ones get a power of ten.
        panel.ticklabel_format(axis="y", scilimits=(-3, 5))
    return figure, axes


def draw_line(axes: Axes, role: Role, x: pd.Series, y: pd.Series) -> None:
    """Draw a line in the style of its role; also its points if they are few."""
    few = len(x) < _FEW
    axes.plot(x, _drawable(y), marker="o" if few else "", markersize=4, **_STYLES[role])


def draw_band(axes: Axes, x: pd.Series, lower: pd.Series, upper: pd.Series) -> None:
    """Draw the interval around the ensemble's line."""
    colour = _STYLES["ensemble"]["color"]
    axes.fill_between(x, _drawable(lower), _drawable(upper), color=colour, alpha=0.22, linewidth=0)


def _drawable(values: pd.Series) -> pd.Series:
    """Mask numbers with which matplotlib's arithmetic would overflow."""
    return values.where(values.abs() < _LARGEST)


def _format_dates(axes: Axes) -> None:
    locator = AutoDateLocator(minticks=3, maxticks=8)  # with fewer, no interval fits three years
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _to_svg(figure: Figure, key: str) -> str:
    """Write the figure as an `svg` element, the same bytes for the same content."""
    page = StringIO()
    with mpl.rc_context({"svg.hashsalt": key}):
        figure.savefig(page, format="svg", metadata=dict.fromkeys(_METADATA))
    svg = page.getvalue()
    svg = svg[svg.index("<svg") :]
    for pattern, replacement in _TIDY:
        svg = re.sub(pattern, replacement, svg)
    svg = re.sub(' d="[^"]+"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), svg)
    return re.sub("|".join(_VARIABLES), lambda colour: _VARIABLES[colour[0]], svg)
