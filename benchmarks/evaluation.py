"""What the accuracy benchmarks share: which forecasts are evaluated, and their errors by series."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.comparison import geometric_mean
from pulse_assets.array_types import Floats, Ints

HORIZONS: Final = np.arange(1, 13)
#: Months at the end of each series that are predicted.
TARGETS: Final = 120
LEVELS: Final = (0.8, 0.95)
#: Horizons at which two models' errors are tested.
TESTED: Final = (1, 3, 6, 12)


@dataclass(frozen=True)
class Evaluation:
    """The errors and intervals of the models on each series.

    Attributes:
        series: names `[S]`.
        models: names `[M]`.
        errors: absolute errors, one array `[M, O, H]` a series.
        coverage: share of outcomes inside the interval `[S, M, L]`, L the levels.
        width: mean width of the interval over `naive`'s mean absolute error `[S, M, L]`.
        seconds: time taken.
    """

    series: tuple[str, ...]
    models: tuple[str, ...]
    errors: tuple[Floats, ...]
    coverage: Floats
    width: Floats
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
        return Evaluation(
            tuple(names), self.models, errors, self.coverage[at], self.width[at], self.seconds
        )


def last_origins(y: Floats, step: int = 1) -> Ints:
    """Return the origins whose 12 targets lie in the last `TARGETS` months, `step` apart."""
    return np.arange(len(y) - TARGETS - 1, len(y) - HORIZONS[-1], step)
