"""Somebody else's forecasts of one variable: what was known of them at each row of its history."""

from collections.abc import Mapping, Sequence
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
        used, codes = np.unique(self.codes[index], return_inverse=True)
        return type(self)(
            tuple(self.models[code] for code in used.tolist()),
            codes,
            self.targets[index],
            self.values[index],
            self.made_at[index],
            self.quantiles[index],
        )

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


class Steps(NamedTuple):
    """Which date a forecast from each of T rows is of, S steps ahead.

    Attributes:
        dates: date of each row of the available history, ascending, [T].
        known_days: day on which a forecast can be made from each row, ascending, [T].
        labels: dates of all observations, ascending: those of `dates`, of values that were public
            too late to be available, and of targets. Past the last one they follow the calendar.
            In daily and weekly series the steps are these dates: which days have an observation is
            taken as known in advance, as it is for the frequency.
        frequency: of the variable.
        ahead: steps ahead, ascending, [S].
    """

    dates: Dates
    known_days: Dates
    labels: Dates
    frequency: Frequency
    ahead: Ints

    @property
    def places(self) -> Ints:
        """Index among `extended_labels` of the date of each forecast, [T, S]."""
        rows, _ = rows_of(self.labels, self.dates, self.frequency)
        return rows[:, None] + self.ahead

    @property
    def extended_labels(self) -> Dates:
        """The labels and those that follow, as far as the largest number of steps."""
        after = np.arange(1, int(self.ahead.max(initial=0)) + 1)
        return np.append(self.labels, dates_ahead(self.labels, after, self.frequency))


def given_rules(
    given: GivenRows, steps: Steps, start: int, levels: Sequence[float]
) -> dict[str, GivenRule]:
    """Return the rule that repeats the newest forecasts known at each row, by model.

    Args:
        given: all forecasts.
        steps: the rows and steps.
        start: the first row with a value.
        levels: of the quantiles, 0..1.
    """
    if not given.models:
        return {}
    find, rules = _Finder.of(given, steps), {}
    for code, model in enumerate(given.models):
        point, made_at = find(code, np.nan)
        by_level = (find(code, level) for level in levels)
        # Quantiles of another day belong to another forecast.
        quantiles = [np.where(day == made_at, values, np.nan) for values, day in by_level]
        rules[model] = GivenRule(model, point, np.array(quantiles), start)
    return rules


class _Finder(NamedTuple):
    """Finds the newest forecast known at each row of each target.

    Attributes:
        given: the forecasts, [N].
        rows: index of the label that each predicts, [N]; -1: none.
        steps: the rows and steps.
        places: index of the label of each target, [T, S].
    """

    given: GivenRows
    rows: Ints
    steps: Steps
    places: Ints

    @classmethod
    def of(cls, given: GivenRows, steps: Steps) -> Self:
        """Find which label each forecast predicts."""
        rows, has_row = rows_of(steps.extended_labels, given.targets, steps.frequency)
        return cls(given, np.where(has_row, rows, -1), steps, steps.places)

    def __call__(self, code: int, quantile: float) -> tuple[Floats, Dates]:
        """Return the forecasts of a model and level, and the day on which each was made, [T, S].

        NaN and NaT where there is none.
        """
        given = self.given
        levels = np.abs(given.quantiles - quantile) < _SAME_LEVEL
        levels = np.isnan(given.quantiles) if np.isnan(quantile) else levels
        own = np.flatnonzero((given.codes == code) & (self.rows >= 0) & levels)
        own = own[np.lexsort((given.targets[own], given.made_at[own], self.rows[own]))]
        at = self._last_known(self.rows[own], given.made_at[own])
        values = np.append(given.values[own], np.nan)
        return values[at], np.append(given.made_at[own], np.datetime64("NaT", "D"))[at]

    def _last_known(self, rows: Ints, made_at: Dates) -> Ints:
        """Return the index of the newest forecast of each target, [T, S]; their number: none.

        Args:
            rows: index of the label that each predicts, ascending, [K].
            made_at: day on which each was made, ascending for each label, [K].
        """
        # One number per label and day, so that the last one up to a label and day is its newest.
        first, last = self.given.made_at.min(), self.given.made_at.max()
        days = [
            (np.clip(day, first - 1, last) - first).astype(np.int64) + 1
            for day in (made_at, self.steps.known_days)
        ]
        span = int((last - first).astype(np.int64)) + 2
        keys, wanted = rows * span + days[0], self.places * span + days[1][:, None]
        at = np.searchsorted(keys, wanted, side="right") - 1
        return np.where((at >= 0) & (np.append(rows, -1)[at] == self.places), at, len(rows))
