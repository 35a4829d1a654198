"""Stage 1, `historical_data`: the observations that are available to a batch."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from pulse_assets.batches.windows import TrainingBatch, history_starts
from pulse_assets.catalog import HISTORICAL_DATA
from pulse_assets.history.series import Series


def observe(batch: TrainingBatch, series: Mapping[str, Series], history_days: int) -> pa.Table:
    """Return the observations in the batch's window and in its history before the window.

    The history begins on the batch's anchor, see `history_starts`.

    Returns:
        A table of schema `HISTORICAL_DATA`, sorted. It holds no observation dated `batch.end` or
        later.
    """
    first = history_starts(np.array([batch.start], "M8[D]"), history_days)[0]
    span = np.array([first, batch.end], "M8[D]")
    names = sorted(batch.variables)
    rows = [slice(*series[name].timestamps.searchsorted(span).tolist()) for name in names]
    lengths = [part.stop - part.start for part in rows]
    cuts = [(series[name], part) for name, part in zip(names, rows, strict=True)]
    timestamps = [x.timestamps[part] for x, part in cuts]
    values = [x.values[part] for x, part in cuts]
    published = [_published(x, part) for x, part in cuts]
    codes = np.repeat(np.arange(len(names), dtype=np.int32), lengths)
    return pa.table(
        [
            pa.DictionaryArray.from_arrays(codes, pa.array(names, pa.string())),
            np.concatenate([np.empty(0, "M8[D]"), *timestamps]),
            np.concatenate([np.empty(0), *values]),
            np.concatenate([np.empty(0, "M8[D]"), *published]),
        ],
        schema=HISTORICAL_DATA,
    )


def _published(series: Series, rows: slice) -> np.ndarray:
    """Return the days of publication of some rows; NaT, which becomes null, for "at once"."""
    if series.published_at is None:
        return np.full(rows.stop - rows.start, np.datetime64("NaT", "D"))
    return series.published_at[rows]
