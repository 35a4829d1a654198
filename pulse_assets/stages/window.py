"""One variable of one batch on the index of its own observations.

The engine counts in observations, a batch in dates. `Window` joins the two: which rows are
targets, what was known at each row's date, and where other variables stood then. What was known is
a matter of the rows known on that day alone: others could be changed, deleted or added.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pulse_assets.history.frequency import Frequency, regularise, steps_between
from pulse_assets.retrodiction.known_series import KnownSeries
from pulse_assets.stages.columns import split_by

Dates = NDArray[np.datetime64]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Observations that must be known at an origin before anything is predicted from it.
MINIMUM_HISTORY: Final = 12


@dataclass(frozen=True)
class Observations:
    """The rows of one variable in a `historical_data` table, [T], in order of date.

    Attributes:
        dates: of the rows.
        values: NaN where there is none.
        published: first day on which each row was known; NaT of a period that has no row.
    """

    dates: Dates
    values: Floats
    published: Dates

    @classmethod
    def of(cls, rows: pa.Table) -> Self:
        """Take the rows of one variable of a table of schema `HISTORICAL_DATA`."""
        dates, published = (
            rows[name].to_numpy().astype("datetime64[D]") for name in ("timestamp", "published_at")
        )
        return cls(dates, rows["value"].to_numpy(), np.fmax(dates, published))

    @classmethod
    def by_variable(cls, history: pa.Table) -> dict[str, Self]:
        """Return the observations of each variable in a table of schema `HISTORICAL_DATA`."""
        return {name: cls.of(rows) for name, rows in split_by(history, "variable").items()}

    def regular(self, frequency: Frequency) -> Self:
        """Return the same with a NaN row for each period that has none, where periods are known."""
        dates, values, published = regularise(self.dates, self.values, self.published, frequency)
        return type(self)(dates, values, cast("Dates", published))  # given, so returned

    def in_order(self) -> Self:
        """Return the rows without those that were published after a later value.

        Nobody who knew the later value knew of the earlier one; and a series can only be learnt
        from front to back.
        """
        valued = np.where(np.isfinite(self.values), self.published, np.datetime64("NaT"))
        kept = self.published <= np.fmin(np.fmin.accumulate(valued[::-1])[::-1], self.published)
        if kept.all():
            return self
        return type(self)(self.dates[kept], self.values[kept], self.published[kept])

    def last_known(self, days: Dates) -> Ints:
        """Return for each day the row of the last value known then, [D]; -1 where there was none.

        Rows must be in the order of publication, see `in_order`.
        """
        rows = np.append(np.flatnonzero(np.isfinite(self.values)), -1)
        return rows[np.searchsorted(self.published[rows[:-1]], days, side="right") - 1]

    def as_known_on(self, days: Dates) -> KnownSeries:
        """Return the last value known on each day, [D]; NaN before the first."""
        learnt, known = self._known
        return known.carried(learnt.last_known(days))

    @cached_property
    def _known(self) -> tuple[Self, KnownSeries]:
        """The rows in order and which of them are implausible: once for all other variables."""
        learnt = self.in_order()
        return learnt, KnownSeries.of(learnt.values)


@dataclass(frozen=True)
class Window:
    """A variable's observations [T] and the rows `[first, T)` that lie in the batch's window.

    Attributes:
        observations: what may be an origin or a target.
        first: the first row dated in the window.
        learnt: what forecasts are made of, [L]: the rows in the order of publication.
        begin: the day of the row from which on enough is learnt to predict; NaT: never.
        frequency: of the variable.
    """

    observations: Observations
    first: int
    learnt: Observations
    begin: np.datetime64
    frequency: Frequency

    @classmethod
    def of(cls, observations: Observations, start: np.datetime64, frequency: Frequency) -> Self:
        """Mark the rows dated `start` or later as the batch's window."""
        regular, learnt = observations.regular(frequency), observations.in_order()
        begin = np.append(learnt.dates, np.datetime64("NaT"))[:MINIMUM_HISTORY][-1]
        first = int(np.searchsorted(regular.dates, start))
        return cls(regular, first, learnt.regular(frequency), begin, frequency)

    @cached_property
    def known(self) -> KnownSeries:
        """The values learnt, and from when on which of them are known to be implausible."""
        return KnownSeries.of(self.learnt.values, self.frequency.season)

    @property
    def targets(self) -> Ints:
        """Rows of the window that have a value to predict."""
        rows = np.arange(self.first, len(self.observations.dates))
        return rows[np.isfinite(self.observations.values[rows])]

    def pairs(self, horizons: Sequence[int]) -> "Pairs":
        """List what is predicted: each target from each horizon whose origin knows enough.

        In order of origin, then horizon.
        """
        targets, steps = np.meshgrid(self.targets, np.asarray(horizons), indexing="ij")
        targets, steps = targets.ravel(), steps.ravel()
        order = np.lexsort((steps, targets - steps))
        targets, steps = targets[order], steps[order]
        reachable = targets >= steps
        targets, steps = targets[reachable], steps[reachable]
        days = self.observations.dates[targets - steps]
        known = self.learnt.last_known(days)
        # NaT is no later than any day: from a series too short nothing is predicted.
        enough = (known >= 0) & (self.learnt.dates[known] >= self.begin)
        waited = steps_between(self.learnt.dates[known], days, self.frequency)
        return Pairs(targets[enough], steps[enough], known[enough], (steps + waited)[enough])


@dataclass(frozen=True)
class Pairs:
    """What is predicted, [P].

    Attributes:
        target: row of the observation to predict.
        horizon: steps from the origin to the target.
        known: row, of those learnt, of the last value known at the origin.
        reach: steps from that value to the target, which the engine has to bridge. How many
            observations are still to be published is not known, so the calendar counts them.
    """

    target: Ints
    horizon: Ints
    known: Ints
    reach: Ints

    @property
    def origin(self) -> Ints:
        """Row of each origin, [P]: `horizon` rows before the target."""
        return self.target - self.horizon
