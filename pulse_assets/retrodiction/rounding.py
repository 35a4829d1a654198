"""Rounding of what is stored: digits that mean nothing cost most of the bytes of a table.

Each function gives the same numbers whichever rows are rounded together, and rounds rounded numbers
to themselves. Forecasts are never rounded.
"""

from typing import Final

import numpy as np

from pulse_assets.array_types import Floats

#: Quantiles are multiples of a power of two that is at most this share of half their range.
QUANTILE_SHARE: Final = 2.0**-7
#: Weights are multiples of this.
WEIGHT_STEP: Final = 2.0**-16
#: Shares and probabilities that are pooled or shown are multiples of this.
SHARE_STEP: Final = 2.0**-12
#: Largest relative error of a rounded sum.
SUM_PRECISION: Final = 2.0**-21

#: Bits of a float64 that a rounded sum lacks: the lower half, so that only the upper is stored.
_DROPPED_BITS: Final = 32


def round_quantiles(quantiles: Floats) -> Floats:
    """Round quantiles to multiples of at most 1/128 of half the distance of the outermost two.

    A quantile moves by at most 1/256 of that, up or down alike; what is finite stays finite.

    Args:
        quantiles: `[L, ...]`, ascending, in the unit of the series.

    Example:
        >>> round_quantiles(np.array([-1.0001, 0.3, 0.9999])).tolist()
        [-1.0, 0.296875, 1.0]
    """
    # Once more, because a rounded range may be wide enough for the next larger step.
    return _round_quantiles_once(_round_quantiles_once(quantiles))


def _round_quantiles_once(quantiles: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        radius = quantiles[-1] / 2.0 - quantiles[0] / 2.0  # halves first: it may be too large
    _, exponent = np.frexp(radius)
    step = np.ldexp(QUANTILE_SHARE / 2.0, exponent)
    return np.where(radius > 0.0, _to_multiple(quantiles, step), quantiles)


def _to_multiple(values: Floats, step: Floats) -> Floats:
    """Round to multiples of a power of two; as they are where the multiple is not finite."""
    with np.errstate(all="ignore"):
        rounded = np.rint(values / step) * step
    return np.where(np.isfinite(rounded), rounded, values)


def round_weights(weights: Floats) -> Floats:
    """Round the weights of rules to multiples of 2^-16 that add up to exactly 1.

    Args:
        weights: `[M, ...]`, which add up to 1 over the rules; NaN for an ensemble, and all 0 where
            no rule has a weight. They are rounded down; the rules with the largest remainders, the
            first among equals, get what is left over.

    Example:
        >>> round_weights(np.array([[1 / 3], [1 / 3], [1 / 3]])).sum() == 1.0
        np.True_
    """
    units = weights / WEIGHT_STEP
    whole = np.floor(units)
    left_over = np.rint(np.nansum(units, axis=0) - np.nansum(whole, axis=0))
    remainder = np.where(np.isnan(units), -1.0, units - whole)
    order = np.argsort(-remainder, axis=0, kind="stable")
    rank = np.empty_like(order)
    places = np.arange(len(weights)).reshape(-1, *[1] * (weights.ndim - 1))
    np.put_along_axis(rank, order, np.broadcast_to(places, order.shape), axis=0)
    return (whole + (rank < left_over)) * WEIGHT_STEP


def round_shares(values: Floats) -> Floats:
    """Round shares and probabilities to multiples of 2^-12, which 32-bit floats hold exactly.

    Example:
        >>> float(round_shares(np.array([2 / 3]))[0])
        0.666748046875
    """
    return np.rint(values / SHARE_STEP) * SHARE_STEP


def round_sums(values: Floats) -> Floats:
    """Round numbers to 21 significant bits, a relative error of at most 2^-21 = 5e-7.

    Example:
        >>> float(round_sums(np.array([0.1]))[0])
        0.10000002384185791
    """
    half = np.uint64(1 << (_DROPPED_BITS - 1))
    bits = np.ascontiguousarray(values, np.float64).view(np.uint64)
    upper = (bits + half) >> np.uint64(_DROPPED_BITS) << np.uint64(_DROPPED_BITS)
    rounded = upper.view(np.float64)
    return np.where(np.isfinite(rounded), rounded, values)
