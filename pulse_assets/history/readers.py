"""Files of historical observations to `Series`: CSV, JSON and Parquet, every cell checked.

A file holds one series, or a table of many: below each other (long) or side by side (wide). CSV and
Parquet are read in whole columns; where something is unusual or wrong, the file is read again row
by row, by which an error names the row. Whatever is wrong is a `HistoricalDataError` that names the
file, the row, the column or series, and the fix. `max_source_bytes` bounds the size of a file, or
of what a Parquet file unpacks to. The largest memory use is 30 times that size; for observations it
is less than 10 times.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final, cast

import pyarrow as pa

from pulse_assets.errors import HistoricalDataError
from pulse_assets.history import row_by_row, whole_columns
from pulse_assets.history.csv_file import FIRST_LINE, Find, csv_records, csv_table
from pulse_assets.history.json_file import json_records
from pulse_assets.history.layouts import Kind, Layout, find_layout
from pulse_assets.history.observed import (
    FileContent,
    LongRows,
    NotPlainError,
    WideRows,
    joined,
    long_content,
    single_series,
    wide_content,
)
from pulse_assets.history.parquet_file import parquet_table, table_records
from pulse_assets.history.plain_types import with_plain_types
from pulse_assets.history.records import COLUMNS, DefectError, Records
from pulse_assets.history.series import Series

#: Larger files of one series are refused unless the settings say otherwise: a century of days is
#: below two megabytes in every format.
MAX_BYTES: Final = 20_000_000
#: Larger tables are refused unless the settings say otherwise: this is 10,000 series of 2,500 rows.
MAX_TABLE_BYTES: Final = 1_000_000_000
#: Endings of the files that can be read, and of the tables.
SUFFIXES: Final = ("csv", "json", "parquet")
TABLE_SUFFIXES: Final = ("csv", "parquet")


def read_series(data: bytes, variable: str, name: str, limit: int = MAX_BYTES) -> Series:
    r"""Read one file of observations of one variable.

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
    return read_content(data, name, "single", variable, limit).series[variable]


def read_content(
    data: bytes, name: str, kind: Kind | None, variable: str = "", limit: int = MAX_TABLE_BYTES
) -> FileContent:
    r"""Read one file of observations.

    Args:
        data: content of the file.
        name: name of the file, for messages; its ending decides the format.
        kind: how the file is arranged; None: as its columns say.
        variable: name of the series of a file that holds one.
        limit: refuse what is larger, a Parquet file when unpacked, in bytes.

    Raises:
        HistoricalDataError: the file cannot be read or a row is not sound.

    Example:
        >>> table = b"date,gdp,S&P 500\n2020-01-01,1,2\n2020-02-01,,3\n"
        >>> content = read_content(table, "x.csv", "wide")
        >>> {name: len(series.values) for name, series in content.series.items()}
        {'gdp': 1, 'S_P_500': 2}
    """
    find = partial(find_layout, kind=kind)
    read = {"csv": _csv_rows, "json": _json_rows, "parquet": _parquet_rows}
    try:
        layout, rows = read[name.rpartition(".")[2]](data, find, limit)
        return _content(rows, layout, variable, name)
    except DefectError as defect:
        raise HistoricalDataError(f"{name}: {defect}") from defect


def read_parts(
    files: Mapping[str, Callable[[int], bytes]], name: str, limit: int = MAX_TABLE_BYTES
) -> FileContent:
    """Read one long table from several Parquet files.

    Args:
        files: function that returns the content of each file, given the largest size, by its name
            below the folder. Parts of the name such as `unique_id=gdp` are columns.
        name: name of the folder, for messages.
        limit: refuse what is larger when unpacked, all files together, in bytes.

    Raises:
        HistoricalDataError: a file cannot be read, a row is not sound, or a series has a date
            twice.
    """
    read: dict[str, LongRows] = {}
    find = partial(find_layout, kind="long")
    for path, content in files.items():
        try:
            table = parquet_table(content(limit), find, limit, folder_columns(path))
            rows = _table_rows(*table)
        except DefectError as defect:
            raise HistoricalDataError(f"{name}/{path}: {defect}") from defect
        limit -= table[1].nbytes
        read[path] = cast("LongRows", rows)
    try:
        return long_content(joined(read), name)
    except DefectError as defect:
        raise HistoricalDataError(f"{name}: {defect}") from defect


