"""Files of historical observations to `Series`: CSV, JSON and Parquet, checked row by row.

Each format is read to raw cells, then all go through one validation. Whatever is wrong with a file
is a `HistoricalDataError` that names the file, the row and the mend. Memory stays below ten times
the size of a file, or of what a Parquet file unpacks to, which `max_source_bytes` bounds.
"""

import csv
import io
import itertools
import json
import re
import reprlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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

#: Larger files are refused unless the settings say otherwise: a century of days is below two
#: megabytes in every format.
MAX_BYTES: Final = 20_000_000

_REQUIRED: Final = ("timestamp", "value")
_COLUMNS: Final = (*_REQUIRED, "published_at")
_MISSING: Final = ("", "nan", "null")
#: Bytes of memory that JSON takes once loaded, at most, beside its characters: an object or list
#: with its place in another, a text, another value; and what is taken of them a character.
_JSON_BRACKET, _JSON_TEXT, _JSON_VALUE, _JSON_DENSITY = 190, 60, 40, 8
#: Characters to a key of JSON at least: different ones take a hundred bytes each.
_JSON_KEY: Final = 10
#: What every JSON may take.
_JSON_FREE: Final = 4096
#: Commas in a line of CSV at most.
_MOST_COMMAS: Final = 1000
#: Bytes of a Parquet row when unpacked, at least: a date and a number.
_ROW_BYTES: Final = 16
#: The number of 1970-01-01 in the calendar of `datetime`, and what NumPy keeps for no date.
_EPOCH: Final = date(1970, 1, 1).toordinal()
_NO_DAY: Final = int(np.datetime64("NaT").astype(np.int64))
#: Bytes of a text in Parquet at most.
_LONGEST: Final = 100
_KEY: Final = re.compile(r'"\s*:')
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class _DefectError(Exception):
    """What is wrong, where in the file, and the mend; the file's name is added outside."""


@dataclass(frozen=True)
class _Records:
    """The records of a file: names of the columns, and its rows as they are read.

    A row is its number in the file, counted in `unit`s, and a cell for each name.
    """

    names: Sequence[str]
    unit: str
    rows: Iterable[tuple[int, Sequence[Any]]]


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
        return _series(variable, _FORMATS[name.rpartition(".")[2]](data, limit))
    except _DefectError as defect:
        raise HistoricalDataError(f"{name}: {defect}") from defect


class _Dates:
    """A column of dates under way: all with the same offset from UTC, or all without any."""

    def __init__(self, column: str) -> None:
        self.column = column
        self.days = array("q")
        self.first: tuple[str, timedelta | None] | None = None

    def add(self, moment: datetime | None, place: str) -> None:
        """Take in the next date, or that there is none."""
        if moment is None:
            self.days.append(_NO_DAY)
            return
        self.days.append(moment.toordinal() - _EPOCH)
        self.first = self.first or (place, moment.utcoffset())
        if moment.utcoffset() != self.first[1]:
            raise _DefectError(
                f"{place}: {self.column} has {_zone(moment.utcoffset())}, {self.first[0]} has "
                f"{_zone(self.first[1])}: write plain dates or one time zone throughout"
            )

    def as_array(self) -> NDArray[np.datetime64]:
        """Return the days, [T]."""
        return np.array(self.days, np.int64).view("M8[D]")


def _series(variable: str, records: _Records) -> Series:
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
        raise _DefectError("it holds no observations: add rows or remove the file")
    return _sorted_series(variable, dates, values, published, records.unit, numbers)


def _sorted_series(
    variable: str, dates: _Dates, values: array, published: _Dates, unit: str, numbers: array
) -> Series:
    """Put the rows in order of date; `numbers` are their places in the file, in `unit`s."""
    timestamps, known = dates.as_array(), published.as_array()
    order = np.argsort(timestamps, kind="stable")
    days = timestamps[order]
    twice = np.flatnonzero(days[1:] == days[:-1])
    if len(twice):
        first, second = (f"{unit} {numbers[order[twice[0] + i]]}" for i in (0, 1))
        raise _DefectError(f"{first} and {second} both have the date {days[twice[0]]}: keep one")
    kept = None if np.isnat(known).all() else known[order]
    return Series(variable, days, np.array(values)[order], kept)


