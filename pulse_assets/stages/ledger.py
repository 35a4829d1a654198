"""Stage 5, `trust_ledger`: the trust in each rule after every batch."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from pulse_assets.array_types import Bools, Floats, Ints
from pulse_assets.catalog import SORT_KEYS, TRUST_LEDGER
from pulse_assets.retrodiction.rounding import round_shares
from pulse_assets.retrodiction.trust import (
    block_pairs,
    credible_interval,
    last_trust,
    overlapping_pairs,
    scan_trust,
)
from pulse_assets.stages.pooling import KEY, Groups, scored_rows
from pulse_assets.storage.tables import sorted_table

_RULE: Final = ["variable", "model"]
#: The columns of `BATCH_METRICS` from which the ledger is computed.
LEDGER_COLUMNS: Final = ("batch", *KEY, "wins", "compared")
#: Series times batches that are computed at a time, which takes about 100 MB.
_CELLS: Final = 500_000


def build_ledger(metrics: Iterable[pa.Table], discount: float) -> pa.Table:
    """Compute the trust in each rule from its wins over `naive`, batch by batch in date order.

    The result depends only on `metrics`. A batch that ran twice counts once, with the metrics of
    its last run. A batch that did not score a variable leaves the trust of its rules unchanged.

    Args:
        metrics: the `LEDGER_COLUMNS` of `BATCH_METRICS`, in any order.
        discount: factor by which past evidence is multiplied at each batch, 0..1.

    Returns:
        A table of schema `TRUST_LEDGER`: one row per (variable, model, batch) over all horizons,
        with horizon null, see `scan_trust`; and one row per (variable, model, horizon) after the
        rule's last batch.

    Example:
        3 wins of 4 pairs at horizon 1 in the first batch give Beta(4, 2): trust 4 / 6.
    """
    results = _Comparisons(metrics)
    parts = [
        part.table(results, discount)
        for part in results.parts(max(1, _CELLS // max(1, len(results.batches))))
    ]
    whole = pa.concat_tables([TRUST_LEDGER.empty_table(), *parts]).unify_dictionaries()
    return whole.combine_chunks()  # now, that later no copy is needed beside it


class _Comparisons:
    """Wins and compared pairs of every batch, variable, model and horizon.

    Attributes:
        batches: keys of the batches, in order.
        groups: variable, model and horizon, one row per group, sorted.
    """

    def __init__(self, metrics: Iterable[pa.Table]) -> None:
        """Read the `LEDGER_COLUMNS` of all batches."""
        numbering, rows = Groups(), dict[str, _BatchRows]()
        for table in metrics:
            scored = scored_rows(table.select(LEDGER_COLUMNS))
            columns = [scored[name].to_numpy() for name in ("wins", "compared")]
            for batch, part in _by_batch(scored, [numbering.numbers(scored), *columns]):
                rows[batch] = rows.get(batch, _NO_ROWS).extended(*part)
        self.batches = sorted(rows)
        self._rows = [rows[batch] for batch in self.batches]
        groups = numbering.frame()
        self._order = np.lexsort([groups[name] for name in KEY[::-1]] if len(groups) else [[]])
        self.groups = groups.iloc[self._order].reset_index(drop=True)

    def parts(self, size: int) -> Iterator["_Part"]:
        """Yield about `size` groups at a time, all horizons of a rule together."""
        codes = self.groups[_RULE].apply(lambda names: names.cat.codes).to_numpy()
        starts = np.flatnonzero(np.diff(codes, axis=0, prepend=-1).any(axis=1))
        first = 0
        while first < len(starts):
            after = int(starts.searchsorted(starts[first] + size))
            after = max(after, first + 1)
            end = int(starts[after]) if after < len(starts) else len(codes)
            start = int(starts[first])
            yield self._part(slice(start, end), starts[first:after] - start)
            first = after

    def _part(self, groups: slice, starts: Ints) -> "_Part":
        wins, compared = (
            np.array([rows.values(name, self._order[groups]) for rows in self._rows])
            for name in ("wins", "compared")
        )
        return _Part(self.groups.iloc[groups], starts, wins, compared)


class _BatchRows(NamedTuple):
    """Wins and compared pairs of one batch by number of group; no comparison: -1."""

    wins: np.ndarray
    compared: np.ndarray

    def extended(self, numbers: Ints, wins: np.ndarray, compared: np.ndarray) -> "_BatchRows":
        """Return these with further rows of the batch."""
        size = max(len(self.wins), int(numbers.max(initial=-1)) + 1)
        all_wins, all_compared = np.zeros(size, np.float32), np.full(size, -1, np.int32)
        all_wins[: len(self.wins)], all_compared[: len(self.wins)] = self
        all_wins[numbers], all_compared[numbers] = wins, compared
        return _BatchRows(all_wins, all_compared)

    def values(self, name: str, numbers: Ints) -> np.ndarray:
        """Return the values of groups; -1 for those that came up in a later batch only."""
        column = getattr(self, name)
        return np.append(column, np.array(-1, column.dtype))[np.minimum(numbers, len(column))]


_NO_ROWS: Final = _BatchRows(np.empty(0, np.float32), np.empty(0, np.int32))


def _by_batch(
    table: pa.Table, columns: Sequence[np.ndarray]
) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Yield each batch with its part of the columns, [R] each."""
    batch = cast("pa.DictionaryArray", table["batch"].unify_dictionaries().combine_chunks())
    codes = batch.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    for part in np.split(order, starts[1:]) if len(starts) else ():
        yield batch.dictionary[int(codes[part[0]])].as_py(), [column[part] for column in columns]


