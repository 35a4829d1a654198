"""Files of somebody else's forecasts: CSV and Parquet, every cell checked.

As files of observations they are read in whole columns, and row by row where something is unusual
or wrong, by which an error names the row.
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa

from pulse_assets.array_types import Dates
from pulse_assets.errors import HistoricalDataError
from pulse_assets.history.cells import parse_date, parse_name, parse_number, parse_optional_date
from pulse_assets.history.csv_file import FIRST_LINE, csv_records, csv_table
from pulse_assets.history.given_forecasts import (
    ForecastRows,
    GivenForecasts,
    forecasts_by_variable,
)
from pulse_assets.history.layouts import Layout, columns_by_role
from pulse_assets.history.observed import NotPlainError
from pulse_assets.history.parquet_file import parquet_table, table_records
from pulse_assets.history.records import DefectError, Records, plain_column
from pulse_assets.history.row_by_row import DateColumn, parsed
from pulse_assets.history.whole_columns import days_of, names_of, numbers_of

T = TypeVar("T")

#: Names of the columns, by what they hold.
NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "variable": ("variable", "unique_id", "series_id"),
    "target_date": ("target_date", "ds", "date"),
    "value": ("predicted", "value", "yhat"),
    "made_at": ("made_at",),
    "origin_date": ("origin_date", "cutoff"),
    "quantile": ("quantile",),
}
#: The columns of which one must be there.
_DAYS: Final = ("made_at", "origin_date")
_REQUIRED: Final = ("variable", "target_date", "value")


def read_forecasts(data: bytes, model: str, name: str, limit: int) -> dict[str, GivenForecasts]:
    r"""Read one file of forecasts.

    Args:
        data: content of the file.
        model: name of the model that has made them.
        name: name of the file, for messages; .csv or .parquet decides the format.
        limit: refuse what is larger, a Parquet file when unpacked, in bytes.

    Returns:
        The forecasts by variable.

    Raises:
        HistoricalDataError: the file cannot be read or a row is not sound.

    Example:
        >>> text = b"variable,target_date,predicted,made_at\ngdp,2020-06-30,1.5,2020-05-07\n"
        >>> read_forecasts(text, "boe", "forecasts_boe.csv", 1000)["gdp"].predicted
        array([1.5])
    """
    try:
        rows = _csv_rows(data) if name.endswith(".csv") else _parquet_rows(data, limit)
        return forecasts_by_variable(rows, model, name)
    except DefectError as defect:
        raise HistoricalDataError(f"{name}: {defect}") from defect


def find_forecast_layout(names: Sequence[str]) -> Layout:
    """Return which columns of a table of forecasts are read, and as what.

    Args:
        names: names of all columns.

    Raises:
        DefectError: a column is missing, misnamed or there twice; the message says how to fix it.

    Example:
        >>> find_forecast_layout(["unique_id", "ds", "cutoff", "yhat"]).names
        ('variable', 'target_date', 'value', 'origin_date')
    """
    names = [name.strip() for name in names]
    columns = columns_by_role(names, NAMES)
    _check_misnamed(names, columns)
    _check_missing(names, columns)
    return Layout.long(names, columns)


def _check_misnamed(names: Sequence[str], columns: Mapping[str, int]) -> None:
    """Refuse columns whose names differ from those that are read in case or blanks alone."""
    for role, choices in NAMES.items():
        like = [name for name in names if plain_column(name) in choices]
        if role not in columns and like:
            raise DefectError(f"its column {like[0]!r} is not read: rename it to {choices[0]}")


def _check_missing(names: Sequence[str], columns: Mapping[str, int]) -> None:
    missing: list[tuple[str, ...]] = [NAMES[role] for role in _REQUIRED if role not in columns]
    if not any(role in columns for role in _DAYS):
        missing.append(tuple(name for role in _DAYS for name in NAMES[role]))
    if missing:
        shown = ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "")
        choices = f"{', '.join(missing[0][:-1])} or {missing[0][-1]}"
        raise DefectError(f"it has no column {choices} (found: {shown}): add or rename one")


def _csv_rows(data: bytes) -> ForecastRows:
    with suppress(NotPlainError):
        layout, table = csv_table(data, find_forecast_layout)
        return _whole(table, "line", FIRST_LINE)
    layout, records = csv_records(data, find_forecast_layout)
    return _row_by_row(records, layout.titles)


def _parquet_rows(data: bytes, limit: int) -> ForecastRows:
    layout, table = parquet_table(data, find_forecast_layout, limit)
    with suppress(NotPlainError):
        return _whole(table, "row", 1)
    return _row_by_row(table_records(table, layout), layout.titles)


def _whole(table: pa.Table, unit: str, first: int) -> ForecastRows:
    """Read whole columns.

    Raises:
        NotPlainError: they must be read row by row.
    """
    try:
        return _of_columns(table, unit, first)
    except (pa.ArrowException, OverflowError) as error:
        raise NotPlainError from error


def _of_columns(table: pa.Table, unit: str, first: int) -> ForecastRows:
    names, codes = names_of(table["variable"])
    targets = days_of(table["target_date"], parse_date)
    if np.isnat(targets).any():
        raise NotPlainError
    count, values = table.num_rows, numbers_of(table["value"])
    made_at, origins = (_optional_days(table, role) for role in _DAYS)
    quantiles = np.full(count, np.nan)
    if "quantile" in table.column_names:
        quantiles = numbers_of(table["quantile"])
    columns = (codes, targets, values, made_at, origins, quantiles)
    return ForecastRows(names, *columns, unit, np.arange(first, first + count))


def _optional_days(table: pa.Table, role: str) -> Dates:
    if role in table.column_names:
        return days_of(table[role], parse_optional_date)
    return np.full(table.num_rows, np.datetime64("NaT", "D"), "M8[D]")


class _Cells:
    """The growing columns of rows that are read one by one."""

    def __init__(self, title: Mapping[str, str]) -> None:
        """Take the names of the columns in the file, by what they hold."""
        self.title = title
        self.names: dict[str, int] = {}
        self.codes, self.numbers = array("q"), array("q")
        self.values, self.quantiles = array("d"), array("d")
        self.dates = {role: DateColumn(title.get(role, role)) for role in ("target_date", *_DAYS)}

    def add(self, number: int, cells: Mapping[str, object], place: str) -> None:
        """Parse the cells of a row, given by what they hold; a column may be missing."""
        name = self._parse(cells, "variable", parse_name, place)
        place += f", variable {name[:120]}"
        self.codes.append(self.names.setdefault(name, len(self.names)))
        self.values.append(self._parse(cells, "value", parse_number, place))
        self.quantiles.append(self._parse(cells, "quantile", parse_number, place))
        for role, column in self.dates.items():
            parse = parse_date if role == "target_date" else parse_optional_date
            column.add(self._parse(cells, role, parse, place), place)
        self.numbers.append(number)

    def _parse(
        self, cells: Mapping[str, object], role: str, parse: Callable[[Any], T], place: str
    ) -> T:
        return parsed(cells.get(role, ""), self.title.get(role, role), parse, place)

    def as_rows(self, unit: str) -> ForecastRows:
        """Return the rows."""
        targets, made_at, origins = (column.as_array() for column in self.dates.values())
        columns = (targets, np.array(self.values), made_at, origins, np.array(self.quantiles))
        codes, numbers = (np.array(column, np.int64) for column in (self.codes, self.numbers))
        return ForecastRows(list(self.names), codes, *columns, unit, numbers)


def _row_by_row(records: Records, titles: Sequence[str]) -> ForecastRows:
    """Validate the rows one by one.

    Raises:
        DefectError: a cell is not sound; the message names row, variable and column.
    """
    columns = _Cells(dict(zip(records.names, titles, strict=True)))
    for number, row in records.rows:
        cells = dict(zip(records.names, row, strict=True))
        columns.add(number, cells, f"{records.unit} {number}")
    return columns.as_rows(records.unit)
