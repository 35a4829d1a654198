"""Tables to Parquet bytes and back, checked against `pulse_assets.catalog` both ways.

Equal content is equal bytes: rows are sorted, the categories of a column are the sorted names that
occur in it, and no clock enters the file. Neither Dagster nor pandas here: Dask workers import it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pulse_assets.catalog import SCHEMAS, SORT_KEYS
from pulse_assets.errors import StoreError

_FINGERPRINT: Final = b"pulse_fingerprint"


def encode_table(table: pa.Table, asset: str, *, fingerprint: Mapping[str, str]) -> bytes:
    """Return `table` as one Parquet file, rows in the order of the asset's `SORT_KEYS`.

    Args:
        table: rows in any order, columns as in the asset's schema.
        asset: a name of `SCHEMAS`.
        fingerprint: of the input, configuration and code; stored in the file's metadata.

    Raises:
        StoreError: the columns are not those of the schema; every difference is listed.
    """
    schema = SCHEMAS[asset]
    _check_schema(table.schema, schema, asset)
    table = _sorted(table, SORT_KEYS[asset])
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        table.schema,
        compression="zstd",
        # Few floats repeat: trying costs more than it saves.
        use_dictionary=_categorical(schema),  # pyright: ignore[reportArgumentType] - or a list
        store_schema=False,  # ours is checked instead, so that no object holds the descriptions
        write_page_checksum=True,
    ) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({_FINGERPRINT: json.dumps(dict(fingerprint), sort_keys=True)})
    return sink.getvalue().to_pybytes()


def decode_table(
    data: bytes, asset: str, *, name: str, columns: Sequence[str] | None = None
) -> pa.Table:
    """Return the table in `data`, with the column types of the asset's schema.

    Args:
        data: a whole object.
        asset: a name of `SCHEMAS`.
        name: the object's name, for messages.
        columns: names of the columns to decode; None means all.

    Raises:
        StoreError: the bytes are damaged, or hold other columns than the schema.
    """
    schema = SCHEMAS[asset]
    with _damage_explained(name):
        file = _open(data, _categorical(schema))
        _check_schema(file.schema_arrow, schema, name)
        table = file.read(columns=columns)
        table.validate(full=True)
    chosen = pa.schema([schema.field(column) for column in table.column_names])
    return table.cast(chosen).unify_dictionaries().combine_chunks()


def read_fingerprint(data: bytes, *, name: str) -> dict[str, str]:
    """Return the fingerprint that `encode_table` stored.

    Raises:
        StoreError: the bytes are damaged or `encode_table` did not make them.
    """
    with _damage_explained(name):
        fingerprint = (_open(data).metadata.metadata or {}).get(_FINGERPRINT)
        if fingerprint is None:
            raise ValueError("it has no fingerprint")
        return json.loads(fingerprint)


def with_fingerprint(table: pa.Table, fingerprint: Mapping[str, str]) -> pa.Table:
    """Return the table with a fingerprint, which an IO manager stores with it and loads again."""
    return table.replace_schema_metadata(
        {_FINGERPRINT: json.dumps(dict(fingerprint), sort_keys=True)}
    )


def fingerprint_of(table: pa.Table) -> dict[str, str]:
    """Return the fingerprint of a table in memory; empty if it has none.

    Example:
        >>> fingerprint_of(with_fingerprint(pa.table({"x": [1]}), {"configuration": "a"}))
        {'configuration': 'a'}
    """
    return json.loads((table.schema.metadata or {}).get(_FINGERPRINT, b"{}"))


def _open(data: bytes, categorical: list[str] | None = None) -> pq.ParquetFile:
    return pq.ParquetFile(
        pa.BufferReader(data), read_dictionary=categorical, page_checksum_verification=True
    )


@contextmanager
def _damage_explained(name: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        cause = str(error).partition("\n")[0]
        if isinstance(error, KeyError):  # a column to be read as categories is missing
            cause = f"there is no column {cause.lstrip('b')}"
        raise StoreError(
            f"{name}: not a table of pulse_assets, or damaged ({cause}): "
            "materialize it again, or run pulse-train --resume over its dates"
        ) from error


def _check_schema(actual: pa.Schema, expected: pa.Schema, name: str) -> None:
    """Raise a `StoreError` that lists each difference in names, order and types."""
    problems = [
        f"{field.name} is {_type_in(actual, field.name)} instead of {field.type}"
        for field in expected
        if _type_in(actual, field.name) != str(field.type)
    ]
    problems += [f"{column} is unknown" for column in actual.names if column not in expected.names]
    if not problems and actual.names != expected.names:
        problems = [f"the columns stand in the order {', '.join(actual.names)}"]
    if problems:
        raise StoreError(
            f"{name}: other columns than this version of pulse_assets has: {'; '.join(problems)}: "
            "materialize it again, or run pulse-train --resume over its dates"
        )


def _type_in(schema: pa.Schema, column: str) -> str:
    return str(schema.field(column).type) if column in schema.names else "missing"


def _categorical(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if pa.types.is_dictionary(field.type)]


def _sorted(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Return the rows in the order of `keys`, whatever order rows and categories had."""
    table = pa.table([_sorted_categories(c) for c in table.columns], names=table.column_names)
    # Arrow sorts no categories; their codes now stand in the order of the names.
    columns = [table[key].combine_chunks() for key in keys]
    codes = [c.indices if pa.types.is_dictionary(c.type) else c for c in columns]
    order = pc.sort_indices(  # pyright: ignore[reportAttributeAccessIssue] - made at run time
        pa.table(codes, names=list(keys)), sort_keys=[(key, "ascending") for key in keys]
    )
    return table.take(order)


def _sorted_categories(column: pa.ChunkedArray) -> pa.Array:
    """Return the column in one piece; codes of categories follow the order of their names."""
    if not pa.types.is_dictionary(column.type):
        return column.combine_chunks()
    texts = column.cast(column.type.value_type).combine_chunks()
    names = texts.unique().drop_null().sort()
    codes = pc.index_in(texts, names)  # pyright: ignore[reportAttributeAccessIssue]
    return pa.DictionaryArray.from_arrays(codes, names)
