"""Forecasts that somebody else has made: a survey, a committee, a bank, another program."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, Self, TypeVar

import numpy as np

from pulse_assets.array_types import Bools, Dates, Floats, Ints
from pulse_assets.history.names import variable_names
from pulse_assets.history.records import DefectError

_Columns = TypeVar("_Columns", "GivenForecasts", "ForecastRows")

#: The quantile that is the point forecast where no other is given.
_MEDIAN: Final = 0.5


@dataclass(frozen=True, eq=False)
class GivenForecasts:
    """The forecasts that one model has made of one variable, N of them.

    They are sorted by `made_at`, `origin_dates`, `target_dates` and quantile, the point first.
    For each target and day of making there is a point forecast, which is the median if the file
    gives quantiles alone.

    Args:
        model: its name.
        variable: the variable that is predicted.
        target_dates: dates that are predicted, [N], datetime64[D].
        predicted: the forecasts, [N], in the unit of the variable, finite.
        made_at: day on which each was made, [N], datetime64[D]; NaT where the file gives its
            `origin_dates` instead.
        origin_dates: date of the last observation that each rests on, [N], datetime64[D]; NaT where
            `made_at` is given.
        quantiles: level of each, [N], between 0 and 1; NaN where it is the point forecast.
        file: the file that they were read from, for messages.
        unit: what `places` count: lines of CSV, rows of Parquet.
        places: number of each in its file, [N], from 1.
    """

    model: str
    variable: str
    target_dates: Dates
    predicted: Floats
    made_at: Dates
    origin_dates: Dates
    quantiles: Floats
    file: str
    unit: str
    places: Ints

    def __post_init__(self) -> None:
        """Make the arrays read-only: all batches of a process use them."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    @property
    def first_place(self) -> str:
        """Where in its file the first of them is."""
        return f"{self.unit} {self.places.min()}"

    def take(self, rows: Ints | Bools) -> Self:
        """Return some of the forecasts."""
        return _rows_of(self, rows)


def _rows_of(columns: _Columns, rows: Ints | Bools) -> _Columns:
    """Return the same columns with some of their rows."""
    every = {field.name: getattr(columns, field.name) for field in fields(columns)}
    own = {name: of[rows] for name, of in every.items() if isinstance(of, np.ndarray)}
    return replace(columns, **own)


@dataclass(frozen=True)
class ForecastRows:
    """The rows of a file of forecasts; N rows of S variables.

    Attributes:
        names: name of each variable, [S].
        codes: number of the variable of each row, [N].
        target_dates: date that each row predicts, [N].
        predicted: value of each row, [N]; NaN where it is missing.
        made_at: day on which it was made, [N]; NaT where the row does not say.
        origin_dates: date of the last observation that it rests on, [N]; NaT likewise.
        quantiles: level of each row, [N]; NaN where it is the point forecast.
        unit: what `places` count.
        places: number of each row in its file, [N].
    """

    names: Sequence[str]
    codes: Ints
    target_dates: Dates
    predicted: Floats
    made_at: Dates
    origin_dates: Dates
    quantiles: Floats
    unit: str
    places: Ints

    def place(self, row: int) -> str:
        """Return where a row is in its file, and its variable."""
        return f"{self.unit} {self.places[row]}, variable {self.names[self.codes[row]]}"

    def take(self, rows: Ints | Bools) -> Self:
        """Return some of the rows."""
        return _rows_of(self, rows)


def forecasts_by_variable(rows: ForecastRows, model: str, file: str) -> dict[str, GivenForecasts]:
    """Return the forecasts of each variable in a file.

    A row without a value is no forecast.

    Args:
        rows: the rows of the file, in any order.
        model: name of the model.
        file: name of the file, for messages.

    Raises:
        DefectError: a row has no day of making or a wrong quantile, two rows are one forecast,
            quantiles cross, or there are quantiles without a point forecast and without the median.
    """
    _check_days(rows)
    _check_quantiles(rows)
    rows = rows.take(~np.isnan(rows.predicted))
    if not len(rows.codes):
        raise DefectError("it holds no forecasts: add rows or remove the file")
    rows = _in_order(rows)
    _check_order_of_quantiles(rows)
    rows = _with_points(rows)
    used = np.unique(rows.codes)
    variables = variable_names([rows.names[int(code)] for code in used], "variable")
    bounds = np.append(np.searchsorted(rows.codes, used), len(rows.codes))
    return {
        variable: _forecasts(rows.take(np.arange(*bounds[i : i + 2])), model, variable, file)
        for i, variable in enumerate(variables.values())
    }


