"""The rows of a source file in columns, and their division into series in order of date."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pulse_assets.array_types import Bools, Dates, Floats, Ints
from pulse_assets.history.names import describe_changes, variable_names
from pulse_assets.history.records import DefectError
from pulse_assets.history.releases import SameDayError, divide_releases
from pulse_assets.history.series import Parts, Revisions, Series


class NotPlainError(Exception):
    """Cells must be looked at one by one: one is wrong, or written in an unusual way."""


@dataclass(frozen=True)
class FileContent:
    """What a source file holds.

    Attributes:
        series: series by variable.
        empty: why a variable has no series, by variable.
        notes: what was skipped or renamed, one sentence each.
    """

    series: Mapping[str, Series]
    empty: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class LongRows:
    """Rows of one or more series below each other; N rows of S series.

    Attributes:
        names: name of each series, [S].
        codes: number of the series of each row, [N].
        days: date of each row, [N].
        values: value of each row, [N]; NaN where it is missing.
        published: first day on which the value was public, [N], NaT where the source does not say;
            None: it says so of none.
        unit: what `places` count.
        places: number of each row in its file, [N].
        parts: the files that `places` count over, if they are several.
    """

    names: Sequence[str]
    codes: Ints
    days: Dates
    values: Floats
    published: Dates | None
    unit: str
    places: Ints
    parts: Parts | None = None

    def place(self, row: int) -> str:
        """Return where a row is in its file."""
        number = int(self.places[row])
        return self.parts.place(self.unit, number) if self.parts else f"{self.unit} {number}"


@dataclass(frozen=True)
class WideRows:
    """Rows with a date and a value per series; N rows of S series.

    Attributes:
        names: name of each series, [S].
        days: date of each row, [N].
        column: returns the values of a series by its number, [N]; NaN where there is none.
        unit: what `places` count.
        places: number of each row in its file, [N].
        notes: rows that were skipped, in words.
    """

    names: Sequence[str]
    days: Dates
    column: Callable[[int], Floats]
    unit: str
    places: Ints
    notes: Sequence[str] = ()


def single_series(rows: LongRows, variable: str, file: str) -> Series:
    """Return the series of a file that holds one.

    Raises:
        DefectError: there are no rows, or two have one date and no different publication.
    """
    rows, later = _in_order(_with_rows(rows))
    return _series(rows, slice(0, len(rows.days)), later, variable, file)


def long_content(rows: LongRows, file: str) -> FileContent:
    """Return the series of a long table.

    Raises:
        DefectError: there are no rows, two of one series have one date and no different
            publication, or a name cannot be used.
    """
    rows, later = _in_order(_with_rows(rows))
    used = np.unique(rows.codes)
    variables = variable_names([rows.names[int(code)] for code in used], "series")
    bounds = np.append(np.searchsorted(rows.codes, used), len(rows.codes))
    series = {
        variables[name]: _series(rows, slice(*ends), later, variables[name], file, f"series {name}")
        for name, ends in zip(variables, itertools.pairwise(bounds.tolist()), strict=True)
    }
    return FileContent(series, notes=describe_changes(variables))


def joined(parts: Mapping[str, LongRows]) -> LongRows:
    """Return the rows of one long table that several files hold, given by their names."""
    rows, names = list(parts.values()), {}
    codes = []
    for part in rows:
        numbers = [names.setdefault(name, len(names)) for name in part.names]
        codes.append(np.array(numbers, np.int64)[part.codes])
    lengths = [len(part.days) for part in rows]
    firsts = (np.cumsum([0, *lengths[:-1]]) + 1).tolist()
    return LongRows(
        list(names),
        np.concatenate(codes),
        np.concatenate([part.days for part in rows]),
        np.concatenate([part.values for part in rows]),
        np.concatenate([_published(part) for part in rows]),
        rows[0].unit,
        np.arange(1, sum(lengths) + 1),
        Parts(firsts, list(parts)),
    )


def _published(rows: LongRows) -> Dates:
    if rows.published is not None:
        return rows.published
    return np.full(len(rows.days), np.datetime64("NaT", "D"), "M8[D]")


def wide_content(rows: WideRows, file: str) -> FileContent:
    """Return the series of a wide table; an empty cell is no observation.

    Raises:
        DefectError: there are no rows, two have one date, or a name cannot be used.
    """
    if not len(rows.days):
        raise DefectError("it holds no observations: add rows or remove the file")
    variables = variable_names(rows.names, "column")
    order = np.argsort(rows.days, kind="stable")
    days, places = rows.days[order], rows.places[order]
    twice = np.flatnonzero(days[1:] == days[:-1])
    if len(twice):
        first, second = (f"{rows.unit} {places[twice[0] + i]}" for i in (0, 1))
        raise DefectError(f"{first} and {second} both have the date {days[twice[0]]}: keep one")
    series, empty = {}, {}
    for number, (name, variable) in enumerate(variables.items()):
        values = rows.column(number)[order]
        there = np.flatnonzero(~np.isnan(values))
        if len(there):
            columns = (days[there], values[there], None, file, rows.unit, places[there])
            series[variable] = Series(variable, *columns, column=f"column {name}")
        else:
            empty[variable] = f"{file}: column {name} holds no value: remove it, or add values"
    return FileContent(series, empty, [*rows.notes, *describe_changes(variables)])


def _with_rows(rows: LongRows) -> LongRows:
    if not len(rows.days):
        raise DefectError("it holds no observations: add rows or remove the file")
    return rows


def _in_order(rows: LongRows) -> tuple[LongRows, Revisions | None]:
    """Sort rows by series and date, one row each; return the later releases apart.

    The rows of these releases count over all series.

    Raises:
        DefectError: two of one series have one date and no different publication.
    """
    days = rows.days.astype(np.int64)
    key = rows.codes.astype(np.int64) * (days.max() - days.min() + 1) + (days - days.min())
    if (np.diff(key) < 0).any():
        order = np.argsort(key, kind="stable")
        key, rows = key[order], _taken(rows, order)
    if (np.diff(key) > 0).all():
        return rows, None
    published = _published(rows)
    try:
        divided = divide_releases(key, rows.values, published)
    except SameDayError as error:
        raise DefectError(_explain_twice(rows, *error.rows)) from error
    later = divided.later
    columns = (rows.values[later], published[later], rows.places[later])
    revisions = Revisions(divided.observation, *columns) if len(later) else None
    return _taken(rows, divided.first), revisions


def _explain_twice(rows: LongRows, row: int, other: int) -> str:
    # Of several series the one whose rows come first in the file would take a search.
    which = f" of series {rows.names[rows.codes[row]]}" if len(rows.names) > 1 else ""
    places, published = f"{rows.place(row)} and {rows.place(other)}", _published(rows)[row]
    if np.isnat(published):
        return f"{places} both have the date {rows.days[row]}{which}: keep one"
    return f"{places} are two releases of {rows.days[row]} on {published}{which}: keep one"


def _taken(rows: LongRows, order: Ints | Bools) -> LongRows:
    published = None if rows.published is None else rows.published[order]
    columns = (rows.codes, rows.days, rows.values, rows.places)
    codes, days, values, places = (column[order] for column in columns)
    return replace(rows, codes=codes, days=days, values=values, published=published, places=places)


def _series(
    rows: LongRows,
    part: slice,
    later: Revisions | None,
    variable: str,
    file: str,
    column: str = "",
) -> Series:
    """Return the series in a stretch of sorted rows, with its later releases."""
    published = None if rows.published is None else rows.published[part]
    return Series(
        variable,
        rows.days[part],
        rows.values[part],
        None if published is None or np.isnat(published).all() else published,
        file,
        rows.unit,
        rows.places[part],
        rows.parts,
        column,
        None if later is None else _within(later, part),
    )


def _within(later: Revisions, part: slice) -> Revisions | None:
    """Return the later releases of a stretch of rows, counted from its first row."""
    first, end = np.searchsorted(later.rows, (part.start, part.stop))
    if first == end:
        return None
    places = None if later.places is None else later.places[first:end]
    columns = (later.values[first:end], later.published_at[first:end], places)
    return Revisions(later.rows[first:end] - part.start, *columns)
