"""Sums of `batch_metrics` over batches, by variable, model and horizon, table by table.

The memory grows with the number of variables, models and horizons, and with the batches only if an
observer keeps what it reads of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, Protocol, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from pulse_assets.array_types import Floats, Ints
from pulse_assets.catalog import BATCH_METRICS
from pulse_assets.retrodiction.scores import METRICS
from pulse_assets.stages.columns import list_rows

#: A row of `batch_metrics` with scores is of one of these.
KEY: Final = ("variable", "model", "horizon")
#: Columns of `batch_metrics` that `add_up` needs.
POOLED_COLUMNS: Final = (
    *("batch", *KEY, "n", "missing", "abs_error", "compared", "naive_abs_error", "weight"),
    "error_saved",
    *dict.fromkeys(metric.column for metric in METRICS.values()),
    "below",
)

#: A rule with less than this share of naive's pairs, or of the batches, is compared with no other.
COMPLETE: Final = 0.95

#: Bits of a group's number that hold the model and the horizon.
_MODEL_BITS, _HORIZON_BITS = 20, 12


class Groups:
    """Numbers each variable, model and horizon in the order in which they first occur."""

    def __init__(self) -> None:
        """Start without any."""
        self._names: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self._horizons: dict[int, int] = {}
        self._keys = np.empty(0, np.int64)
        self._numbers = np.empty(0, np.int64)

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self._keys)

    def numbers(self, table: pa.Table) -> Ints:
        """Return the number of each row's group; `table` has the columns of `KEY`, not null."""
        variable, model = (
            _places(table[name], names) for name, names in zip(KEY, self._names, strict=False)
        )
        horizon = _places_of_numbers(table["horizon"].to_numpy(), self._horizons)
        keys = (variable << _MODEL_BITS | model) << _HORIZON_BITS | horizon
        at = self._keys.searchsorted(keys)
        numbered = at < len(self._keys)
        numbered[numbered] = self._keys[at[numbered]] == keys[numbered]
        if not numbered.all():
            self._extend(pd.unique(keys[~numbered]))
            at = self._keys.searchsorted(keys)
        return self._numbers[at]

    def _extend(self, keys: Ints) -> None:
        numbers = np.append(self._numbers, len(self._keys) + np.arange(len(keys)))
        keys = np.append(self._keys, keys)
        order = keys.argsort()
        self._keys, self._numbers = keys[order], numbers[order]

    def frame(self) -> pd.DataFrame:
        """Return the columns of `KEY`, one row per group, names as sorted categories."""
        keys = np.empty(len(self._keys), np.int64)
        keys[self._numbers] = self._keys
        codes = keys >> (_MODEL_BITS + _HORIZON_BITS), keys >> _HORIZON_BITS & (1 << 20) - 1
        horizons = np.fromiter(self._horizons, np.int64, len(self._horizons))
        columns = {
            name: _category(code, list(names))
            for name, code, names in zip(KEY, codes, self._names, strict=False)
        }
        return pd.DataFrame(columns | {"horizon": horizons[keys & (1 << _HORIZON_BITS) - 1]})


def _category(codes: Ints, names: Sequence[str]) -> pd.Categorical:
    """Return names as categories in the order of their text."""
    ordered = sorted(names)
    place = {name: i for i, name in enumerate(ordered)}
    new = np.array([place[name] for name in names], np.int64)
    return pd.Categorical.from_codes(new[codes], pd.Index(ordered, dtype=object))


def _places(column: pa.ChunkedArray, place_of: dict[str, int]) -> Ints:
    """Return the place of each name in `place_of`, to which new names are added."""
    encoded = cast("pa.DictionaryArray", column.unify_dictionaries().combine_chunks())
    names = encoded.dictionary.to_pylist()
    places = np.array([place_of.setdefault(name, len(place_of)) for name in names], np.int64)
    return places[encoded.indices.to_numpy()]


def _places_of_numbers(values: Ints, place_of: dict[int, int]) -> Ints:
    occurring, codes = np.unique(values, return_inverse=True)
    places = [place_of.setdefault(value, len(place_of)) for value in occurring.tolist()]
    return np.array(places, np.int64)[codes]


class Observer(Protocol):
    """Reads the rows that `add_up` adds, with the numbers of their groups."""

    def add(self, rows: pa.Table, places: Ints) -> None:
        """Read rows with scores, in the order of their batch.

        Args:
            rows: with `POOLED_COLUMNS`.
            places: number of the group of each row, the index of its sums in the frame.
        """


