"""The stored batches of one configuration, as the checks read them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import numpy as np
import pandas as pd
import pyarrow as pa

from pulse_assets.batches.fingerprint import configuration_fingerprint
from pulse_assets.batches.grid import batch_keys
from pulse_assets.catalog import SORT_KEYS, STATUS_TABLE
from pulse_assets.errors import PulseError
from pulse_assets.history.series import Series
from pulse_assets.history.source import Source
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.stages.columns import count_duplicates
from pulse_assets.stages.outcome import OUTCOME_COLUMNS, Outcomes, OutcomeTally
from pulse_assets.stages.pooling import POOLED_COLUMNS, add_up
from pulse_assets.storage.layout import PartitionedTables
from pulse_assets.storage.store import open_store

#: Batches whose tables are read.
READ_BATCHES: Final = 24

_COLUMNS: Final = tuple(dict.fromkeys((*OUTCOME_COLUMNS, *POOLED_COLUMNS)))


class StoredBatches:
    """The stored batches of one configuration, read when a check first asks for them."""

    def __init__(
        self, settings: Settings, options: TrainingOptions, among: Sequence[str] | None = None
    ) -> None:
        """Prepare to read; nothing is read yet.

        Args:
            settings: where the store and the source are.
            options: the configuration.
            among: keys of the batches; None means all of the grid.
        """
        self.settings = settings
        self.options = options
        self._among = among
        self._duplicates: dict[str, Mapping[str, int | PulseError]] = {}

    def tables(self, asset: str, among: Sequence[str] | None = None) -> PartitionedTables:
        """Return the partitions of an asset; with `among`, of those batches only."""
        store = open_store(self.settings.store, self.settings.s3)
        if among is None:
            among = batch_keys(self.settings) if self._among is None else self._among
        return PartitionedTables(store, asset, self.settings.batch_length, among)

    @cached_property
    def _pooled(self) -> "_Pooled":
        """What is read of the metrics of all batches that this configuration computed."""
        made_of = {"configuration": configuration_fingerprint(self.settings, self.options)}
        parts = self.tables(STATUS_TABLE).parts(_COLUMNS, made_of=made_of)
        return _Pooled.of(parts)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Sums over the batches by variable, model and horizon, see `add_up`."""
        return self._pooled.scores

    @cached_property
    def batches(self) -> Mapping[str, str]:
        """Status by batch, in order of batch."""
        return self._pooled.batches

    @cached_property
    def outcomes(self) -> Outcomes:
        """Failed batches and rules, skipped variables, and counts of the batches."""
        return self._pooled.outcomes

    @cached_property
    def source(self) -> Source:
        """The source of the series."""
        return self.settings.open_source()

    @cached_property
    def series(self) -> dict[str, Series]:
        """The series of the run."""
        return {name: self.source.load(name) for name in self.options.variables or ()}

    def duplicates(self, asset: str) -> Mapping[str, int | PulseError]:
        """Return the number of duplicate rows, or the error of reading, by batch of the sample.

        Each object is read once for all checks.
        """
        if asset not in self._duplicates:
            tables = self.tables(asset, self.sample(READ_BATCHES))
            self._duplicates[asset] = {key: _duplicates_in(tables, key) for key in tables.among}
        return self._duplicates[asset]

    def sample(self, size: int) -> list[str]:
        """Return the keys of at most `size` completed batches, spread evenly, the last included."""
        done = [key for key, status in self.batches.items() if status == "completed"]
        at = np.linspace(len(done) - 1, 0, min(size, len(done))).round().astype(int)
        return [done[i] for i in sorted(at)]


@dataclass(frozen=True)
class _Pooled:
    """The metrics of all batches, each object read once, in memory a few at a time."""

    scores: pd.DataFrame
    batches: Mapping[str, str]
    outcomes: Outcomes

    @classmethod
    def of(cls, parts: Iterable[pa.Table]) -> Self:
        """Pool tables with `_COLUMNS`."""
        tally = OutcomeTally()
        scores = add_up(tally.reading(parts))
        return cls(scores, dict(sorted(tally.batches.items())), tally.outcomes())


def _duplicates_in(tables: PartitionedTables, key: str) -> int | PulseError:
    try:
        return count_duplicates(tables[key], SORT_KEYS[tables.asset])
    except PulseError as error:
        return error
