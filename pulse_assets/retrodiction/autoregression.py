"""Autoregressions: the next change as a linear function of past changes, and of the level.

The coefficients of p past changes are refitted every 1 + p observations (more often is no better),
by discounted least squares with a ridge and with smaller weights for outlying errors. Each diagonal
element of the Gram matrix grows by the share ridge / n, n the discounted number of rows. So the
prior is no change at all; it is strong while n is small, has no unit, and makes constant series
harmless.

Source:
    Young (2011), Recursive Estimation and Time-Series Analysis, doi:10.1007/978-3-642-21981-8.
"""

from functools import partial
from typing import Final, NamedTuple

import numpy as np

from pulse_assets.array_types import Floats, Ints
from pulse_assets.retrodiction.arrays import kernel
from pulse_assets.retrodiction.least_squares import (
    EVIDENCE_DISCOUNT,
    ROW_LENGTH,
    accumulate,
    factorise,
    predict,
    substitute,
    weight_of_error,
)
from pulse_assets.retrodiction.request import ForecastRequest, History

#: Weight of the prior, in observations.
RIDGE: Final = 10.0
#: Origins that `iterate` advances together.
BLOCK_ORIGINS: Final = 64
#: Coefficients whose terms `iterate` adds together.
TERMS_AT_ONCE: Final = 4
#: The same, short for sums of offsets.
_B: Final = BLOCK_ORIGINS


class BlockOffsets(NamedTuple):
    """Where the fields of a block of origins start in its one array.

    Attributes:
        constant: constant of the change.
        slope: coefficient of the level.
        level: the forecast less the first value.
        value: the forecast.
        change: the forecast change.
        end: length of the array.
    """

    constant: int
    slope: int
    level: int
    value: int
    change: int
    end: int


#: One array at constant distances, so that the compiler knows that its fields do not overlap.
BLOCK: Final = BlockOffsets(*(field * BLOCK_ORIGINS for field in range(6)))


def autoregress(
    history: History, request: ForecastRequest, *, order: int, with_level: bool
) -> Floats:
    """Iterate the fitted change step by step: d_{t+1} = c + [b (y_t - y_0)] + sum a_i d_{t-i}.

    Args:
        history: the changes of `y_robust` are fitted, and forecasts added to the last `y`.
        request: which forecasts are requested.
        order: the number of past changes d.
        with_level: whether the level enters, which lets the series revert to a mean.

    Returns:
        Forecasts `[O, H]`; NaN until there are more fitted pairs than coefficients.
    """
    coefficients = fit(history.y_robust, request, order, with_level)
    return iterate(history, request, coefficients, with_level)


ar_diff = partial(autoregress, with_level=False)
ar_level = partial(autoregress, with_level=True)


@kernel  # pragma: no cover
def fit(y_robust: Floats, request: ForecastRequest, order: int, with_level: bool) -> Floats:
    """Return the coefficients at each origin `[P, O]`: constant, [level], changes.

    NaN until there are more fitted pairs than coefficients.
    """
    size, refit, origins = 1 + with_level + order, 1 + order, request.origins
    # A row holds the features, then the change that follows them, then 0; see `factorise`.
    row, gram, factor = (
        np.zeros(ROW_LENGTH),
        np.empty((size, ROW_LENGTH)),
        np.zeros((size, ROW_LENGTH)),
    )
    beta, mean_error = np.empty(size), np.empty(3)
    coefficients = np.empty((size, len(origins)))
    for s in range(len(request.series_offsets)):
        start, expected, count = request.series_offsets[s], 0.0, 0.0
        gram[:], beta[:], mean_error[:] = 0.0, 0.0, 0.0
        t = start
        for place in range(request.origin_offsets[s], request.origin_offsets[s + 1]):
            while t <= origins[place]:
                if t - start > order:
                    row[size] = y_robust[t] - y_robust[t - 1]
                    weight = weight_of_error(abs(row[size] - expected), mean_error)
                    count = EVIDENCE_DISCOUNT * count + 1.0
                    accumulate(gram, row, weight)
                    if (t - start - order - 1) % refit == 0:
                        factorise(gram, RIDGE / count, factor)
                        substitute(factor, factor[:, size], beta)
                if t - start >= order:
                    row[0] = 1.0
                    if with_level:
                        row[1] = y_robust[t] - y_robust[start]
                    fill_changes(y_robust, t, row[1 + with_level : size])
                    expected = predict(beta, row)
                t += 1
            enough = origins[place] - start > order + size
            for i in range(size):
                coefficients[i, place] = beta[i] if enough else np.nan
    return coefficients


