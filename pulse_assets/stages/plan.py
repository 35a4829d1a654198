"""Stage 2, `training_batches`: the variables that a batch predicts, and why it skips others."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from pulse_assets.array_types import Ints
from pulse_assets.batches.windows import TrainingBatch
from pulse_assets.catalog import TRAINING_BATCHES
from pulse_assets.errors import HistoricalDataError
from pulse_assets.stages.variable_history import MINIMUM_HISTORY, VariableHistory

Row = dict[str, Any]

NO_ROWS: Final = "no observation in the window"
NO_VALUES: Final = "no observation with a value in the window"
#: Why nothing is predicted after missing values alone.
NOTHING_KNOWN: Final = "no observation with a value is known at an origin"
#: Why the values that an archive holds from its first day on are not predicted.
IN_ARCHIVE: Final = (
    "public on the first day of its releases: no forecast could be made in real time before"
)

#: The same text for every batch, so that equal reasons can be counted; `history` has the number.
TOO_LITTLE: Final = (
    f"too few observations before the window: {MINIMUM_HISTORY} must be known at an origin"
)


def plan(
    batch: TrainingBatch, histories: Mapping[str, VariableHistory], horizons: Sequence[int]
) -> pa.Table:
    """Return one row per variable of a batch: its frequency, counts and target dates.

    A variable is skipped, with the reason, if its window has no values, if too few observations or
    only missing values are known before it, or if two of its dates lie in one period.

    Args:
        batch: the window of target dates.
        histories: of each variable, from the batch's anchor on; rows after the batch do not matter.
        horizons: steps ahead to predict, >= 1.

    Returns:
        A table of schema `TRAINING_BATCHES`, sorted.
    """
    rows = []
    for name in sorted(batch.variables):
        history = histories[name]
        try:
            rows.append(_describe(batch, history, horizons))
        except HistoricalDataError as error:
            rows.append(_given_counts(batch, history) | {"skip_reason": str(error)})
        rows[-1]["variable"] = name
    return pa.Table.from_pylist([row | _identity(batch) for row in rows], TRAINING_BATCHES)


def _identity(batch: TrainingBatch) -> Row:
    return {"batch": batch.batch_id, "window_start": batch.start, "window_end": batch.end}


def _describe(batch: TrainingBatch, history: VariableHistory, horizons: Sequence[int]) -> Row:
    given = history.rows_dated(batch.start, batch.end)
    if given.start == given.stop:
        return _given_counts(batch, history) | {"skip_reason": NO_ROWS}
    if given.start < MINIMUM_HISTORY:
        return _given_counts(batch, history) | {"skip_reason": TOO_LITTLE}
    frequency, window = history.frequency, history.window(batch.start, batch.end)
    row = {"frequency": frequency.name, "season": frequency.season}
    row |= _counts(history.missing, window)
    if row["targets"] == 0:
        return row | {"skip_reason": NO_VALUES}
    pairs = history.pairs(window, horizons)
    if not len(pairs.target):
        return row | {"skip_reason": _why_no_pairs(history, window.stop - 1 - min(horizons))}
    dates = history.observations.dates
    return row | {
        "first_target": dates[pairs.target.min()].item(),
        "last_target": dates[pairs.target.max()].item(),
        "last_made_at": history.made_at[pairs.origin.max()].item(),
    }


def _why_no_pairs(history: VariableHistory, origin: int) -> str:
    """Return why no target of a window can be predicted from its last origin, or an earlier one."""
    if origin < 0:
        return TOO_LITTLE
    if history.made_at[origin] <= history.archive_start:
        return IN_ARCHIVE
    return NOTHING_KNOWN if history.missing[origin + 1] == origin + 1 else TOO_LITTLE


def _given_counts(batch: TrainingBatch, history: VariableHistory) -> Row:
    missing = np.isnan(history.rows.values)
    return _counts(np.append(0, np.cumsum(missing)), history.rows_dated(batch.start, batch.end))


def _counts(missing: Ints, window: slice) -> Row:
    """Return the numbers of rows and of missing values before the window and in it.

    Args:
        missing: number of missing values before each row and at the end, [T + 1].
        window: the rows of the window.
    """
    first, end = min(window.start, window.stop), window.stop
    inside = int(missing[end] - missing[first])
    return {
        "history": first,
        "missing": int(missing[first]),
        "targets": end - first - inside,
        "missing_targets": inside,
    }
