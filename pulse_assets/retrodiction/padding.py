"""The padded forecast array `[H, T, W]`, and its conversion from and to forecasts by model.

A row holds all forecasts from one index for one horizon: those of the rules, then `ensemble` and
`ensemble_median`, then NaN up to a whole number of `VECTOR` places, because a machine processes
several numbers at once.
"""

from typing import Final

import numpy as np

from pulse_assets.array_types import Floats, Ints
from pulse_assets.errors import RuleError
from pulse_assets.retrodiction.arrays import LARGEST, kernel

#: Numbers that a machine processes at once, or a multiple of that.
VECTOR: Final = 4
#: Places of a row after the rules': for the two ensembles.
PLACES_AFTER_RULES: Final = 2
#: The largest width of a row, and the distance in memory between the named arrays of kernels. It
#: is not a power of two: arrays at such a distance compete for the same places of the cache.
MAX_WIDTH: Final = 62 * VECTOR


def pack(forecasts: Floats) -> Floats:
    """Return the padded forecast array `[H, T, W]` of the rules' forecasts `[M, T, H]`.

    Raises:
        RuleError: there are more rules than places.

    Example:
        >>> pack(np.zeros((21, 100, 12))).shape
        (12, 100, 24)
    """
    rules, length, steps = forecasts.shape
    width = -(-(rules + PLACES_AFTER_RULES) // VECTOR) * VECTOR
    if width > MAX_WIDTH:
        most = MAX_WIDTH - PLACES_AFTER_RULES
        raise RuleError(f"{rules} rules are too many: leave out all but {most}")
    padded = np.empty((steps, length, width))
    _fill_padded(forecasts, padded)
    return padded


@kernel  # pragma: no cover
def _fill_padded(forecasts: Floats, padded: Floats) -> None:
    rules, length, steps = forecasts.shape
    for t in range(length):
        # All horizons of an index together, so that its rows stay in the cache.
        for model in range(rules):
            for j in range(steps):
                padded[j, t, model] = forecasts[model, t, j]
        for j in range(steps):
            padded[j, t, rules:] = np.nan


@kernel  # pragma: no cover
def unpack(
    padded: Floats, indices: Ints, offsets: Floats, places: Ints, unit: float, models: int
) -> tuple[Floats, Floats]:
    """Return forecasts `[M, O, H]` and their quantiles `[L, M, O, H]` by model.

    Args:
        padded: padded forecast array in units `[H, T, W]`.
        indices: index `t` of each origin `[O]`; where it is negative all results are NaN.
        offsets: distance of each quantile from its forecast in units `[H, R, L, W]`.
        places: index `r` of each origin `[O]`, negative where `t` is.
        unit: the factor of all results, which are limited to the largest number there is.
        models: the number of models.
    """
    predicted = take(padded, indices, models)
    steps, _, levels, _ = offsets.shape
    quantiles = np.full((levels, models, len(indices), steps), np.nan)
    for o in range(len(indices)):
        if indices[o] < 0:
            continue
        for model in range(models):
            for j in range(steps):
                middle = limited(predicted[model, o, j] * unit)
                predicted[model, o, j] = middle
                for level in range(levels):
                    offset = limited(offsets[j, places[o], level, model] * unit)
                    quantiles[level, model, o, j] = limited(middle + offset)
    return predicted, quantiles


@kernel  # pragma: no cover
def unpack_weights(weights: Floats, places: Ints, rules: int, models: int) -> Floats:
    """Return the rules' weights by model `[M, O, H]`; NaN for models that are not rules.

    Args:
        weights: weights `[H, R, W]`.
        places: index `r` of each origin `[O]`; where it is negative all weights are NaN.
        rules: the number of rules, which are the first models.
        models: the number of models.
    """
    unpacked = np.full((models, len(places), len(weights)), np.nan)
    fill_by_model(weights, places, unpacked[:rules])
    return unpacked


@kernel  # pragma: no cover
def take(padded: Floats, indices: Ints, models: int) -> Floats:
    """Return the values at indices `[O]` by model `[M, O, H]`; NaN where an index is negative."""
    by_model = np.full((models, len(indices), len(padded)), np.nan)
    fill_by_model(padded, indices, by_model)
    return by_model


@kernel  # pragma: no cover
def fill_by_model(padded: Floats, indices: Ints, by_model: Floats) -> None:
    """Fill `by_model` `[M, O, H]` with the values at indices `[O]` that are not negative."""
    for o in range(len(indices)):
        if indices[o] >= 0:
            for model in range(len(by_model)):
                for j in range(len(padded)):
                    by_model[model, o, j] = padded[j, indices[o], model]


@kernel  # pragma: no cover
def limited(value: float) -> float:
    """Return the value, limited to the largest number there is; NaN stays."""
    # Comparisons with NaN are false.
    value = LARGEST if value > LARGEST else value
    return -LARGEST if value < -LARGEST else value
