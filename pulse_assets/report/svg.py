"""Charts as SVG, written from arrays: panels with axes, lines and bands.

A chart in the page takes colours and font from it. Colours have a value of their own too, for a
chart that is a file. Texts in a chart are numbers, dates and titles, escaped.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from typing import Final, Literal, NamedTuple

import numpy as np

from pulse_assets.array_types import Dates, Floats, Ints

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
#: Points; 72 are an inch.
_TEXT, _SMALL_TEXT = 11.0, 10.5
#: Units of dates from one tick to the next.
_DATE_STEPS: Final = (
    *(("D", days) for days in (1, 2, 7, 14, 28)),
    *(("M", months) for months in (1, 3, 6)),
    *(("Y", years) for years in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)),
)
#: Width of a character of a date at most, as a share of its height, and the least gap, in points.
_CHARACTER, _GAP = 0.65, 9.0
#: Characters of the shortest date, a year.
_SHORTEST: Final = 4


@dataclass(frozen=True)
class Band:
    """The area between two lines."""

    x: np.ndarray
    lower: Floats
    upper: Floats


@dataclass(frozen=True)
class Line:
    """A line in the style of its role."""

    role: Role
    x: np.ndarray
    y: Floats


@dataclass(frozen=True)
class Panel:
    """Lines and bands over one pair of axes.

    Attributes:
        lines: lines, the first one below the others.
        bands: bands, below the lines.
        y_label: text beside the vertical axis.
        x_label: text below the horizontal axis.
        title: text above.
        y_range: ends of the vertical axis; None: those of the data.
        rule: height of a thin horizontal line.
    """

    lines: Sequence[Line]
    bands: Sequence[Band] = ()
    y_label: str = ""
    x_label: str = ""
    title: str = ""
    y_range: tuple[float, float] | None = None
    rule: float | None = None

    @property
    def all_x(self) -> list[np.ndarray]:
        """The places of lines and bands."""
        return [np.asarray(part.x) for part in (*self.lines, *self.bands)]

    @property
    def all_y(self) -> Floats:
        """The heights of lines, bands and rule, those that can be drawn."""
        arrays = [line.y for line in self.lines]
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
        *(_band(band, x, y) for band in panel.bands),
        *(_line(line, x, y) for line in panel.lines),
        *_labels(panel, box, y),
    ]
    return "".join(parts)


@dataclass(frozen=True)
class _Axis:
    """An axis from values to points.

    Attributes:
        start, end: values at its ends.
        first, last: the points of these.
        ticks: value and text of each tick.
        note: a factor or summand of all numbers.
    """

    start: float
    end: float
    first: float
    last: float
    ticks: Sequence[tuple[float, str]] = field(default=())
    note: str = ""

    def __call__(self, values: np.ndarray) -> Floats:
        """Return the points of values."""
        share = (_numbers(values) - self.start) / (self.end - self.start)
        return self.first + share * (self.last - self.first)

    def marks(self) -> Iterator[tuple[float, str]]:
        """Yield point and text of each tick."""
        for value, text in self.ticks:
            yield float(self(np.array([value]))[0]), text


def _numbers(values: np.ndarray) -> Floats:
    """Return values as numbers; dates as days."""
    values = np.asarray(values)
    days = values.astype("datetime64[D]") if values.dtype.kind == "M" else values
    return days.astype(np.float64)


def _x_axis(panel: Panel, box: Box) -> _Axis:
    """Return the horizontal axis: of dates, or of whole numbers."""
    x = np.concatenate([_numbers(part) for part in panel.all_x])
    dates = any(part.dtype.kind == "M" for part in panel.all_x)
    start, end = (float(x.min()), float(x.max())) if len(x) else (0.0, 1.0)
    if start == end:
        start, end = start - 1.0, end + 1.0
    margin = 0.05 * (end - start)
    start, end = start - margin, end + margin
    ticks = _date_ticks(start, end, box.width) if dates else _whole_ticks(start, end)
    return _Axis(start, end, box.left, box.left + box.width, ticks)


def _whole_ticks(start: float, end: float) -> list[tuple[float, str]]:
    step = max(1, round(_nice_step((end - start) / 6.0)))
    first = math.ceil(start / step) * step
    return [(value, f"{value}") for value in range(first, math.floor(end) + 1, step)]


def _date_ticks(start: float, end: float, width: float) -> list[tuple[float, str]]:
    """Return the first days of the shortest unit whose texts have room on an axis of a width."""
    first, last = (np.datetime64(round(day), "D") for day in (start, end))
    dates, unit = np.array([], "M8[D]"), "D"
    for unit, step in _DATE_STEPS:
        dates = _multiples(first, last, unit, step)
        if _have_room(dates, unit, width):
            break
    return [(float(day.astype(np.int64)), _date_text(day, unit)) for day in dates]


def _have_room(dates: Dates, unit: str, width: float) -> bool:
    """Return whether the texts of dates fit into a width; no text is made of very many dates."""
    if _room(_SHORTEST) * len(dates) > width + 1.0:
        return False
    return sum(_room(len(_date_text(day, unit))) for day in dates) <= width


def _room(characters: int) -> float:
    return _CHARACTER * _SMALL_TEXT * characters + _GAP


def _multiples(first: np.datetime64, last: np.datetime64, unit: str, step: int) -> Dates:
    """Return the first days of every `step`th unit from `first` to `last`."""
    ends = np.array([first, last]).astype(f"datetime64[{unit}]").astype(np.int64)
    numbers: Ints = np.arange(ends[0] // step * step, ends[1] + 1, step)
    offset = 1970 if unit == "Y" else 0  # years of the calendar, not years since 1970
    numbers = (numbers + offset) // step * step - offset
    dates = numbers.astype(f"datetime64[{unit}]").astype("datetime64[D]")
    return dates[(dates >= first) & (dates <= last)]


def _date_text(day: np.datetime64, unit: str) -> str:
    return str(day.astype(f"datetime64[{unit}]"))


def _y_axis(panel: Panel, box: Box) -> _Axis:
    start, end = panel.y_range or _ends(panel.all_y)
    step = _nice_step((end - start) / (box.height / 20.0))
    multiples = np.arange(math.ceil(start / step - 1e-9), math.floor(end / step + 1e-9) + 1)
    numbers = multiples.astype(np.float64) * step
    texts, note = _number_texts(numbers, step)
    ticks = list(zip(numbers.tolist(), texts, strict=True))
    return _Axis(start, end, box.top + box.height, box.top, ticks, note)


def _ends(values: Floats) -> tuple[float, float]:
    """Return the ends of the axis: those of the data and a margin."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def _nice_step(least: float) -> float:
    """Return the next larger of 1, 2, 2.5 and 5 times a power of ten.

    Example:
        >>> _nice_step(0.3), _nice_step(7.0)
        (0.5, 10.0)
    """
    power = 10.0 ** math.floor(math.log10(least))
    return next(m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * power >= least * (1 - 1e-9))


