"""Records of a Parquet file, row by row or whole."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pulse_assets.history.layouts import Layout
from pulse_assets.history.plain_types import with_plain_types
from pulse_assets.history.records import DefectError, Records
from pulse_assets.history.whole_columns import FIRST_DAY, LAST_DAY, as_dates

#: Bytes of a Parquet row when unpacked, at least: a date and a number.
_ROW_BYTES: Final = 16
#: Bytes at most of a text in Parquet, and of the name of a series.
_LONGEST: Final = 100
_LONGEST_NAME: Final = 1000

#: Returns which columns are read, given the names of all.
Find = Callable[[Sequence[str]], Layout]


def parquet_table(
    data: bytes, find: Find, limit: int, folders: Mapping[str, str | None] = MappingProxyType({})
) -> tuple[Layout, pa.Table]:
    """Read Parquet whole; texts are dictionaries, which hold each text once.

    Args:
        data: content of the file.
        find: returns which columns are read, given the names of all.
        limit: largest number of bytes when unpacked.
        folders: further columns, which hold one text each: those that its folders name.

    Raises:
        DefectError: it cannot be read, unpacks to more than `limit` bytes, or lacks a column.
    """
    try:
        schema = pq.read_schema(pa.BufferReader(data))
        own = dict(zip(schema.names, schema.types, strict=True))
        every = [*schema.names, *(name for name in folders if name not in own)]
        layout = find(every)
        chosen = [every[position] for position in layout.positions]
        kinds = {name: own[name] for name in chosen if name in own}
        texts = [name for name, kind in kinds.items() if _is_text(kind)]
        file = pq.ParquetFile(
            pa.BufferReader(data), read_dictionary=texts, page_checksum_verification=True
        )
        _check_unpacked(file, kinds, limit)
        # Arrow's threads could outlive a short program, whose end they then abort.
        table = file.read(columns=list(kinds), use_threads=False)
        for name in (name for name in chosen if name not in kinds):
            table = table.append_column(name, _constant(folders[name], file.metadata.num_rows))
        return layout, with_plain_types(table.select(chosen)).rename_columns(list(layout.names))
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:
        raise unreadable(error) from error


def table_records(table: pa.Table, layout: Layout) -> Records:
    """Return the rows of a table as Python has them; a timestamp with a zone is its local date."""
    try:
        columns = [
            _python_cells(table.column(i), name, is_name=name == "variable")
            for i, name in enumerate(layout.names)
        ]
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise unreadable(error) from error
    return Records(layout.names, "row", enumerate(zip(*columns, strict=True), 1))


def _constant(text: str | None, count: int) -> pa.Array:
    """Return a column that holds one text, which takes little memory."""
    return pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), [text or ""])


def unreadable(error: Exception) -> DefectError:
    """Return the defect of which Arrow raised an error; Arrow may quote bytes of the file."""
    cause = str(error).partition("\n")[0].encode("unicode_escape").decode()
    return DefectError(f"not readable as Parquet ({cause}): write it again")


def _is_text(kind: pa.DataType) -> bool:
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary)
    return any(is_kind(kind) for is_kind in kinds)


def _check_unpacked(file: pq.ParquetFile, kinds: Mapping[str, pa.DataType], limit: int) -> None:
    """Refuse a file that is too large once unpacked, or whose cells hold lists."""
    for name, kind in kinds.items():
        if pa.types.is_nested(kind):
            raise DefectError(f"column {name} holds {kind}: write one value per row")
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    size = max(sum(group.total_byte_size for group in groups), _ROW_BYTES * file.metadata.num_rows)
    if size > limit:
        raise DefectError(
            f"{size} bytes when unpacked are more than the {limit} that are read: remove what is "
            "no observation, or set max_source_bytes higher"
        )


def _python_cells(column: pa.ChunkedArray, name: str, *, is_name: bool) -> list[Any]:
    """Return numbers, texts and dates as Python has them."""
    if pa.types.is_dictionary(column.type):
        _check_lengths(column, _LONGEST_NAME if is_name else _LONGEST)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        column = as_dates(column)
        _check_years(column, name)
    elif pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    return column.to_pylist()


def _check_years(column: pa.ChunkedArray, name: str) -> None:
    """Refuse dates outside of the years 1 to 9999, which Python does not have."""
    days = column.cast(pa.int32()).to_numpy()
    outside = np.flatnonzero((days < FIRST_DAY) | (days > LAST_DAY))
    if len(outside):
        row = int(outside[0])
        raise DefectError(
            f"row {row + 1}: {name} is {days[row]:g} days from 1970-01-01, outside of the years 1 "
            "to 9999: correct it"
        )


def _check_lengths(column: pa.ChunkedArray, most: int) -> None:
    """Refuse texts that are too long: a file holds each once, memory once per row."""
    for chunk in column.chunks:
        texts = chunk.dictionary.cast(pa.large_binary())
        lengths = pc.binary_length(texts)  # pyright: ignore[reportAttributeAccessIssue]
        longest = pc.max(lengths).as_py() or 0  # pyright: ignore[reportAttributeAccessIssue]
        if longest > most:
            what = "date or number" if most == _LONGEST else "name"
            raise DefectError(
                f"a cell has {longest} bytes, more than the {most} of any {what}: correct it"
            )
