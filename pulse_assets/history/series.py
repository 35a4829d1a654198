"""One historical variable: its dates and values, validated by the readers."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from pulse_assets.array_types import Bools, Dates, Floats, Ints
from pulse_assets.history.given_forecasts import GivenForecasts


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
class Revisions:
    """The later releases of the observations of a series, R of them.

    A release whose value is that of the release before, or which has no value, is left out: it
    changes nothing.

    Args:
        rows: row of each release's observation in the series, [R], ascending.
        values: the released values, [R], never NaN.
        published_at: first day on which each release was public, [R], datetime64[D], ascending
            within a row, never NaT.
        places: number of each release in its file, [R], from 1; None: it was read from none.
    """

    rows: Ints
    values: Floats
    published_at: Dates
    places: Ints | None = None

    def __post_init__(self) -> None:
        """Make the arrays read-only: one series serves all batches of a process."""
        _make_read_only(self.rows, self.values, self.published_at, self.places)

    def from_row(self, row: int) -> Self | None:
        """Return the releases of the observations from a row on; None if there are none."""
        first = int(np.searchsorted(self.rows, row))
        if first == len(self.rows):
            return None
        places = None if self.places is None else self.places[first:]
        columns = (self.rows[first:] - row, self.values[first:], self.published_at[first:])
        return replace(
            self, rows=columns[0], values=columns[1], published_at=columns[2], places=places
        )


def _make_read_only(*arrays: Dates | Floats | Ints | None) -> None:
    for array in arrays:
        if array is not None:
            array.flags.writeable = False


@dataclass(frozen=True, eq=False)
class Series:
    """The observations of one variable, in order of date, at most one per day.

    A date may have several releases. `values` and `published_at` are those of the first release,
    which may have no value; `revisions` holds the later ones.

    Args:
        variable: its name.
        timestamps: dates of the observations, [T], datetime64[D].
        values: the observations as they were first released, [T]; NaN where there is none.
        published_at: first day on which each value was public, [T], datetime64[D]; NaT where the
            source does not say, None where it says so of none.
        file: the file that it was read from, for messages; empty if it was read from none.
        unit: what `places` count: lines of CSV, records of JSON, rows of Parquet.
        places: number of each observation in its file, [T], from 1; None: its number in the series.
        parts: the files that `places` count over, if they are several.
        column: the column of the file or the name in it that the series has, for messages; empty if
            the file holds one series.
        revisions: later releases with other values; None if there are none.
        forecasts: the forecasts of it that the source holds, one per model.
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
    revisions: Revisions | None = None
    forecasts: tuple[GivenForecasts, ...] = ()

    def __post_init__(self) -> None:
        """Make the arrays read-only: one series serves all batches of a process."""
        _make_read_only(self.timestamps, self.values, self.published_at, self.places)

    def from_row(self, row: int) -> Self:
        """Return the observations from a row on, with their places in the file."""
        places = np.arange(1, len(self.timestamps) + 1) if self.places is None else self.places
        published = None if self.published_at is None else self.published_at[row:]
        columns = {"timestamps": self.timestamps[row:], "values": self.values[row:]}
        revisions = self.revisions and self.revisions.from_row(row)
        return replace(
            self, **columns, published_at=published, places=places[row:], revisions=revisions
        )

    @property
    def has_value(self) -> Bools:
        """Whether a value of each observation was ever released, [T].

        A first release may lack the value that a later one has.
        """
        released = np.isfinite(self.values)
        if self.revisions is not None:
            released[self.revisions.rows] = True
        return released

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
        return self._place_of(at + 1 if self.places is None else int(self.places[at]))

    def row(self, index: int) -> str:
        """Return where an observation is in its file, and its date.

        Example:
            >>> Series("gdp", np.array(["2020-01-01"], "M8[D]"), np.ones(1)).row(0)
            'row 1 (2020-01-01)'
        """
        return f"{self.place(index)} ({self.timestamps[index]})"

    def release(self, index: int) -> str:
        """Return where a later release is in its file, and the date of its observation.

        Example:
            >>> later = Revisions(np.array([0]), np.ones(1), np.array(["2020-03-01"], "M8[D]"))
            >>> day = np.array(["2020-01-01"], "M8[D]")
            >>> Series("gdp", day, np.zeros(1), revisions=later).release(0)
            'a later release of row 1 (2020-01-01)'
        """
        later = self.revisions
        assert later is not None, "a series without revisions has no later release"  # noqa: S101
        row = int(later.rows[index])
        if later.places is None:
            return f"a later release of {self.row(row)}"
        return f"{self._place_of(int(later.places[index]))} ({self.timestamps[row]})"

    def _place_of(self, number: int) -> str:
        return self.parts.place(self.unit, number) if self.parts else f"{self.unit} {number}"
