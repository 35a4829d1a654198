"""Files of historical observations to `Series`: CSV, JSON and Parquet, checked row by row.

Each format is read to raw cells, then all go through one validation. Whatever is wrong with a file
is a `HistoricalDataError` that names the file, the row and the mend.
"""

import csv
import io
import json
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pulse_assets.errors import HistoricalDataError
from pulse_assets.history.series import Series

T = TypeVar("T")

_REQUIRED: Final = ("timestamp", "value")
_COLUMNS: Final = (*_REQUIRED, "published_at")
_MISSING: Final = ("", "nan", "null")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class _DefectError(Exception):
    """What is wrong, where in the file, and the mend; the file's name is added outside."""


@dataclass(frozen=True)
class _Cells:
    """The cells of each column as the file has them, and the place of a record for messages."""

    columns: Mapping[str, Sequence[Any]]
    place: Callable[[int], str]

    def parse(self, column: str, parse: Callable[[Any], T]) -> list[T]:
        """Parse a column cell by cell, so that a message can name the first bad one."""
        parsed = []
        for i, cell in enumerate(self.columns[column]):
            try:
                parsed.append(parse(cell))
            except ValueError as error:
                shown = reprlib.repr(cell)
                raise _DefectError(f"{self.place(i)}: {column} {shown} {error}") from error
        return parsed


def read_series(data: bytes, variable: str, name: str) -> Series:
    r"""Read one file of observations.

    Columns `timestamp` and `value`, and optionally `published_at`; others are ignored. Dates are
    ISO 8601, with or without a time of day, of which the date as written counts. An empty cell, NaN
    or null is a missing value. Rows may stand in any order.

    Args:
        data: content of the file.
        variable: name of the series.
        name: name of the file, for messages; .csv, .json or .parquet decides the format.

    Raises:
        HistoricalDataError: the file cannot be read or a row is not sound.

    Example:
        >>> read_series(b"timestamp,value\n2020-01-01,1.5\n", "gdp", "historical_gdp.csv").values
        array([1.5])
    """
    try:
        return _series(variable, _FORMATS[name.rpartition(".")[2]](data))
    except _DefectError as defect:
        raise HistoricalDataError(f"{name}: {defect}") from defect


def _series(variable: str, cells: _Cells) -> Series:
    """Validate raw cells."""
    if not len(cells.columns["timestamp"]):
        raise _DefectError("it holds no observations: add rows or remove the file")
    timestamps = _days(cells, "timestamp", _moment)
    values = np.array(cells.parse("value", _number), np.float64)
    published = None
    if "published_at" in cells.columns:
        published = _days(cells, "published_at", _optional_moment)
    order = np.argsort(timestamps, kind="stable")
    _check_unique(timestamps[order], order, cells.place)
    if published is None or np.isnat(published).all():
        return Series(variable, timestamps[order], values[order])
    return Series(variable, timestamps[order], values[order], published[order])


def _days(
    cells: _Cells, column: str, parse: Callable[[Any], datetime | None]
) -> NDArray[np.datetime64]:
    """Parse a column of dates, all with the same offset from UTC or all without any."""
    moments = cells.parse(column, parse)
    offsets = [(i, m.utcoffset()) for i, m in enumerate(moments) if m is not None]
    for i, offset in offsets:
        if offset != offsets[0][1]:
            raise _DefectError(
                f"{cells.place(i)}: {column} has {_zone(offset)}, {cells.place(offsets[0][0])} has "
                f"{_zone(offsets[0][1])}: write plain dates or one time zone throughout"
            )
    return np.array([m and m.date() for m in moments], "M8[D]")


def _zone(offset: timedelta | None) -> str:
    return "no time zone" if offset is None else f"the UTC offset {offset}"


def _check_unique(days: NDArray[np.datetime64], order: NDArray[Any], place: Callable) -> None:
    """Refuse a date that occurs twice; `order` are the places of sorted `days` in the file."""
    twice = np.flatnonzero(days[1:] == days[:-1])
    if len(twice):
        first, second = place(order[twice[0]]), place(order[twice[0] + 1])
        raise _DefectError(f"{first} and {second} both have the date {days[twice[0]]}: keep one")


