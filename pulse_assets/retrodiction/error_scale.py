"""The local scale of the errors of a series, and how skewed they are.

The local scale is a power of the mean absolute change. A change that is usual at its place in the
season is not volatility: with seasons, the scale is that of the changes less the usual ones.

Values of one sign err further away from 0 than towards it. The error e of a forecast f of such a
series is straightened; it is the z of

    e = z + s c z^2 / max(|f|, L / 2)

with the sign s of the series, L the mean of its absolute values so far, and c = `SKEW`. Where this
would grow no more it goes on with the slope 1/2. With c = 1/8 and a large f this is the square root
of the distance from -f: y + f = 2 f (1 + z / (4 f))^2. Without one sign z is e.

The constants were chosen by the scaled quantile loss on the series of M1 and M3 and the validation
half of the monthly FRED series.

Source:
    Box, Cox (1964), An analysis of transformations, Journal of the Royal Statistical Society B 26
    (2), doi:10.1111/j.2517-6161.1964.tb00553.x (shifted powers).
"""

from typing import Final

import numpy as np

from pulse_assets.array_types import Floats
from pulse_assets.retrodiction.arrays import LARGEST, kernel

#: Errors are taken to be proportional to this power of the mean absolute change.
SCALE_POWER: Final = 0.6
#: Discounts of the recent and of the long-run mean absolute change, whose mean is used.
RECENT_DISCOUNT: Final = 0.5
LONG_RUN_DISCOUNT: Final = 0.995
#: With seasons, the usual change at a place is the mean of those there; of many, later ones count
#: more: the latest moves it by this share.
USUAL_RATE: Final = 0.1
#: The mean absolute change is at least this share of that of the whole history.
SMALLEST_CHANGE: Final = 0.3
#: A change counts as at most this many times the mean one, ...
CHANGE_LIMIT: Final = 20.0
#: ... once that is a mean of this many: a jump of a thousand mean changes must not widen the
#: distribution for years.
MEAN_KNOWN_FROM: Final = 12
#: How skewed the errors of a series of one sign are; and the share of its mean absolute value that
#: counts for a forecast which is smaller.
SKEW: Final = 0.125
LEAST_SHARE: Final = 0.5


def mean_change_in(scale: Floats) -> Floats:
    """Return the mean absolute change in units of a local scale, which is a power of it.

    Example:
        >>> mean_change_in(np.array([8.0])).round(9).tolist()  # 32 ** 0.6 = 8, and 32 / 8 = 4
        [4.0]
    """
    return scale ** (1.0 / SCALE_POWER - 1.0)


@kernel  # pragma: no cover
def local_scale(y: Floats, season: int) -> Floats:
    """Return the local scale of errors at each index `[T]`: a power of the mean absolute change.

    It is not the change itself: after volatile times errors are larger, but less so than the
    changes were. An outlying change counts as `CHANGE_LIMIT` mean ones. With seasons the usual
    change at the same place, from earlier seasons, is subtracted first.

    Args:
        y: series without gaps `[T]`.
        season: observations per season, >= 1; 1: nothing is subtracted.

    Example:
        Up and down by 4 in turn is usual once it is known: the changes less the usual ones are 4,
        4, 0, 0, 0.

        >>> made = local_scale(np.array([0.0, 4.0, 0.0, 4.0, 0.0, 4.0]), 2)
        >>> (made ** (1.0 / SCALE_POWER)).round(3).tolist()
        [0.0, 4.0, 4.0, 2.187, 1.395, 0.988]
    """
    recent, recent_count, long_run, long_run_count, total = 0.0, 0.0, 0.0, 0.0, 0.0
    scale, mean_change, nonzero = np.zeros(len(y)), 0.0, 0
    usual, counts = np.zeros(season), np.zeros(season)
    for t in range(1, len(y)):
        place = t % season
        change = y[t] - y[t - 1] - usual[place]
        nonzero += abs(change) > 0.0
        if nonzero > MEAN_KNOWN_FROM:
            most = CHANGE_LIMIT * mean_change
            change = min(max(change, -most), most)
        if season > 1:
            counts[place] += 1.0
            usual[place] += change * max(1.0 / counts[place], USUAL_RATE)
        recent = RECENT_DISCOUNT * recent + abs(change)
        recent_count = RECENT_DISCOUNT * recent_count + 1.0
        long_run = LONG_RUN_DISCOUNT * long_run + abs(change)
        long_run_count = LONG_RUN_DISCOUNT * long_run_count + 1.0
        total += abs(change)
        mean_change = (recent / recent_count + long_run / long_run_count) / 2.0
        mean_change = max(mean_change, SMALLEST_CHANGE * total / t)
        scale[t] = mean_change**SCALE_POWER
    return scale


@kernel  # pragma: no cover
def signed_level(y: Floats) -> Floats:
    """Return the mean absolute value until each index, with the sign of the values `[T]`.

    It is infinite once values of both signs are known, and while all are 0.

    Args:
        y: series without gaps `[T]`.

    Example:
        >>> signed_level(np.array([0.0, -2.0, -4.0, 1.0])).tolist()
        [inf, -1.0, -2.0, inf]
    """
    level, total, above, below = np.full(len(y), np.inf), 0.0, False, False
    for t in range(len(y)):
        total += abs(y[t])
        above, below = above or y[t] > 0.0, below or y[t] < 0.0
        if above != below:
            level[t] = total / (t + 1.0) if above else -total / (t + 1.0)
    return level


@kernel  # pragma: no cover
def skew_of(forecast: float, level: float) -> float:
    """Return s c / max(|f|, L / 2); 0 where the signed level is infinite.

    Example:
        >>> skew_of(10.0, 4.0), skew_of(1.0, -10.0), skew_of(1.0, np.inf)
        (0.0125, -0.025, 0.0)
    """
    # A forecast that is NaN counts as small: comparisons with NaN are false.
    size, least = abs(forecast), LEAST_SHARE * abs(level)
    size = size if size > least else least
    return (SKEW if level > 0.0 else -SKEW) / size


@kernel  # pragma: no cover
def straightened(error: float, skew: float) -> float:
    """Return the z of an error; the inverse of `skewed`.

    Example:
        >>> straightened(1.5, 0.125), straightened(-4.0, 0.125), straightened(3.0, 0.0)
        (1.2915026221291812, -8.0, 3.0)
    """
    square = 1.0 + 4.0 * skew * error
    square = square if square > 0.0 else 0.0
    square = square if square < LARGEST else LARGEST
    return 2.0 * (error / (1.0 + np.sqrt(square)))


@kernel  # pragma: no cover
def skewed(straight: float, skew: float) -> float:
    """Return the error e = z + `skew` z^2; half of z where this would grow no more.

    Example:
        >>> skewed(2.0, 0.125), skewed(-4.0, 0.125), skewed(-8.0, 0.125)
        (2.5, -2.0, -4.0)
    """
    growth = skew * straight
    return straight * (1.0 + (growth if growth > -0.5 else -0.5))
