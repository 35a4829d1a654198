"""Named periods by which scores are grouped: those of a file, and recessions of the US economy."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np

from pulse_assets.array_types import DAY, MONTH

#: Columns of a file of periods.
COLUMNS: Final = ("name", "start", "end")
#: Periods of a file at most.
_MOST: Final = 500

#: Month of the peak and of the trough of each business cycle of the United States, by the National
#: Bureau of Economic Research, as of its last announcement, 2021-07-19.
_CYCLES: Final = """
1857-06 1858-12  1860-10 1861-06  1865-04 1867-12  1869-06 1870-12  1873-10 1879-03
1882-03 1885-05  1887-03 1888-04  1890-07 1891-05  1893-01 1894-06  1895-12 1897-06
1899-06 1900-12  1902-09 1904-08  1907-05 1908-06  1910-01 1912-01  1913-01 1914-12
1918-08 1919-03  1920-01 1921-07  1923-05 1924-07  1926-10 1927-11  1929-08 1933-03
1937-05 1938-06  1945-02 1945-10  1948-11 1949-10  1953-07 1954-05  1957-08 1958-04
1960-04 1961-02  1969-12 1970-11  1973-11 1975-03  1980-01 1980-07  1981-07 1982-11
1990-07 1991-03  2001-03 2001-11  2007-12 2009-06  2020-02 2020-04
"""


@dataclass(frozen=True)
class Period:
    """A period of days, which may have interruptions.

    Attributes:
        name: of the period.
        ranges: first and last day of each part, both inclusive.
    """

    name: str
    ranges: tuple[tuple[date, date], ...]

    @property
    def start(self) -> date:
        """Its first day."""
        return min(start for start, _ in self.ranges)

    @property
    def end(self) -> date:
        """Its last day."""
        return max(end for _, end in self.ranges)

    def holds(self, day: date) -> bool:
        """Return whether a day is part of it.

        Example:
            >>> Period.parse("covid", "2020-03-01:2020-06-30").holds(date(2020, 6, 30))
            True
        """
        return any(start <= day <= end for start, end in self.ranges)

    @property
    def text(self) -> str:
        """The ranges as a setting has them, such as `2020-03-01:2020-06-30`."""
        return ", ".join(f"{start}:{end}" for start, end in self.ranges)

    @classmethod
    def parse(cls, name: str, text: str) -> "Period":
        """Read ranges such as `2007-12-01:2009-06-30, 2020-02-01:2020-04-30`.

        Raises:
            ValueError: a part is no range of days; the message goes on from the setting.
        """
        parts = [part.strip().partition(":") for part in text.split(",")]
        return cls(name, tuple(_range(name, start, end) for start, _, end in parts))


def _range(name: str, start: str, end: str) -> tuple[date, date]:
    days = _day(name, start), _day(name, end)
    if days[0] > days[1]:
        raise ValueError(f"has {name} from {start.strip()} to {end.strip()}, before it starts")
    return days


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            f"has {text.strip()!r} as a day of {name}: write days like 2008-09-15"
        ) from None


def read_periods(path: Path) -> dict[str, str]:
    """Read a CSV file with the columns name, start and end; both days are part of the period.

    Rows of one name are one period with interruptions.

    Returns:
        The ranges by name, as a setting has them.

    Raises:
        ValueError: the file cannot be read, has other columns, or a row of it is no period; the
            message goes on from the name of the file.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ValueError(f"cannot be read: {reason}: name a CSV file of periods") from error
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines)]
    _check_header(rows[0] if rows else [])
    ranges: dict[str, list[str]] = {}
    for line, row in enumerate(rows[1:], 2):
        if any(row):
            name, text = _row(line, dict(zip(rows[0], row, strict=False)), len(row))
            ranges.setdefault(name, []).append(text)
    if not 0 < len(ranges) <= _MOST:
        raise ValueError(f"has {len(ranges)} periods: write 1 to {_MOST}, one per line")
    return {name: ", ".join(texts) for name, texts in ranges.items()}


def _check_header(header: Sequence[str]) -> None:
    wanted = ", ".join(COLUMNS)
    unknown = [name for name in header if name not in COLUMNS]
    if unknown:
        raise ValueError(f"has the unknown column {unknown[0]!r}: the columns are {wanted}")
    missing = [name for name in COLUMNS if name not in header]
    if missing or len(header) != len(COLUMNS):
        problem = f"lacks the column {missing[0]}" if missing else "has a column twice"
        raise ValueError(f"{problem}: its first line must be {wanted.replace(' ', '')}")


def _row(line: int, cells: Mapping[str, str], count: int) -> tuple[str, str]:
    """Return name and range of a row."""
    if count != len(COLUMNS):
        raise ValueError(f"has {count} fields on line {line} instead of {len(COLUMNS)}")
    if not cells["name"]:
        raise ValueError(f"has no name on line {line}: each period needs one")
    try:
        start, end = _range(cells["name"], cells["start"], cells["end"])
    except ValueError as error:
        raise ValueError(f"{error} (line {line})") from None
    return cells["name"], f"{start}:{end}"


def recessions() -> tuple[Period, ...]:
    """Return the recessions of the United States: the month after each peak up to the trough.

    Source:
        National Bureau of Economic Research, US business cycle expansions and contractions. The
        months are those of its indicator USREC: "from the period following the peak through the
        trough".

    Example:
        >>> recessions()[-1].name, recessions()[-1].text
        ('recession 2020', '2020-03-01:2020-04-30')
    """
    months = _CYCLES.split()
    return tuple(map(_recession, months[::2], months[1::2]))


def _recession(peak: str, trough: str) -> Period:
    start = (np.datetime64(peak, "M") + MONTH).astype("datetime64[D]").item()
    end = ((np.datetime64(trough, "M") + MONTH).astype("datetime64[D]") - DAY).item()
    years = str(start.year) if start.year == end.year else f"{start.year}-{end.year}"
    return Period(f"recession {years}", ((start, end),))


def middle_days(keys: Iterable[str], planned: Sequence[str]) -> dict[str, date]:
    """Return the middle day of each batch's window, by its key.

    Args:
        keys: keys of batches.
        planned: keys of the whole grid, in order; the window of a batch ends where the next one
            starts, and the last one is as long as the one before.

    Example:
        >>> middle_days(["2020-01-01"], ["2020-01-01", "2020-01-31"])
        {'2020-01-01': datetime.date(2020, 1, 16)}
    """
    own = sorted(keys)
    grid = sorted({*planned, *own})
    starts = np.array(grid, "datetime64[D]")
    lengths = np.diff(starts).astype(np.int64)
    typical = int(lengths[-1]) if len(lengths) else 1
    half = np.append(lengths, typical) // 2
    middles = dict(zip(grid, (starts + half).tolist(), strict=True))
    return {key: middles[key] for key in own}
