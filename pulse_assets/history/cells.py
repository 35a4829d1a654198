"""Cells of a source file, one at a time: dates, numbers, and what is wrong with them."""

import re
from contextlib import suppress
from datetime import date, datetime
from typing import Final

import numpy as np

#: Cells that hold no value, in lower case; FRED and ALFRED write a point.
MISSING: Final = ("", "nan", "null", ".")

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_US_DATE: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)


def parse_date(cell: object) -> datetime:
    """Parse one date in the form of ISO 8601.

    Raises:
        ValueError: it is none; the message continues after the cell.
    """
    if isinstance(cell, str | date):
        with suppress(ValueError):
            return datetime.fromisoformat(str(cell).strip())
    raise ValueError("is no date: write it like 2020-01-31")


def parse_us_date(cell: object) -> datetime:
    """Parse one date like 1/31/2020, or in the form of ISO 8601.

    Raises:
        ValueError: it is none; the message continues after the cell.

    Example:
        >>> parse_us_date("1/31/2020").isoformat()
        '2020-01-31T00:00:00'
    """
    match = _US_DATE.fullmatch(cell.strip()) if isinstance(cell, str) else None
    if match is None:
        return parse_date(cell)
    month, day, year = map(int, match.groups())
    with suppress(ValueError):
        return datetime(year, month, day)  # noqa: DTZ001 - dates have no time zone
    raise ValueError("is no date: write it like 1/31/2020")


def parse_optional_date(cell: object) -> datetime | None:
    """Parse one date; None where the cell is empty.

    Raises:
        ValueError: it is no date; the message continues after the cell.
    """
    return None if as_text(cell).lower() in MISSING else parse_date(cell)


def parse_number(cell: object) -> float:
    """Parse one value; NaN where it is missing.

    Raises:
        ValueError: it is no finite number; the message continues after the cell.
    """
    text = as_text(cell)
    if text.lower() in MISSING:
        return np.nan
    number = float(text) if _NUMBER.fullmatch(text) else np.inf
    if np.isinf(number):
        raise ValueError("is no finite number: write it like -1234.5, or leave it empty if missing")
    return number


def parse_name(cell: object) -> str:
    """Parse the name of a series.

    Raises:
        ValueError: it is empty; the message continues after the cell.
    """
    text = as_text(cell)
    if not text:
        raise ValueError("names no series: write its name")
    return text


def as_text(cell: object) -> str:
    """Return a cell as text without blanks around it; empty for None."""
    return "" if cell is None else str(cell).strip()
