"""Charts as SVG, written from arrays: panels with axes, lines and bands.

A chart in the page takes colours and font from it. Colours have a value of their own too, for a
chart that is a file. Texts in a chart are numbers, dates and titles, escaped.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Final, Literal, NamedTuple

import numpy as np

from pulse_assets.array_types import Floats
from pulse_assets.report.axes import (
    TICK_TEXT,
    Axis,
    as_numbers,
    data_ends,
    date_ticks,
    nice_step,
    number_texts,
    whole_ticks,
)

#: The role of a line; the legend and the style sheet of the page use the same words.
Role = Literal["ensemble", "best", "second", "naive", "observed"]


class Stroke(NamedTuple):
    """How a line is drawn: colour, width and dashes."""

    colour: str
    width: float
    dashes: str = ""


#: Okabe and Ito's colours, which colour-blind readers can distinguish; in grey the dashes help.
STROKES: Final[Mapping[Role, Stroke]] = {
    "ensemble": Stroke("var(--first, #0072b2)", 2.0),
    "best": Stroke("var(--second, #d55e00)", 1.5, "7.5 2.25"),
    "second": Stroke("var(--third, #009e73)", 1.5, "7.5 2.25 1.5 2.25"),
    "naive": Stroke("var(--muted, #777777)", 1.5, "1.5 2.25"),
    "observed": Stroke("currentColor", 0.9),
}
_GRID: Final = "var(--line, #dddddd)"

#: Numbers from here on are not drawn.
_LARGEST: Final = 1e100
#: Lines shorter than this show their points, for one point alone draws no line.
_FEW: Final = 13
#: Height of the texts beside axes, in points; 72 are an inch.
_TEXT: Final = 11.0


@dataclass(frozen=True)
class Band:
    """The area between two lines, in the colour of the ensemble or in that of naive."""

    x: np.ndarray
    lower: Floats
    upper: Floats
    opacity: float = 0.22
    role: Role = "ensemble"


@dataclass(frozen=True)
class Bars:
    """Bars from 0, one from each edge to the next, in the colour of the ensemble."""

    edges: Floats
    heights: Floats


@dataclass(frozen=True)
class Line:
    """A line in the style of its role; one of few points shows them, unless it is `bare`.

    Its width is that of the role times `thickness`.
    """

    role: Role
    x: np.ndarray
    y: Floats
    bare: bool = False
    thickness: float = 1.0


@dataclass(frozen=True)
class Panel:
    """Lines, bands and bars over one pair of axes.

    Attributes:
        lines: lines, the first one below the others.
        bands: bands, below the lines.
        y_label: text beside the vertical axis.
        x_label: text below the horizontal axis.
        title: text above.
        y_range: ends of the vertical axis; None: those of the data.
        rule: height of a thin horizontal line.
        bars: below the bands.
        x_ticks: value and text of each tick of the horizontal axis; None: round numbers or dates.
    """

    lines: Sequence[Line]
    bands: Sequence[Band] = ()
    y_label: str = ""
    x_label: str = ""
    title: str = ""
    y_range: tuple[float, float] | None = None
    rule: float | None = None
    bars: Bars | None = None
    x_ticks: Sequence[tuple[float, str]] | None = None

    @property
    def all_x(self) -> list[np.ndarray]:
        """The places of lines, bands and bars."""
        places = [np.asarray(part.x) for part in (*self.lines, *self.bands)]
        return places + ([self.bars.edges] if self.bars else [])

    @property
    def all_y(self) -> Floats:
        """The heights of lines, bands, bars and rule, those that can be drawn."""
        arrays = [line.y for line in self.lines]
        arrays += [np.append(self.bars.heights, 0.0)] if self.bars else []
        arrays += [side for band in self.bands for side in (band.lower, band.upper)]
        rule = np.array([] if self.rule is None else [self.rule])
        values = _drawable(np.concatenate([rule, *map(np.ravel, arrays)]))
        return values[np.isfinite(values)]


@dataclass(frozen=True)
class Box:
    """The place of a panel's axes in the chart, in points."""

    left: float
    top: float
    width: float
    height: float


