"""Dagster's IO managers over the store.

`layout.py` decides the paths of objects and `tables.py` their bytes. Here are only the calls of
Dagster, for one partition, several, or an asset without partitions.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

import dagster as dg
import pandas as pd
import pyarrow as pa
from pydantic import Field

from pulse_assets.catalog import Suffix
from pulse_assets.errors import StoreError
from pulse_assets.storage.layout import PartitionedTables, object_path
from pulse_assets.storage.objects import EncodedObject, StoredTable, read_object
from pulse_assets.storage.s3 import S3Settings
from pulse_assets.storage.store import Store, open_store

_Table: TypeAlias = pa.Table | EncodedObject


class StoreIOManager(dg.ConfigurableIOManager):
    """The base of the IO managers: the store, and one object of one asset in it."""

    store: str = Field(description="directory or s3://bucket/prefix of the objects")
    batch_size_days: int = Field(ge=1, description="days in a batch; part of its objects' paths")
    batch_cadence: str | None = Field(
        default=None, description="cadence of calendar batches, instead of their days"
    )
    region: str | None = Field(default=None, description="AWS region of the bucket")
    profile: str | None = Field(default=None, description="AWS profile of the credentials")
    endpoint_url: str | None = Field(
        default=None, description="address of an S3-compatible server; default: AWS"
    )
    requester_pays: bool = Field(
        default=False, description="pay for the requests to a bucket that bills its readers"
    )

    suffix: ClassVar[Suffix]

    def open_store(self) -> Store:
        """Return the store that the fields name."""
        place = (self.region, self.profile, self.endpoint_url, self.requester_pays)
        return open_store(self.store, S3Settings(*place))

    @property
    def _length(self) -> int | str:
        return self.batch_cadence or self.batch_size_days

    def _write(
        self, context: dg.OutputContext, key: str | None, data: bytes, **metadata: int
    ) -> None:
        """Write one object, of partition `key` unless None, and describe it to Dagster."""
        store = self.open_store()
        path = object_path(_asset(context), key, self._length, self.suffix)
        store.write(path, data)
        described = {"dagster/uri": f"{store.uri}/{path}", "bytes": len(data), **metadata}
        # Not add_output_metadata, which would give every partition of a run the same numbers.
        context.step_context.add_asset_metadata(described, context.asset_key, key)


class ParquetIOManager(StoreIOManager):
    """Tables of `pulse_assets.catalog.SCHEMAS` as Parquet, one object per partition.

    The last part of an asset's key names its table. What a downstream asset gets depends on the
    annotation of its argument: `pa.Table` or `pd.DataFrame` is the table, of several partitions
    those that exist, joined in order of key. Without one a partitioned asset is loaded as
    `PartitionedTables`, and any other as `pa.Table`, or unread as `StoredTable` if it says so.
    """

    suffix = "parquet"

    def handle_output(
        self,
        context: dg.OutputContext,
        obj: _Table | Mapping[str, _Table] | None,
    ) -> None:
        """Store a table, or a table by partition key; with None the step has stored its own.

        A table may be encoded already.

        Raises:
            StoreError: the keys are not those of the run, a table has other columns than its
                schema, or an object cannot be written.
        """
        if obj is None:
            return
        for key, table in _by_partition(context, obj).items():
            if not isinstance(table, EncodedObject):
                table = EncodedObject.of_table(table, _asset(context))
            rows = {} if table.rows is None else {"dagster/row_count": table.rows}
            self._write(context, key, table.data, **rows)

    def load_input(
        self, context: dg.InputContext
    ) -> pa.Table | pd.DataFrame | StoredTable | PartitionedTables:
        """Load an asset as the argument is annotated.

        Raises:
            StoreError: the annotation is another one; the object of an asset without partitions, or
                each partition of the run, is missing; or an object is damaged. If only some
                partitions are missing, they are left out with a warning in the log.
        """
        asset, wanted = _asset(context), context.dagster_type.typing_type
        whole = PartitionedTables if context.has_asset_partitions else StoredTable
        if wanted not in (Any, pa.Table, pd.DataFrame, whole):
            raise StoreError(
                f"{asset} cannot be loaded as {wanted}: annotate the argument with pa.Table, "
                f"pd.DataFrame or {whole.__name__}, or not at all"
            )
        table: pa.Table
        if context.has_asset_partitions:
            keys = context.asset_partition_keys
            tables = PartitionedTables(self.open_store(), asset, self._length, keys)
            if wanted not in (pa.Table, pd.DataFrame):
                return tables
            if missing := [key for key in keys if key not in tables]:
                tables.require(keys if len(missing) == len(keys) else ())
                context.log.warning(_missing_partitions(asset, missing, len(keys), self.store))
            table = tables.load()
        else:
            unread = StoredTable(self.open_store(), asset)
            if wanted is StoredTable:
                return unread
            table = unread.load()
        return table.to_pandas(date_as_object=False) if wanted is pd.DataFrame else table


class _TextIOManager(StoreIOManager):
    """One UTF-8 object an asset; assets with partitions hold tables and are refused."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:  # noqa: ANN401
        """Store the output, encoded already or not; with None the step has stored its own.

        Raises:
            StoreError: the asset is partitioned, or the object cannot be written.
        """
        if obj is None:
            return
        if context.has_asset_partitions:
            raise StoreError(
                f"{_asset(context)} has partitions, {type(self).__name__} stores one object an "
                "asset: use ParquetIOManager"
            )
        encoded = isinstance(obj, EncodedObject)
        self._write(context, None, obj.data if encoded else self._encode(obj).encode())

    def load_input(self, context: dg.InputContext) -> Any:  # noqa: ANN401
        """Load the object.

        Raises:
            StoreError: it is missing or damaged.
        """
        asset = _asset(context)
        try:
            return self._decode(read_object(self.open_store(), asset, self.suffix).decode())
        except ValueError as error:  # of the encoding or of the syntax
            place = f"{self.store}/{object_path(asset, suffix=self.suffix)}"
            raise StoreError(f"{place}: damaged ({error}): materialize {asset} again") from error

    def _encode(self, obj: Any) -> str:  # noqa: ANN401
        return obj

    def _decode(self, text: str) -> Any:  # noqa: ANN401
        return text


