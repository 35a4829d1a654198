"""Where each asset's objects lie in a store, and the partitions of one asset as one mapping."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal, Self, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.errors import StoreError
from pulse_assets.schema import SCHEMAS
from pulse_assets.storage.store import MissingObjectError, Store
from pulse_assets.storage.tables import decode_table, read_fingerprint

Suffix = Literal["parquet", "json", "html"]
T = TypeVar("T")

#: Objects read at a time: botocore keeps ten connections open and warns of more.
_READERS: Final = 10

#: Partitions in memory at a time where all are worked through.
_PART: Final = 64


def object_path(
    asset: str,
    key: str | None = None,
    batch_size_days: int | str | None = None,
    suffix: Suffix = "parquet",
) -> str:
    """Return the path of an asset's object; of one partition where `key` is given.

    Batches of another length are other batches, so their objects lie apart. The length of calendar
    batches is a word.

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


@dataclass(frozen=True, eq=False)
class PartitionedTables(Mapping[str, pa.Table]):
    """The stored tables of an asset's partitions, each loaded when it is asked for.

    It holds those of `among` that the store has, in order of key, so a failed or unmade batch is
    simply absent. What is there is listed once, at the first use.

    Args:
        store: where the objects lie.
        asset: a name of `pulse_assets.schema.SCHEMAS`.
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
        if key not in self:
            raise MissingObjectError(
                f"{self.asset} has no partition {key!r} ({self.store.uri}/{self._path(key)}): "
                "materialize it, or run pulse-train over its dates"
            )
        return self._decode(key)

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
        return self._load(list(self), columns, where)

    def parts(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Load the partitions that exist a few at a time, in order of key.

        What is made of them part by part needs no more memory for more partitions.

        Args:
            columns: names of the columns to load; None means all.

        Raises:
            StoreError: an object cannot be read, is damaged or of another schema.
        """
        keys = list(self)
        for start in range(0, len(keys), _PART):
            yield self._load(keys[start : start + _PART], columns, None)

    def fingerprints(self) -> dict[str, dict[str, str]]:
        """Return what each partition was made of; a damaged object has none and is left out.

        Raises:
            StoreError: an object cannot be read.
        """
        found = zip(self, self._concurrently(self._fingerprint, self), strict=True)
        return {key: fingerprint for key, fingerprint in found if fingerprint is not None}

    def made_of(self, **parts: str) -> Self:
        """Narrow to the partitions whose fingerprint has these parts.

        Raises:
            StoreError: an object cannot be read.
        """
        found = self.fingerprints().items()
        return replace(self, among=[key for key, made in found if parts.items() <= made.items()])

    @cached_property
    def _present(self) -> dict[str, str]:
        """Path by key of the partitions that exist, in order of key."""
        paths = {key: self._path(key) for key in sorted(self.among)}
        folders = {path.rpartition("/")[0] for path in paths.values()}
        stored = {path for folder in folders for path in self.store.versions(f"{folder}/")}
        return {key: path for key, path in paths.items() if path in stored}

    def _load(
        self, keys: Sequence[str], columns: Sequence[str] | None, where: pc.Expression | None
    ) -> pa.Table:
        schema = SCHEMAS[self.asset]
        chosen = pa.schema([f for f in schema if columns is None or f.name in columns])
        tables = self._concurrently(lambda key: self._decode(key, chosen.names, where), keys)
        return pa.concat_tables([chosen.empty_table(), *tables]).unify_dictionaries()

    def _path(self, key: str) -> str:
        return object_path(self.asset, key, self.batch_size_days)

    def _decode(
        self, key: str, columns: Sequence[str] | None = None, where: pc.Expression | None = None
    ) -> pa.Table:
        path = self._path(key)
        name = f"{self.store.uri}/{path}"
        table = decode_table(self.store.read(path), self.asset, name=name, columns=columns)
        return table if where is None else table.filter(where)

    def _fingerprint(self, key: str) -> dict[str, str] | None:
        data = self.store.read(self._path(key))
        try:
            return read_fingerprint(data, name=key)
        except StoreError:
            return None

    @staticmethod
    def _concurrently(load: Callable[[str], T], keys: Iterable[str]) -> list[T]:
        with ThreadPoolExecutor(_READERS) as readers:
            return list(readers.map(load, keys))