def chart(
    size: tuple[float, float], panels: Sequence[tuple[Panel, Box]], *, title: str = ""
) -> str:
    """Return an `svg` element, the same text for the same panels.

    Args:
        size: width and height in points.
        panels: panels and their places. Panels above each other share their horizontal axis:
            the ticks of one without `x_label` have no text if the next one has the same place.
        title: text at the top.
    """
    width, height = size
    parts = [_text(width / 2, 20.0, title, 13.0)] if title else []
    for index, (panel, box) in enumerate(panels):
        above = index + 1 < len(panels) and panels[index + 1][1].left == box.left
        parts.append(_panel(panel, box, with_dates=not (above and bool(panels[-1][0].x_label))))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}">'
        f"{''.join(parts)}</svg>"
    )


def _panel(panel: Panel, box: Box, *, with_dates: bool) -> str:
    x, y = _x_axis(panel, box), _y_axis(panel, box)
    parts = [
        *_grid(x, y, box, with_dates=with_dates),
        *([_bars(panel.bars, x, y)] if panel.bars else []),
        *(_band(band, x, y) for band in panel.bands),
        *(_line(line, x, y) for line in panel.lines),
        *_labels(panel, box, y),
    ]
    return "".join(parts)


def _x_axis(panel: Panel, box: Box) -> Axis:
    """Return the horizontal axis: of dates, of whole numbers, or with the panel's own ticks."""
    x = np.concatenate([as_numbers(part) for part in panel.all_x])
    dates = any(part.dtype.kind == "M" for part in panel.all_x)
    start, end = (float(x.min()), float(x.max())) if len(x) else (0.0, 1.0)
    if start == end:
        start, end = start - 1.0, end + 1.0
    margin = 0.05 * (end - start)
    start, end = start - margin, end + margin
    ticks = panel.x_ticks
    if ticks is None:
        ticks = date_ticks(start, end, box.width) if dates else whole_ticks(start, end)
    return Axis(start, end, box.left, box.left + box.width, ticks)


def _y_axis(panel: Panel, box: Box) -> Axis:
    start, end = panel.y_range or data_ends(panel.all_y)
    step = nice_step((end - start) / (box.height / 20.0))
    multiples = np.arange(math.ceil(start / step - 1e-9), math.floor(end / step + 1e-9) + 1)
    numbers = multiples.astype(np.float64) * step
    texts, note = number_texts(numbers, step)
    ticks = list(zip(numbers.tolist(), texts, strict=True))
    return Axis(start, end, box.top + box.height, box.top, ticks, note)


def _grid(x: Axis, y: Axis, box: Box, *, with_dates: bool) -> Iterator[str]:
    """Yield the grid, the axes and the texts of their ticks."""
    bottom, right = box.top + box.height, box.left + box.width
    lines = [f"M{_n(at)} {_n(box.top)}V{_n(bottom)}" for at, _ in x.marks()]
    lines += [f"M{_n(box.left)} {_n(at)}H{_n(right)}" for at, _ in y.marks()]
    yield f'<path d="{"".join(lines)}" fill="none" stroke="{_GRID}" stroke-width=".8"/>'
    ticks = [f"M{_n(at)} {_n(bottom)}v3.5" for at, _ in x.marks()]
    ticks += [f"M{_n(box.left)} {_n(at)}h-3.5" for at, _ in y.marks()]
    frame = f"M{_n(box.left)} {_n(box.top)}V{_n(bottom)}H{_n(right)}"
    yield f'<path d="{frame}{"".join(ticks)}" fill="none" stroke="currentColor" stroke-width=".8"/>'
    for at, text in x.marks() if with_dates else ():
        yield _text(at, bottom + 15.0, text, TICK_TEXT)
    for at, text in y.marks():
        yield _text(box.left - 7.0, at + 3.7, text, TICK_TEXT, anchor="end")


