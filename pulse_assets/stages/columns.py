"""Columns of names: one name throughout, and a table split by the names in a column."""

from typing import cast

import numpy as np
import pyarrow as pa


def constant(text: str, length: int) -> pa.DictionaryArray:
    """Return a dictionary column that holds `text` in each of `length` rows."""
    return pa.DictionaryArray.from_arrays(np.zeros(length, np.int32), [text])


def split_by(table: pa.Table, column: str) -> dict[str, pa.Table]:
    """Return the rows of each name in a dictionary column, in their order.

    Example:
        >>> rows = pa.table({"x": pa.array(["a", "b", "a"]).dictionary_encode(), "y": [1, 2, 3]})
        >>> split_by(rows, "x")["a"]["y"].to_pylist()
        [1, 3]
    """
    whole = table.unify_dictionaries()
    names = cast("pa.DictionaryArray", whole[column].combine_chunks())
    codes = names.indices.to_numpy()
    found = enumerate(names.dictionary.to_pylist())
    return {name: whole.filter(pa.array(codes == code)) for code, name in found}
