"""The panel: forecasts of all models from all indices, laid out for the kernels that learn.

Panels are `[H, T, W]`: a row holds the forecasts from one index for one horizon, the rules' first.
Then come `ensemble`, `ensemble_equal` and persistence (the last value, carried on), then places
that stay NaN: a machine that handles several numbers at once wants rows of a whole number of them.
"""

from typing import Final

import numpy as np

from pulse_assets.errors import RuleError
from pulse_assets.retrodiction.arrays import LARGEST, Floats, Ints, kernel

#: Numbers that a machine handles at once, or a multiple of that.
VECTOR: Final = 8
#: Places of a row after the rules': of the two ensembles and of persistence.
OTHERS: Final = 3
#: Most places of a row. Kernels keep arrays with so many for each field, whatever is used of them:
#: only if the distance is a constant does the compiler know that fields do not overlap. That is
#: not a power of two, so that fields do not contend for the same places of the cache.
SLOT: Final = 31 * VECTOR


def empty_panel(rules: int, length: int, steps: int) -> Floats:
    """Return a panel `[H, T, W]` without forecasts for so many rules, indices and horizons.

    Raises:
        RuleError: there are more rules than a panel has places.

    Example:
        >>> empty_panel(rules=21, length=100, steps=12).shape
        (12, 100, 24)
    """
    width = -(-(rules + OTHERS) // VECTOR) * VECTOR
    if width > SLOT:
        raise RuleError(f"{rules} rules are too many: leave out all but {SLOT - OTHERS}")
    return np.full((steps, length, width), np.nan)


@kernel  # pragma: no cover
def place(panel: Floats, model: int, forecasts: Floats, origins: Ints) -> None:
    """Put a model's forecasts `[O, H]` from its origins `[O]` into a panel."""
    for row in range(len(origins)):
        for j in range(len(panel)):
            panel[j, origins[row], model] = forecasts[row, j]


@kernel  # pragma: no cover
def unfold(values: Floats, rows: Ints, models: int, unit: float) -> Floats:
    """Return rows of a panel, model by model, times the unit, at most the largest number there is.

    Args:
        values: `[H, T, W]`.
        rows: which `[O]`; where negative all is NaN.
        models: how many of its places.
        unit: what values are multiplied by.

    Returns:
        `[M, O, H]`.
    """
    unfolded = np.empty((models, len(rows), len(values)))
    for o in range(len(rows)):
        for j in range(len(values)):
            for model in range(models):
                value = values[j, rows[o], model] * unit if rows[o] >= 0 else np.nan
                # Comparisons with NaN are false.
                value = LARGEST if value > LARGEST else value
                unfolded[model, o, j] = -LARGEST if value < -LARGEST else value
    return unfolded
