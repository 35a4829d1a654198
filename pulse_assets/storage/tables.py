"""Tables to Parquet bytes and back, checked against `pulse_assets.catalog` both ways.

Equal content is equal bytes: rows are sorted, the categories of a column are the sorted names that
occur in it, and no clock enters the file. Neither Dagster nor pandas here: Dask workers import it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pulse_assets.catalog import SCHEMAS, SORT_KEYS
from pulse_assets.errors import StoreError

_FINGERPRINT: Final = b"pulse_fingerprint"
_SHARED: Final = b"pulse_shared_rows"
#: Twice the time of level 1, which is 4 ms per 10,000 rows, and 5 % fewer bytes.
_LEVEL: Final = 6
#: Tables whose numbers take fewer bytes as they are: the values of a source have few digits.
_PLAIN: Final = frozenset({"historical_data"})
#: A number beyond every code and date.
_LAST: Final = np.iinfo(np.int32).max
#: The type of stored dates: midnights, which pandas reads as `datetime64`. It would make an object
#: of each calendar day (`date32`); DuckDB and Polars compare both with dates.
_MIDNIGHT: Final = pa.timestamp("ms")


def stored_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema of a table in its file, in which days are midnights.

    Example:
        >>> stored_schema(pa.schema([("day", pa.date32()), ("n", pa.int32())])).types
        [TimestampType(timestamp[ms]), DataType(int32)]
    """
    fields = [f.with_type(_MIDNIGHT) if pa.types.is_date32(f.type) else f for f in schema]
    return pa.schema(fields)


#: The columns of each asset's tables as they are stored.
STORED_SCHEMAS: Final = {name: stored_schema(schema) for name, schema in SCHEMAS.items()}


def rows_with(table: pa.Table, column: str, value: str) -> pa.Table:
    """Return the rows that have a value in a column.

    A filter by an expression would start the threads of Arrow's query engine for a few rows.

    Example:
        >>> table = pa.table({"model": ["naive", "drift"], "n": [1, 2]})
        >>> rows_with(table, "model", "drift").to_pylist()
        [{'model': 'drift', 'n': 2}]
    """
    return table.filter(pc.call_function("equal", [table[column], value]))


def encode_table(
    table: pa.Table, asset: str, *, fingerprint: Mapping[str, str], shared: str = ""
) -> bytes:
    """Return `table` as one Parquet file, rows in the order of the asset's `SORT_KEYS`.

    Args:
        table: rows in any order, columns as in the asset's schema.
        asset: a name of `SCHEMAS`.
        fingerprint: of the input, configuration and code; stored in the file's metadata.
        shared: name of the object with further rows, see `shared_rows`; empty: none.

    Raises:
        StoreError: the columns are not those of the schema; every difference is listed.
    """
    schema = SCHEMAS[asset]
    _check_schema(table.schema, schema, asset)
    table = sorted_table(table, SORT_KEYS[asset]).cast(STORED_SCHEMAS[asset])
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        table.schema,
        compression="zstd",
        compression_level=_LEVEL,
        # Few floats repeat: trying costs more than it saves.
        use_dictionary=_categorical(schema),  # pyright: ignore[reportArgumentType] - or a list
        column_encoding=_encodings(asset) or None,
        write_statistics=False,  # a third of a small object, and nothing here reads them
        store_schema=False,  # ours is checked instead, so that no object holds the descriptions
        write_page_checksum=True,
    ) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({_FINGERPRINT: json.dumps(dict(fingerprint), sort_keys=True)})
        if shared:
            writer.add_key_value_metadata({_SHARED: shared})
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
        _check_schema(file.schema_arrow, STORED_SCHEMAS[asset], name)
        table = file.read(columns=columns)
        table.validate(full=True)
        if table.num_rows != file.metadata.num_rows:
            raise ValueError(f"{table.num_rows} of {file.metadata.num_rows} rows can be read")
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


