"""Records of a Parquet file."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pulse_assets.history.records import COLUMNS, DefectError, Records, check_columns

#: Bytes of a Parquet row when unpacked, at least: a date and a number.
_ROW_BYTES: Final = 16
#: The first and last days that Python's dates can hold, counted from 1970-01-01.
_FIRST_DAY, _LAST_DAY = -719162, 2932896
#: Bytes of a text in Parquet at most.
_LONGEST: Final = 100


def parquet_records(data: bytes, limit: int) -> Records:
    """Read Parquet; a timestamp with a time zone counts as its local date."""
    try:
        file = pq.ParquetFile(
            pa.BufferReader(data), read_dictionary=_texts(data), page_checksum_verification=True
        )
        names = [name for name in COLUMNS if name in file.schema_arrow.names]
        _check_unpacked(file, names, limit)
        table = file.read(columns=names)
        columns = [_python_cells(table[name], name) for name in names]
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        # Arrow may quote bytes of the file.
        cause = str(error).partition("\n")[0].encode("unicode_escape").decode()
        raise DefectError(f"not readable as Parquet ({cause}): write it again") from error
    return Records(names, "row", enumerate(zip(*columns, strict=True), 1))


def _texts(data: bytes) -> list[str]:
    """Name the columns of texts; they are read as dictionaries, which hold each text once."""
    schema = pq.read_schema(pa.BufferReader(data))
    check_columns(schema.names)
    fields = (schema.field(name) for name in COLUMNS if name in schema.names)
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary)
    return [field.name for field in fields if any(kind(field.type) for kind in kinds)]


def _check_unpacked(file: pq.ParquetFile, names: Sequence[str], limit: int) -> None:
    """Refuse a file that is too large once unpacked, or whose cells hold lists."""
    for field in (file.schema_arrow.field(name) for name in names):
        if pa.types.is_nested(field.type):
            raise DefectError(f"column {field.name} holds {field.type}: write one value per row")
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    size = max(sum(group.total_byte_size for group in groups), _ROW_BYTES * file.metadata.num_rows)
    if size > limit:
        raise DefectError(
            f"{size} bytes when unpacked are more than the {limit} that are read: remove what is "
            "no observation, or set max_source_bytes higher"
        )


def _python_cells(column: pa.ChunkedArray, name: str) -> list[Any]:
    """Return numbers, texts and dates as Python has them."""
    if pa.types.is_dictionary(column.type):
        _check_lengths(column)
    if pa.types.is_timestamp(column.type):
        if column.type.tz:
            column = pc.local_timestamp(column)  # pyright: ignore[reportAttributeAccessIssue]
        column = column.cast(pa.date32())
    if pa.types.is_date(column.type):
        _check_years(column.cast(pa.date32()), name)
    elif pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    return column.to_pylist()


def _check_years(column: pa.ChunkedArray, name: str) -> None:
    """Refuse dates outside of the years 1 to 9999, which Python does not have."""
    days = column.cast(pa.int32()).to_numpy()
    outside = np.flatnonzero((days < _FIRST_DAY) | (days > _LAST_DAY))
    if len(outside):
        row = int(outside[0])
        raise DefectError(
            f"row {row + 1}: {name} is {days[row]:g} days from 1970-01-01, outside of the years 1 "
            "to 9999: correct it"
        )


def _check_lengths(column: pa.ChunkedArray) -> None:
    """Refuse texts too long for a date or number: a file holds each once, memory once per row."""
    for chunk in column.chunks:
        texts = chunk.dictionary.cast(pa.large_binary())
        lengths = pc.binary_length(texts)  # pyright: ignore[reportAttributeAccessIssue]
        longest = pc.max(lengths).as_py() or 0  # pyright: ignore[reportAttributeAccessIssue]
        if longest > _LONGEST:
            raise DefectError(
                f"a cell has {longest} bytes, more than the {_LONGEST} of any date or number: "
                "correct it"
            )
