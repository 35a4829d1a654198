"""Stage 1, `historical_data`: the observations that are available to a batch."""

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import pyarrow as pa

from pulse_assets.batches.windows import TrainingBatch
from pulse_assets.catalog import HISTORICAL_DATA
from pulse_assets.history.series import Series
from pulse_assets.stages.columns import constant


def observe(batch: TrainingBatch, series: Mapping[str, Series], history_days: int) -> pa.Table:
    """Return the observations in the batch's window and in the `history_days` days before it.

    Returns:
        A table of schema `HISTORICAL_DATA`. It holds no observation dated `batch.end` or later.
    """
    first = np.datetime64(batch.start - timedelta(days=history_days))
    end = np.datetime64(batch.end)
    parts = [_cut(series[name], first, end) for name in batch.variables]
    return pa.concat_tables([HISTORICAL_DATA.empty_table(), *parts]).unify_dictionaries()


def _cut(series: Series, first: np.datetime64, end: np.datetime64) -> pa.Table:
    rows = slice(*np.searchsorted(series.timestamps, [first, end]))
    timestamps = series.timestamps[rows]
    return pa.table(
        [
            constant(series.variable, len(timestamps)),
            pa.array(timestamps),
            pa.array(series.values[rows]),
            _published(series, rows, len(timestamps)),
        ],
        schema=HISTORICAL_DATA,
    )


def _published(series: Series, rows: slice, length: int) -> pa.Array:
    if series.published_at is None:
        return pa.nulls(length, pa.date32())
    return pa.array(series.published_at[rows])
