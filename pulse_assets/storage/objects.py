"""The objects of assets without partitions: encoded before they are stored, read when used."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import pyarrow as pa

from pulse_assets.catalog import Suffix
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.store import MissingObjectError, Store
from pulse_assets.storage.tables import (
    decode_table,
    encode_table,
    fingerprint_of,
    read_fingerprint,
    with_fingerprint,
)


@dataclass(frozen=True)
class EncodedObject:
    """An object as it will be stored; an IO manager takes it as it takes a table or a text.

    Attributes:
        data: its bytes.
        rows: number of rows, of a table.
    """

    data: bytes
    rows: int | None = None

    @classmethod
    def of_table(
        cls, table: pa.Table, asset: str, fingerprint: Mapping[str, str] | None = None
    ) -> Self:
        """Encode a table, with its own fingerprint unless another is given.

        Raises:
            StoreError: it has other columns than the schema of the asset.
        """
        made_of = fingerprint_of(table) if fingerprint is None else fingerprint
        return cls(encode_table(table, asset, fingerprint=made_of), table.num_rows)


@dataclass(frozen=True)
class StoredTable:
    """The table of an asset without partitions, not yet read.

    An asset whose argument is annotated with it gets it instead of the table.

    Attributes:
        store: where the object is.
        asset: name of the asset.
    """

    store: Store
    asset: str

    def load(self) -> pa.Table:
        """Return the table with its fingerprint.

        Raises:
            MissingObjectError: it was never computed.
            StoreError: it is damaged or of another schema.
        """
        data, name = read_object(self.store, self.asset), f"{self.store.uri}/{self._path}"
        table = decode_table(data, self.asset, name=name)
        return with_fingerprint(table, read_fingerprint(data, name=name))

    @property
    def _path(self) -> str:
        return object_path(self.asset)


def read_object(store: Store, asset: str, suffix: Suffix = "parquet") -> bytes:
    """Return the object of an asset without partitions.

    Raises:
        MissingObjectError: there is none.
        StoreError: it cannot be read.
    """
    try:
        return store.read(object_path(asset, suffix=suffix))
    except MissingObjectError as error:
        raise MissingObjectError(
            f"{asset} is not in the store ({error}): run pulse-train, or materialize it in Dagster"
        ) from error
