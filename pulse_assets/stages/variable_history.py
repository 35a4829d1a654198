"""One variable: its rows, and which of them were known at each origin of a window of targets.

The engine counts rows and a batch counts dates; `VariableHistory` converts between the two. What
was known at an origin depends only on the rows published by then: later rows could still be
changed, deleted or added. So all windows of one history share what is computed here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, partial
from typing import Final, NamedTuple, Self, cast

import numpy as np
import pyarrow as pa

from pulse_assets.array_types import Dates, Floats, Ints
from pulse_assets.history.frequency import Frequency, regularise, steps_since
from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.retrodiction.known_series import KnownSeries
from pulse_assets.retrodiction.scores import mase_scale, squared_scale

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
    def by_variable(cls, history: pa.Table) -> dict[str, Self]:
        """Return the observations of each variable in a table of schema `HISTORICAL_DATA`.

        The rows of a variable are in the order of their dates; those of several may be mixed.
        """
        encoded = cast("pa.DictionaryArray", history.unify_dictionaries()["variable"])
        encoded = cast("pa.DictionaryArray", cast("pa.ChunkedArray", encoded).combine_chunks())
        names, codes = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
        order = np.argsort(codes, kind="stable")
        dates, published = (
            history[name].to_numpy().astype("datetime64[D]")[order]
            for name in ("timestamp", "published_at")
        )
        columns = dates, history["value"].to_numpy()[order], np.fmax(dates, published)
        bounds = np.searchsorted(codes[order], np.arange(len(names) + 1)).tolist()
        rows = zip(names, bounds[:-1], bounds[1:], strict=True)
        return {n: cls(*(column[first:end] for column in columns)) for n, first, end in rows}

    @classmethod
    def none(cls) -> Self:
        """Return no observations."""
        no_dates = np.empty(0, "M8[D]")
        return cls(no_dates, np.empty(0), no_dates)

    def until(self, day: np.datetime64) -> Self:
        """Return the rows that are dated on a day or before it."""
        end = self.dates.searchsorted(day, side="right")
        return type(self)(self.dates[:end], self.values[:end], self.published[:end])

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
class Pairs:
    """Pairs of origin and target to predict, [P].

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

    def at(self, index: slice | Ints) -> "Pairs":
        """Return the pairs at an index, in its order."""
        columns = self.target, self.horizon, self.last_known_row, self.steps_ahead
        return Pairs(*(column[index] for column in columns))


class _PairsFrom(NamedTuple):
    """The pairs of all targets from a row on: a block first requests those of its first batch."""

    first: int
    pairs: Pairs


def histories_of(history: pa.Table, frequencies: Mapping[str, str]) -> dict[str, "VariableHistory"]:
    """Return the history of each variable in `frequencies`, of which some may have no rows.

    Args:
        history: a table of schema `HISTORICAL_DATA`.
        frequencies: name of the frequency by variable.
    """
    rows = Observations.by_variable(history)
    return {
        name: VariableHistory(rows.get(name, Observations.none()), get_frequency(frequency))
        for name, frequency in frequencies.items()
    }


