"""Helpers for tables with columns of names: constant columns, splits and duplicate keys."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

import numpy as np
import pyarrow as pa

from pulse_assets.array_types import Floats, Ints
from pulse_assets.history.bounds import bounds_of
from pulse_assets.retrodiction.rounding import round_quantiles
from pulse_assets.settings import TrainingOptions

#: Rows whose columns are computed at a time, because each takes some hundred bytes meanwhile.
ROWS_TOGETHER: Final = 200_000


def constant(text: str, length: int) -> pa.DictionaryArray:
    """Return a dictionary column that holds `text` in each of `length` rows."""
    return pa.DictionaryArray.from_arrays(np.zeros(length, np.int32), [text])


def list_column(rows: Floats) -> pa.ListArray:
    """Return a column whose values are lists, one per row of `[N, L]`."""
    count, length = rows.shape
    return pa.ListArray.from_arrays(np.arange(count + 1, dtype=np.int32) * length, rows.ravel())


def list_rows(column: pa.ChunkedArray) -> Floats:
    """Return the lists of a column, which have the same length, as `[N, L]`.

    Example:
        >>> list_rows(pa.chunked_array([list_column(np.array([[1.0, 2.0]]))])).tolist()
        [[1.0, 2.0]]
    """
    values = cast("pa.ListArray", column.combine_chunks()).flatten().to_numpy()
    return values.reshape(len(column), -1) if len(column) else np.empty((0, 0))


def levels_fingerprint(levels: Sequence[float]) -> dict[str, str]:
    """Return the levels of the quantiles of a table, as they are stored beside it.

    Example:
        >>> levels_fingerprint((0.1, 0.9))
        {'quantiles': '0.1 0.9'}
    """
    return {"quantiles": " ".join(map(repr, levels))}


def stored_levels(fingerprint: Mapping[str, str]) -> tuple[float, ...]:
    """Return the levels that `levels_fingerprint` wrote; none if there are none.

    Example:
        >>> stored_levels({"quantiles": "0.1 0.9"}), stored_levels({})
        ((0.1, 0.9), ())
    """
    return tuple(map(float, fingerprint.get("quantiles", "").split()))


def quantile_columns(
    quantiles: Floats, rows: Sequence[tuple[str, int]], options: TrainingOptions
) -> dict[str, pa.Array]:
    """Return quantiles `[L, N]`, rounded, and those of them that bound the interval.

    Args:
        quantiles: of the forecasts, ascending over `L`.
        rows: the variables in their order, with the number of rows of each, which add up to `N`.
        options: levels, and the bounds inside which quantiles stay when they are rounded.
    """
    ends = np.array([bounds_of(name, options.bounds) for name, _ in rows])
    least, most = np.repeat(ends, [count for _, count in rows], axis=0).T
    rounded = np.clip(round_quantiles(quantiles), least, most)
    lower, upper = (options.quantile_levels.index(level) for level in options.interval_levels)
    return {
        "lower": pa.array(rounded[lower]),
        "upper": pa.array(rounded[upper]),
        "quantiles": list_column(rounded.T),
    }


def few_rows(lengths: Sequence[int] | Ints) -> Iterator[slice]:
    """Yield runs of variables with at most `ROWS_TOGETHER` rows, or one variable with more.

    Args:
        lengths: rows of each variable.

    Example:
        >>> list(few_rows([100_000, 100_000, 300_000, 10]))
        [slice(0, 2, None), slice(2, 3, None), slice(3, 4, None)]
    """
    ends, first = np.cumsum(lengths), 0
    while first < len(ends):
        before = ends[first - 1] if first else 0
        end = max(int(np.searchsorted(ends, before + ROWS_TOGETHER, side="right")), first + 1)
        yield slice(first, end)
        first = end


def all_true(column: pa.ChunkedArray) -> bool:
    """Return whether all values of a column of truth values are true, as in an empty one."""
    return bool(column.to_numpy().all())


def split_by(table: pa.Table, column: str) -> dict[str, pa.Table]:
    """Return the rows of each name in a dictionary column, in their order.

    Example:
        >>> rows = pa.table({"x": pa.array(["a", "b", "a"]).dictionary_encode(), "y": [1, 2, 3]})
        >>> split_by(rows, "x")["a"]["y"].to_pylist()
        [1, 3]
    """
    whole = table.unify_dictionaries()
    encoded = cast("pa.DictionaryArray", whole[column].combine_chunks())
    codes, names = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(names) + 1)).tolist()
    ordered = whole.take(order)
    return {n: ordered.slice(bounds[i], bounds[i + 1] - bounds[i]) for i, n in enumerate(names)}


def count_duplicates(table: pa.Table, key: Sequence[str]) -> int:
    """Return the number of rows whose key an earlier row has; the columns hold names or numbers.

    Example:
        >>> count_duplicates(pa.table({"a": [1, 1, 2], "b": [1, 1, 1]}), ["a", "b"])
        1
        >>> count_duplicates(pa.table({"quantile": [0.05, None, 0.95, None]}), ["quantile"])
        1
    """
    columns = [_numbers(table[name]) for name in key]
    order = np.lexsort(columns)
    same = [column[order][1:] == column[order][:-1] for column in columns]
    return int(np.logical_and.reduce(same).sum())


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    """Return a number for each value, equal ones for equal values and for nulls."""
    whole = column.unify_dictionaries().combine_chunks()
    values = whole.indices if isinstance(whole, pa.DictionaryArray) else whole
    if pa.types.is_date32(values.type):
        values = values.cast(pa.int32())
    if pa.types.is_floating(values.type):
        return values.fill_null(np.inf).to_numpy()
    return values.cast(pa.int64()).fill_null(np.iinfo(np.int64).min).to_numpy()
