"""The batches that will leave a variable out, and why, as far as the dates of its series say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pulse_assets.array_types import Bools, Dates, Ints
from pulse_assets.batches.grid import batch_keys, batch_of
from pulse_assets.batches.windows import history_starts
from pulse_assets.history.publication import archive_start
from pulse_assets.history.series import Series
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.stages.plan import IN_ARCHIVE, NO_ROWS, NO_VALUES, NOTHING_KNOWN, TOO_LITTLE
from pulse_assets.stages.variable_history import MINIMUM_HISTORY


@dataclass(frozen=True)
class SkippedBatches:
    """Batches that leave a variable out.

    Attributes:
        reason: why, in the words of `training_batches`.
        count: how many.
        first: key of the first of them.
        last: key of the last of them.
    """

    reason: str
    count: int
    first: str
    last: str


@dataclass(frozen=True)
class BatchWindows:
    """The windows of all batches: keys, first days, days after them, starts of their histories."""

    keys: Sequence[str]
    starts: Dates
    ends: Dates
    histories: Dates

    @classmethod
    def of(cls, settings: Settings, options: TrainingOptions) -> "BatchWindows":
        """Return the windows.

        Raises:
            ConfigurationError: the range holds none.
        """
        keys = batch_keys(settings)
        ends = [batch_of(settings, key, ()).end for key in keys]
        starts = np.array(keys, "M8[D]")
        histories = history_starts(starts, options.history_days)
        return cls(keys, starts, np.array(ends, "M8[D]"), histories)

    def skipped(self, series: Series) -> Iterator[SkippedBatches]:
        """Yield the batches that leave a series out, by reason, as far as its dates say."""
        dates = series.timestamps
        valued = np.append(0, np.cumsum(series.has_value))
        first, end, oldest = (
            np.searchsorted(dates, days) for days in (self.starts, self.ends, self.histories)
        )
        rest = np.ones(len(self.keys), bool)
        reasons = {
            NO_ROWS: first == end,
            TOO_LITTLE: first - oldest < MINIMUM_HISTORY,
            NO_VALUES: valued[first] == valued[end],
            IN_ARCHIVE: self._in_archive(series, end),
            NOTHING_KNOWN: valued[oldest] == valued[np.maximum(end - 1, 0)],
        }
        for reason, where in reasons.items():
            at = np.flatnonzero(where & rest)
            rest &= ~where
            if len(at):
                yield self._stretch(reason, at)

    def _in_archive(self, series: Series, end: Ints) -> Bools:
        """Tell in which windows no value had a forecast in real time, by the row after each."""
        published = series.published_at
        if published is None:
            return np.zeros(len(end), bool)
        start = archive_start(published[~np.isnan(series.values)], MINIMUM_HISTORY)
        return published[np.maximum(end - 2, 0)] <= start

    def _stretch(self, reason: str, at: Ints) -> SkippedBatches:
        first, last = self.keys[int(at[0])], self.keys[int(at[-1])]
        return SkippedBatches(reason, len(at), first, last)
