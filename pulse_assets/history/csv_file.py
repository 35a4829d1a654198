"""Records of a CSV file."""

import csv
import io
import itertools
from collections.abc import Iterator

from pulse_assets.history.records import COLUMNS, DefectError, Records, check_columns, decoded


def csv_records(data: bytes, _: int) -> Records:
    """Read CSV with a header; the place of a record is its line in the file."""
    decoded(data)
    rows = _csv_rows(data)
    header = [name.strip() for name in next(rows, (0, []))[1]]
    check_columns(header)
    names = [name for name in COLUMNS if name in header]
    at = [header.index(name) for name in names]

    def cells(line: int, row: list[str]) -> tuple[int, list[str]]:
        if len(row) != len(header):
            raise DefectError(f"line {line}: {_miscounted(len(row), len(header))}")
        return line, [row[i] for i in at]

    return Records(names, "line", itertools.starmap(cells, rows))


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
