"""How often outcomes lay below each quantile, pooled over all batches."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from pulse_assets.result_records import Calibration, QuantileCounts
from pulse_assets.retrodiction.rules import ENSEMBLE

#: Significant digits of a share.
_DIGITS: Final = 6


def is_symmetric(levels: Sequence[float]) -> bool:
    """Return whether levels are those of intervals and of the median, as `wis` needs.

    Example:
        >>> is_symmetric([0.1, 0.5, 0.9]), is_symmetric([0.1, 0.9]), is_symmetric([0.1, 0.5])
        (True, False, False)
    """
    ordered = np.array(levels)
    return 0.5 in levels and bool(np.allclose(ordered + ordered[::-1], 1.0))


def calibrate(over_all: pd.DataFrame, pooled: pd.DataFrame, levels: Sequence[float]) -> Calibration:
    """Count the outcomes below each quantile, for each model and for the ensemble's variables.

    Args:
        over_all: sums of `add_up`, the rules on leading indicators as one.
        pooled: sums of `add_up`.
        levels: of the quantiles, ascending.
    """
    ours = pooled[pooled["model"] == ENSEMBLE]
    return Calibration(
        levels=list(levels),
        models=_counts(over_all, "model", len(levels)),
        variables=_counts(ours, "variable", len(levels)),
    )


def _counts(sums: pd.DataFrame, by: str, levels: int) -> dict[str, QuantileCounts]:
    """Return the counts of each group of rows that has quantiles."""
    if not levels or "below_0" not in sums:
        return {}
    columns = [f"below_{level}" for level in range(levels)]
    totals = sums.groupby(by, observed=True)[[*columns, "below_0_n"]].sum()
    return {
        str(name): _of_counts(np.array(below), int(n))
        for name, *below, n in totals.itertuples()
        if n
    }


def _of_counts(below: np.ndarray, n: int) -> QuantileCounts:
    """Return shares and counts of `n` outcomes, of which `below` lie below each quantile."""
    return QuantileCounts(
        n=n,
        below=[float(f"{share:.{_DIGITS}g}") for share in below / n],
        pit=np.diff(below, prepend=0, append=n).astype(np.int64).tolist(),
    )
