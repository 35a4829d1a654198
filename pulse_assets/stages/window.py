"""One variable of a batch: the rows to predict, and the values known at each origin.

The engine counts rows and a batch counts dates; `Window` converts between the two. What was known
at an origin depends only on the rows published by then: later rows could still be changed, deleted
or added.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self, cast

import numpy as np
import pyarrow as pa

from pulse_assets.array_types import Dates, Floats, Ints
from pulse_assets.history.frequency import Frequency, regularise, steps_between
from pulse_assets.retrodiction.known_series import KnownSeries
from pulse_assets.stages.columns import split_by

#: Smallest number of observations that must be known at an origin to predict from it.
MINIMUM_HISTORY: Final = 12


@dataclass(frozen=True)
class Observations:
    """The rows of one variable in a `historical_data` table, [T], ordered by date.

    Attributes:
        dates: date of each row.
        values: value of each row; NaN if missing.
        published: first day on which each row was known; NaT for a period without a row.
    """

    dates: Dates
    values: Floats
    published: Dates

    @classmethod
    def of(cls, rows: pa.Table) -> Self:
        """Return the observations in a table of schema `HISTORICAL_DATA` of one variable."""
        dates, published = (
            rows[name].to_numpy().astype("datetime64[D]") for name in ("timestamp", "published_at")
        )
        return cls(dates, rows["value"].to_numpy(), np.fmax(dates, published))

    @classmethod
    def by_variable(cls, history: pa.Table) -> dict[str, Self]:
        """Return the observations of each variable in a table of schema `HISTORICAL_DATA`."""
        return {name: cls.of(rows) for name, rows in split_by(history, "variable").items()}

    def regular(self, frequency: Frequency) -> Self:
        """Return the observations with a NaN row for each missing period, see `regularise`."""
        dates, values, published = regularise(self.dates, self.values, self.published, frequency)
        return type(self)(dates, values, cast("Dates", published))  # given, so returned

    def in_publication_order(self) -> Self:
        """Return the rows without those that were published after a later row's value.

        The published rows are then a prefix of the series at every date. Rules need that, because
        they read a series from front to back.
        """
        valued = np.where(np.isfinite(self.values), self.published, np.datetime64("NaT"))
        in_order = self.published <= np.fmin(np.fmin.accumulate(valued[::-1])[::-1], self.published)
        if in_order.all():
            return self
        return type(self)(self.dates[in_order], self.values[in_order], self.published[in_order])

    def last_known_rows(self, days: Dates) -> Ints:
        """Return the row of the last value known on each day, [D]; -1 if no value was known.

        The rows must be in publication order, see `in_publication_order`.
        """
        rows = np.append(np.flatnonzero(np.isfinite(self.values)), -1)
        return rows[np.searchsorted(self.published[rows[:-1]], days, side="right") - 1]

    def as_known_on(self, days: Dates) -> KnownSeries:
        """Return the last value known on each day, [D]; NaN if no value was known."""
        available_history, known_series = self._available
        return known_series.carried(available_history.last_known_rows(days))

    @cached_property
    def _available(self) -> tuple[Self, KnownSeries]:
        """The rows in publication order and their implausible values, cached for all variables."""
        available_history = self.in_publication_order()
        return available_history, KnownSeries.of(available_history.values)


@dataclass(frozen=True)
class Window:
    """A variable's observations and the rows of them that lie in the batch's window.

    Attributes:
        observations: one row per period, [T]; origins and targets are rows of it.
        first_row: first row dated in the window, which extends to the last row.
        available_history: the rows in publication order, [L]; forecasts are computed from them.
        first_origin: date of the available row that completes the minimum history. An origin must
            know a value of this date or later; NaT: no origin does.
        frequency: the variable's frequency.
    """

    observations: Observations
    first_row: int
    available_history: Observations
    first_origin: np.datetime64
    frequency: Frequency

    @classmethod
    def of(cls, observations: Observations, start: np.datetime64, frequency: Frequency) -> Self:
        """Return the window of the rows dated `start` or later."""
        regular, available = observations.regular(frequency), observations.in_publication_order()
        first_origin = np.append(available.dates, np.datetime64("NaT"))[:MINIMUM_HISTORY][-1]
        first_row = int(np.searchsorted(regular.dates, start))
        return cls(regular, first_row, available.regular(frequency), first_origin, frequency)

    @cached_property
    def known_series(self) -> KnownSeries:
        """The available values, and the rows from which on implausible ones are known as such."""
        return KnownSeries.of(self.available_history.values, self.frequency.season)

    @property
    def targets(self) -> Ints:
        """Rows of the window that have a value to predict."""
        rows = np.arange(self.first_row, len(self.observations.dates))
        return rows[np.isfinite(self.observations.values[rows])]

    def pairs(self, horizons: Sequence[int]) -> "Pairs":
        """Return the pairs of origin and target to predict, ordered by origin, then horizon.

        Pairs whose origin knows fewer than `MINIMUM_HISTORY` observations are left out.
        """
        targets, steps = np.meshgrid(self.targets, np.asarray(horizons), indexing="ij")
        targets, steps = targets.ravel(), steps.ravel()
        order = np.lexsort((steps, targets - steps))
        targets, steps = targets[order], steps[order]
        has_origin = targets >= steps
        targets, steps = targets[has_origin], steps[has_origin]
        origin_dates = self.observations.dates[targets - steps]
        last_known = self.available_history.last_known_rows(origin_dates)
        known_dates = self.available_history.dates[last_known]
        # Comparisons with NaT are false: a series that is too short has no pairs.
        enough = (last_known >= 0) & (known_dates >= self.first_origin)
        steps_ahead = steps + steps_between(known_dates, origin_dates, self.frequency)
        return Pairs(targets[enough], steps[enough], last_known[enough], steps_ahead[enough])


@dataclass(frozen=True)
class Pairs:
    """The pairs of origin and target to predict, [P].

    Attributes:
        target: row of the observation to predict.
        horizon: steps from the origin to the target.
        last_known_row: row of `available_history` with the last value known at the origin.
        steps_ahead: steps from that value to the target. The calendar counts them, because an
            origin does not know how many observations are still to be published.
    """

    target: Ints
    horizon: Ints
    last_known_row: Ints
    steps_ahead: Ints

    @property
    def origin(self) -> Ints:
        """Row of each origin, [P]: `horizon` rows before the target."""
        return self.target - self.horizon
