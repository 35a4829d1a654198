"""Columns of an Arrow table as dates, numbers and names, all rows at once.

A column that holds anything unusual raises `NotPlainError`, and the table is read row by row. So
everything that is accepted here is read as `row_by_row.py` would read it.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.array_types import Dates, Floats, Ints
from pulse_assets.history.cells import (
    as_text,
    parse_date,
    parse_name,
    parse_number,
    parse_optional_date,
    parse_us_date,
)
from pulse_assets.history.layouts import Layout
from pulse_assets.history.observed import LongRows, NotPlainError, WideRows
from pulse_assets.history.row_by_row import EPOCH, MOST_CODES, is_code, note_codes

#: The first and last days that Python's dates can hold, counted from 1970-01-01.
FIRST_DAY, LAST_DAY = -719162, 2932896
_compute: Final[Any] = pc  # its functions are made when it is imported, which pyright cannot see


def long_rows(table: pa.Table, unit: str, first: int) -> LongRows:
    """Return the rows of one series, or of several below each other.

    Args:
        table: columns `timestamp` and `value`, and perhaps `variable` and `published_at`.
        unit: what rows are counted in.
        first: number of the first row.

    Raises:
        NotPlainError: it must be read row by row.
    """
    names, codes = [""], np.zeros(table.num_rows, np.int64)
    if "variable" in table.column_names:
        names, codes = names_of(table["variable"])
    published = None
    if "published_at" in table.column_names:
        published = days_of(table["published_at"], parse_optional_date)
    days = days_of(table["timestamp"], parse_date)
    _require(not np.isnat(days).any())
    places = np.arange(first, first + table.num_rows)
    return LongRows(names, codes, days, numbers_of(table["value"]), published, unit, places)


def wide_rows(table: pa.Table, layout: Layout, unit: str, first: int) -> WideRows:
    """Return the rows of a wide table, whose first column holds the dates.

    Rows without any cell are left out, and so are the rows of codes below the header.

    Args:
        table: the columns of the layout.
        layout: names of the columns.
        unit: what rows are counted in.
        first: number of the first row.

    Raises:
        NotPlainError: it must be read row by row.
    """
    heads = table.column(0).slice(0, MOST_CODES).to_pylist()
    codes = next((i for i, head in enumerate(heads) if not is_code(head)), len(heads))
    notes = [note_codes(f"{unit} {first + i}", heads[i]) for i in range(codes)]
    table = table.slice(codes)
    days = days_of(table.column(0), parse_us_date if layout.us_dates else parse_date)
    places = np.arange(first + codes, first + codes + table.num_rows)
    columns = [numbers_of(table.column(i)) for i in range(1, table.num_columns)]
    dated = ~np.isnat(days)
    _require(all(np.isnan(column[~dated]).all() for column in columns))
    return WideRows(
        layout.names[1:],
        days[dated],
        lambda series: columns[series][dated],
        unit,
        places[dated],
        notes,
    )


def _require(sound: bool | np.bool_) -> None:
    if not sound:
        raise NotPlainError


def names_of(column: pa.ChunkedArray) -> tuple[list[str], Ints]:
    """Return the different names, and for each row the number of its name.

    Raises:
        NotPlainError: the column must be read row by row.
    """
    _require(column.null_count == 0 and not pa.types.is_nested(column.type))
    texts, codes = _distinct(column)
    names = [_parse(parse_name, text) for text in texts]
    distinct = list(dict.fromkeys(names))  # two may differ in blanks around them
    numbers = {name: number for number, name in enumerate(distinct)}
    return distinct, np.array([numbers[name] for name in names], np.int64)[codes]


def days_of(column: pa.ChunkedArray, parse: Callable[[Any], datetime | None]) -> Dates:
    """Return the dates; NaT where a cell is empty.

    Raises:
        NotPlainError: the column must be read row by row.
    """
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        days = as_dates(column).cast(pa.int32()).to_numpy().astype(np.float64)
        _require(not ((days < FIRST_DAY) | (days > LAST_DAY)).any())
        return _dated(days)
    _require(_is_text(kind) or pa.types.is_null(kind))
    if plain := _plain_dates(column):
        return days_of(plain, parse)
    texts, codes = _distinct(column)
    moments = [None if as_text(text) == "" else _parse(parse, text) for text in texts]
    _require(len({moment.utcoffset() for moment in moments if moment}) < 2)
    days = [np.nan if moment is None else moment.toordinal() - EPOCH for moment in moments]
    return _dated(np.array([*days, np.nan])[codes])


def _plain_dates(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return texts that all look like 2020-01-31 as dates; None if one looks otherwise."""
    if pa.types.is_dictionary(column.type):
        return None
    try:
        return column.cast(pa.date32())
    except pa.ArrowInvalid:
        return None


def _dated(days: Floats) -> Dates:
    """Return dates from numbers of days since 1970-01-01, NaN where there is none."""
    dates = np.full(len(days), np.datetime64("NaT", "D"), "M8[D]")
    dated = ~np.isnan(days)
    dates[dated] = days[dated].astype(np.int64).astype("M8[D]")
    return dates


def as_dates(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return timestamps as dates; one with a time zone counts as its local date."""
    if pa.types.is_timestamp(column.type):
        if column.type.tz:
            column = _compute.local_timestamp(column)
        column = column.cast(pa.date32())
    return column.cast(pa.date32())


def numbers_of(column: pa.ChunkedArray) -> Floats:
    """Return the values; NaN where a cell is empty.

    Raises:
        NotPlainError: the column must be read row by row.
    """
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = column.cast(pa.float64(), safe=False).to_numpy()
    elif pa.types.is_null(kind):
        numbers = np.full(len(column), np.nan)
    else:
        _require(_is_text(kind))
        texts, codes = _distinct(column)
        numbers = np.array([*(_parse(parse_number, text) for text in texts), np.nan])[codes]
    numbers = np.array(numbers, np.float64)  # a copy: it frees the memory of the table
    _require(not np.isinf(numbers).any())
    return numbers


def _distinct(column: pa.ChunkedArray) -> tuple[list[Any], Ints]:
    """Return the different cells, and for each row the number of its cell; -1 where it is empty."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    if not encoded.num_chunks:
        return [], np.zeros(0, np.int64)
    whole: Any = encoded.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0)
    codes = whole.indices.fill_null(-1).to_numpy().astype(np.int64)
    return whole.dictionary.to_pylist(), codes


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _parse(parse: Callable[[Any], Any], text: object) -> Any:  # noqa: ANN401 - what `parse` gives
    try:
        return parse(text)
    except ValueError as error:
        raise NotPlainError from error
