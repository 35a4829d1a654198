"""One historical variable: its dates and values, validated by the readers."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from pulse_assets.array_types import Dates, Floats, Ints


@dataclass(frozen=True)
class Parts:
    """The files that one table is divided into.

    Attributes:
        first: number of the first row of each file, counted over all of them, from 1.
        names: name of each file.
    """

    first: Sequence[int]
    names: Sequence[str]

    def place(self, unit: str, number: int) -> str:
        """Return in which file a row is, and where in it.

        Example:
            >>> Parts([1, 11], ["a.parquet", "b.parquet"]).place("row", 12)
            'row 2 of b.parquet'
        """
        at = bisect_right(self.first, number) - 1
        return f"{unit} {number - self.first[at] + 1} of {self.names[at]}"


@dataclass(frozen=True, eq=False)
class Series:
    """The observations of one variable, in order of date, at most one per day.

    Args:
        variable: its name.
        timestamps: dates of the observations, [T], datetime64[D].
        values: the observations, [T]; NaN where there is none.
        published_at: first day on which each value was public, [T], datetime64[D]; NaT where it was
            public at once, None where that holds for all.
        file: the file that it was read from, for messages; empty if it was read from none.
        unit: what `places` count: lines of CSV, records of JSON, rows of Parquet.
        places: number of each observation in its file, [T], from 1; None: its number in the series.
        parts: the files that `places` count over, if they are several.
        column: the column of the file or the name in it that the series has, for messages; empty if
            the file holds one series.
    """

    variable: str
    timestamps: Dates
    values: Floats
    published_at: Dates | None = None
    file: str = ""
    unit: str = "row"
    places: Ints | None = None
    parts: Parts | None = None
    column: str = ""

    def __post_init__(self) -> None:
        """Make the arrays read-only: one series serves all batches of a process."""
        for array in (self.timestamps, self.values, self.published_at, self.places):
            if array is not None:
                array.flags.writeable = False

    def from_row(self, row: int) -> Self:
        """Return the observations from a row on, with their places in the file."""
        places = np.arange(1, len(self.timestamps) + 1) if self.places is None else self.places
        published = None if self.published_at is None else self.published_at[row:]
        columns = {"timestamps": self.timestamps[row:], "values": self.values[row:]}
        return replace(self, **columns, published_at=published, places=places[row:])

    @property
    def source(self) -> str:
        """The file, and which series of it; the name of the variable where there is no file."""
        if self.file and self.column:
            return f"{self.file}, {self.column}"
        return self.file or self.variable

    def place(self, index: int) -> str:
        """Return where an observation is in its file, without its date.

        Example:
            >>> day = np.array(["2020-01-01"], "M8[D]")
            >>> Series("gdp", day, np.ones(1), unit="line", places=np.array([2])).place(0)
            'line 2'
        """
        at = index % len(self.timestamps)
        number = at + 1 if self.places is None else int(self.places[at])
        return self.parts.place(self.unit, number) if self.parts else f"{self.unit} {number}"

    def row(self, index: int) -> str:
        """Return where an observation is in its file, and its date.

        Example:
            >>> Series("gdp", np.array(["2020-01-01"], "M8[D]"), np.ones(1)).row(0)
            'row 1 (2020-01-01)'
        """
        return f"{self.place(index)} ({self.timestamps[index]})"