@dataclass(frozen=True)
class VariableHistory:
    """A variable's observations from the anchor of some batches to the end of the last one.

    Attributes:
        rows: the observations as they are, one row each.
        frequency: the variable's frequency.
    """

    rows: Observations
    frequency: Frequency
    _pairs: dict[tuple[int, ...], "_PairsFrom"] = field(
        default_factory=dict, repr=False, compare=False
    )

    @cached_property
    def observations(self) -> Observations:
        """The rows with one per period, [T]; origins and targets are rows of it.

        Raises:
            HistoricalDataError: two dates lie in one period.
        """
        return self.rows.regular(self.frequency)

    @cached_property
    def available_history(self) -> Observations:
        """The rows in publication order, one per period, [L]; forecasts are computed from them."""
        in_order = self._in_publication_order
        return self.observations if in_order is self.rows else in_order.regular(self.frequency)

    @cached_property
    def _in_publication_order(self) -> Observations:
        return self.rows.in_publication_order()

    @cached_property
    def known_series(self) -> KnownSeries:
        """The available values, and the rows from which on implausible ones are known as such."""
        return KnownSeries.of(self.available_history.values, self.frequency.season)

    @cached_property
    def missing(self) -> Ints:
        """The number of observations without a value before each row, and in all, [T + 1]."""
        return np.append(0, np.cumsum(np.isnan(self.observations.values)))

    @cached_property
    def mase_scales(self) -> Floats:
        """The denominator of mase from each available row, [L]."""
        measure = partial(mase_scale, season=self.frequency.scale_season)
        return self.known_series.measure(np.arange(len(self.available_history.values)), measure)

    @cached_property
    def squared_scales(self) -> Floats:
        """The denominator of rmsse from each available row, [L]."""
        rows = np.arange(len(self.available_history.values))
        return self.known_series.measure(rows, squared_scale)

    def window(self, start: date, end: date) -> slice:
        """Return the rows of `observations` that are dated from `start` on and before `end`.

        A period without a row counts only if a later row is dated before `end`.
        """
        given = self.rows_dated(start, end)
        first = int(np.searchsorted(self.observations.dates, np.datetime64(start)))
        if given.stop == 0:
            return slice(first, first)
        last = self.rows.dates[given.stop - 1]
        return slice(first, int(np.searchsorted(self.observations.dates, last, side="right")))

    def rows_dated(self, start: date, end: date) -> slice:
        """Return the rows of `rows` that are dated from `start` on and before `end`."""
        return slice(*np.searchsorted(self.rows.dates, np.array([start, end], "M8[D]")).tolist())

    def pairs(self, window: slice, horizons: Sequence[int]) -> Pairs:
        """Return the pairs of a window to predict, ordered by origin, then horizon.

        Pairs whose origin knows fewer than `MINIMUM_HISTORY` observations are left out.
        """
        key = tuple(horizons)
        if key not in self._pairs or self._pairs[key].first > window.start:
            pairs = self._pairs_from(window.start, np.array(key, np.int64))
            self._pairs[key] = _PairsFrom(window.start, pairs)
        pairs = self._pairs[key].pairs
        chosen = pairs.at(slice(*np.searchsorted(pairs.target, [window.start, window.stop])))
        return chosen.at(np.lexsort((chosen.horizon, chosen.origin)))

    def _pairs_from(self, first: int, horizons: Ints) -> Pairs:
        """Return the pairs of the targets from a row on, ordered by target."""
        dates, available = self.observations.dates, self.available_history
        valued = first + np.flatnonzero(np.isfinite(self.observations.values[first:]))
        target, horizon = (grid.ravel() for grid in np.meshgrid(valued, horizons, indexing="ij"))
        has_origin = target >= horizon
        target, horizon = target[has_origin], horizon[has_origin]
        origin_dates = dates[target - horizon]
        last_known = available.last_known_rows(origin_dates)
        known_dates = np.append(available.dates, np.datetime64("NaT"))[last_known]
        # Comparisons with NaT are false: a series that is too short has no pairs.
        enough = (last_known >= 0) & (known_dates >= self._first_origin)
        steps_ahead = np.zeros(len(target), np.int64)
        steps_ahead[enough] = steps_since(
            available.dates, last_known[enough], origin_dates[enough], self.frequency
        )
        steps_ahead += horizon
        return Pairs(target, horizon, last_known, steps_ahead).at(np.flatnonzero(enough))

    @property
    def _first_origin(self) -> np.datetime64:
        """Date of the available row that completes the minimum history; NaT: no row does.

        An origin must know a value of this date or later.
        """
        dates = self._in_publication_order.dates
        return np.append(dates, np.datetime64("NaT"))[:MINIMUM_HISTORY][-1]