def add_up(metrics: Iterable[pa.Table], observers: Sequence[Observer] = ()) -> pd.DataFrame:
    """Return the sums over all batches, one row per variable, model and horizon.

    Batches are added one after another, so that the order of tables' rows changes no bit.

    Args:
        metrics: tables with `POOLED_COLUMNS`, in order of batch; all rows of a batch are in one.
        observers: read the same rows.

    Returns:
        `KEY`, names as categories; n, missing, error_saved; compared, abs_error and
        naive_abs_error over the compared pairs; and for each score and the weight its sum, and in
        `<score>_n` the number of its pairs; and in `below_<i>` the observations below the quantile
        of the i-th level. A batch whose sum is undefined is left out of that sum and its number.
    """
    groups, sums = Groups(), dict[str, Floats]()
    for table in chain([BATCH_METRICS.empty_table()], metrics):
        _add_rows(in_order_of_batch(scored_rows(table)), groups, sums, observers)
        del table  # before the next one is read
    frame = groups.frame()
    for name in [*sums]:  # each is freed as soon as the table has it
        kind = np.int64 if name in _COUNTS or name.endswith("_n") else np.float64
        frame[name] = sums.pop(name).astype(kind)
    return frame


def _add_rows(
    rows: pa.Table, groups: Groups, sums: dict[str, Floats], observers: Sequence[Observer]
) -> None:
    """Add rows with scores to the sums of their groups, in place."""
    places = groups.numbers(rows)
    for observer in observers:
        observer.add(rows, places)
    for name, values in _addends(rows):
        total = sums.get(name, np.empty(0))
        if len(total) < len(groups):
            total = np.append(total, np.zeros(len(groups) - len(total)))
        sums[name] = total
        with np.errstate(over="ignore"):
            # NumPy adds counts to floats ten times slower than floats.
            np.add.at(total, places, values.astype(np.float64))


_COUNTS: Final = ("n", "missing", "compared")


def scored_rows(metrics: pa.Table) -> pa.Table:
    """Return the rows with scores."""
    if not metrics["model"].null_count:
        return metrics
    return metrics.filter(metrics["model"].is_valid())


def batch_slices(rows: pa.Table) -> Iterator[tuple[str, slice]]:
    """Yield each batch of rows in order of batch, and where its rows are."""
    batch = cast("pa.DictionaryArray", rows["batch"].unify_dictionaries().combine_chunks())
    codes = batch.indices.to_numpy()
    starts = np.flatnonzero(np.diff(codes, prepend=-1)).tolist()
    for start, end in zip(starts, [*starts[1:], len(codes)], strict=False):
        yield batch.dictionary[int(codes[start])].as_py(), slice(start, end)


def in_order_of_batch(table: pa.Table) -> pa.Table:
    """Return the rows in the order of the text of their batch."""
    ranks = _places(table["batch"], {name: i for i, name in enumerate(_sorted_names(table))})
    return table if (ranks[1:] >= ranks[:-1]).all() else table.take(ranks.argsort(kind="stable"))


def _sorted_names(table: pa.Table) -> list[str]:
    return sorted(table["batch"].unique().to_pylist())


def _addends(rows: pa.Table) -> Iterator[tuple[str, np.ndarray]]:
    """Yield what each row adds to the sums of its group, one sum after another."""
    n, missing, compared, error, naive = (rows[name].to_numpy() for name in _NEEDED)
    finite = np.isfinite(error) & np.isfinite(naive) & (compared > 0)
    yield from {"n": n, "missing": missing}.items()
    for name, values in {
        "compared": compared,
        "abs_error": error,
        "naive_abs_error": naive,
    }.items():
        yield name, np.where(finite, values, 0)
    saved = rows["error_saved"].to_numpy()
    yield "error_saved", np.where(np.isfinite(saved), saved, 0.0)
    yield from _defined("weight", (n + missing) * rows["weight"].to_numpy(), n + missing)
    for name, metric in METRICS.items():
        unscaled = rows[metric.scale_of or "abs_error"].to_numpy()
        total = metric.to_total(rows[metric.column].to_numpy(), n, unscaled)
        yield from _defined(name, total, n)
    for level, below in enumerate(list_rows(rows["below"]).T):
        yield from _defined(f"below_{level}", below, n)


def _defined(name: str, total: Floats, count: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield a sum and the number of its pairs, both 0 where the sum is undefined."""
    defined = ~np.isnan(total)
    yield name, np.where(defined, total, 0.0)
    yield f"{name}_n", np.where(defined, count, 0)


#: Columns that several sums need.
_NEEDED: Final = ("n", "missing", "compared", "abs_error", "naive_abs_error")
