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


def fold(forecasts: Floats) -> Floats:
    """Return the panel `[H, T, W]` of rules' forecasts `[M, T, H]`.

    Raises:
        RuleError: there are more rules than a panel has places.

    Example:
        >>> fold(np.zeros((21, 100, 12))).shape
        (12, 100, 24)
    """
    rules, length, steps = forecasts.shape
    width = -(-(rules + OTHERS) // VECTOR) * VECTOR
    if width > SLOT:
        raise RuleError(f"{rules} rules are too many: leave out all but {SLOT - OTHERS}")
    panel = np.empty((steps, length, width))
    _fold(forecasts, panel)
    return panel


@kernel  # pragma: no cover
def _fold(forecasts: Floats, panel: Floats) -> None:
    rules, length, steps = forecasts.shape
    for t in range(length):
        # All of an index at once: its rows then stay at hand.
        for model in range(rules):
            for j in range(steps):
                panel[j, t, model] = forecasts[model, t, j]
        for j in range(steps):
            panel[j, t, rules:] = np.nan


@kernel  # pragma: no cover
def unfold(
    panel: Floats, rows: Ints, radius: Floats, places: Ints, unit: float, models: int
) -> tuple[Floats, Floats, Floats]:
    """Return forecasts and the bounds of their intervals, model by model `[M, O, H]`.

    Args:
        panel: forecasts in units `[H, T, W]`.
        rows: of the origins in it `[O]`.
        radius: half widths of the intervals in units `[H, R, W]`.
        places: of the origins in it `[O]`; where negative all is NaN.
        unit: what values are multiplied by; they are at most the largest number there is.
        models: how many there are.
    """
    shape = models, len(rows), len(panel)
    predicted, lower, upper = np.empty(shape), np.empty(shape), np.empty(shape)
    for o in range(len(rows)):
        for model in range(models):
            for j in range(len(panel)):
                middle, half = np.nan, np.nan
                if places[o] >= 0:
                    middle = within(panel[j, rows[o], model] * unit)
                    half = within(radius[j, places[o], model] * unit)
                predicted[model, o, j] = middle
                lower[model, o, j], upper[model, o, j] = (
                    within(middle - half),
                    within(middle + half),
                )
    return predicted, lower, upper


@kernel  # pragma: no cover
def unfold_weights(weights: Floats, places: Ints, rules: int, models: int) -> Floats:
    """Return the rules' weights `[M, O, H]` of `[H, R, W]`; NaN for models that are no rules.

    Args:
        weights: by horizon and place.
        places: of the origins `[O]`; where negative all is NaN.
        rules: how many models are rules, which come first.
        models: how many there are.
    """
    unfolded = np.full((models, len(places), len(weights)), np.nan)
    for o in range(len(places)):
        if places[o] >= 0:
            for model in range(rules):
                for j in range(len(weights)):
                    unfolded[model, o, j] = weights[j, places[o], model]
    return unfolded


@kernel  # pragma: no cover
def within(value: float) -> float:
    """Return the value, at most the largest number there is; NaN stays."""
    # Comparisons with NaN are false.
    value = LARGEST if value > LARGEST else value
    return -LARGEST if value < -LARGEST else value
