"""Sums of `batch_metrics` over batches, by variable, model and horizon, table by table.

The memory grows with the number of variables, models and horizons, and not with the batches.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.array_types import Floats, Ints
from pulse_assets.catalog import BATCH_METRICS
from pulse_assets.retrodiction.scores import METRICS

#: A row of `batch_metrics` with scores is of one of these.
KEY: Final = ("variable", "model", "horizon")
#: Columns of `batch_metrics` that `add_up` needs.
POOLED_COLUMNS: Final = (
    *("batch", *KEY, "n", "missing", "abs_error", "compared", "naive_abs_error", "weight"),
    *(metric.column for metric in METRICS.values()),
)

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
        known = at < len(self._keys)
        known[known] = self._keys[at[known]] == keys[known]
        if not known.all():
            self._extend(pd.unique(keys[~known]))
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


def _places(column: pa.ChunkedArray, known: dict[str, int]) -> Ints:
    """Return the place of each name in `known`, to which new names are added."""
    encoded = cast("pa.DictionaryArray", column.unify_dictionaries().combine_chunks())
    names = encoded.dictionary.to_pylist()
    places = np.array([known.setdefault(name, len(known)) for name in names], np.int64)
    return places[encoded.indices.to_numpy()]


def _places_of_numbers(values: Ints, known: dict[int, int]) -> Ints:
    occurring, codes = np.unique(values, return_inverse=True)
    places = [known.setdefault(value, len(known)) for value in occurring.tolist()]
    return np.array(places, np.int64)[codes]


def add_up(metrics: Iterable[pa.Table]) -> pd.DataFrame:
    """Return the sums over all batches, one row per variable, model and horizon.

    Batches are added one after another, so that the order of tables' rows changes no bit.

    Args:
        metrics: tables with `POOLED_COLUMNS`, in order of batch; all rows of a batch are in one.

    Returns:
        `KEY`, names as categories; n, missing, compared, abs_error and naive_abs_error over the
        compared pairs; and for each score and the weight its sum, and in `<score>_n` the number of
        its pairs. A batch whose sum is undefined is left out of that sum and of its number.
    """
    groups, sums = Groups(), dict[str, Floats]()
    for table in chain([BATCH_METRICS.empty_table()], metrics):
        rows = in_order_of_batch(scored_rows(table))
        places = groups.numbers(rows)
        for name, values in _addends(rows).items():
            total = sums.get(name, np.empty(0))
            sums[name] = np.append(total, np.zeros(len(groups) - len(total)))
            with np.errstate(over="ignore"):
                np.add.at(sums[name], places, values)
    counts = {name: np.int64 for name in sums if name in _COUNTS or name.endswith("_n")}
    return groups.frame().assign(**sums).astype(counts)


_COUNTS: Final = ("n", "missing", "compared")


def scored_rows(metrics: pa.Table) -> pa.Table:
    """Return the rows with scores."""
    return metrics.filter(pc.field("model").is_valid())


def in_order_of_batch(table: pa.Table) -> pa.Table:
    """Return the rows in the order of the text of their batch."""
    ranks = _places(table["batch"], {name: i for i, name in enumerate(_sorted_names(table))})
    return table if (ranks[1:] >= ranks[:-1]).all() else table.take(ranks.argsort(kind="stable"))


def _sorted_names(table: pa.Table) -> list[str]:
    return sorted(table["batch"].unique().to_pylist())


def _addends(rows: pa.Table) -> dict[str, np.ndarray]:
    """Return what each row adds to the sums of its group."""
    columns = {name: rows[name].to_numpy() for name in POOLED_COLUMNS if name not in _TEXTS}
    n, error = columns["n"].astype(np.float64), columns["abs_error"]
    naive, compared = columns["naive_abs_error"], columns["compared"]
    finite = np.isfinite(error) & np.isfinite(naive) & (compared > 0)
    added = {
        "n": n,
        "missing": columns["missing"],
        "compared": np.where(finite, compared, 0),
        "abs_error": np.where(finite, error, 0.0),
        "naive_abs_error": np.where(finite, naive, 0.0),
    }
    pairs = n + columns["missing"]
    totals = {"weight": (pairs * columns["weight"], pairs)} | {
        name: (metric.to_total(columns[metric.column], n, error), n)
        for name, metric in METRICS.items()
    }
    for name, (total, count) in totals.items():
        defined = ~np.isnan(total)
        added |= {name: np.where(defined, total, 0.0), f"{name}_n": np.where(defined, count, 0.0)}
    return added


_TEXTS: Final = ("batch", *KEY)
