"""Stage 5, `trust_ledger`: the trust in each rule after every batch."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.array_types import Floats, Ints
from pulse_assets.catalog import BATCH_METRICS, TRUST_LEDGER
from pulse_assets.retrodiction.trust import (
    block_pairs,
    credible_interval,
    overlapping_pairs,
    scan_trust,
)

_RULE: Final = ["variable", "model"]
#: The columns of `BATCH_METRICS` from which the ledger is computed.
LEDGER_COLUMNS: Final = ("batch", "variable", "model", "horizon", "wins", "compared")
#: Horizon number that means "over all horizons"; it sorts after every horizon.
_ALL: Final = np.iinfo(np.int32).max


@dataclass(frozen=True)
class _Series:
    """The rows of the ledger, [R], ordered by series, then batch.

    A series is one variable, model and horizon.

    Attributes:
        rows: columns batch, variable, model (categories), horizon (`_ALL`: over all), wins and
            compared.
        series: index of each row's series, ascending from 0.
        position: index of each row in its series.
        block: pairs per block of each series, [K], see `block_pairs`.
        overlap: overlapping pairs of each series, [K], see `overlapping_pairs`.
    """

    rows: pd.DataFrame
    series: Ints
    position: Ints
    block: Ints
    overlap: Ints

    def as_matrix(self, column: str) -> Floats:
        """Return a column as [B, K]: one series per column, 0 after its end."""
        values = np.zeros((self.position.max(initial=-1) + 1, len(self.block)))
        values[self.position, self.series] = self.rows[column]
        return values


def build_ledger(metrics: Iterable[pa.Table], discount: float) -> pa.Table:
    """Compute the trust in each rule from its wins over `naive`, batch by batch in date order.

    The result depends only on `metrics`. A batch that ran twice counts once, with the metrics of
    its last run. A batch that did not score a variable leaves the trust of its rules unchanged.

    Args:
        metrics: the `LEDGER_COLUMNS` of `BATCH_METRICS`, in any order.
        discount: factor by which past evidence is multiplied at each batch, 0..1.

    Returns:
        A table of schema `TRUST_LEDGER`: one row per (variable, model, horizon, batch), and one row
        per (variable, model, batch) over all horizons, with horizon null; see `scan_trust`.

    Example:
        3 wins of 4 pairs at horizon 1 in the first batch give Beta(4, 2): trust 4 / 6.
    """
    series = _series(_with_overall_rows(_scored_rows(metrics)))
    wins, compared = series.as_matrix("wins"), series.as_matrix("compared")
    a, b = scan_trust(wins, compared, discount, block=series.block, overlap=series.overlap)
    cells = series.position, series.series
    return _table(series.rows, a[cells], b[cells])


def latest_trust(ledger: pa.Table, *, by_horizon: bool = False) -> pd.DataFrame:
    """Return the ledger's last row of each (variable, model), with names as plain text.

    Args:
        ledger: rows of schema `TRUST_LEDGER`.
        by_horizon: return the last row of each horizon instead of that over all horizons.
    """
    keys = [*_RULE, "horizon"] if by_horizon else _RULE
    rows = horizon_rows(ledger) if by_horizon else overall_rows(ledger)
    columns = rows.select(["batch", *keys, "trust", "lower", "upper"])
    frame = _sort_categories(columns.unify_dictionaries().to_pandas())
    last = frame.sort_values("batch", kind="stable").drop_duplicates(keys, keep="last")
    return last.astype(dict.fromkeys(("batch", *_RULE), object))


def overall_rows(ledger: pa.Table) -> pa.Table:
    """Return the ledger's rows over all horizons."""
    return ledger.filter(pc.field("horizon").is_null())


def horizon_rows(ledger: pa.Table) -> pa.Table:
    """Return the ledger's rows of single horizons."""
    return ledger.filter(pc.field("horizon").is_valid())


def _scored_rows(metrics: Iterable[pa.Table]) -> pd.DataFrame:
    columns = list(LEDGER_COLUMNS)
    scored = [
        table.select(columns).filter(pc.field("model").is_valid())
        for table in [BATCH_METRICS.empty_table(), *metrics]
    ]
    return _sort_categories(pa.concat_tables(scored).unify_dictionaries().to_pandas())


def _sort_categories(rows: pd.DataFrame) -> pd.DataFrame:
    """Sort the categories of batch, variable and model by their text."""
    columns = ("batch", *_RULE)
    return rows.assign(**{column: _with_sorted_categories(rows[column]) for column in columns})


def _with_sorted_categories(names: pd.Series) -> pd.Series:
    names = names.astype("category")
    return names.cat.set_categories(sorted(names.cat.categories))


def _with_overall_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Add one row per rule and batch with the sums over its horizons."""
    sums = rows.groupby([*_RULE, "batch"], observed=True)[["wins", "compared"]].sum()
    overall = sums.reset_index().assign(horizon=np.int32(_ALL))
    return pd.concat([rows, overall[rows.columns]], ignore_index=True)


def _series(rows: pd.DataFrame) -> _Series:
    """Sort the rows by series, and number the series and the rows of each."""
    rows = rows.sort_values([*_RULE, "horizon", "batch"], kind="stable", ignore_index=True)
    keys = rows[_RULE].apply(lambda names: names.cat.codes).assign(horizon=rows["horizon"])
    codes = keys.to_numpy().astype(np.int64)
    new = np.ones(len(rows), bool)
    new[1:] = (codes[1:] != codes[:-1]).any(axis=1)
    series, first = np.cumsum(new) - 1, np.flatnonzero(new)
    position = np.arange(len(rows)) - first[series]
    return _Series(rows, series, position, *_block_sizes(keys.iloc[first]))


def _block_sizes(series: pd.DataFrame) -> tuple[Ints, Ints]:
    """Return block and overlap of each series, [K]; a series over all horizons pools them."""
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
