"""Stage 2, `training_batches`: what a batch predicts, and why a variable is left out."""

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

#: The same words for every batch, so that equal reasons can be counted; `history` has the number.
TOO_LITTLE: Final = (
    f"too few observations before the window: {MINIMUM_HISTORY} must be known at an origin"
)


def plan(
    batch: TrainingBatch,
    history: pa.Table,
    horizons: Sequence[int],
    frequencies: Mapping[str, str],
) -> pa.Table:
    """Describe each variable's part in the batch, one row a variable.

    A variable is left out, with its reason, when its window is empty, when too little is known
    before it, or when two of its dates lie in one period.

    Args:
        batch: the window of target dates.
        history: the batch's `historical_data`.
        horizons: whole steps ahead that will be predicted.
        frequencies: the frequency of each variable, decided before the first batch.

    Returns:
        A table of schema `TRAINING_BATCHES`.
    """
    rows = []
    observed, nothing = Observations.by_variable(history), Observations.of(history.slice(0, 0))
    for name in batch.variables:
        seen = observed.get(name, nothing)
        try:
            rows.append(_describe(batch, seen, horizons, frequencies[name]))
        except HistoricalDataError as error:
            rows.append(_counts(seen, _first(batch, seen)) | {"skip_reason": str(error)})
        rows[-1]["variable"] = name
    return pa.Table.from_pylist([row | _identity(batch) for row in rows], TRAINING_BATCHES)


def _identity(batch: TrainingBatch) -> Row:
    return {"batch": batch.batch_id, "window_start": batch.start, "window_end": batch.end}


def _first(batch: TrainingBatch, seen: Observations) -> int:
    return int(np.searchsorted(seen.dates, np.datetime64(batch.start)))


def _describe(
    batch: TrainingBatch,
    seen: Observations,
    horizons: Sequence[int],
    frequency: str,
) -> Row:
    first = _first(batch, seen)
    if first == len(seen.dates):
        return _counts(seen, first) | {"skip_reason": "no observation in the window"}
    if first < MINIMUM_HISTORY:
        return _counts(seen, first) | {"skip_reason": TOO_LITTLE}
    window = Window.of(seen, np.datetime64(batch.start), get_frequency(frequency))
    return _targets(window, horizons)


def _targets(window: Window, horizons: Sequence[int]) -> Row:
    found = {"frequency": window.frequency.name, "season": window.frequency.season}
    found |= _counts(window.observations, window.first)
    if not len(window.targets):
        return found | {"skip_reason": "no observation with a value in the window"}
    predicted = window.pairs(horizons).target
    if not len(predicted):
        return found | {"skip_reason": TOO_LITTLE}
    dates = window.observations.dates
    return found | {
        "first_target": dates[predicted.min()].item(),
        "last_target": dates[predicted.max()].item(),
    }


def _counts(observations: Observations, first: int) -> Row:
    before, inside = np.split(np.isnan(observations.values), [first])
    return {
        "history": len(before),
        "missing": int(before.sum()),
        "targets": int((~inside).sum()),
        "missing_targets": int(inside.sum()),
    }
