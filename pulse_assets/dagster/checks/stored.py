"""The stored batches of one configuration, as the checks read them."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final

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
from pulse_assets.stages.outcome import OUTCOME_COLUMNS, Outcomes, collect_outcomes
from pulse_assets.storage.layout import PartitionedTables
from pulse_assets.storage.store import open_store

#: Batches whose tables are read.
READ_BATCHES: Final = 24

_STATUS: Final = ("batch", "status", "variable", "model", "horizon", "n", "coverage")


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
    def _parts(self) -> list[pa.Table]:
        """Metrics of all batches that this configuration computed."""
        made_of = {"configuration": configuration_fingerprint(self.settings, self.options)}
        columns = sorted({*_STATUS, *OUTCOME_COLUMNS})
        return list(self.tables(STATUS_TABLE).parts(columns, made_of=made_of))

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Status, counts and coverage of the batches."""
        parts = [part.select(list(_STATUS)) for part in self._parts]
        return pa.concat_tables(parts).unify_dictionaries().to_pandas()

    @cached_property
    def outcomes(self) -> Outcomes:
        """Failed batches and rules, skipped variables, and counts of the batches."""
        return collect_outcomes(self._parts)

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
        done = self.metrics.loc[self.metrics["status"] == "completed", "batch"].astype(str).unique()
        at = np.linspace(len(done) - 1, 0, min(size, len(done))).round().astype(int)
        return [str(done[i]) for i in sorted(at)]


def _duplicates_in(tables: PartitionedTables, key: str) -> int | PulseError:
    try:
        return count_duplicates(tables[key], SORT_KEYS[tables.asset])
    except PulseError as error:
        return error
