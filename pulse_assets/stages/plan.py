"""Stage 2, `training_batches`: the variables that a batch predicts, and why it skips others."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from pulse_assets.batches.windows import TrainingBatch
from pulse_assets.catalog import TRAINING_BATCHES
from pulse_assets.errors import HistoricalDataError
from pulse_assets.history.frequency import get_frequency
from pulse_assets.stages.window import MINIMUM_HISTORY, Observations, Window

Row = dict[str, Any]

#: The same text for every batch, so that equal reasons can be counted; `history` has the number.
TOO_LITTLE: Final = (
    f"too few observations before the window: {MINIMUM_HISTORY} must be known at an origin"
)


def plan(
    batch: TrainingBatch,
    history: pa.Table,
    horizons: Sequence[int],
    frequencies: Mapping[str, str],
) -> pa.Table:
    """Return one row per variable of a batch: its frequency, counts and target dates.

    A variable is skipped, with the reason, if its window has no values, if too few observations are
    known before it, or if two of its dates lie in one period.

    Args:
        batch: the window of target dates.
        history: the batch's `historical_data`.
        horizons: steps ahead to predict, >= 1.
        frequencies: the frequency of each variable, decided before the first batch.

    Returns:
        A table of schema `TRAINING_BATCHES`.
    """
    rows = []
    by_variable, empty = Observations.by_variable(history), Observations.of(history.slice(0, 0))
    for name in batch.variables:
        observations = by_variable.get(name, empty)
        try:
            rows.append(_describe(batch, observations, horizons, frequencies[name]))
        except HistoricalDataError as error:
            counts = _counts(observations, _first_row(batch, observations))
            rows.append(counts | {"skip_reason": str(error)})
        rows[-1]["variable"] = name
    return pa.Table.from_pylist([row | _identity(batch) for row in rows], TRAINING_BATCHES)


def _identity(batch: TrainingBatch) -> Row:
    return {"batch": batch.batch_id, "window_start": batch.start, "window_end": batch.end}


def _first_row(batch: TrainingBatch, observations: Observations) -> int:
    """Return the first row dated in the batch's window."""
    return int(np.searchsorted(observations.dates, np.datetime64(batch.start)))


def _describe(
    batch: TrainingBatch,
    observations: Observations,
    horizons: Sequence[int],
    frequency: str,
) -> Row:
    first_row = _first_row(batch, observations)
    counts = _counts(observations, first_row)
    if first_row == len(observations.dates):
        return counts | {"skip_reason": "no observation in the window"}
    if first_row < MINIMUM_HISTORY:
        return counts | {"skip_reason": TOO_LITTLE}
    window = Window.of(observations, np.datetime64(batch.start), get_frequency(frequency))
    return _targets(window, horizons)


def _targets(window: Window, horizons: Sequence[int]) -> Row:
    row = {"frequency": window.frequency.name, "season": window.frequency.season}
    row |= _counts(window.observations, window.first_row)
    if not len(window.targets):
        return row | {"skip_reason": "no observation with a value in the window"}
    predicted = window.pairs(horizons).target
    if not len(predicted):
        return row | {"skip_reason": TOO_LITTLE}
    dates = window.observations.dates
    return row | {
        "first_target": dates[predicted.min()].item(),
        "last_target": dates[predicted.max()].item(),
    }


def _counts(observations: Observations, first_row: int) -> Row:
    """Return the numbers of rows and of missing values before the window and in it."""
    before, inside = np.split(np.isnan(observations.values), [first_row])
    return {
        "history": len(before),
        "missing": int(before.sum()),
        "targets": int((~inside).sum()),
        "missing_targets": int(inside.sum()),
    }
