"""Records of a CSV file, row by row or whole."""

import csv
import io
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.csv as pa_csv

from pulse_assets.history.layouts import Layout
from pulse_assets.history.observed import NotPlainError
from pulse_assets.history.records import DefectError, Records, decoded

#: Number of the line after the header.
FIRST_LINE: Final = 2
#: Quotation marks amid other characters or next to each other, on which parsers of CSV differ.
_ODD_QUOTE: Final = re.compile(rb'[^,\r\n"]"[^,\r\n"]|""')
#: Cells that hold no value. What else Arrow would take for none is a typing error to us.
_EMPTY: Final = ["", "nan", "NaN", "NAN", "null", "NULL", "Null", "."]
#: Bytes from which on several threads parse a file.
_LARGE: Final = 1_000_000
#: Bytes that are parsed at once: a line of a wide table must fit.
_BLOCK: Final = 1 << 23

#: Fields of a line from which on reading only the columns of one series or long table takes memory.
_MOST_FIELDS: Final = 100

#: Returns which columns are read, given the names of all.
Find = Callable[[Sequence[str]], Layout]


def csv_records(data: bytes, find: Find) -> tuple[Layout, Records]:
    """Read CSV with a header; the place of a record is its line in the file."""
    decoded(data)
    rows = _csv_rows(data)
    header = next(rows, (0, []))[1]
    _check_header(header)
    layout = find(header)
    at = layout.positions

    def cells(line: int, row: list[str]) -> tuple[int, list[str]]:
        if len(row) != len(header):
            raise DefectError(f"line {line}: {_miscounted(len(row), len(header))}")
        return line, [row[i] for i in at]

    return layout, Records(layout.names, "line", itertools.starmap(cells, rows))


def _check_header(header: list[str]) -> None:
    """Refuse a file without a header, or with other signs than commas between columns."""
    if not header:
        raise DefectError("it is empty: write a line of column names, and rows below it")
    if len(header) == 1 and (sign := re.search("[;|\t]", header[0])):
        raise DefectError(
            f"it has no commas: separate fields by commas, not {sign[0]!r}, and write decimals "
            "with a point"
        )


def csv_table(data: bytes, find: Find) -> tuple[Layout, pa.Table]:
    """Read CSV whole: texts as dictionaries, values as numbers; row 1 is on line `FIRST_LINE`.

    Raises:
        NotPlainError: it must be read row by row.
        DefectError: a column is missing or there twice.
    """
    quoted = b'"' in data
    lines_end_plainly = data.count(b"\r") == data.count(b"\r\n")
    if b"\0" in data or not lines_end_plainly or not _is_text(data):
        raise NotPlainError
    if quoted and (data.count(b'"') % 2 or _ODD_QUOTE.search(data)):
        raise NotPlainError
    line, header = next(_csv_rows(data), (0, []))
    if line != 1:
        raise NotPlainError
    _check_header(header)
    layout = find(header)
    if len(header) > _MOST_FIELDS and layout.kind != "wide":
        raise NotPlainError
    try:
        table = _parse(data, len(header), layout, quoted=quoted)
    except pa.ArrowException as error:
        raise NotPlainError from error
    if _count_lines(data) != table.num_rows + 1:  # blank lines, or lines within quotation marks
        raise NotPlainError
    return layout, table


def _parse(data: bytes, count: int, layout: Layout, *, quoted: bool) -> pa.Table:
    names = [str(position) for position in layout.positions]
    kinds = [_kind(layout, i) for i in range(len(names))]
    table = pa_csv.read_csv(
        pa.BufferReader(data),
        pa_csv.ReadOptions(
            use_threads=len(data) > _LARGE,
            block_size=_BLOCK,
            skip_rows=1,
            column_names=[str(position) for position in range(count)],
        ),
        pa_csv.ParseOptions(newlines_in_values=quoted),
        pa_csv.ConvertOptions(
            column_types=dict(zip(names, kinds, strict=True)),
            include_columns=names,
            null_values=_EMPTY,
            strings_can_be_null=False,
        ),
    )
    return table.rename_columns(list(layout.names))


def _kind(layout: Layout, column: int) -> pa.DataType:
    """Return the type as which a column is read."""
    if column > 0 if layout.kind == "wide" else layout.names[column] == "value":
        return pa.float64()
    # In a long table names and dates recur.
    return pa.dictionary(pa.int32(), pa.string()) if layout.kind == "long" else pa.string()


def _is_text(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _count_lines(data: bytes) -> int:
    """Count the lines of a file, without blank ones at its end."""
    tail = data[-1000:]
    blank = tail[len(tail.rstrip(b"\r\n")) :].count(b"\n")
    return data.count(b"\n") - blank + 1


def _miscounted(fields: int, expected: int) -> str:
    """Say what is wrong with a line of more or fewer fields than the header has."""
    counts = f"{fields} field{'s' if fields != 1 else ''}, but the header has {expected}"
    if fields < expected:
        return f"{counts}: add the missing fields, or their commas if they are empty"
    return (
        f"{counts}: separate fields by commas, write decimals with a point, and put a text with "
        "commas in quotation marks"
    )


def _csv_rows(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank with the number of its line."""
    text = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="")
    reader = csv.reader(text, strict=True)
    try:
        yield from ((reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        raise DefectError(f"line {reader.line_num}: {error}: save it as plain CSV") from error
