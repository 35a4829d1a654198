"""Quantiles of every forecast, which learn from the errors that the same model made before.

Each model and horizon has its own distribution of errors: a typical size, and quantiles in units of
that size. Errors are straightened and measured in units of the local scale of the series, see
`error_scale`. So a volatile month widens the distribution at all horizons at once, although errors
far ahead are verified only a year later.

The typical size is a mean of absolute errors. It forgets, quickly while the history is short,
because the first errors come from rules that knew little. It begins as that of a random walk. The
quantiles begin as those of Student's t law with 4 degrees of freedom, whose mean absolute value is
exactly 1. When an outcome is verified, each moves by q <- q + eta (tau - 1{error <= q}). So the
share of outcomes below tends to the level tau for any sequence of errors, and the quantiles become
asymmetric where errors are.

Source:
    Angelopoulos, Candes, Tibshirani (2023), Conformal PID control for time series prediction,
    doi:10.48550/arXiv.2307.16895 (quantile tracking). Robbins, Monro (1951), A stochastic
    approximation method, doi:10.1214/aoms/1177729586 (where steps should be larger). Shaw (2006),
    Sampling Student's T distribution, doi:10.21314/JCF.2006.150 (its quantiles).
"""

from typing import Final, NamedTuple

import numpy as np

from pulse_assets.array_types import Floats, Ints
from pulse_assets.retrodiction.arrays import LARGEST, kernel
from pulse_assets.retrodiction.error_scale import (
    MEAN_KNOWN_FROM,
    local_scale,
    mean_change_in,
    signed_level,
    skew_of,
    skewed,
    straightened,
)
from pulse_assets.retrodiction.padding import MAX_WIDTH, limited

#: Levels at which every forecast has a quantile, unless others are asked for.
LEVELS: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
#: An error counts as at most this many mean ones, once that is a mean of `MEAN_KNOWN_FROM`: a jump
#: causes one from each of h successive origins.
ERROR_LIMIT: Final = 10.0
#: Errors that the first typical size is worth, and that size: this many mean absolute changes times
#: a power of the horizon.
FIRST_ERRORS: Final = 1.0
FIRST_SIZE: Final = 0.7
FIRST_SIZE_POWER: Final = 0.5
#: Discount of absolute errors in the typical one; where t values are known it is at most
#: 1 - `FADING` / t, so that the weight of an error grows with its index.
ERROR_DISCOUNT: Final = 0.98
FADING: Final = 1.5
#: eta at the median, in typical errors; it is larger at the outer quantiles, see `step_weights`.
STEP: Final = 0.007
#: With few errors the typical one is itself uncertain: the distribution is wider by the factor
#: 1 + `WIDER` / (count + `WIDER_FROM`), with the discounted count of errors.
WIDER: Final = 0.5
WIDER_FROM: Final = 5.0


class Tracking(NamedTuple):
    """What is known of the errors of each model at one horizon.

    Attributes:
        verified: number of verified errors `[MAX_WIDTH]`.
        discounted: the same, earlier ones discounted.
        total: discounted sum of absolute errors, in units of the local scale.
        step: eta of the error that is verified; 0 without one.
        error: that error straightened, in units of the typical one.
        size: the typical error, wider while errors are few, in the unit of the series.
        skew: of the errors of the forecast, see `skew_of`.
        quantiles: the tracked quantiles `[L, MAX_WIDTH]`, in units of the typical error.
    """

    verified: Floats
    discounted: Floats
    total: Floats
    step: Floats
    error: Floats
    size: Floats
    skew: Floats
    quantiles: Floats


def quantile_offsets(
    padded: Floats,
    observed: Floats,
    filled: Floats,
    horizons: Ints,
    origins: Ints,
    levels: Floats,
    season: int,
) -> Floats:
    """Return the distance of each quantile from its forecast.

    The numbers of a horizon do not depend on the other horizons, nor on the other levels but that
    quantiles which cross change places.

    Args:
        padded: padded forecast array `[H, T, W]`, see `padding`.
        observed: the series `[T]`, NaN where missing.
        filled: the same with missing values carried forward.
        horizons: steps ahead `[H]`.
        origins: indices `[O]` at which they are wanted, ascending.
        levels: the levels `[L]`, ascending, 0..1.
        season: observations per season, >= 1.

    Returns:
        Offsets `[H, O, L, W]`, ascending over `L`; NaN at the first value.
    """
    offsets = np.empty((len(padded), len(origins), len(levels), padded.shape[2]))
    scale, row = local_scale(filled, season), np.full(len(filled), -1)
    row[origins] = np.arange(len(origins))
    first = first_quantiles(levels)
    law = levels, first, step_weights(first)
    series = observed, scale, mean_change_in(scale), signed_level(filled)
    _track(padded, series, horizons, row, law, offsets)
    return offsets