@kernel  # pragma: no cover
def iterate(
    history: History, request: ForecastRequest, coefficients: Floats, with_level: bool
) -> Floats:
    """Forecast `[O, H]` from each origin by its coefficients `[P, O]`, one step after the other.

    Each step needs the one before, so the machine is kept busy by a block of origins at a time.
    """
    order, longest = len(coefficients) - 1 - with_level, request.horizons[-1]
    terms = -(-order // TERMS_AT_ONCE) * TERMS_AT_ONCE
    forecasts = np.empty((len(request.origins), len(request.horizons)))
    beta = np.zeros(terms * BLOCK_ORIGINS)
    path, block = np.zeros((terms + longest) * BLOCK_ORIGINS), np.zeros(BLOCK.end)
    for s in range(len(request.series_offsets)):
        start, end = request.series_offsets[s], request.origin_offsets[s + 1]
        for first in range(request.origin_offsets[s], end, BLOCK_ORIGINS):
            last = min(first + BLOCK_ORIGINS, end)
            origins, fitted = request.origins[first:last], coefficients[:, first:last]
            start_block(history, start, origins, fitted, with_level, block)
            start_path(history.y_robust, origins, fitted[1 + with_level :], beta, path, longest)
            take_steps(beta, path, block, request.horizons, forecasts[first:last])
    return forecasts


@kernel  # pragma: no cover
def start_block(
    history: History,
    start: int,
    origins: Ints,
    coefficients: Floats,
    with_level: bool,
    block: Floats,
) -> None:
    """Fill a block with the values at its origins, and with constants and slopes."""
    y, y_robust = history.y, history.y_robust
    for g in range(len(origins)):
        block[BLOCK.value + g], block[BLOCK.constant + g] = y[origins[g]], coefficients[0, g]
        # Before the first value there is no forecast, whatever the level.
        level = y_robust[origins[g]] - y_robust[min(origins[g], start)]
        block[BLOCK.level + g] = level if with_level else 0.0
        block[BLOCK.slope + g] = coefficients[1, g] if with_level else 0.0


@kernel  # pragma: no cover
def start_path(
    y_robust: Floats, origins: Ints, coefficients: Floats, beta: Floats, path: Floats, longest: int
) -> None:
    """Fill `beta` with the coefficients of past changes, and the end of `path` with the changes."""
    for i in range(len(coefficients)):
        own, changes = beta[i * BLOCK_ORIGINS :], path[(longest + i) * BLOCK_ORIGINS :]
        for g in range(len(origins)):
            own[g] = coefficients[i, g]
            t = max(origins[g] - i, 0)
            changes[g] = y_robust[t] - y_robust[max(t - 1, 0)]


@kernel  # pragma: no cover
def take_steps(
    beta: Floats, path: Floats, block: Floats, horizons: Ints, forecasts: Floats
) -> None:
    """Fill `forecasts` `[O, H]` of a block of origins.

    `path` holds the changes, the latest first: `BLOCK_ORIGINS` places per step.
    """
    j, width = 0, len(forecasts)
    for step in range(1, horizons[-1] + 1):
        now = (horizons[-1] - step) * BLOCK_ORIGINS
        for g in range(width):
            level_term = block[BLOCK.slope + g] * block[BLOCK.level + g]
            block[BLOCK.change + g] = block[BLOCK.constant + g] + level_term
        for i in range(0, len(beta), TERMS_AT_ONCE * BLOCK_ORIGINS):
            add_terms(width, beta[i:], path[now + BLOCK_ORIGINS + i :], block)
        add_change(width, path[now:], block)
        if horizons[j] == step:
            for g in range(width):
                forecasts[g, j] = block[BLOCK.value + g]
            j += 1


@kernel  # pragma: no cover
def add_terms(width: int, beta: Floats, path: Floats, block: Floats) -> None:
    """Add the next `TERMS_AT_ONCE` coefficients times changes to the forecast change."""
    for g in range(width):
        first = beta[g] * path[g] + beta[_B + g] * path[_B + g]
        second = beta[2 * _B + g] * path[2 * _B + g] + beta[3 * _B + g] * path[3 * _B + g]
        block[BLOCK.change + g] += first + second


@kernel  # pragma: no cover
def add_change(width: int, path: Floats, block: Floats) -> None:
    """Add the forecast change to value and level, and write it to the path."""
    for g in range(width):
        path[g] = block[BLOCK.change + g]
        block[BLOCK.value + g] += block[BLOCK.change + g]
        block[BLOCK.level + g] += block[BLOCK.change + g]


@kernel  # pragma: no cover
def fill_changes(y: Floats, t: int, row: Floats) -> None:
    """Fill `row` with the last changes of `y` at index t, the latest first."""
    for i in range(len(row)):
        row[i] = y[t - i] - y[t - i - 1]
