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


def padded_width(places: int) -> int:
    """Return the smallest whole number of `VECTOR` places that holds these.

    Example:
        >>> padded_width(13)
        16
    """
    return -(-places // VECTOR) * VECTOR


def pack(forecasts: Floats) -> Floats:
    """Return the padded forecast array `[H, T, W]` of the rules' forecasts `[M, T, H]`.

    Raises:
        RuleError: there are more rules than places.

    Example:
        >>> pack(np.zeros((21, 100, 12))).shape
        (12, 100, 24)
    """
    rules, length, steps = forecasts.shape
    width = padded_width(rules + PLACES_AFTER_RULES)
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
def unpack(padded: Floats, indices: Ints, unit: float, models: int) -> Floats:
    """Return the forecasts by model `[M, O, H]`.

    Args:
        padded: padded forecast array in units `[H, T, W]`.
        indices: index `t` of each origin `[O]`; where it is negative all results are NaN.
        unit: the factor of all results, which are limited to the largest number there is.
        models: the number of models.
    """
    predicted = take(padded, indices, models).reshape(-1)
    for i in range(len(predicted)):
        predicted[i] = limited(predicted[i] * unit)
    return predicted.reshape((models, len(indices), len(padded)))


@kernel  # pragma: no cover
def add_forecasts(offsets: Floats, padded: Floats, indices: Ints, unit: float) -> None:
    """Make quantiles of their distances from the forecasts, in place.

    Args:
        offsets: distance of each quantile from its forecast in units `[H, O, L, W]`.
        padded: padded forecast array in units `[H, T, W]`.
        indices: index `t` of each origin `[O]`.
        unit: the factor of all results, which are limited to the largest number there is.
    """
    steps, origins, levels, width = offsets.shape
    for j in range(steps):
        for o in range(origins):
            forecasts = padded[j, indices[o]]
            for level in range(levels):
                row = offsets[j, o, level]
                for k in range(width):
                    row[k] = limited(limited(forecasts[k] * unit) + limited(row[k] * unit))


def quantiles_by_model(quantiles: Floats, places: Ints, models: int) -> Floats:
    """Return quantiles `[H, R, L, W]` by model, a view `[L, M, O, H]` of them or of a copy.

    Args:
        quantiles: the quantiles `[H, R, L, W]`.
        places: index `r` of each origin `[O]`; where it is negative all results are NaN.
        models: the number of models.

    Example:
        >>> quantiles_by_model(np.ones((2, 1, 3, 8)), np.array([0, -1]), 5).shape
        (3, 5, 2, 2)
    """
    steps, origins, *row = quantiles.shape
    if not np.array_equal(places, np.arange(origins)):
        by_place, present = quantiles, places >= 0
        quantiles = np.full((steps, len(places), *row), np.nan)
        quantiles[:, present] = by_place[:, places[present]]
    return quantiles[..., :models].transpose(2, 3, 1, 0)


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
