"""Records of a source file, validated row by row, so that an error names the first bad cell.

It reads whatever is sound, also what is written in unusual ways. `whole_columns.py` reads the usual
ways hundreds of times faster, and leaves all else to this module.
"""

import reprlib
from array import array
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeVar

import numpy as np

from pulse_assets.array_types import Dates
from pulse_assets.history.cells import (
    as_text,
    parse_date,
    parse_name,
    parse_number,
    parse_optional_date,
    parse_us_date,
)
from pulse_assets.history.layouts import Layout
from pulse_assets.history.observed import LongRows, WideRows
from pulse_assets.history.records import DefectError, Records

T = TypeVar("T")

#: The number of 1970-01-01 in the calendar of `datetime`, and NumPy's number for no date.
EPOCH: Final = date(1970, 1, 1).toordinal()
_NO_DAY: Final = int(np.datetime64("NaT", "D").astype(np.int64))
#: First cell of the rows below the header of FRED-MD and FRED-QD, which hold codes.
CODES: Final = ("transform", "transform:", "factors", "factors:")
#: Rows of codes below a header at most.
MOST_CODES: Final = 2


class DateColumn:
    """A growing column of dates: all with the same offset from UTC, or all without any."""

    def __init__(self, column: str) -> None:
        """Take the name of the column, for messages."""
        self.column = column
        self.days = array("q")
        self.first: tuple[str, timedelta | None] | None = None

    def add(self, moment: datetime | None, place: str) -> None:
        """Add the next date; None where the cell is empty."""
        if moment is None:
            self.days.append(_NO_DAY)
            return
        self.days.append(moment.toordinal() - EPOCH)
        self.first = self.first or (place, moment.utcoffset())
        if moment.utcoffset() != self.first[1]:
            raise DefectError(
                f"{place}: {self.column} has {_zone(moment.utcoffset())}, {self.first[0]} has "
                f"{_zone(self.first[1])}: write plain dates or one time zone throughout"
            )

    def as_array(self) -> Dates:
        """Return the days, [T]."""
        return np.array(self.days, np.int64).view("M8[D]")


def long_rows(records: Records, titles: Sequence[str] = ()) -> LongRows:
    """Validate the rows of one series, or of several below each other.

    Args:
        records: the rows.
        titles: names of the columns in messages; those of the records unless given.

    Raises:
        DefectError: a cell is not sound; the message names row, series and column.
    """
    title = dict(zip(records.names, titles or records.names, strict=True))
    published_title = title.get("published_at", "published_at")
    dates, published = DateColumn(title["timestamp"]), DateColumn(published_title)
    values, numbers, codes = array("d"), array("q"), array("q")
    names: dict[str, int] = {}
    for number, row in records.rows:
        place, cells = f"{records.unit} {number}", dict(zip(records.names, row, strict=True))
        if "variable" in cells:
            name = parsed(cells["variable"], title["variable"], parse_name, place)
            place += f", series {name[:120]}"
            codes.append(names.setdefault(name, len(names)))
        dates.add(parsed(cells["timestamp"], title["timestamp"], parse_date, place), place)
        values.append(parsed(cells["value"], title["value"], parse_number, place))
        if "published_at" in cells:
            day = parsed(cells["published_at"], published_title, parse_optional_date, place)
            published.add(day, place)
        numbers.append(number)
    public = published.as_array() if len(published.days) else None
    which = np.array(codes, np.int64) if names else np.zeros(len(numbers), np.int64)
    columns = (which, dates.as_array(), np.array(values), public, records.unit)
    return LongRows(list(names) or [""], *columns, np.array(numbers, np.int64))


def wide_rows(records: Records, layout: Layout) -> WideRows:
    """Validate the rows of a wide table.

    Rows without any cell are left out, and so are the rows of codes below the header.

    Raises:
        DefectError: a cell is not sound; the message names row and column.
    """
    dates, numbers, notes = DateColumn(layout.names[0]), array("q"), []
    values = [array("d") for _ in layout.names[1:]]
    parse = parse_us_date if layout.us_dates else parse_date
    for number, row in records.rows:
        place = f"{records.unit} {number}"
        if not numbers and len(notes) < MOST_CODES and is_code(row[0]):
            notes.append(note_codes(place, row[0]))
            continue
        if not any(map(as_text, row)):
            continue
        dates.add(parsed(row[0], layout.names[0], parse, place), place)
        _add_values(layout.names[1:], row[1:], values, place)
        numbers.append(number)
    return WideRows(
        layout.names[1:],
        dates.as_array(),
        lambda series: np.array(values[series]),
        records.unit,
        np.array(numbers, np.int64),
        notes,
    )


def is_code(cell: object) -> bool:
    """Tell whether the first cell of a row says that the row holds codes."""
    return as_text(cell).casefold() in CODES


def note_codes(place: str, cell: object) -> str:
    """Say that a row of codes is skipped."""
    return f"{place} ({as_text(cell).rstrip(':')}: codes, no observations) is skipped"


def _add_values(
    names: Sequence[str], row: Sequence[Any], values: Sequence[array], place: str
) -> None:
    for name, cell, column in zip(names, row, values, strict=True):
        column.append(parsed(cell, name, parse_number, place))


def parsed(cell: Any, column: str, parse: Callable[[Any], T], place: str) -> T:  # noqa: ANN401
    """Parse a cell.

    Raises:
        DefectError: it is not sound; the message names place and column.
    """
    try:
        return parse(cell)
    except ValueError as error:
        raise DefectError(f"{place}: {column} {reprlib.repr(cell)} {error}") from error


def _zone(offset: timedelta | None) -> str:
    return "no time zone" if offset is None else f"the UTC offset {offset}"