def _forecasts(rows: ForecastRows, model: str, variable: str, file: str) -> GivenForecasts:
    days = (rows.made_at, rows.origin_dates)
    columns = (rows.target_dates, rows.predicted, *days, rows.quantiles)
    return GivenForecasts(model, variable, *columns, file, rows.unit, rows.places)


def _check_days(rows: ForecastRows) -> None:
    """Refuse rows that say neither when they were made nor what they rest on, or both."""
    given = (~np.isnat(rows.made_at)).astype(int) + ~np.isnat(rows.origin_dates)
    wrong = np.flatnonzero(given != 1)
    if len(wrong):
        both = given[wrong[0]] > 1
        which = "both made_at and origin_date" if both else "neither made_at nor origin_date"
        fix = "keep" if both else "give"
        raise DefectError(f"{rows.place(int(wrong[0]))}: it has {which}: {fix} one of them")


def _check_quantiles(rows: ForecastRows) -> None:
    wrong = np.flatnonzero((rows.quantiles <= 0) | (rows.quantiles >= 1))
    if len(wrong):
        row = int(wrong[0])
        raise DefectError(
            f"{rows.place(row)}: quantile {rows.quantiles[row]:g} does not lie between 0 and 1: "
            "write it like 0.9, or leave it empty for the point forecast"
        )


def _in_order(rows: ForecastRows) -> ForecastRows:
    """Sort rows; refuse two of one forecast."""
    keys = _keys(rows)
    order = np.lexsort(keys[::-1])
    rows, ordered = rows.take(order), [key[order] for key in keys]
    twice = np.flatnonzero(np.logical_and.reduce([key[1:] == key[:-1] for key in ordered]))
    if len(twice):
        first, second = sorted((int(twice[0]), int(twice[0]) + 1), key=lambda i: rows.places[i])
        raise DefectError(_explain_twice(rows, first, second))
    return rows


def _check_order_of_quantiles(rows: ForecastRows) -> None:
    """Refuse a quantile that is smaller than one of a lower level, in sorted rows."""
    *what, level = _keys(rows)
    same = np.logical_and.reduce([key[1:] == key[:-1] for key in what]) & (level[:-1] > 0.0)
    crossed = np.flatnonzero(same & (rows.predicted[1:] < rows.predicted[:-1]))
    if len(crossed):
        low, high = int(crossed[0]), int(crossed[0]) + 1
        raise DefectError(
            f"{rows.place(high)}: quantile {level[high]:g} of {rows.target_dates[high]} is "
            f"{rows.predicted[high]:g}, less than quantile {level[low]:g}, which is "
            f"{rows.predicted[low]:g}: correct one of them"
        )


def _keys(rows: ForecastRows) -> list[Ints | Floats]:
    """Return what tells forecasts apart, in the order in which they are sorted."""
    days = (rows.made_at, rows.origin_dates, rows.target_dates)
    points_first = np.where(np.isnan(rows.quantiles), 0.0, rows.quantiles)
    return [rows.codes, *(column.astype(np.int64) for column in days), points_first]


def _explain_twice(rows: ForecastRows, first: int, second: int) -> str:
    day, level = rows.made_at[first], rows.quantiles[first]
    since = f"from {rows.origin_dates[first]}" if np.isnat(day) else f"made on {day}"
    what = "forecasts" if np.isnan(level) else f"quantiles {level:g}"
    return (
        f"{rows.unit} {rows.places[first]} and {rows.place(second)}: two {what} of "
        f"{rows.target_dates[first]} {since}: keep one"
    )


def _with_points(rows: ForecastRows) -> ForecastRows:
    """Add the median as the point forecast where there is none, to sorted rows."""
    *what, level = _keys(rows)
    starts = np.append(True, np.logical_or.reduce([key[1:] != key[:-1] for key in what]))
    group, is_median = np.cumsum(starts) - 1, level == _MEDIAN
    without = ~np.logical_or.reduceat(level == 0.0, np.flatnonzero(starts))
    no_median = without & ~np.logical_or.reduceat(is_median, np.flatnonzero(starts))
    if no_median.any():
        row = int(np.flatnonzero(starts)[np.flatnonzero(no_median)[0]])
        raise DefectError(
            f"{rows.place(row)}: {rows.target_dates[row]} has quantiles, but no point forecast and "
            "no quantile 0.5: add one of them"
        )
    added = np.flatnonzero(is_median & without[group])
    if not len(added):
        return rows
    both = rows.take(np.append(np.arange(len(group)), added))
    points = np.append(rows.quantiles, np.full(len(added), np.nan))
    return _in_order(replace(both, quantiles=points))


#: The forecasts of one model, by variable.
ModelForecasts = Mapping[str, GivenForecasts]
