"""Somebody else's forecasts of one variable: what was known of them at each row of its history."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.array_types import Bools, Dates, Floats, Ints
from pulse_assets.history.frequency import Frequency, dates_ahead
from pulse_assets.history.same_period import rows_of
from pulse_assets.retrodiction.given_rule import GivenRule

_NO_DATES: Final = np.empty(0, "M8[D]")
#: Levels of quantiles that differ by less are the same.
_SAME_LEVEL: Final = 1e-9


@dataclass(frozen=True)
class GivenRows:
    """The forecasts of one variable in a `historical_data` table, [N].

    Attributes:
        models: names of those who made them, sorted, [K].
        codes: index of the model of each forecast.
        targets: date that each predicts.
        values: the forecasts.
        made_at: day on which each was made.
        quantiles: level of each; NaN: the point forecast.
    """

    models: tuple[str, ...]
    codes: Ints
    targets: Dates
    values: Floats
    made_at: Dates
    quantiles: Floats

    @classmethod
    def none(cls) -> Self:
        """Return no forecasts."""
        return cls((), np.empty(0, np.int64), _NO_DATES, np.empty(0), _NO_DATES, np.empty(0))

    @classmethod
    def by_variable(cls, history: pa.Table) -> dict[str, Self]:
        """Return the forecasts of each variable in a table of schema `HISTORICAL_DATA`."""
        if history["model"].null_count == history.num_rows:
            return {}
        table = history.filter(history["model"].is_valid())
        (variables, variable), (models, codes) = (
            np.unique(_texts(table[name]), return_inverse=True) for name in ("variable", "model")
        )
        targets, made_at = (
            table[name].to_numpy().astype("M8[D]") for name in ("timestamp", "published_at")
        )
        quantiles = pc.fill_null(table["quantile"], np.nan).to_numpy()
        every = cls(
            tuple(models.tolist()), codes, targets, table["value"].to_numpy(), made_at, quantiles
        )
        order = np.argsort(variable, kind="stable")
        bounds = np.searchsorted(variable[order], np.arange(len(variables) + 1))
        return {
            name: every.at(order[bounds[i] : bounds[i + 1]])
            for i, name in enumerate(variables.tolist())
        }

    def public_on(self, day: np.datetime64) -> Self:
        """Return the forecasts that were made on a day or before it."""
        return self.at(self.made_at <= day)

    def at(self, index: Bools | Ints) -> Self:
        """Return some of the forecasts, and the models that made one of them."""
        columns = (self.targets, self.values, self.made_at, self.quantiles)
        used, codes = np.unique(self.codes[index], return_inverse=True)
        models = tuple(self.models[code] for code in used.tolist())
        return type(self)(models, codes, *(column[index] for column in columns))

    @cached_property
    def first_made(self) -> Mapping[str, np.datetime64]:
        """The day of the first forecast of each model, in order of that day, then of name."""
        days = {m: self.made_at[self.codes == code].min() for code, m in enumerate(self.models)}
        return dict(sorted(days.items(), key=lambda item: (item[1], item[0])))

    def models_on(self, day: np.datetime64) -> tuple[str, ...]:
        """Return the models that made a forecast on a day or before it, sorted."""
        return tuple(sorted(name for name, first in self.first_made.items() if first <= day))


def _texts(column: pa.ChunkedArray) -> np.ndarray:
    return column.cast(pa.string()).to_numpy().astype(str)


class ForecastTargets(NamedTuple):
    """Which date each forecast of a variable is of: from T rows, S steps ahead.

    Attributes:
        dates: date of each row of the history, ascending, [T].
        known_days: day on which a forecast can be made from each row, ascending, [T].
        labels: dates of all observations, ascending: those of `dates`, and targets after them. Past
            the last one they follow the calendar.
        frequency: of the variable.
        steps: steps ahead, ascending, [S].
    """

    dates: Dates
    known_days: Dates
    labels: Dates
    frequency: Frequency
    steps: Ints

    def places(self) -> tuple[Dates, Ints]:
        """Return all labels, and the index among them of each target, [T, S]."""
        at = self.labels.searchsorted(self.dates)
        ahead = np.arange(1, int(self.steps.max(initial=0)) + 1)
        after = dates_ahead(self.labels, ahead, self.frequency) if len(self.labels) else _NO_DATES
        return np.append(self.labels, after), at[:, None] + self.steps


def given_rules(
    given: GivenRows, targets: ForecastTargets, start: int, level: float
) -> dict[str, GivenRule]:
    """Return a rule per model, which repeats its newest forecast that is known at each row.

    Args:
        given: the forecasts.
        targets: the rows and steps.
        start: the first row with a value.
        level: nominal coverage of the intervals, 0..1.
    """
    if not given.models:
        return {}
    labels, places = targets.places()
    rows, found = rows_of(labels, given.targets, targets.frequency)
    bounds = (1.0 - level) / 2.0, (1.0 + level) / 2.0
    rules = {}
    for code, model in enumerate(given.models):
        own = found & (given.codes == code)
        point, made = _newest(given, rows, own & np.isnan(given.quantiles), targets, places)
        lower, upper = (
            _newest(given, rows, own & (np.abs(given.quantiles - q) < _SAME_LEVEL), targets, places)
            for q in bounds
        )
        # Quantiles of another day belong to another forecast.
        both = (lower[1] == made) & (upper[1] == made) & (lower[0] <= upper[0])
        lower, upper = (np.where(both, values, np.nan) for values in (lower[0], upper[0]))
        rules[model] = GivenRule(model, point, lower, upper, start)
    return rules


def _newest(
    given: GivenRows, rows: Ints, chosen: Bools, targets: ForecastTargets, places: Ints
) -> tuple[Floats, Dates]:
    """Return the newest of some forecasts known at each row, [T, S], and the day it was made.

    NaN and NaT where there is none.

    Args:
        given: the forecasts, [N].
        rows: index of the label that each predicts, [N].
        chosen: which of them count, [N].
        targets: the rows and steps.
        places: index of the label of each target, [T, S].
    """
    own = np.flatnonzero(chosen)
    own = own[np.lexsort((given.targets[own], given.made_at[own], rows[own]))]
    # One number per label and day, so that the last one up to a label and day is its newest.
    first, last = given.made_at.min(), given.made_at.max()
    span = int((last - first).astype(np.int64)) + 2
    made = (given.made_at[own] - first).astype(np.int64) + 1
    known = (np.clip(targets.known_days, first - 1, last) - first).astype(np.int64) + 1
    at = np.searchsorted(rows[own] * span + made, places * span + known[:, None], "right") - 1
    at = np.where((at >= 0) & (np.append(rows[own], -1)[at] == places), at, len(own))
    values = np.append(given.values[own], np.nan)
    days = np.append(given.made_at[own], np.datetime64("NaT", "D"))
    return values[at], days[at]