def _number_texts(numbers: Floats, step: float) -> tuple[list[str], str]:
    """Return texts of equally many decimals, and the factor or summand that they leave out."""
    largest = float(np.abs(numbers).max(initial=0.0))
    exponent = math.floor(math.log10(largest)) if largest else 0
    power = 0 if -3 <= exponent <= 4 else exponent
    factor, summand = 10.0**power, 0.0
    if largest > 1e4 * step:  # as many digits have no room
        summand, factor, power = float(numbers[0]), 1.0, 0
    shown, scaled_step = (numbers - summand) / factor, step / factor
    decimals = max(0, -math.floor(math.log10(scaled_step) + 1e-9))
    decimals += abs(round(scaled_step * 10**decimals) - scaled_step * 10**decimals) > 1e-6
    texts = [_minus(f"{value + 0.0:.{decimals}f}") for value in np.round(shown, decimals)]
    notes = [f"× 10^{power}"] if power else []  # noqa: RUF001 - the sign
    return texts, " ".join(notes + ([_minus(f"+ {summand:.10g}")] if summand else []))


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


def _grid(x: _Axis, y: _Axis, box: Box, *, with_dates: bool) -> Iterator[str]:
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
        yield _text(at, bottom + 15.0, text, _SMALL_TEXT)
    for at, text in y.marks():
        yield _text(box.left - 7.0, at + 3.7, text, _SMALL_TEXT, anchor="end")


def _labels(panel: Panel, box: Box, y: _Axis) -> Iterator[str]:
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
        yield _text(box.left, box.top - 5.0, y.note, _SMALL_TEXT, anchor="start")


def _line(line: Line, x: _Axis, y: _Axis) -> str:
    """Return a line, broken where values are missing; with its points if they are few."""
    stroke, across, up = STROKES[line.role], x(line.x), y(_drawable(line.y))
    path = "".join(_moves(across[run], up[run]) for run in _runs(np.isfinite(up)))
    dashes = f' stroke-dasharray="{stroke.dashes}"' if stroke.dashes else ""
    drawn = (
        f'<path d="{path}" fill="none" stroke="{stroke.colour}" '
        f'stroke-width="{stroke.width:g}"{dashes}/>'
    )
    if len(line.x) >= _FEW:
        return drawn
    points = zip(across[np.isfinite(up)], up[np.isfinite(up)], strict=True)
    dots = "".join(f'<circle cx="{_n(a)}" cy="{_n(b)}" r="2"/>' for a, b in points)
    return f'{drawn}<g fill="{stroke.colour}">{dots}</g>'


def _band(band: Band, x: _Axis, y: _Axis) -> str:
    across, lower, upper = x(band.x), y(_drawable(band.lower)), y(_drawable(band.upper))
    path = ""
    for run in _runs(np.isfinite(lower) & np.isfinite(upper)):
        there_and_back = np.concatenate([across[run], across[run][::-1]])
        path += _moves(there_and_back, np.concatenate([upper[run], lower[run][::-1]])) + "Z"
    colour = STROKES["ensemble"].colour
    return f'<path d="{path}" fill="{colour}" fill-opacity=".22" stroke="none"/>'


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
