"""One variable: its rows, and what was known of them at each origin of a window of targets.

The engine counts rows and a batch counts dates; `VariableHistory` converts between the two. What
was known at an origin depends only on what was published by the day on which the forecast could be
made, `made_at`: later rows and releases could still be changed, deleted or added. So all windows of
one history share what is computed here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, partial
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from pulse_assets.array_types import Bools, Dates, Floats, Ints
from pulse_assets.history.frequency import Frequency, steps_since
from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.history.publication import archive_start, forecast_days
from pulse_assets.retrodiction.known_series import KnownSeries, Revisions
from pulse_assets.retrodiction.scores import mase_scale, squared_scale
from pulse_assets.stages.observations import Observations

#: Smallest number of observations that must be known at an origin to predict from it.
MINIMUM_HISTORY: Final = 12


@dataclass(frozen=True)
class Pairs:
    """Pairs of origin and target to predict, [P].

    Attributes:
        target: row of the observation to predict.
        horizon: steps from the origin to the target.
        last_known_row: row of `available_history` with the last value known at the origin.
        steps_ahead: steps from that value to the target; more than the horizon where the origin
            itself has no value that was public then.
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
        as_of: day on which forecasts from the last row are made; None: that of its publication.
    """

    rows: Observations
    frequency: Frequency
    as_of: np.datetime64 | None = None
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
    def made_at(self) -> Dates:
        """The day on which a forecast can be made from each of these rows, [T], ascending."""
        return self._forecast_days(self.observations)

    @cached_property
    def available_history(self) -> Observations:
        """The rows in publication order, one per period, [L]; forecasts are computed from them."""
        in_order = self._in_publication_order
        return self.observations if in_order is self.rows else in_order.regular(self.frequency)

    @cached_property
    def _in_publication_order(self) -> Observations:
        return self.rows.in_publication_order()

    def _forecast_days(self, rows: Observations) -> Dates:
        over = self.frequency.period_over(rows.dates)
        days = forecast_days(rows.published, np.isfinite(rows.values), over)
        if self.as_of is not None and len(days):
            days[-1] = max(days[-1], self.as_of)
        return days

    @cached_property
    def _available_made_at(self) -> Dates:
        """The day on which a forecast can be made from each available row, [L]."""
        return self._forecast_days(self.available_history)

    @cached_property
    def known_days(self) -> Dates:
        """The day as of which other variables are read at each available row, [L], ascending.

        That is the day on which a forecast can be made from it. All values that an archive holds
        from its first day on became public long before: theirs is the end of the period.
        """
        days, first = self._available_made_at, self.archive_start
        over = self.frequency.period_over(self.available_history.dates)
        as_of = np.where(days == first, np.fmin(over, first), days)
        return np.maximum.accumulate(as_of)

    @cached_property
    def archive_start(self) -> np.datetime64:
        """The first day of an archive, whose values were not forecast in real time; NaT: none."""
        return archive_start(self.rows.published[np.isfinite(self.rows.values)], MINIMUM_HISTORY)

    @cached_property
    def known_series(self) -> KnownSeries:
        """The first releases that are available, and what each origin knows otherwise, [L].

        These are implausible values once they are revealed, and later releases.
        """
        rows = self.available_history
        return KnownSeries.of(rows.values, self.frequency.season, self._revisions(rows))

    def _revisions(self, rows: Observations) -> Revisions | None:
        """Return the later releases of available rows that some origin knows; None: none."""
        later = rows.later
        if not len(later.dates):
            return None
        row = np.minimum(rows.dates.searchsorted(later.dates), len(rows.dates) - 1)
        # A first release without a day of its own has that of its revision, which may be the day of
        # earlier origins, too: they do not reach this row.
        known_from = np.maximum(self._available_made_at.searchsorted(later.published), row)
        used = (rows.dates[row] == later.dates) & (known_from < len(rows.dates))
        return Revisions(row[used], later.values[used], known_from[used]) if used.any() else None

    def outcomes(self, score_against: str) -> Floats:
        """Return what counts as the outcome of each row of `observations`, [T].

        Args:
            score_against: `first`, `latest`, or the number of a release with a value; where there
                are fewer releases it is the last one.
        """
        values, later = self.observations.values, self.observations.later
        if not len(later.dates):
            return values
        row = self.observations.dates.searchsorted(later.dates)
        number = np.arange(len(row)) - np.searchsorted(row, row) + 2 - np.isnan(values[row])
        wanted = {"first": 1, "latest": len(row) + 2}
        chosen = number <= (wanted.get(score_against) or int(score_against))
        outcomes = values.copy()
        outcomes[row[chosen]] = later.values[chosen]  # of several for one row the last one stays
        return outcomes

    @cached_property
    def _has_outcome(self) -> Bools:
        """Whether a value of each row of `observations` was ever released, [T]."""
        return np.isfinite(self.outcomes("first"))

    @cached_property
    def missing(self) -> Ints:
        """The number of observations without a value before each row, and in all, [T + 1]."""
        return np.append(0, np.cumsum(~self._has_outcome))

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
        valued = first + np.flatnonzero(self._has_outcome[first:])
        target, horizon = (grid.ravel() for grid in np.meshgrid(valued, horizons, indexing="ij"))
        has_origin = target >= horizon
        target, horizon = target[has_origin], horizon[has_origin]
        origin_dates = dates[target - horizon]
        last_known = self._last_known(origin_dates)
        known_dates = np.append(available.dates, np.datetime64("NaT", "D"))[last_known]
        # Comparisons with NaT are false: a series that is too short has no pairs.
        enough = (last_known >= 0) & (known_dates >= self._first_origin)
        enough &= ~(self.made_at[target - horizon] <= self.archive_start)
        steps_ahead = np.zeros(len(target), np.int64)
        steps_ahead[enough] = steps_since(
            available.dates, last_known[enough], origin_dates[enough], self.frequency
        )
        steps_ahead += horizon
        return Pairs(target, horizon, last_known, steps_ahead).at(np.flatnonzero(enough))

    def _last_known(self, origin_dates: Dates) -> Ints:
        """Return the available row of the last value dated on each day or before, [N]; -1: none.

        It was public when the forecast of its origin was made: rows are in publication order.
        """
        rows = np.append(np.flatnonzero(np.isfinite(self.available_history.values)), -1)
        dates = self.available_history.dates[rows[:-1]]
        return rows[np.searchsorted(dates, origin_dates, side="right") - 1]

    @property
    def _first_origin(self) -> np.datetime64:
        """Date of the available row that completes the minimum history; NaT: no row does.

        An origin must know a value of this date or later, and its forecast be made after the first
        day of the archive: what is public from that day on was not forecast in real time.
        """
        dates = self._in_publication_order.dates
        return np.append(dates, np.datetime64("NaT", "D"))[:MINIMUM_HISTORY][-1]
