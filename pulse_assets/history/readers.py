"""Files of historical observations to `Series`: CSV, JSON and Parquet, checked row by row.

Each format is read to raw cells, then all go through one validation. Whatever is wrong with a file
is a `HistoricalDataError` that names the file, the row and the fix. `max_source_bytes` bounds the
size of a file, or of what a Parquet file unpacks to. The largest memory use is 30 times that size;
for observations it is less than 10 times.
"""

import re
import reprlib
from array import array
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeVar

import numpy as np

from pulse_assets.array_types import Dates
from pulse_assets.errors import HistoricalDataError
from pulse_assets.history.csv_file import csv_records
from pulse_assets.history.json_file import json_records
from pulse_assets.history.parquet_file import parquet_records
from pulse_assets.history.records import DefectError, Records
from pulse_assets.history.series import Series

T = TypeVar("T")

#: Larger files are refused unless the settings say otherwise: a century of days is below two
#: megabytes in every format.
MAX_BYTES: Final = 20_000_000

_MISSING: Final = ("", "nan", "null")
#: The number of 1970-01-01 in the calendar of `datetime`, and NumPy's number for no date.
_EPOCH: Final = date(1970, 1, 1).toordinal()
_NO_DAY: Final = int(np.datetime64("NaT").astype(np.int64))
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def read_series(data: bytes, variable: str, name: str, limit: int = MAX_BYTES) -> Series:
    r"""Read one file of observations.

    Columns `timestamp` and `value`, and optionally `published_at`; others are ignored. Dates are
    ISO 8601, with or without a time of day, of which the date as written counts. An empty cell, NaN
    or null is a missing value. Rows may stand in any order.

    Args:
        data: content of the file.
        variable: name of the series.
        name: name of the file, for messages; .csv, .json or .parquet decides the format.
        limit: refuse what is larger, a Parquet file when unpacked, in bytes.

    Raises:
        HistoricalDataError: the file cannot be read or a row is not sound.

    Example:
        >>> read_series(b"timestamp,value\n2020-01-01,1.5\n", "gdp", "historical_gdp.csv").values
        array([1.5])
    """
    try:
        series = _series(variable, _FORMATS[name.rpartition(".")[2]](data, limit))
        return replace(series, file=name)
    except DefectError as defect:
        raise HistoricalDataError(f"{name}: {defect}") from defect


class _Dates:
    """A growing column of dates: all with the same offset from UTC, or all without any."""

    def __init__(self, column: str) -> None:
        self.column = column
        self.days = array("q")
        self.first: tuple[str, timedelta | None] | None = None

    def add(self, moment: datetime | None, place: str) -> None:
        """Add the next date; None where the cell is empty."""
        if moment is None:
            self.days.append(_NO_DAY)
            return
        self.days.append(moment.toordinal() - _EPOCH)
        self.first = self.first or (place, moment.utcoffset())
        if moment.utcoffset() != self.first[1]:
            raise DefectError(
                f"{place}: {self.column} has {_zone(moment.utcoffset())}, {self.first[0]} has "
                f"{_zone(self.first[1])}: write plain dates or one time zone throughout"
            )

    def as_array(self) -> Dates:
        """Return the days, [T]."""
        return np.array(self.days, np.int64).view("M8[D]")


def _series(variable: str, records: Records) -> Series:
    """Validate raw cells, row by row, so that a message can name the first bad one."""
    dates, published = _Dates("timestamp"), _Dates("published_at")
    values, numbers = array("d"), array("q")
    for number, row in records.rows:
        place, cells = f"{records.unit} {number}", dict(zip(records.names, row, strict=True))
        dates.add(_parsed(cells, "timestamp", _moment, place), place)
        values.append(_parsed(cells, "value", _number, place))
        if "published_at" in cells:
            published.add(_parsed(cells, "published_at", _optional_moment, place), place)
        numbers.append(number)
    if not numbers:
        raise DefectError("it holds no observations: add rows or remove the file")
    return _sorted_series(variable, dates, values, published, records.unit, numbers)


def _sorted_series(
    variable: str, dates: _Dates, values: array, published: _Dates, unit: str, numbers: array
) -> Series:
    """Put the rows in order of date; `numbers` are their places in the file, in `unit`s."""
    timestamps, public = dates.as_array(), published.as_array()
    order = np.argsort(timestamps, kind="stable")
    days = timestamps[order]
    twice = np.flatnonzero(days[1:] == days[:-1])
    if len(twice):
        first, second = (f"{unit} {numbers[order[twice[0] + i]]}" for i in (0, 1))
        raise DefectError(f"{first} and {second} both have the date {days[twice[0]]}: keep one")
    published_at = None if np.isnat(public).all() else public[order]
    places = np.array(numbers, np.int64)[order]
    return Series(variable, days, np.array(values)[order], published_at, unit=unit, places=places)


def _parsed(cells: Mapping[str, Any], column: str, parse: Callable[[Any], T], place: str) -> T:
    try:
        return parse(cells[column])
    except ValueError as error:
        shown = reprlib.repr(cells[column])
        raise DefectError(f"{place}: {column} {shown} {error}") from error


def _zone(offset: timedelta | None) -> str:
    return "no time zone" if offset is None else f"the UTC offset {offset}"


def _moment(cell: object) -> datetime:
    """Parse one date.

    Raises:
        ValueError: it is none; the message continues after the cell.
    """
    if isinstance(cell, str | date):
        with suppress(ValueError):
            return datetime.fromisoformat(str(cell).strip())
    raise ValueError("is no date: write it like 2020-01-31")


def _optional_moment(cell: object) -> datetime | None:
    return None if _text(cell).lower() in _MISSING else _moment(cell)


def _number(cell: object) -> float:
    """Parse one value; NaN where it is missing.

    Raises:
        ValueError: it is no finite number; the message continues after the cell.
    """
    text = _text(cell)
    if text.lower() in _MISSING:
        return np.nan
    number = float(text) if _NUMBER.fullmatch(text) else np.inf
    if np.isinf(number):
        raise ValueError("is no finite number: write it like -1234.5, or leave it empty if missing")
    return number


def _text(cell: object) -> str:
    return "" if cell is None else str(cell).strip()


_FORMATS: Final[dict[str, Callable[[bytes, int], Records]]] = {
    "csv": csv_records,
    "json": json_records,
    "parquet": parquet_records,
}
#: Endings of the files that can be read.
SUFFIXES: Final = tuple(_FORMATS)
