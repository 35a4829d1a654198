"""Axes of charts: from values to points, with ticks at round numbers and first days."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from pulse_assets.array_types import Dates, Floats, Ints

#: Height of the texts of ticks, in points.
TICK_TEXT: Final = 10.5
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
class Axis:
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
        share = (as_numbers(values) - self.start) / (self.end - self.start)
        return self.first + share * (self.last - self.first)

    def marks(self) -> Iterator[tuple[float, str]]:
        """Yield point and text of each tick."""
        for value, text in self.ticks:
            yield float(self(np.array([value]))[0]), text


def as_numbers(values: np.ndarray) -> Floats:
    """Return values as numbers; dates as days."""
    values = np.asarray(values)
    days = values.astype("datetime64[D]") if values.dtype.kind == "M" else values
    return days.astype(np.float64)


def whole_ticks(start: float, end: float) -> list[tuple[float, str]]:
    """Return about six whole numbers, evenly spaced, between two ends."""
    step = max(1, round(nice_step((end - start) / 6.0)))
    first = math.ceil(start / step) * step
    return [(value, f"{value}") for value in range(first, math.floor(end) + 1, step)]


def date_ticks(start: float, end: float, width: float) -> list[tuple[float, str]]:
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
    return _CHARACTER * TICK_TEXT * characters + _GAP


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


def data_ends(values: Floats) -> tuple[float, float]:
    """Return the ends of the axis: those of the data and a margin."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


#: Smaller numbers have too few digits for their multiples.
_LEAST_STEP: Final = 1e-300


def nice_step(least: float) -> float:
    """Return the next larger of 1, 2, 2.5 and 5 times a power of ten.

    Example:
        >>> nice_step(0.3), nice_step(7.0)
        (0.5, 10.0)
    """
    least = max(least, _LEAST_STEP)
    power = 10.0 ** math.floor(math.log10(least))
    return next(m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * power >= least * (1 - 1e-9))


def number_texts(numbers: Floats, step: float) -> tuple[list[str], str]:
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
