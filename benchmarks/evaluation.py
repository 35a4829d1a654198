"""What the accuracy benchmarks share: which forecasts are evaluated, and their errors by series."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.comparison import geometric_mean
from benchmarks.quantile_scores import LEVELS
from pulse_assets.array_types import Floats, Ints

HORIZONS: Final = np.arange(1, 13)
#: Months at the end of each series that are predicted.
TARGETS: Final = 120
#: Nominal coverages of the intervals that are compared.
INTERVALS: Final = (0.8, 0.95)
#: Horizons at which two models' errors are tested.
TESTED: Final = (1, 3, 6, 12)


@dataclass(frozen=True)
class Evaluation:
    """The errors and intervals of the models on each series.

    Attributes:
        series: names `[S]`.
        models: names `[M]`.
        errors: absolute errors, one array `[M, O, H]` a series.
        coverage: share of outcomes inside the interval `[S, M, I]`, I the `INTERVALS`.
        width: mean width of the interval over `naive`'s mean absolute error `[S, M, I]`.
        below: share of outcomes at or below the quantile `[S, M, L]`, L the `LEVELS`.
        seconds: time taken.
    """

    series: tuple[str, ...]
    models: tuple[str, ...]
    errors: tuple[Floats, ...]
    coverage: Floats
    width: Floats
    below: Floats
    seconds: float

    def ratios(self) -> Floats:
        """Return each series' mean absolute error over `naive`'s `[S, M]`."""
        mae = np.array([e.mean(axis=(1, 2)) for e in self.errors])
        return mae / mae[:, [self.models.index("naive")]]

    def by_horizon(self) -> Floats:
        """Return the geometric mean over series of the ratio to `naive` `[M, H]`."""
        mae = np.array([e.mean(axis=1) for e in self.errors])
        return geometric_mean(mae / mae[:, [self.models.index("naive")]])

    def of(self, names: Sequence[str]) -> "Evaluation":
        """Return the part of these series."""
        at = [self.series.index(name) for name in names]
        errors = tuple(self.errors[i] for i in at)
        figures = self.coverage[at], self.width[at], self.below[at]
        return Evaluation(tuple(names), self.models, errors, *figures, self.seconds)


def interval_bounds(quantiles: Floats) -> tuple[Floats, Floats]:
    """Return the lower and the upper bounds of the `INTERVALS` `[I, ...]`.

    Args:
        quantiles: of the `LEVELS` `[L, ...]`.

    Example:
        >>> lower, upper = interval_bounds(np.array(LEVELS))
        >>> lower.tolist(), upper.tolist()
        ([0.1, 0.025], [0.9, 0.975])
    """
    at = [LEVELS.index(round((1.0 - share) / 2.0, 6)) for share in INTERVALS]
    return quantiles[at], quantiles[[len(LEVELS) - 1 - i for i in at]]


def last_origins(y: Floats, step: int = 1) -> Ints:
    """Return the origins whose 12 targets lie in the last `TARGETS` months, `step` apart."""
    return np.arange(len(y) - TARGETS - 1, len(y) - HORIZONS[-1], step)
