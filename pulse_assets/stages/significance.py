"""`significance`: whether rules differ by more than chance, from the losses of every batch.

A sum over the targets of a batch is one loss, so that nothing is computed again. Over all horizons
a loss is the mean of those of the horizons, each divided by naive's mean error at that horizon.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import pandas as pd
import pyarrow as pa

from pulse_assets.array_types import Floats, Ints
from pulse_assets.catalog import SIGNIFICANCE
from pulse_assets.evaluation.bootstrap import block_length, content_seed, draw_blocks
from pulse_assets.evaluation.comparison import (
    EqualAccuracy,
    adjust_probabilities,
    diebold_mariano,
    steps_between_batches,
)
from pulse_assets.evaluation.confidence_set import confidence_set
from pulse_assets.evaluation.win_rate import central_interval, resampled_win_rates
from pulse_assets.retrodiction.rules import ENSEMBLE_MEDIAN
from pulse_assets.stages.losses import VariableLosses
from pulse_assets.stages.pooling import COMPLETE

#: With more variables than this, confidence sets are computed over all horizons only: they are
#: most of the work.
MANY_VARIABLES: Final = 1000
#: Horizon number that means "over all horizons".
OVER_ALL: Final = 0

#: Sets of resampled histories in memory: of each block, and of series of other frequencies.
_HELD: Final = 4


def compare_rules(losses: Iterable[VariableLosses], pairs: Mapping[str, float]) -> pd.DataFrame:
    """Return the tests of every variable, rule and horizon, with columns of `SIGNIFICANCE`.

    Args:
        losses: of each variable.
        pairs: number of pairs at one horizon over all batches, by variable.

    Returns:
        One row per variable, rule and horizon, the horizon 0 meaning over all; a rule without any
        forecast at a horizon has no row. Not adjusted over variables, see `adjust`.
    """
    histories = _Histories(every_horizon=len(pairs) <= MANY_VARIABLES)
    parts = [
        _Comparison.of(each, pairs.get(each.variable, 0.0), histories).columns()
        for each in losses
        if len(each.batches)
    ]
    if not parts:
        return pd.DataFrame(columns=[*SIGNIFICANCE.names]).astype({"horizon": np.int64})
    # One frame of all: one for each variable would take ten times the memory of its numbers.
    return pd.DataFrame({name: np.concatenate([each[name] for each in parts]) for name in parts[0]})


def adjust(rows: pd.DataFrame, families: pd.Series) -> pd.DataFrame:
    """Add the probabilities that are adjusted over the variables.

    Args:
        rows: from `compare_rules`.
        families: the name of the rule of each row, one for all that belong to one family.
    """
    groups = [*rows.groupby([families, rows["horizon"]], observed=True).indices.values()]
    for reference in ("naive", "median"):
        p = rows[f"p_{reference}"].to_numpy(np.float64)
        adjusted = np.full(len(p), np.nan)
        for members in groups:
            adjusted[members] = adjust_probabilities(p[members])
        rows[f"adjusted_{reference}"] = adjusted
    return rows


def to_table(rows: pd.DataFrame) -> pa.Table:
    """Return rows of `adjust` as a table of schema `SIGNIFICANCE`."""
    horizon = rows["horizon"].to_numpy(np.int64)
    columns: dict[str, Any] = {
        "variable": rows["variable"].astype("category"),
        "model": rows["model"].astype("category"),
        "horizon": pa.array(horizon, pa.int32(), mask=horizon == OVER_ALL),
    }
    arrays = [
        pa.array(columns.get(field.name, rows[field.name]), from_pandas=False).cast(field.type)
        if field.name in columns
        else pa.array(rows[field.name].to_numpy().astype(field.type.to_pandas_dtype()))
        for field in SIGNIFICANCE
    ]
    return pa.table(arrays, schema=SIGNIFICANCE)


class _Histories:
    """Resampled histories, the same for all variables that the same batches score.

    Attributes:
        every_horizon: whether each horizon has confidence sets of its own.
    """

    def __init__(self, *, every_horizon: bool = True) -> None:
        self.every_horizon = every_horizon
        self._drawn: dict[tuple[int, int, int], Floats] = {}

    def draw(self, batches: Sequence[str], block: int) -> Floats:
        """Return how often each batch is in each history, see `draw_blocks`."""
        # Not from the losses, whose last bits differ between processors.
        key = content_seed(*batches), len(batches), min(block, len(batches))
        if key not in self._drawn:
            while len(self._drawn) >= _HELD:
                self._drawn.pop(next(iter(self._drawn)))
            self._drawn[key] = draw_blocks(key[1], key[2], key[0])
        return self._drawn[key]


@dataclass(frozen=True)
class _Comparison:
    """The losses of one variable with those over all horizons as a further one; H1 = H + 1.

    Attributes:
        losses: of the variable.
        steps: of the sums over batches, [H1].
        scaled: sum of the absolute errors relative to naive's mean, [T, M, H1]; NaN where the rule
            lacks the forecast of a pair.
        from_naive: the same minus naive's over the same pairs.
        histories: where resampled ones come from.
    """

    losses: VariableLosses
    steps: Ints
    scaled: Floats
    from_naive: Floats
    histories: _Histories

    @classmethod
    def of(cls, losses: VariableLosses, pairs: float, histories: _Histories) -> Self:
        """Scale the losses of a variable; `pairs` is the number at one horizon, of all batches."""
        scale = losses.scale
        scaled = np.where(losses.whole, losses.error, np.nan) / scale
        from_naive = (losses.error - losses.naive) / scale
        targets = np.full(len(losses.horizons), pairs / len(losses.batches))
        steps = steps_between_batches(losses.horizons, targets)
        return cls(
            losses,
            np.append(steps, steps.max(initial=1)),
            _with_mean(scaled, complete=True),
            _with_mean(from_naive),
            histories,
        )

    def columns(self) -> dict[str, np.ndarray]:
        """Return the columns of one row per rule and horizon."""
        losses, shape = self.losses, self.from_naive.shape[1:]
        naive, median = self._test(self.from_naive), self._test(self._from_median())
        lower, upper, rate = self._win_rates()
        sets = np.full(shape, np.nan)
        for at in range(shape[1]) if self.histories.every_horizon else (shape[1] - 1,):
            sets[:, at] = self._confidence_set(at)
        names = np.array([losses.variable, *losses.models], object)
        columns = {
            "variable": np.repeat(names[:1], np.prod(shape)),
            "model": np.repeat(names[1:], shape[1]),
            "horizon": np.tile(np.append(losses.horizons, OVER_ALL), shape[0]),
            "n": naive.n,
            "dm_naive": naive.statistic,
            "p_naive": naive.p,
            "n_median": median.n,
            "dm_median": median.statistic,
            "p_median": median.p,
            "set_probability": sets.ravel(),
            "win_rate": _in_last(rate, shape),
            "win_rate_lower": _in_last(lower, shape),
            "win_rate_upper": _in_last(upper, shape),
        }
        occurs = np.ones(shape, bool)
        occurs[:, :-1] = (~np.isnan(losses.error)).any(axis=0)
        return {name: _single(values)[occurs.ravel()] for name, values in columns.items()}

    def _from_median(self) -> Floats:
        """Return the losses minus those of the median, [T, M, H1]."""
        if ENSEMBLE_MEDIAN not in self.losses.models:
            return np.full(self.scaled.shape, np.nan)
        at = self.losses.models.index(ENSEMBLE_MEDIAN)
        gaps = self.scaled[..., :-1] - self.scaled[:, at : at + 1, :-1]
        return _with_mean(gaps)

    def _test(self, differences: Floats) -> EqualAccuracy:
        """Test the differences [T, M, H1]; the results are [M H1]."""
        flat = differences.reshape(len(differences), -1)
        return diebold_mariano(flat, np.tile(self.steps, differences.shape[1]))

    def _confidence_set(self, at: int) -> Floats:
        """Return the probabilities of the rules in the set of one horizon, [M]."""
        losses = self.scaled[..., at]
        present = ~np.isnan(losses)
        judged = present.sum(axis=0) >= COMPLETE * present.any(axis=1).sum()
        judged &= present.any(axis=0)
        dates = present[:, judged].all(axis=1)
        probabilities = np.full(losses.shape[1], np.nan)
        if judged.sum() > 1 and dates.sum() > 1:
            draws = self._draw(np.flatnonzero(dates), at)
            probabilities[judged] = confidence_set(losses[dates][:, judged], draws)
        return probabilities

    def _win_rates(self) -> tuple[Floats, Floats, Floats]:
        """Return the bounds of the win rate of each rule over horizons, and the win rate, [M]."""
        losses = self.losses
        errors = np.where(np.isnan(losses.naive), np.nan, losses.error)
        once = np.ones((1, len(errors)))
        rate = resampled_win_rates(errors, losses.naive, once)[0]
        drawn = resampled_win_rates(errors, losses.naive, self._draw(np.arange(len(errors)), -1))
        return *central_interval(drawn), rate

    def _draw(self, dates: Ints, at: int) -> Floats:
        """Return resampled histories of some batches, for the horizon at an index."""
        block = block_length(len(dates), int(self.steps[at]))
        return self.histories.draw([self.losses.batches[i] for i in dates.tolist()], block)


def _with_mean(values: Floats, *, complete: bool = False) -> Floats:
    """Return [T, M, H] with the mean over the horizons that are present as a further one.

    With `complete` it is NaN where a rule lacks a horizon that another one has in that batch.
    """
    present = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        mean = np.where(present, values, 0.0).sum(axis=2) / present.sum(axis=2)
    if complete:
        some = present.any(axis=1, keepdims=True)
        lacking = (some & ~present).any(axis=2)
        mean = np.where(lacking, np.nan, mean)
    return np.concatenate([values, mean[..., None]], axis=2)


def _in_last(values: Floats, shape: tuple[int, int]) -> Floats:
    """Return [M H1] that is NaN but for the last horizon."""
    placed = np.full(shape, np.nan)
    placed[:, -1] = values
    return placed.ravel()


def _single(values: np.ndarray) -> np.ndarray:
    """Return floats of 32 bits for those of 64; anything else as it is."""
    return values.astype(np.float32) if values.dtype == np.float64 else values
