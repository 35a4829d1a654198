"""The paths of objects in a store, and the partitions of one asset as one mapping."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.catalog import SCHEMAS, SHARED, Suffix
from pulse_assets.errors import StoreError
from pulse_assets.storage.s3 import CONCURRENCY
from pulse_assets.storage.shared_rows import SharedRows
from pulse_assets.storage.store import MissingObjectError, Store
from pulse_assets.storage.tables import (
    decode_table,
    encode_table,
    read_fingerprint,
    read_shared_name,
)

T = TypeVar("T")

#: Rows in memory at a time when all partitions are read, or those of the largest partition.
_ROWS: Final = 500_000


def object_path(
    asset: str,
    key: str | None = None,
    batch_size_days: int | str | None = None,
    suffix: Suffix = "parquet",
) -> str:
    """Return the path of an asset's object; of one partition where `key` is given.

    Batches of different lengths are different batches, so their objects have different folders. The
    length of calendar batches is a word.

    Example:
        >>> object_path("retrodictions", "2020-01-01", 30)
        'retrodictions/batch_size_days=30/2020-01-01.parquet'
        >>> object_path("retrodictions", "2020-01-01", "monthly")
        'retrodictions/batch_cadence=monthly/2020-01-01.parquet'
        >>> object_path("training_results", suffix="json")
        'training_results/training_results.json'
    """
    if key is None:
        return f"{asset}/{asset}.{suffix}"
    length = "batch_cadence" if isinstance(batch_size_days, str) else "batch_size_days"
    return f"{asset}/{length}={batch_size_days}/{key}.{suffix}"


@dataclass(frozen=True)
class Partition:
    """The table of one partition of an asset; its errors name asset, partition and object.

    Attributes:
        store: where the object is.
        asset: name of the asset.
        key: key of the batch.
        batch_size_days: length of the batches in days, or the cadence of calendar batches.
        shared: the rows that several batches share, to be read once for all of them.
    """

    store: Store
    asset: str
    key: str
    batch_size_days: int | str
    shared: SharedRows | None = None

    @property
    def path(self) -> str:
        """Where the object lies in the store."""
        return object_path(self.asset, self.key, self.batch_size_days)

    def missing(self) -> MissingObjectError:
        """Return the error that says that there is no such object, and how to fix that."""
        return MissingObjectError(
            f"{self._name}: there is no such object: materialize it, or run pulse-train --resume "
            "over its dates"
        )

    def replaced(self) -> StoreError:
        """Return the error that says that another configuration computed the object."""
        return StoreError(
            f"{self._name}: computed by another configuration than the others: keep other runs out "
            "of this store and run pulse-train --resume over its dates"
        )

    def read(self) -> bytes:
        """Return the object whole.

        Raises:
            MissingObjectError: there is none.
            StoreError: it cannot be read.
        """
        try:
            return self.store.read(self.path)
        except MissingObjectError as error:
            raise self.missing() from error

    def decode(self, data: bytes, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the table in `data`, the whole object, or these columns of it.

        Raises:
            StoreError: it is damaged or of another schema.
        """
        chosen = columns and [name for name in SCHEMAS[self.asset].names if name in columns]
        if self.asset in SHARED and (name := read_shared_name(data, name=self._name)):
            whole = self._shared.join(decode_table(data, self.asset, name=self._name), name)
            return whole.select(chosen) if chosen else whole
        return decode_table(data, self.asset, name=self._name, columns=chosen)

    def write(self, table: pa.Table, fingerprint: Mapping[str, str]) -> int:
        """Store a table; rows that several batches share are stored once.

        Returns:
            The size of the partition's own object in bytes.

        Raises:
            StoreError: the table has other columns than its schema.
            StoreUnavailableError: it cannot be written.
        """
        own, shared = self._shared.write(self.key, table)
        data = encode_table(own, self.asset, fingerprint=fingerprint, shared=shared)
        self.store.write(self.path, data)
        return len(data)

    @property
    def _shared(self) -> SharedRows:
        return self.shared or SharedRows(self.store, self.asset)

    def fingerprint(self, data: bytes) -> dict[str, str]:
        """Return the fingerprint of the table in `data`, the whole object.

        Raises:
            StoreError: it is damaged.
        """
        return read_fingerprint(data, name=self._name)

    @property
    def _name(self) -> str:
        return f"{self.asset} of batch {self.key} ({self.store.uri}/{self.path})"


