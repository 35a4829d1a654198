"""Stage 5, `trust_ledger`: how far each rule may be trusted, after every batch."""

from collections.abc import Iterable
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.retrodiction.trust import credible_interval, scan_trust
from pulse_assets.schema import TRUST_LEDGER

_RULE: Final = ["variable", "model"]
_NO_COUNTS: Final = pd.DataFrame(
    {name: pd.Series(dtype=object) for name in (*_RULE, "batch")}
    | {name: pd.Series(dtype=np.int64) for name in ("hits", "misses")}
)


def build_ledger(metrics: Iterable[pa.Table], discount: float) -> pa.Table:
    """Scan the hits and misses of all batches, in order of date, into trust.

    A pure function of `metrics`: a batch that ran twice counts once, as its last run left it. A
    batch in which a rule had nothing to predict leaves the rule's trust as it was.

    Args:
        metrics: columns batch, variable, model, hits and misses of `BATCH_METRICS`, in any order;
            the rows of a batch stand in one table.
        discount: share of past evidence that is kept from batch to batch, 0..1.

    Returns:
        A table of schema `TRUST_LEDGER`, a row a (variable, model, batch).

    Example:
        3 hits and 1 miss in the first batch give Beta(4, 2): trust 4 / 6.
    """
    counts = pd.concat([_NO_COUNTS, *map(_count_batches, metrics)])
    counts = counts.sort_values([*_RULE, "batch"], ignore_index=True)
    scans = [scan_trust(*_evidence(rows), discount) for _, rows in counts.groupby(_RULE)]
    a = np.concatenate([scan[0] for scan in scans]) if scans else np.empty(0)
    b = np.concatenate([scan[1] for scan in scans]) if scans else np.empty(0)
    lower, upper = credible_interval(a, b)
    table = counts.assign(a=a, b=b, trust=a / (a + b), lower=lower, upper=upper)
    return pa.Table.from_pandas(table, TRUST_LEDGER, preserve_index=False)


def latest_trust(ledger: pa.Table) -> pd.DataFrame:
    """Return the last row of the ledger of each (variable, model), names as plain text."""
    frame = ledger.select(["batch", *_RULE, "trust", "lower", "upper"]).to_pandas()
    frame = frame.astype(dict.fromkeys(("batch", *_RULE), object))
    return frame.sort_values("batch").drop_duplicates(_RULE, keep="last")


def _evidence(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return rows["hits"].to_numpy(), rows["misses"].to_numpy()


def _count_batches(metrics: pa.Table) -> pd.DataFrame:
    """Sum hits and misses over horizons."""
    scored = metrics.filter(pc.field("model").is_valid())
    sums = scored.group_by([*_RULE, "batch"]).aggregate([("hits", "sum"), ("misses", "sum")])
    return pd.DataFrame(
        {name: sums[name].cast(pa.string()).to_numpy() for name in (*_RULE, "batch")}
        | {name: sums[f"{name}_sum"].to_numpy() for name in ("hits", "misses")}
    )