def _labels(panel: Panel, box: Box, y: Axis) -> Iterator[str]:
    """Yield the thin line, the titles and the note of the numbers."""
    right, middle = box.left + box.width, box.top + box.height / 2.0
    if panel.rule is not None:
        at = float(y(np.array([panel.rule]))[0])
        if box.top <= at <= box.top + box.height:
            path = f"M{_n(box.left)} {_n(at)}H{_n(right)}"
            yield f'<path d="{path}" stroke="currentColor" stroke-width=".6"/>'
    if panel.y_label:
        yield _text(13.0, middle, panel.y_label, _TEXT, turned=True)
    if panel.x_label:
        yield _text(box.left + box.width / 2, box.top + box.height + 33.0, panel.x_label, _TEXT)
    if panel.title:
        yield _text(box.left + box.width / 2, box.top - 6.0, panel.title, 12.0)
    if y.note:
        yield _text(box.left, box.top - 5.0, y.note, TICK_TEXT, anchor="start")


def _line(line: Line, x: Axis, y: Axis) -> str:
    """Return a line, broken where values are missing; with its points if they are few."""
    stroke, across, up = STROKES[line.role], x(line.x), y(_drawable(line.y))
    path = "".join(_moves(across[run], up[run]) for run in _runs(np.isfinite(up)))
    dashes = f' stroke-dasharray="{stroke.dashes}"' if stroke.dashes else ""
    drawn = (
        f'<path d="{path}" fill="none" stroke="{stroke.colour}" '
        f'stroke-width="{stroke.width * line.thickness:g}"{dashes}/>'
    )
    if line.bare or len(line.x) >= _FEW:
        return drawn
    points = zip(across[np.isfinite(up)], up[np.isfinite(up)], strict=True)
    dots = "".join(f'<circle cx="{_n(a)}" cy="{_n(b)}" r="2"/>' for a, b in points)
    return f'{drawn}<g fill="{stroke.colour}">{dots}</g>'


def _band(band: Band, x: Axis, y: Axis) -> str:
    across, lower, upper = x(band.x), y(_drawable(band.lower)), y(_drawable(band.upper))
    path = ""
    for run in _runs(np.isfinite(lower) & np.isfinite(upper)):
        there_and_back = np.concatenate([across[run], across[run][::-1]])
        path += _moves(there_and_back, np.concatenate([upper[run], lower[run][::-1]])) + "Z"
    opacity = f"{band.opacity:.2g}".removeprefix("0")
    colour = STROKES[band.role].colour
    return f'<path d="{path}" fill="{colour}" fill-opacity="{opacity}" stroke="none"/>'


def _bars(bars: Bars, x: Axis, y: Axis) -> str:
    across, up, ground = x(bars.edges), y(bars.heights), float(y(np.array([0.0]))[0])
    path = ""
    for (left, right), top in zip(pairwise(across.tolist()), up.tolist(), strict=True):
        path += f"M{_n(left)} {_n(ground)}V{_n(top)}H{_n(right)}V{_n(ground)}Z"
    colour = STROKES["ensemble"].colour
    return f'<path d="{path}" fill="{colour}" fill-opacity=".35" stroke="{colour}"/>'


def _runs(flags: np.ndarray) -> list[slice]:
    """Return the runs of true flags."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0)).tolist()
    return [slice(start, end) for start, end in list(pairwise(edges))[::2]]


def _moves(across: Floats, up: Floats) -> str:
    points = [f"{_n(a)} {_n(b)}" for a, b in zip(across.tolist(), up.tolist(), strict=True)]
    return f"M{'L'.join(points)}"


def _text(
    x: float, y: float, text: str, size: float, *, anchor: str = "middle", turned: bool = False
) -> str:
    turn = f' transform="rotate(-90 {_n(x)} {_n(y)})"' if turned else ""
    return (
        f'<text x="{_n(x)}" y="{_n(y)}" font-size="{size:g}" text-anchor="{anchor}" '
        f'fill="currentColor"{turn}>{escape(text)}</text>'
    )


def _drawable(values: Floats) -> Floats:
    """Return numbers; NaN instead of those with which arithmetic would overflow."""
    values = np.asarray(values, np.float64)
    return np.where(np.abs(values) < _LARGEST, values, np.nan)


def _n(number: float) -> str:
    """Return a number with two decimals at most."""
    return f"{number:.2f}".rstrip("0").rstrip(".")
