"""One variable of one batch on the index of its own observations.

The engine counts in observations, a batch in dates. `Window` joins the two: which rows are
targets, what was known at each row's date, and where other variables stood then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pulse_assets.history.frequency import Frequency, regularise
from pulse_assets.stages.columns import split_by

Dates = NDArray[np.datetime64]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Observations that must be known at an origin before anything is predicted from it.
MINIMUM_HISTORY: Final = 12


@dataclass(frozen=True)
class Observations:
    """The rows of one variable in a `historical_data` table, [T], in order of date."""

    dates: Dates
    values: Floats
    published: Dates

    @classmethod
    def of(cls, rows: pa.Table) -> Self:
        """Take the rows of one variable of a table of schema `HISTORICAL_DATA`."""
        dates, published = (rows[name].to_numpy() for name in ("timestamp", "published_at"))
        return cls(
            dates.astype("datetime64[D]"),
            rows["value"].to_numpy(),
            published.astype("datetime64[D]"),
        )

    @classmethod
    def by_variable(cls, history: pa.Table) -> dict[str, Self]:
        """Return the observations of each variable in a table of schema `HISTORICAL_DATA`."""
        return {name: cls.of(rows) for name, rows in split_by(history, "variable").items()}

    def regular(self, frequency: Frequency) -> Self:
        """Return the same with a NaN row for each period that has none, where periods are known."""
        dates, values, published = regularise(self.dates, self.values, self.published, frequency)
        return type(self)(dates, values, cast("Dates", published))  # given, so returned

    @property
    def known_from(self) -> Dates:
        """First date, [T], on which a row and all rows before it are known."""
        own = np.where(np.isnat(self.published), self.dates, self.published)
        return np.maximum.accumulate(np.maximum(own, self.dates))

    def as_known_on(self, dates: Dates) -> Floats:
        """Return for each date the last value known then, [D]; NaN before the first."""
        row = np.searchsorted(self.known_from, dates, side="right") - 1
        values = np.concatenate([_carried_forward(self.values), [np.nan]])
        return values[row]  # row -1, before the first, takes the NaN at the end


@dataclass(frozen=True)
class Window:
    """A variable's observations [T] and the rows `[first, T)` that lie in the batch's window."""

    observations: Observations
    first: int

    @classmethod
    def of(cls, observations: Observations, start: np.datetime64) -> Self:
        """Mark the rows dated `start` or later as the batch's window."""
        return cls(observations, int(np.searchsorted(observations.dates, start)))

    @property
    def targets(self) -> Ints:
        """Rows of the window that have a value to predict."""
        rows = np.arange(self.first, len(self.observations.dates))
        return rows[np.isfinite(self.observations.values[rows])]

    def pairs(self, horizons: Sequence[int]) -> "Pairs":
        """List what is predicted: each target from each horizon whose origin knows enough.

        In order of origin, then horizon.
        """
        return self._pairs(self.targets, horizons)

    def begin(self, horizons: Sequence[int]) -> int:
        """Return the first row known at an origin of this window, whether its targets have values.

        What is learnt from this row on, such as which partners there are, does not depend on later
        gaps. There must be a pair.
        """
        rows = np.arange(self.first, len(self.observations.dates))
        return int(self._pairs(rows, horizons).known[0])

    def _pairs(self, rows: Ints, horizons: Sequence[int]) -> "Pairs":
        targets, steps = np.meshgrid(rows, np.asarray(horizons), indexing="ij")
        targets, steps = targets.ravel(), steps.ravel()
        order = np.lexsort((steps, targets - steps))
        targets, steps = targets[order], steps[order]
        reachable = targets >= steps
        targets, steps = targets[reachable], steps[reachable]
        known = self._last_known(targets - steps)
        enough = known >= MINIMUM_HISTORY - 1
        return Pairs(targets[enough], steps[enough], known[enough])

    def _last_known(self, origins: Ints) -> Ints:
        """Return the last row known at each origin's date, [P]; -1 when none was.

        It is the origin itself unless values are published later than they are dated.
        """
        dates = self.observations.dates[origins]
        return np.searchsorted(self.observations.known_from, dates, side="right") - 1


@dataclass(frozen=True)
class Pairs:
    """What is predicted, [P]: the target's row, the steps ahead, and the last row then known."""

    target: Ints
    horizon: Ints
    known: Ints

    @property
    def origin(self) -> Ints:
        """Row of each origin, [P]: `horizon` rows before the target."""
        return self.target - self.horizon

    @property
    def reach(self) -> Ints:
        """Steps from the last known row to the target, [P]: what the engine has to bridge."""
        return self.target - self.known


def _carried_forward(values: Floats) -> Floats:
    """Replace each NaN by the value before it, where there is one."""
    row = np.where(np.isnan(values), 0, np.arange(len(values)))
    return values[np.maximum.accumulate(row)] if len(values) else values