def folder_columns(path: str) -> dict[str, str | None]:
    """Return the columns that the folders of a file name, as Hive writes them.

    Example:
        >>> folder_columns("year=2020/unique_id=S%26P%20500/part-0.parquet")
        {'year': '2020', 'unique_id': 'S&P 500'}
    """
    names = [part.partition("=")[0] for part in path.split("/")[:-1] if "=" in part]
    if not names:
        return {}
    from pyarrow import dataset  # late: few sources need it

    schema = pa.schema([(name, pa.string()) for name in dict.fromkeys(names)])
    values = dataset.get_partition_keys(dataset.partitioning(schema, flavor="hive").parse(path))
    return {name: values.get(name) for name in schema.names}


def read_frame(table: pa.Table, name: str) -> FileContent:
    """Read an Arrow table, long or wide as its columns say.

    Args:
        table: dates, numbers and texts.
        name: what to call it in messages.

    Raises:
        HistoricalDataError: a row is not sound, or a column is missing.
    """
    try:
        layout = find_layout(table.column_names, None)
        if layout.kind == "single":  # it has no name: its column of values has
            layout = find_layout(table.column_names, "wide")
        chosen = with_plain_types(table.select(list(layout.positions)))
        chosen = chosen.rename_columns(list(layout.names))
        return _content(_table_rows(layout, chosen), layout, "", name)
    except DefectError as defect:
        raise HistoricalDataError(f"{name}: {defect}") from defect


def _content(rows: LongRows | WideRows, layout: Layout, variable: str, name: str) -> FileContent:
    if isinstance(rows, WideRows):
        return wide_content(rows, name)
    if layout.kind == "single":
        return FileContent({variable: single_series(rows, variable, name)})
    return long_content(rows, name)


def _csv_rows(data: bytes, find: Find, _: int) -> tuple[Layout, LongRows | WideRows]:
    with suppress(NotPlainError):
        layout, table = csv_table(data, find)
        return layout, _whole(table, layout, "line", FIRST_LINE)
    # Out of the `except` clause, whose error would hold on to the memory of the first try.
    layout, records = csv_records(data, find)
    return layout, _row_by_row(records, layout)


def _parquet_rows(data: bytes, find: Find, limit: int) -> tuple[Layout, LongRows | WideRows]:
    layout, table = parquet_table(data, find, limit)
    return layout, _table_rows(layout, table)


def _json_rows(data: bytes, _: Find, limit: int) -> tuple[Layout, LongRows | WideRows]:
    layout = Layout("single", COLUMNS, tuple(range(len(COLUMNS))))
    return layout, row_by_row.long_rows(json_records(data, limit))


def _table_rows(layout: Layout, table: pa.Table) -> LongRows | WideRows:
    with suppress(NotPlainError):
        return _whole(table, layout, "row", 1)
    return _row_by_row(table_records(table, layout), layout)


def _whole(table: pa.Table, layout: Layout, unit: str, first: int) -> LongRows | WideRows:
    """Read whole columns.

    Raises:
        NotPlainError: they must be read row by row.
    """
    try:
        if layout.kind == "wide":
            return whole_columns.wide_rows(table, layout, unit, first)
        return whole_columns.long_rows(table, unit, first)
    except (pa.ArrowException, OverflowError) as error:
        raise NotPlainError from error


def _row_by_row(records: Records, layout: Layout) -> LongRows | WideRows:
    if layout.kind == "wide":
        return row_by_row.wide_rows(records, layout)
    return row_by_row.long_rows(records, layout.titles)