class HtmlIOManager(_TextIOManager):
    """A page of HTML, as a string."""

    suffix = "html"


class JsonIOManager(_TextIOManager):
    """A value that JSON can hold; NaN must have become None before."""

    suffix = "json"

    def _encode(self, obj: Any) -> str:  # noqa: ANN401
        return to_json(obj)

    def _decode(self, text: str) -> Any:  # noqa: ANN401
        return json.loads(text)


def to_json(value: Any, indent: str = "\n") -> str:  # noqa: ANN401
    """Return a value as JSON; what holds plain values alone is on one line, as a row of a table.

    Example:
        >>> print(to_json({"rows": [{"a": 1}, {"a": 2}]}))
        {
         "rows": [
          {"a":1},
          {"a":2}
         ]
        }
    """
    parts = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(value, dict | list) or not any(isinstance(p, dict | list) for p in parts):
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    inner = f"{indent} "
    texts = [to_json(part, inner) for part in parts]
    if isinstance(value, list):
        return f"[{inner}{f',{inner}'.join(texts)}{indent}]"
    named = [f"{json.dumps(k, ensure_ascii=False)}: {t}" for k, t in zip(value, texts, strict=True)]
    return f"{{{inner}{f',{inner}'.join(named)}{indent}}}"


def _asset(context: dg.InputContext | dg.OutputContext) -> str:
    return context.asset_key.path[-1]


def _missing_partitions(asset: str, missing: Sequence[str], count: int, store: str) -> str:
    shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
    return f"{len(missing)} of {count} partitions of {asset} are not in {store}: {shown}"


def _by_partition(
    context: dg.OutputContext, tables: _Table | Mapping[str, _Table]
) -> Mapping[str | None, _Table]:
    """Return table by partition key of the run; the key is None for an asset without partitions.

    Raises:
        StoreError: the run has other partitions than there are tables.
    """
    keys = context.asset_partition_keys if context.has_asset_partitions else [None]
    if isinstance(tables, pa.Table | EncodedObject) and len(keys) == 1:
        return {keys[0]: tables}
    if isinstance(tables, Mapping) and set(tables) == set(keys):
        return {**tables}
    returned = sorted(tables) if isinstance(tables, Mapping) else "one table"
    raise StoreError(
        f"{_asset(context)}: the run has the partitions {keys} but the step returned {returned}: "
        "return a mapping with a table for each key"
    )