def read_shared_name(data: bytes, *, name: str) -> str:
    """Return the name of the object with further rows; empty if there is none.

    Raises:
        StoreError: the bytes are damaged.
    """
    with _damage_explained(name):
        return (_open(data).metadata.metadata or {}).get(_SHARED, b"").decode()


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
    file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
    if not categorical:
        return file
    present = [name for name in categorical if name in file.schema_arrow.names]
    return pq.ParquetFile(
        pa.BufferReader(data),
        metadata=file.metadata,
        read_dictionary=present,
        page_checksum_verification=True,
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


def _encodings(asset: str) -> dict[str, str]:
    """Return the encoding of the columns that have another one than usual.

    Numbers that were rounded have equal last bytes, which lie side by side when split. The days of
    a source ascend, so their differences are small.
    """
    if asset not in _PLAIN:
        return dict.fromkeys(_split(asset), "BYTE_STREAM_SPLIT")
    days = [field.name for field in SCHEMAS[asset] if pa.types.is_date32(field.type)]
    return dict.fromkeys(days, "DELTA_BINARY_PACKED")


def _split(asset: str) -> list[str]:
    """Return the columns of floats whose bytes are stored one after another."""
    return [
        f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name
        for field in SCHEMAS[asset]
        if pa.types.is_list(field.type) or pa.types.is_floating(field.type)
    ]


def _categorical(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if pa.types.is_dictionary(field.type)]


def sorted_table(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Return the rows in the order of `keys`, whatever order rows and categories had."""
    table = table.unify_dictionaries().combine_chunks()
    columns = [_sorted_categories(_whole(column)) for column in table.columns]
    table = pa.table(columns, schema=table.schema)
    numbers = [_sortable(columns[table.column_names.index(key)]) for key in keys]
    return table if _in_order(numbers) else table.take(np.lexsort(numbers[::-1]))


def content_hash(table: pa.Table) -> str:
    """Hash names, types and values of a sorted table, see `sorted_table`.

    Example:
        >>> one, two = (content_hash(pa.table({"x": [value]})) for value in (1.0, 2.0))
        >>> one == two
        False
    """
    digest = hashlib.sha256(json.dumps([f"{f.name} {f.type}" for f in table.schema]).encode())
    for column in map(_whole, table.unify_dictionaries().columns):
        values = column
        if isinstance(values, pa.DictionaryArray):
            digest.update(json.dumps(values.dictionary.to_pylist()).encode())
            values = values.indices
        if pa.types.is_date32(values.type):
            values = values.cast(pa.int32())
        elif pa.types.is_boolean(values.type):
            values = values.cast(pa.int8())
        digest.update(values.is_null().to_numpy(zero_copy_only=False).tobytes())
        digest.update(values.fill_null(0).to_numpy(zero_copy_only=False).tobytes())
    return digest.hexdigest()


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _sorted_categories(column: pa.Array) -> pa.Array:
    """Return a column whose categories are the sorted names that occur in it."""
    if not isinstance(column, pa.DictionaryArray):
        return column
    names, indices = column.dictionary.to_pylist(), column.indices
    occurring = {names[code] for code in indices.unique().drop_null().to_pylist()}
    ordered = sorted(occurring)
    if ordered == names:
        return column
    places = {name: place for place, name in enumerate(ordered)}
    new_codes = pa.array([places.get(name, -1) for name in names], pa.int32())
    return pa.DictionaryArray.from_arrays(
        new_codes.take(indices), pa.array(ordered, column.dictionary.type)
    )


def _sortable(column: pa.Array) -> np.ndarray:
    """Return numbers in the order of a column of names, dates or numbers; nulls are last."""
    if pa.types.is_floating(column.type):
        return column.fill_null(np.inf).to_numpy()
    codes = column.indices if isinstance(column, pa.DictionaryArray) else column.cast(pa.int32())
    return codes.fill_null(_LAST).to_numpy()


def _in_order(columns: Sequence[np.ndarray]) -> bool:
    """Tell whether rows are in the order of the first column, then of the next ones."""
    equal = np.ones(max(len(columns[0]) - 1, 0), bool)
    for column in columns:
        before, after = column[:-1], column[1:]
        if (equal & (after < before)).any():
            return False
        equal &= after == before
    return True