def first_quantiles(levels: Floats) -> Floats:
    """Return the quantiles of Student's t law with 4 degrees of freedom, exactly antisymmetric.

    Example:
        >>> first_quantiles(np.array([0.05, 0.5, 0.95])).round(4).tolist()
        [-2.1318, 0.0, 2.1318]
    """
    # Of the nearer tail, so that the levels tau and 1 - tau have the same digits.
    tail = np.minimum(levels, np.round(1.0 - levels, 15))
    root = np.sqrt(4.0 * tail * (1.0 - tail))
    size = 2.0 * np.sqrt(np.maximum(np.cos(np.arccos(root) / 3.0) / root - 1.0, 0.0))
    return np.sign(levels - 0.5) * size


def step_weights(quantiles: Floats) -> Floats:
    """Return by how much a step is larger at quantiles of that law: where outcomes are few.

    It is the root of the ratio of the density at 0 to that at the quantile; the ratio itself, as
    in Robbins and Monro, moves the outer ones too much.

    Example:
        >>> step_weights(np.array([0.0, 2.0])).round(4).tolist()
        [1.0, 2.3784]
    """
    return (1.0 + quantiles * quantiles / 4.0) ** 1.25


@kernel  # pragma: no cover
def _track(
    padded: Floats,
    series: tuple[Floats, Floats, Floats, Floats],
    horizons: Ints,
    row: Ints,
    law: tuple[Floats, Floats, Floats],
    offsets: Floats,
) -> None:
    """Fill the offsets `[H, O, L, W]`.

    Args:
        padded: padded forecast array `[H, T, W]`.
        series: observed values, local scale, mean absolute change in units of it, and signed level,
            each `[T]`.
        horizons: steps ahead `[H]`.
        row: row of the offsets at each index `[T]`; -1 where none is wanted.
        law: levels, first quantiles and step weights, each `[L]`.
        offsets: to fill.
    """
    typical = np.empty(padded.shape[1:])
    levels, first, weights = law
    for j in range(len(horizons)):
        _track_horizon(
            padded[j],
            series,
            horizons[j],
            row,
            levels,
            weights,
            new_tracking(first),
            typical,
            offsets[j],
        )


@kernel  # pragma: no cover
def new_tracking(first: Floats) -> Tracking:
    """Return the state before any verified error, with the first quantiles `[L]`."""
    block, quantiles = np.zeros((7, MAX_WIDTH)), np.empty((len(first), MAX_WIDTH))
    for level in range(len(first)):
        quantiles[level] = first[level]
    return Tracking(block[0], block[1], block[2], block[3], block[4], block[5], block[6], quantiles)


@kernel  # pragma: no cover
def _track_horizon(
    forecasts: Floats,
    series: tuple[Floats, Floats, Floats, Floats],
    h: int,
    row: Ints,
    levels: Floats,
    weights: Floats,
    tracking: Tracking,
    typical: Floats,
    offsets: Floats,
) -> None:
    """Fill the offsets `[O, L, W]` of one horizon; `typical` `[T, W]` is overwritten."""
    observed, scale, change, level = series
    first_size = FIRST_SIZE * float(h) ** FIRST_SIZE_POWER
    for t in range(len(forecasts)):
        if t >= h and not np.isnan(observed[t]):
            # Before the first change of the series its scale is 0: take the current one.
            then = scale[t - h] if scale[t - h] > 0.0 else scale[t]
            inverse = 1.0 / then if then > 0.0 else 1.0
            discount = min(ERROR_DISCOUNT, max(1.0 - FADING / (t + 1.0), 0.5))
            earlier, at = forecasts[t - h], level[t - h]
            verify(tracking, earlier, at, typical[t - 1], observed[t], inverse, discount)
            move_quantiles(tracking, levels, weights, forecasts.shape[1])
        write_typical(tracking, first_size * change[t], typical[t])
        if row[t] >= 0:
            unit = scale[t] if scale[t] > 0.0 else 1.0
            unit = unit if t > 0 else np.nan
            write_offsets(tracking, typical[t], unit, forecasts[t], level[t], offsets[row[t]])