def _moment(cell: object) -> datetime:
    """Parse one date.

    Raises:
        ValueError: it is none; the message goes on from the cell.
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
        ValueError: it is no finite number; the message goes on from the cell.
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


def _csv_cells(data: bytes) -> _Cells:
    """Read CSV with a header; the place of a record is its line in the file."""
    lines, rows = [], []
    for line, row in _csv_rows(_decoded(data)):
        if rows and len(row) != len(rows[0]):
            raise _DefectError(
                f"line {line}: {len(row)} fields, but the header has {len(rows[0])}: separate "
                "fields by commas and write decimals with a point"
            )
        lines.append(line)
        rows.append(row)
    header = [name.strip() for name in rows[0]] if rows else []
    _check_columns(header)
    columns = {
        name: [row[header.index(name)] for row in rows[1:]] for name in _COLUMNS if name in header
    }
    return _Cells(columns, lambda i: f"line {lines[i + 1]}")


def _csv_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank with the number of its line."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        yield from ((reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        raise _DefectError(f"line {reader.line_num}: {error}: save it as plain CSV") from error


def _json_cells(data: bytes) -> _Cells:
    """Read JSON: a list of records, one record a line, or an object of lists."""
    content = _json_content(_decoded(data).strip())
    if isinstance(content, dict):
        columns = {name: content[name] for name in _COLUMNS if name in content}
        _check_columns(list(columns))
        if not all(isinstance(cells, list) for cells in columns.values()):
            raise _DefectError(
                f"{', '.join(columns)} must be lists: write a list of records instead"
            )
    elif isinstance(content, list):
        columns = _record_columns(content)
    else:
        raise _DefectError("it holds neither records nor lists: write a list of records")
    if len({len(cells) for cells in columns.values()}) > 1:
        raise _DefectError(
            "its lists differ in length: give a timestamp and a value for each record"
        )
    return _Cells(columns, lambda i: f"record {i + 1}")


def _json_content(text: str) -> Any:  # noqa: ANN401 - not validated yet
    lines = text.split("\n")
    if len(lines) > 1 and re.fullmatch(r"\{.*\}\s*", lines[0]):
        return [_json_loads(line, f"line {i}: ") for i, line in enumerate(lines, 1) if line.strip()]
    return _json_loads(text, "")


def _json_loads(text: str, place: str) -> Any:  # noqa: ANN401 - not validated yet
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _DefectError(f"{place}not JSON ({error}): write a list of records") from error


def _record_columns(records: list[Any]) -> dict[str, Sequence[Any]]:
    """Turn records into columns; a record may lack `published_at` alone."""
    for i, record in enumerate(records):
        if not isinstance(record, dict) or not set(_REQUIRED) <= record.keys():
            raise _DefectError(f"record {i + 1}: it must be an object with timestamp and value")
    return {name: [record.get(name) for record in records] for name in _COLUMNS}


def _parquet_cells(data: bytes) -> _Cells:
    """Read Parquet; a timestamp with a time zone counts as its local date."""
    try:
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        _check_columns(file.schema_arrow.names)
        names = [name for name in _COLUMNS if name in file.schema_arrow.names]
        table = file.read(columns=names)
        columns = {name: _python_cells(table[name]) for name in names}
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        cause = str(error).partition("\n")[0]
        raise _DefectError(f"not readable as Parquet ({cause}): write it again") from error
    return _Cells(columns, lambda i: f"row {i + 1}")


def _python_cells(column: pa.ChunkedArray) -> list[Any]:
    """Return numbers, texts and dates as Python has them."""
    if pa.types.is_timestamp(column.type):
        if column.type.tz:
            column = pc.local_timestamp(column)  # pyright: ignore[reportAttributeAccessIssue]
        column = column.cast(pa.date32())
    elif pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    return column.to_pylist()


def _decoded(data: bytes) -> str:
    """Decode UTF-8, with or without the mark that Excel puts first."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _DefectError(f"byte {error.start + 1} is not UTF-8: save it as UTF-8 text") from error
    before, nul, _ = text.partition("\0")
    if nul:
        line = before.count("\n") + 1
        raise _DefectError(f"line {line}: there is a NUL character: save it as plain UTF-8 text")
    return text


def _check_columns(names: Sequence[str]) -> None:
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        found = reprlib.repr(list(names)) if names else "nothing"
        raise _DefectError(
            f"it has no column {' and '.join(missing)} (found: {found}): add or rename it"
        )
    twice = [name for name in _COLUMNS if list(names).count(name) > 1]
    if twice:
        raise _DefectError(f"it has two columns {twice[0]}: keep one")


_FORMATS: Final[dict[str, Callable[[bytes], _Cells]]] = {
    "csv": _csv_cells,
    "json": _json_cells,
    "parquet": _parquet_cells,
}
#: Endings of the files that can be read.
SUFFIXES: Final = tuple(_FORMATS)