def _parsed(cells: Mapping[str, Any], column: str, parse: Callable[[Any], T], place: str) -> T:
    try:
        return parse(cells[column])
    except ValueError as error:
        shown = reprlib.repr(cells[column])
        raise _DefectError(f"{place}: {column} {shown} {error}") from error


def _zone(offset: timedelta | None) -> str:
    return "no time zone" if offset is None else f"the UTC offset {offset}"


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


def _csv_records(data: bytes, _: int) -> _Records:
    """Read CSV with a header; the place of a record is its line in the file."""
    _decoded(data)
    _check_commas(data)
    rows = _csv_rows(data)
    header = [name.strip() for name in next(rows, (0, []))[1]]
    _check_columns(header)
    names = [name for name in _COLUMNS if name in header]
    at = [header.index(name) for name in names]

    def cells(line: int, row: list[str]) -> tuple[int, list[str]]:
        if len(row) != len(header):
            raise _DefectError(
                f"line {line}: {len(row)} fields, but the header has {len(header)}: separate "
                "fields by commas and write decimals with a point"
            )
        return line, [row[i] for i in at]

    return _Records(names, "line", itertools.starmap(cells, rows))


def _check_commas(data: bytes) -> None:
    """Refuse lines of so many fields that they take far more memory than they are long."""
    for line, content in enumerate(io.BytesIO(data), 1):
        commas = content.count(b",")
        if commas > _MOST_COMMAS:
            raise _DefectError(
                f"line {line}: {commas} commas, more than {_MOST_COMMAS}: write one observation a "
                "line, timestamp and value"
            )