@kernel  # pragma: no cover
def verify(
    tracking: Tracking,
    forecasts: Floats,
    level: float,
    typical: Floats,
    outcome: float,
    inverse: float,
    discount: float,
) -> None:
    """Count the errors of all models, and set the steps by which their quantiles move.

    Args:
        tracking: the state of all models.
        forecasts: the forecasts that are verified `[W]`, NaN where there is none.
        level: the signed level of the series where they were made.
        typical: the typical error so far `[W]`, in units of the local scale.
        outcome: the observed value.
        inverse: 1 / local scale.
        discount: of earlier errors.
    """
    for k in range(len(forecasts)):
        skew = skew_of(forecasts[k], level)
        difference = straightened(outcome - forecasts[k], skew) * inverse
        defined = difference == difference
        verified, count, total = tracking.verified[k], tracking.discounted[k], tracking.total[k]
        size = min(abs(difference), LARGEST)
        most = ERROR_LIMIT * total / count
        size = most if verified >= MEAN_KNOWN_FROM and total > 0.0 and size > most else size
        tracking.step[k] = STEP if defined and typical[k] > 0.0 else 0.0
        tracking.error[k] = difference / typical[k]
        tracking.verified[k] = verified + 1.0 if defined else verified
        tracking.discounted[k] = discount * count + 1.0 if defined else count
        tracking.total[k] = min(discount * total + size, LARGEST) if defined else total


@kernel  # pragma: no cover
def move_quantiles(tracking: Tracking, levels: Floats, weights: Floats, width: int) -> None:
    """Move each tracked quantile up where the error exceeds it, else down; half of both if equal.

    So errors of the opposite sign have the opposite quantiles.
    """
    for level in range(len(levels)):
        share, weight = levels[level], weights[level]
        for k in range(width):
            error, quantile = tracking.error[k], tracking.quantiles[level, k]
            below = 1.0 if error < quantile else 0.0
            below = 0.5 if error == quantile else below
            tracking.quantiles[level, k] = quantile + tracking.step[k] * weight * (share - below)


@kernel  # pragma: no cover
def write_typical(tracking: Tracking, prior: float, typical: Floats) -> None:
    """Fill the typical error of each model `[W]`, in units of the local scale."""
    for k in range(len(typical)):
        total, count = (
            FIRST_ERRORS * prior + tracking.total[k],
            FIRST_ERRORS + tracking.discounted[k],
        )
        typical[k] = total / count


@kernel  # pragma: no cover
def write_offsets(
    tracking: Tracking,
    typical: Floats,
    scale: float,
    forecasts: Floats,
    level: float,
    offsets: Floats,
) -> None:
    """Fill a row `[L, W]` of the offsets, ascending over the levels.

    Args:
        tracking: the state of all models; its sizes are overwritten.
        typical: the typical error of each model `[W]`, in units of the local scale.
        scale: the local scale.
        forecasts: the forecasts `[W]`.
        level: the signed level of the series.
        offsets: to fill.
    """
    levels, width = offsets.shape
    for k in range(width):
        wider = 1.0 + WIDER / (tracking.discounted[k] + WIDER_FROM)
        tracking.size[k] = limited(typical[k] * wider * scale)
        tracking.skew[k] = skew_of(forecasts[k], level)
    for i in range(levels):
        for k in range(width):
            straight = limited(tracking.quantiles[i, k] * tracking.size[k])
            offsets[i, k] = limited(skewed(straight, tracking.skew[k]))
    if crossing(offsets):
        for last in range(1, levels):
            for i in range(last, 0, -1):
                for k in range(width):
                    lower, upper = offsets[i - 1, k], offsets[i, k]
                    offsets[i - 1, k] = upper if upper < lower else lower
                    offsets[i, k] = lower if upper < lower else upper


@kernel  # pragma: no cover
def crossing(offsets: Floats) -> bool:
    """Return whether a row `[L, W]` holds a quantile below that of a lower level.

    Example:
        >>> crossing(np.array([[0.0, 1.0], [2.0, 0.5]]))
        True
    """
    crossed = 0
    for level in range(1, len(offsets)):
        for k in range(offsets.shape[1]):
            crossed += offsets[level, k] < offsets[level - 1, k]
    return crossed > 0
