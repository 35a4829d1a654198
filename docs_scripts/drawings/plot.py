"""Two axes on a canvas, of dates and of numbers, and how values become places."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from docs_scripts.drawings.canvas import SMALL, Canvas, Point
from pulse_assets.array_types import Dates, Floats
from pulse_assets.report.axes import Axis, as_numbers, date_ticks, nice_step, number_texts

#: Room beside and below the axes for the texts of their ticks, in points.
_LEFT, _RIGHT, _BOTTOM = 40.0, 12.0, 26.0


class Plot:
    """A pair of axes with a grid; shapes are placed by date and number."""

    def __init__(
        self,
        canvas: Canvas,
        top: float,
        height: float,
        days: tuple[str, str],
        ends: tuple[float, float],
        *,
        left: float = _LEFT,
    ) -> None:
        """Draw the axes.

        Args:
            canvas: where they are drawn.
            top: place of the upper end of the vertical axis, in points.
            height: of the axes, without the texts below.
            days: first and last day of the horizontal axis.
            ends: least and largest number of the vertical axis; two equal ones: it has no texts.
            left: room on the left.
        """
        self.canvas, self.top, self.bottom = canvas, top, top + height
        self.left, self.right = left, 480.0 - _RIGHT
        first, last = as_numbers(np.array(days, "M8[D]")).tolist()
        self._dates = Axis(first, last, self.left, self.right, _dates(first, last, self))
        self._numbers = _number_axis(ends, self)
        self._grid()

    def x(self, day: object) -> float:
        """Return the place of a day."""
        return float(self._dates(np.array([day], "M8[D]"))[0])

    def y(self, number: float) -> float:
        """Return the place of a number."""
        return float(self._numbers(np.array([number]))[0])

    def points(
        self, days: Sequence[object] | Dates, numbers: Sequence[float] | Floats
    ) -> list[Point]:
        """Return the places of days and numbers, without those of missing numbers."""
        across = self._dates(np.asarray(days, "M8[D]")).tolist()
        up = self._numbers(np.asarray(numbers, np.float64)).tolist()
        return [(x, y) for x, y in zip(across, up, strict=True) if y == y]

    def line_of(self, rows: pd.DataFrame, days: str, numbers: str) -> list[Point]:
        """Return the places of two columns."""
        return self.points(rows[days].to_numpy(), rows[numbers].to_numpy())

    def steps(
        self, days: Sequence[object] | Dates, numbers: Sequence[float] | Floats
    ) -> list[Point]:
        """Return the corners of a staircase: each number holds until the next day."""
        corners = self.points(days, numbers)
        stairs = corners[:1]
        for (_, before), (x, after) in pairwise(corners):
            stairs += [(x, before), (x, after)]
        return stairs

    def between(
        self,
        days: Sequence[object] | Dates,
        lower: Sequence[float] | Floats,
        upper: Sequence[float] | Floats,
    ) -> list[Point]:
        """Return the outline of the area between two lines."""
        return self.points(days, upper) + self.points(days, lower)[::-1]

    def _grid(self) -> None:
        for at, text in self._dates.marks():
            self.canvas.line([(at, self.top), (at, self.bottom)], "line", width=0.8)
            self.canvas.text(
                (at, self.bottom + 16.0), text, colour="muted", anchor="middle", size=SMALL
            )
        for at, text in self._numbers.marks():
            self.canvas.line([(self.left, at), (self.right, at)], "line", width=0.8)
            self.canvas.text(
                (self.left - 6.0, at + 4.0), text, colour="muted", anchor="end", size=SMALL
            )
        self.canvas.line([(self.left, self.bottom), (self.right, self.bottom)], "muted", width=0.8)


def _dates(first: float, last: float, plot: Plot) -> list[tuple[float, str]]:
    """Return ticks of dates whose texts have room, and none that would be cut off."""
    ticks = date_ticks(first, last, 0.9 * (plot.right - plot.left))
    per_day = (plot.right - plot.left) / (last - first)
    return [
        (day, text)
        for day, text in ticks
        if (last - day) * per_day + _RIGHT > 3.2 * len(text)
        and (day - first) * per_day + plot.left > 3.2 * len(text)
    ]


def _number_axis(ends: tuple[float, float], plot: Plot) -> Axis:
    start, end = ends
    if start == end:
        return Axis(start, end + 1.0, plot.bottom, plot.top)
    step = nice_step((end - start) / ((plot.bottom - plot.top) / 26.0))
    numbers = np.arange(np.ceil(start / step - 1e-9), np.floor(end / step + 1e-9) + 1) * step
    texts, _ = number_texts(numbers, step)
    return Axis(start, end, plot.bottom, plot.top, list(zip(numbers.tolist(), texts, strict=True)))