@dataclass(frozen=True, eq=False)
class PartitionedTables(Mapping[str, pa.Table]):
    """The stored tables of an asset's partitions, each loaded when it is used.

    It holds those of `among` that the store has, in order of key, so a failed or missing batch is
    absent. The store is listed once, at the first use.

    Args:
        store: where the objects lie.
        asset: a name of `pulse_assets.catalog.SCHEMAS`.
        batch_size_days: length of the batches in days, or the cadence of calendar batches.
        among: the partition keys in question.
    """

    store: Store
    asset: str
    batch_size_days: int | str
    among: Sequence[str]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys that exist, in order."""
        return iter(self._present)

    def __len__(self) -> int:
        """Count the keys that exist."""
        return len(self._present)

    def __contains__(self, key: object) -> bool:
        """Tell whether the partition exists, without loading it."""
        return key in self._present

    def __getitem__(self, key: str) -> pa.Table:
        """Load one partition.

        Raises:
            MissingObjectError: it does not exist; also a KeyError.
            StoreError: its object is damaged or of another schema.
        """
        self.require([key])
        partition = self._partition(key)
        return partition.decode(partition.read())

    def require(self, keys: Collection[str]) -> None:
        """Refuse to go on without these partitions.

        Raises:
            MissingObjectError: one does not exist; also a KeyError.
        """
        for key in sorted(keys):
            if key not in self:
                raise self._partition(key).missing()

    def load(
        self, columns: Sequence[str] | None = None, where: pc.Expression | None = None
    ) -> pa.Table:
        """Load all partitions that exist as one table, in order of key.

        Args:
            columns: names of the columns to load; None means all.
            where: which rows of them to keep; None means all.

        Raises:
            StoreError: an object cannot be read, is damaged or of another schema.
        """

        def read(key: str) -> pa.Table:
            partition = self._partition(key)
            return partition.decode(partition.read(), columns)

        chosen = [
            part if where is None else part.filter(where) for part in self._parts(read, columns)
        ]
        return pa.concat_tables(chosen).unify_dictionaries()

    def parts(
        self,
        columns: Sequence[str] | None = None,
        *,
        made_of: Mapping[str, str],
        required: Collection[str] = (),
    ) -> Iterator[pa.Table]:
        """Load the partitions with this fingerprint a few at a time, in order of key.

        So the memory that a caller needs does not grow with the number of partitions. Each object
        is read once. There is at least one part, an empty one if there are no partitions.

        Args:
            columns: names of the columns to load; None means all.
            made_of: parts of the fingerprint; partitions that lack one are left out.
            required: keys that must not be absent or left out.

        Raises:
            MissingObjectError: a required partition does not exist.
            StoreError: an object cannot be read, is damaged or of another schema, or a required
                one has another fingerprint.
        """
        self.require(required)

        def read(key: str) -> pa.Table | None:
            partition = self._partition(key)
            data = partition.read()
            if made_of.items() <= partition.fingerprint(data).items():
                return partition.decode(data, columns)
            if key in required:
                raise partition.replaced()
            return None

        return self._parts(read, columns)

    def fingerprints(self) -> dict[str, dict[str, str]]:
        """Return the fingerprint of each partition; an empty one if it is damaged.

        An object of another schema counts as damaged. Each object is decoded, because its footer
        may be sound when its pages are not.

        Raises:
            StoreError: an object cannot be read.
        """

        def read(key: str) -> tuple[dict[str, str], int]:
            partition = self._partition(key)
            data = partition.read()
            try:
                return partition.fingerprint(data), partition.decode(data).num_rows
            except StoreError:
                return {}, 0

        results = _in_waves(read, list(self), rows=lambda result: result[1])
        return {key: fingerprint for key, (fingerprint, _) in zip(self, results, strict=True)}

    @cached_property
    def _present(self) -> dict[str, str]:
        """Path by key of the partitions that exist, in order of key."""
        paths = {key: self._partition(key).path for key in sorted(self.among)}
        folders = {path.rpartition("/")[0] for path in paths.values()}
        present = {path for folder in folders for path in self.store.versions(f"{folder}/")}
        return {key: path for key, path in paths.items() if path in present}

    def _partition(self, key: str) -> Partition:
        return Partition(self.store, self.asset, key, self.batch_size_days, self._shared)

    @cached_property
    def _shared(self) -> SharedRows:
        return SharedRows(self.store, self.asset)

    def _parts(
        self, read: Callable[[str], pa.Table | None], columns: Sequence[str] | None
    ) -> Iterator[pa.Table]:
        """Yield the tables that are not None, joined to parts of about `_ROWS` rows."""
        schema = SCHEMAS[self.asset]
        chosen = pa.schema([f for f in schema if columns is None or f.name in columns])
        part, whole = [chosen.empty_table()], True
        for table in _in_waves(read, list(self), rows=lambda table: table.num_rows if table else 0):
            if table is not None:
                part.append(table)
            if sum(each.num_rows for each in part) >= _ROWS:
                yield pa.concat_tables(part).unify_dictionaries()
                part, whole = [chosen.empty_table()], False
            del table  # before the next one is read
        if whole or len(part) > 1:
            yield pa.concat_tables(part).unify_dictionaries()


def _in_waves(
    read: Callable[[str], T], keys: Sequence[str], *, rows: Callable[[T], int]
) -> Iterator[T]:
    """Read many objects at a time, but no more rows than `_ROWS` if one object has fewer.

    Args:
        read: reads an object.
        keys: the keys of the objects; the results have their order.
        rows: returns the number of rows of a result.
    """
    with ThreadPoolExecutor(CONCURRENCY) as readers:
        start, size, largest = 0, 1, 1
        while start < len(keys):
            wave = [*readers.map(read, keys[start : start + size])]
            largest = max(largest, *map(rows, wave))
            while wave:
                yield wave.pop(0)
            start += size
            size = min(max(_ROWS // largest, 1), 4 * CONCURRENCY)
