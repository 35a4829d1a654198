"""Rows that the objects of many batches have in common, stored once under their hash.

The histories of neighbouring batches differ in their last months only. So the object of a batch
holds the rows of its own calendar year, and the name of the object with the rows before. That one
never changes: whoever writes it, writes the same. Reading joins the two and verifies the hash, so a
shared object that is missing or damaged makes each of its batches a damaged one.

Folders whose name begins with an underscore are left out by readers of a folder of Parquet files.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from pulse_assets.catalog import SHARED, SORT_KEYS
from pulse_assets.errors import StoreError, StoreUnavailableError
from pulse_assets.storage.store import MissingObjectError, Store
from pulse_assets.storage.tables import content_hash, decode_table, encode_table, sorted_table

#: Fewer rows are cheaper in the batch's own object.
_FEWEST: Final = 2_000
#: Shared tables that are kept in memory.
_HELD: Final = 2

#: Versions of the shared objects that this process wrote or verified, by store and path.
_intact: dict[tuple[str, str], str] = {}


class SplitTable(NamedTuple):
    """The rows of a batch's own object, and the name of the shared object; empty: none."""

    own: pa.Table
    shared: str


@dataclass(frozen=True)
class SharedRows:
    """The shared objects of an asset; it holds the last ones that it read."""

    store: Store
    asset: str
    _tables: dict[str, pa.Table] = field(default_factory=dict, compare=False, repr=False)

    def write(self, key: str, table: pa.Table) -> SplitTable:
        """Store the rows before the year of batch `key`, unless they are stored already.

        Args:
            key: key of the batch, an ISO date.
            table: all rows of the batch.

        Raises:
            StoreUnavailableError: the object cannot be written.
        """
        column, keys = SHARED.get(self.asset, ""), SORT_KEYS[self.asset]
        if not {column, *keys} <= {*table.column_names} or table.num_rows < _FEWEST:
            return SplitTable(table, "")
        table = sorted_table(table, keys)
        before = table[column].to_numpy().astype("datetime64[D]") < np.datetime64(key[:4], "Y")
        if before.sum() < _FEWEST:
            return SplitTable(table, "")
        shared = sorted_table(table.filter(pa.array(before)), keys)
        name = content_hash(shared)
        if not self._is_intact(name):
            data = encode_table(shared, self.asset, fingerprint={})
            self.store.write(self._path(name), data)
            self._remember(name)
        return SplitTable(table.filter(pa.array(~before)), name)

    def read(self, name: str) -> pa.Table:
        """Return the rows of a shared object.

        Raises:
            MissingObjectError: there is none of that name.
            StoreError: it cannot be read, or is damaged.
        """
        if name not in self._tables:
            table = self._read(name)
            while len(self._tables) >= _HELD:
                self._tables.pop(next(iter(self._tables)), None)
            self._tables[name] = table
        return self._tables[name]

    def _read(self, name: str) -> pa.Table:
        place = f"{self.store.uri}/{self._path(name)}"
        try:
            data = self.store.read(self._path(name))
        except MissingObjectError as error:
            raise MissingObjectError(
                f"{self.asset}: {place}, which several batches share, is missing: run pulse-train "
                "--resume over their dates"
            ) from error
        table = decode_table(data, self.asset, name=place)
        if content_hash(table) != name:
            raise StoreError(
                f"{self.asset}: {place}, which several batches share, is damaged: run pulse-train "
                "--resume over their dates"
            )
        return table

    def join(self, own: pa.Table, name: str) -> pa.Table:
        """Return the rows of a batch's own object and of the shared one, sorted.

        Raises:
            StoreError: the shared object is missing or damaged.
        """
        shared = self.read(name).select(own.column_names)
        joined = pa.concat_tables([shared, own])
        return sorted_table(joined, SORT_KEYS[self.asset])

    def _is_intact(self, name: str) -> bool:
        """Tell whether the object is stored and whole; what did not change is not read again."""
        version = self.store.versions(self._path(name)).get(self._path(name))
        if version is None:
            return False
        if _intact.get((self.store.uri, name)) == version:
            return True
        try:
            self._read(name)
        except StoreUnavailableError:
            raise
        except StoreError:
            return False
        _intact[self.store.uri, name] = version
        return True

    def _remember(self, name: str) -> None:
        version = self.store.versions(self._path(name)).get(self._path(name))
        if version is not None:
            _intact[self.store.uri, name] = version

    def _path(self, name: str) -> str:
        return f"{self.asset}/_shared/{name}.parquet"