def _csv_rows(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank with the number of its line."""
    text = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="")
    reader = csv.reader(text, strict=True)
    try:
        yield from ((reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        raise _DefectError(f"line {reader.line_num}: {error}: save it as plain CSV") from error


def _json_records(data: bytes, _: int) -> _Records:
    """Read JSON: a list of records, one record a line, or an object of lists."""
    text = _decoded(data).strip()
    first, newline, _rest = text.partition("\n")
    if newline and re.fullmatch(r"\{.*\}\s*", first):
        lines = enumerate(io.StringIO(text), 1)
        content = (_json_loads(line, f"line {i}: ") for i, line in lines if line.strip())
        return _Records(_COLUMNS, "record", _record_rows(content))
    content = _json_loads(text, "")
    if isinstance(content, list):
        return _Records(_COLUMNS, "record", _record_rows(content))
    if not isinstance(content, dict):
        raise _DefectError("it holds neither records nor lists: write a list of records")
    columns = {name: content[name] for name in _COLUMNS if name in content}
    _check_columns(list(columns))
    if not all(isinstance(cells, list) for cells in columns.values()):
        raise _DefectError(f"{', '.join(columns)} must be lists: write a list of records instead")
    if len({len(cells) for cells in columns.values()}) > 1:
        raise _DefectError(
            "its lists differ in length: give a timestamp and a value for each record"
        )
    return _Records(list(columns), "record", enumerate(zip(*columns.values(), strict=True), 1))


def _json_loads(text: str, place: str) -> Any:  # noqa: ANN401 - not validated yet
    _check_density(text, place)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _DefectError(f"{place}not JSON ({error}): write a list of records") from error


def _check_density(text: str, place: str) -> None:
    """Refuse what would take more than ten times its size once loaded; records take eight times."""
    keys = sum(1 for _ in _KEY.finditer(text))
    texts = text.count('"') // 2 - keys
    values = max(text.count(",") - texts, 0)
    brackets = text.count("{") + text.count("[")
    memory = _JSON_BRACKET * brackets + _JSON_TEXT * texts + _JSON_VALUE * values
    if memory > _JSON_DENSITY * len(text) + _JSON_FREE or keys > len(text) // _JSON_KEY + _JSON_KEY:
        raise _DefectError(
            f"{place}not JSON of records ({brackets} opening brackets, {keys} keys, {texts} texts "
            f"and {values} other values in {len(text)} characters): write a list of records"
        )


def _record_rows(records: Iterable[Any]) -> Iterator[tuple[int, list[Any]]]:
    """Yield the cells of each record; it may lack `published_at` alone."""
    for i, record in enumerate(records, 1):
        if not isinstance(record, dict) or not set(_REQUIRED) <= record.keys():
            raise _DefectError(f"record {i}: it must be an object with timestamp and value")
        yield i, [record.get(name) for name in _COLUMNS]


def _parquet_records(data: bytes, limit: int) -> _Records:
    """Read Parquet; a timestamp with a time zone counts as its local date."""
    try:
        file = pq.ParquetFile(
            pa.BufferReader(data), read_dictionary=_texts(data), page_checksum_verification=True
        )
        names = [name for name in _COLUMNS if name in file.schema_arrow.names]
        _check_unpacked(file, names, limit)
        table = file.read(columns=names)
        columns = [_python_cells(table[name]) for name in names]
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        # Arrow may quote bytes of the file.
        cause = str(error).partition("\n")[0].encode("unicode_escape").decode()
        raise _DefectError(f"not readable as Parquet ({cause}): write it again") from error
    return _Records(names, "row", enumerate(zip(*columns, strict=True), 1))


def _texts(data: bytes) -> list[str]:
    """Name the columns of texts; they are read as dictionaries, which hold each text once."""
    schema = pq.read_schema(pa.BufferReader(data))
    _check_columns(schema.names)
    fields = (schema.field(name) for name in _COLUMNS if name in schema.names)
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary)
    return [field.name for field in fields if any(kind(field.type) for kind in kinds)]


def _check_unpacked(file: pq.ParquetFile, names: Sequence[str], limit: int) -> None:
    """Refuse a file that is small only as long as it is packed, or whose cells hold lists."""
    for field in (file.schema_arrow.field(name) for name in names):
        if pa.types.is_nested(field.type):
            raise _DefectError(f"column {field.name} holds {field.type}: write one value a row")
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    size = max(sum(group.total_byte_size for group in groups), _ROW_BYTES * file.metadata.num_rows)
    if size > limit:
        raise _DefectError(
            f"{size} bytes when unpacked are more than the {limit} that are read: remove what is "
            "no observation, or set max_source_bytes higher"
        )


def _python_cells(column: pa.ChunkedArray) -> list[Any]:
    """Return numbers, texts and dates as Python has them."""
    if pa.types.is_dictionary(column.type):
        _check_lengths(column)
    if pa.types.is_timestamp(column.type):
        if column.type.tz:
            column = pc.local_timestamp(column)  # pyright: ignore[reportAttributeAccessIssue]
        column = column.cast(pa.date32())
    elif pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    return column.to_pylist()


def _check_lengths(column: pa.ChunkedArray) -> None:
    """Refuse texts too long for a date or number: a file holds each once, a list once a row."""
    for chunk in column.chunks:
        texts = chunk.dictionary.cast(pa.large_binary())
        lengths = pc.binary_length(texts)  # pyright: ignore[reportAttributeAccessIssue]
        longest = pc.max(lengths).as_py() or 0  # pyright: ignore[reportAttributeAccessIssue]
        if longest > _LONGEST:
            raise _DefectError(
                f"a cell has {longest} bytes, more than the {_LONGEST} of any date or number: "
                "correct it"
            )


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


_FORMATS: Final[dict[str, Callable[[bytes, int], _Records]]] = {
    "csv": _csv_records,
    "json": _json_records,
    "parquet": _parquet_records,
}
#: Endings of the files that can be read.
SUFFIXES: Final = tuple(_FORMATS)