@dataclass(frozen=True)
class _Part:
    """Some rules with all their horizons.

    Attributes:
        groups: variable, model and horizon, [K].
        starts: index of the first group of each rule, [R].
        wins: by batch and group, [B, K].
        compared: likewise; -1 where a batch does not score the group.
    """

    groups: pd.DataFrame
    starts: Ints
    wins: Floats
    compared: Ints

    def table(self, ledger: _Comparisons, discount: float) -> pa.Table:
        """Return the rows of the ledger, sorted."""
        rows = pd.concat([self._by_horizon(discount), self._over_horizons(discount)])
        codes = [rows["batch"], rows["horizon"].fillna(_ALL), rows["rule"]]
        rows = rows.iloc[np.lexsort(codes)]
        rules = self.groups.iloc[self.starts]
        columns = {
            "batch": _dictionary(rows["batch"].to_numpy(), ledger.batches),
            **{
                name: _dictionary(
                    rules[name].cat.codes.to_numpy()[rows["rule"]], rules[name].cat.categories
                )
                for name in _RULE
            },
            "horizon": pa.array(rows["horizon"].astype("Int32")),
        }
        numbers = {f.name: f.type for f in TRUST_LEDGER if f.name not in columns}
        arrays = {
            name: pa.array(rows[name].to_numpy().astype(kind.to_pandas_dtype()))
            for name, kind in numbers.items()
        }
        return pa.table(columns | arrays).select(TRUST_LEDGER.names).cast(TRUST_LEDGER)

    def _over_horizons(self, discount: float) -> pd.DataFrame:
        """Return one row per rule and batch."""
        scored = self.compared >= 0
        wins, compared = (
            np.add.reduceat(np.where(scored, values, 0.0), self.starts, axis=1)
            for values in (self.wins, self.compared)
        )
        present = np.logical_or.reduceat(scored, self.starts, axis=1)
        position = present.cumsum(axis=0) - 1
        block, overlap = self._block_sizes_over_horizons()
        packed_wins, packed_compared = (
            _packed(values, present, position) for values in (wins, compared)
        )
        a, b = scan_trust(packed_wins, packed_compared, discount, block=block, overlap=overlap)
        rule, batch = np.nonzero(present.T)
        cells = position[batch, rule], rule
        return _rows(
            batch, rule, wins[batch, rule], compared[batch, rule], a[cells], b[cells]
        ).assign(horizon=np.nan)

    def _by_horizon(self, discount: float) -> pd.DataFrame:
        """Return one row per rule and horizon, after its last batch."""
        present = self.compared >= 0
        ran = present.sum(axis=0)
        position = len(present) - ran + present.cumsum(axis=0) - 1
        horizons = self.groups["horizon"].to_numpy()
        occurring, index = np.unique(horizons, return_inverse=True)
        block, overlap = (
            np.array([size([h]) for h in occurring.tolist()], np.int64)[index]
            for size in (block_pairs, overlapping_pairs)
        )
        wins, compared = (
            _packed(values, present, position) for values in (self.wins, self.compared)
        )
        a, b = last_trust(wins, compared, discount, ran=ran, block=block, overlap=overlap)
        last = len(present) - 1 - present[::-1].argmax(axis=0)
        rule = np.repeat(np.arange(len(self.starts)), np.diff(self.starts, append=len(horizons)))
        return _rows(last, rule, wins[-1], compared[-1], a, b).assign(horizon=horizons)

    def _block_sizes_over_horizons(self) -> tuple[Ints, Ints]:
        """Return block and overlap of each rule over all its horizons, [R]."""
        horizons = np.split(self.groups["horizon"].to_numpy(), self.starts[1:])
        lists = [own.tolist() for own in horizons]
        sizes = [(block_pairs(own), overlapping_pairs(own)) for own in lists]
        block, overlap = np.array(sizes, np.int64).reshape(-1, 2).T
        return block, overlap


