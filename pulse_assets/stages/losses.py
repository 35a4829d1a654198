"""The losses of every batch, variable, model and horizon, collected while metrics are added up."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from pulse_assets.array_types import Bools, Floats, Ints
from pulse_assets.retrodiction.rules import REFERENCE
from pulse_assets.stages.pooling import KEY, batch_slices

#: Magnitudes that a 32-bit float holds as exactly as a rounded sum.
_SMALLEST, _LARGEST = 1e-30, 1e30


class _BatchRows(NamedTuple):
    """The losses of one batch by number of group, [G]; NaN where there are none."""

    error: np.ndarray
    naive: np.ndarray
    whole: np.ndarray


@dataclass(frozen=True)
class VariableLosses:
    """The losses of the rules of one variable; T batches, M rules, H horizons.

    Attributes:
        variable: its name.
        batches: keys of the batches that score it, in order, [T].
        models: names of the rules, [M].
        horizons: steps ahead, [H].
        error: sum of the absolute errors of each batch, [T, M, H]; NaN without a forecast.
        naive: that of naive over the same pairs, [T, M, H]; NaN where the two are not compared.
        whole: whether the rule has a forecast for each pair of the batch, [T, M, H].
    """

    variable: str
    batches: list[str]
    models: list[str]
    horizons: Ints
    error: Floats
    naive: Floats
    whole: Bools

    @property
    def scale(self) -> Floats:
        """Naive's mean sum of absolute errors at each horizon, [H]; NaN where 0 or unknown.

        Without `naive` it is that of all rules.
        """
        naive = [m == REFERENCE for m in self.models]
        errors = self.error[:, naive] if any(naive) else self.error
        present = ~np.isnan(errors)
        with np.errstate(all="ignore"):
            total = np.where(present, errors, 0.0).sum(axis=(0, 1))
            mean = total / present.sum(axis=(0, 1))
        return np.where((mean > 0.0) & np.isfinite(mean), mean, np.nan)


class LossCollector:
    """Collects losses as `add_up` reads them; 9 bytes per batch, variable, model and horizon."""

    def __init__(self) -> None:
        """Start with no batch."""
        self._rows: dict[str, _BatchRows] = {}

    def add(self, rows: pa.Table, places: Ints) -> None:
        """Read rows, see `Observer`."""
        n, missing, compared, error, naive = (rows[name].to_numpy() for name in _COLUMNS)
        error = _compact(np.where(n > 0, error, np.nan))
        naive = _compact(np.where(compared > 0, naive, np.nan))
        whole = (missing == 0) & (n > 0)
        for batch, part in batch_slices(rows):
            by_group = [_placed(places[part], each[part]) for each in (error, naive, whole)]
            self._rows[batch] = _BatchRows(*by_group)

    def by_variable(self, groups: pd.DataFrame) -> Iterator[VariableLosses]:
        """Yield the losses of each variable, in order of name.

        Args:
            groups: the frame that `add_up` returned.
        """
        names = groups["variable"].cat
        order = np.lexsort([groups[name] for name in KEY[::-1]]) if len(groups) else np.empty(0)
        codes = names.codes.to_numpy()[order.astype(int)]
        ends = codes.searchsorted(np.arange(len(names.categories) + 1))
        batches = sorted(self._rows)
        for code, name in enumerate(names.categories):
            own = order[ends[code] : ends[code + 1]].astype(int)
            if len(own):
                yield self._of_variable(name, batches, groups.iloc[own], own)

    def _of_variable(
        self, name: str, batches: list[str], groups: pd.DataFrame, numbers: Ints
    ) -> VariableLosses:
        models, model = np.unique(groups["model"].astype(str).to_numpy(), return_inverse=True)
        horizons, horizon = np.unique(groups["horizon"].to_numpy(), return_inverse=True)
        rows = [self._rows[batch] for batch in batches]
        error, naive, whole = (
            np.array([_taken(getattr(row, field), numbers) for row in rows])
            for field in _BatchRows._fields
        )
        scored = np.flatnonzero((~np.isnan(error)).any(axis=1))
        shape = len(scored), len(models), len(horizons)
        dense_error, dense_naive = np.full((2, *shape), np.nan)
        dense_whole = np.zeros(shape, bool)
        dense_error[:, model, horizon] = error[scored]
        dense_naive[:, model, horizon] = naive[scored]
        dense_whole[:, model, horizon] = whole[scored]
        return VariableLosses(
            variable=name,
            batches=[batches[i] for i in scored.tolist()],
            models=models.tolist(),
            horizons=horizons,
            error=dense_error,
            naive=dense_naive,
            whole=dense_whole,
        )


#: Columns of `batch_metrics` that are read.
_COLUMNS: Final = ("n", "missing", "compared", "abs_error", "naive_abs_error")


def _compact(values: Floats) -> np.ndarray:
    """Return 32-bit floats where they hold the 21 bits of each sum; undefined sums are NaN."""
    values = np.where(np.isfinite(values), values, np.nan)
    size = np.abs(values[(values != 0.0) & ~np.isnan(values)])
    fits = size.min(initial=1.0) > _SMALLEST and size.max(initial=1.0) < _LARGEST
    return values.astype(np.float32) if fits else values


def _placed(numbers: Ints, values: np.ndarray) -> np.ndarray:
    """Return the values by number of group."""
    empty = False if values.dtype == bool else np.nan
    placed = np.full(int(numbers.max(initial=-1)) + 1, empty, values.dtype)
    placed[numbers] = values
    return placed


def _taken(values: np.ndarray, numbers: Ints) -> np.ndarray:
    """Return the values of groups; none of those that came up in a later batch only."""
    taken = np.full(len(numbers), False if values.dtype == bool else np.nan, values.dtype)
    present = numbers < len(values)
    taken[present] = values[numbers[present]]
    return taken
