"""Columns of Arrow tables in the few types that the readers know."""

from typing import Any

import pyarrow as pa

from pulse_assets.history.records import DefectError


def with_plain_types(table: pa.Table) -> pa.Table:
    """Return a table whose texts are texts, each perhaps held once, and whose numbers are numbers.

    Arrow has more types for the same: views of texts, texts as bytes, and numbers or dates of which
    each is held once, as in a categorical column of pandas.

    Raises:
        DefectError: bytes are not UTF-8.

    Example:
        >>> with_plain_types(pa.table({"x": pa.array([1.5, 1.5]).dictionary_encode()})).schema.types
        [DataType(double)]
    """
    columns = [_plain(table.column(i), name) for i, name in enumerate(table.column_names)]
    return pa.table(columns, names=table.column_names)


def _plain(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    kind = column.type
    if not pa.types.is_dictionary(kind):
        return _texts(column, name) if _is_other_text(kind) else column
    held = kind.value_type
    if not (_is_text(held) or _is_other_text(held)):
        return column.cast(held)
    if _is_text(held):
        return column
    pairs = [(chunk.indices, _texts(chunk.dictionary, name)) for chunk in column.chunks]
    kind = pa.dictionary(kind.index_type, pa.large_string())
    return pa.chunked_array([pa.DictionaryArray.from_arrays(*pair) for pair in pairs], kind)


def _texts(column: pa.Array | pa.ChunkedArray, name: str) -> Any:  # noqa: ANN401 - the same kind
    """Return texts in the form that the readers know."""
    try:
        if not pa.types.is_string_view(column.type):
            column = column.cast(pa.large_binary())
        return column.cast(pa.large_string())
    except pa.ArrowInvalid as error:
        raise DefectError(f"column {name} holds bytes that are not UTF-8: write texts") from error


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_other_text(kind: pa.DataType) -> bool:
    """Tell whether a type holds texts in another form than that which the readers know."""
    kinds = (
        *(pa.types.is_string_view, pa.types.is_binary, pa.types.is_large_binary),
        *(pa.types.is_binary_view, pa.types.is_fixed_size_binary),
    )
    return any(is_kind(kind) for is_kind in kinds)