#: Horizon number that means "over all horizons"; it sorts after every horizon.
_ALL: Final = np.iinfo(np.int32).max


def _packed(values: np.ndarray, present: Bools, position: Ints) -> Floats:
    """Return [B, K] with the values of each column that are present moved to `position`."""
    packed = np.zeros(values.shape)
    batch, column = np.nonzero(present)
    packed[position[batch, column], column] = values[batch, column]
    return packed


def _rows(
    batch: Ints, rule: Ints, wins: Floats, compared: np.ndarray, a: Floats, b: Floats
) -> pd.DataFrame:
    lower, upper = credible_interval(a, b)
    trust = {"trust": a / (a + b), "lower": lower, "upper": upper}
    return pd.DataFrame(
        {"batch": batch, "rule": rule, "wins": wins, "compared": compared}
        | {name: round_shares(values) for name, values in trust.items()}
    )


def _dictionary(codes: np.ndarray, names: Iterable[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(
        pa.array(codes, pa.int32()), pa.array(list(names), pa.string())
    )


def latest_trust(ledger: pa.Table, *, by_horizon: bool = False) -> pd.DataFrame:
    """Return the ledger's last row of each (variable, model); names are sorted categories.

    Args:
        ledger: rows of schema `TRUST_LEDGER`.
        by_horizon: return the last row of each horizon instead of that over all horizons.
    """
    rows = sorted_table(ledger, SORT_KEYS["trust_ledger"])
    keys = [*_RULE, "horizon"] if by_horizon else _RULE
    last = rows.select(["batch", *keys, "trust", "lower", "upper"]).take(
        _last_rows(rows, by_horizon)
    )
    return last.to_pandas()


def _last_rows(rows: pa.Table, by_horizon: bool) -> Ints:
    """Return the indices of the last row of each group, with a horizon or over all of them.

    Args:
        rows: the ledger in order, so that the rows of a group are one after another.
        by_horizon: whether the groups with a horizon, or those without.
    """
    horizon = rows["horizon"].fill_null(_ALL).to_numpy()
    names = (rows[name].combine_chunks().indices.to_numpy() for name in _RULE)
    ends = np.zeros(len(rows), bool)
    ends[-1:] = True
    for column in (*names, horizon):
        ends[:-1] |= column[1:] != column[:-1]
    return np.flatnonzero(ends & ((horizon != _ALL) == by_horizon))


class LatestTrust:
    """The trust after the last batch at each horizon, by variable; of rules that were scored."""

    def __init__(self, ledger: pa.Table) -> None:
        """Take a table of schema `TRUST_LEDGER`."""
        rows = latest_trust(ledger, by_horizon=True)
        rows = rows[~rows.set_index(_RULE).index.isin(_never_scored(ledger))]
        codes, names = rows["variable"].cat.codes.to_numpy(), rows["variable"].cat.categories
        bounds = codes.searchsorted(np.arange(len(names) + 1))
        self._slices = dict(zip(names, map(slice, bounds[:-1], bounds[1:]), strict=True))
        self._columns = [rows[name] for name in ("model", "horizon", "trust")]

    def __call__(self, variable: str) -> dict[tuple[str, int], float]:
        """Return the trust in each model at each horizon; nothing of an unknown variable."""
        part = self._slices.get(variable, slice(0))
        models, *numbers = (column.iloc[part].tolist() for column in self._columns)
        return {(model, h): trust for model, h, trust in zip(models, *numbers, strict=True)}


def _never_scored(ledger: pa.Table) -> list[tuple[str, str]]:
    """Return the variables and rules without any compared pair."""
    sums = overall_rows(ledger).group_by(_RULE).aggregate([("compared", "sum")])
    return [(r["variable"], r["model"]) for r in sums.to_pylist() if r["compared_sum"] == 0]


def overall_rows(ledger: pa.Table) -> pa.Table:
    """Return the ledger's rows over all horizons."""
    return ledger.filter(ledger["horizon"].is_null())
