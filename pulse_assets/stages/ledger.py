"""Stage 5, `trust_ledger`: how far each rule may be trusted, after every batch."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.catalog import BATCH_METRICS, TRUST_LEDGER
from pulse_assets.retrodiction.arrays import Floats, Ints
from pulse_assets.retrodiction.trust import (
    block_pairs,
    credible_interval,
    overlapping_pairs,
    scan_trust,
)

_RULE: Final = ["variable", "model"]
#: The columns of `BATCH_METRICS` that the ledger is made of.
LEDGER_COLUMNS: Final = ("batch", "variable", "model", "horizon", "wins", "compared")
#: Stands for "over all horizons" where a number is needed: after every horizon.
_ALL: Final = np.iinfo(np.int32).max


@dataclass(frozen=True)
class _Series:
    """The rows of the ledger, [R], ordered by series, then batch; a series is a rule's horizon.

    Attributes:
        rows: columns batch, variable, model (categories), horizon (`_ALL`: over all), wins and
            compared.
        series: number of each row's series, ascending from 0.
        place: number of each row in its series, from 0.
        block: pairs of a block of each series, [K].
        overlap: pairs that share their future in each series, [K].
    """

    rows: pd.DataFrame
    series: Ints
    place: Ints
    block: Ints
    overlap: Ints

    def laid_out(self, column: str) -> Floats:
        """Return a column as [B, K]: a series per column, 0 after its end."""
        values = np.zeros((self.place.max(initial=-1) + 1, len(self.block)))
        values[self.place, self.series] = self.rows[column]
        return values


def build_ledger(metrics: Iterable[pa.Table], discount: float) -> pa.Table:
    """Scan the wins over `naive` of all batches, in order of date, into trust.

    A pure function of `metrics`: a batch that ran twice counts once, as its last run left it. A
    batch in which a variable was not scored leaves its trust as it was.

    Args:
        metrics: the `LEDGER_COLUMNS` of `BATCH_METRICS`, in any order.
        discount: share of past evidence that is kept from batch to batch, 0..1.

    Returns:
        A table of schema `TRUST_LEDGER`: a row per (variable, model, horizon, batch), and a row per
        (variable, model, batch) with horizon null, over all horizons; see `scan_trust`.

    Example:
        3 wins of 4 pairs at horizon 1 in the first batch give Beta(4, 2): trust 4 / 6.
    """
    found = _series(_with_overall_rows(_scored_rows(metrics)))
    wins, compared = found.laid_out("wins"), found.laid_out("compared")
    a, b = scan_trust(wins, compared, discount, block=found.block, overlap=found.overlap)
    a, b = a[found.place, found.series], b[found.place, found.series]
    return _table(found.rows, a, b)


def latest_trust(ledger: pa.Table, *, by_horizon: bool = False) -> pd.DataFrame:
    """Return the last row of the ledger of each (variable, model), names as plain text.

    Args:
        ledger: rows of schema `TRUST_LEDGER`.
        by_horizon: the rows of each horizon instead of those over all horizons.
    """
    keys = [*_RULE, "horizon"] if by_horizon else _RULE
    rows = horizon_rows(ledger) if by_horizon else overall_rows(ledger)
    chosen = rows.select(["batch", *keys, "trust", "lower", "upper"])
    frame = _ordered(chosen.unify_dictionaries().to_pandas())
    last = frame.sort_values("batch", kind="stable").drop_duplicates(keys, keep="last")
    return last.astype(dict.fromkeys(("batch", *_RULE), object))


def overall_rows(ledger: pa.Table) -> pa.Table:
    """Return the rows of a ledger that are over all horizons."""
    return ledger.filter(pc.field("horizon").is_null())


def horizon_rows(ledger: pa.Table) -> pa.Table:
    """Return the rows of a ledger that are of one horizon."""
    return ledger.filter(pc.field("horizon").is_valid())


def _scored_rows(metrics: Iterable[pa.Table]) -> pd.DataFrame:
    columns = list(LEDGER_COLUMNS)
    scored = [
        table.select(columns).filter(pc.field("model").is_valid())
        for table in [BATCH_METRICS.empty_table(), *metrics]
    ]
    return _ordered(pa.concat_tables(scored).unify_dictionaries().to_pandas())


def _ordered(rows: pd.DataFrame) -> pd.DataFrame:
    """Bring the categories of the names into the order of their text."""
    names = ("batch", *_RULE)
    return rows.assign(**{name: _in_order_of_text(rows[name]) for name in names})


def _in_order_of_text(names: pd.Series) -> pd.Series:
    names = names.astype("category")
    return names.cat.set_categories(sorted(names.cat.categories))


def _with_overall_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Add for each rule and batch the sums over its horizons."""
    sums = rows.groupby([*_RULE, "batch"], observed=True)[["wins", "compared"]].sum()
    overall = sums.reset_index().assign(horizon=np.int32(_ALL))
    return pd.concat([rows, overall[rows.columns]], ignore_index=True)


def _series(rows: pd.DataFrame) -> _Series:
    """Number the series and the rows in them."""
    rows = rows.sort_values([*_RULE, "horizon", "batch"], kind="stable", ignore_index=True)
    keys = rows[_RULE].apply(lambda names: names.cat.codes).assign(horizon=rows["horizon"])
    codes = keys.to_numpy().astype(np.int64)
    new = np.ones(len(rows), bool)
    new[1:] = (codes[1:] != codes[:-1]).any(axis=1)
    series, first = np.cumsum(new) - 1, np.flatnonzero(new)
    place = np.arange(len(rows)) - first[series]
    return _Series(rows, series, place, *_sizes(keys.iloc[first]))


def _sizes(series: pd.DataFrame) -> tuple[Ints, Ints]:
    """Return block and overlap of each series; over all horizons, those of the rule's horizons."""
    sizes: list[tuple[int, int]] = []
    horizons: list[int] = []
    for horizon in series["horizon"]:
        own = horizons if horizon == _ALL else [int(horizon)]
        sizes.append((block_pairs(own), overlapping_pairs(own)))
        horizons = [] if horizon == _ALL else [*horizons, int(horizon)]
    block, overlap = np.array(sizes, np.int64).reshape(-1, 2).T
    return block, overlap


def _table(rows: pd.DataFrame, a: Floats, b: Floats) -> pa.Table:
    lower, upper = credible_interval(a, b)
    overall = (rows["horizon"] == _ALL).to_numpy()
    columns = {name: rows[name] for name in ("batch", *_RULE, "wins", "compared")} | {
        "horizon": pa.array(rows["horizon"].to_numpy(), pa.int32(), mask=overall),
        **{"a": a, "b": b, "trust": a / (a + b), "lower": lower, "upper": upper},
    }
    arrays = [
        pa.array(columns[field.name]).cast(field.type)
        if isinstance(columns[field.name], pd.Series | np.ndarray)
        else columns[field.name]
        for field in TRUST_LEDGER
    ]
    return pa.table(arrays, schema=TRUST_LEDGER)
