"""Prediction intervals by online quantile tracking, which keep their level for any errors.

Each rule and horizon has its own radius q, in units of the local scale of the series; see
`local_scale`. So a volatile month widens the intervals of all horizons at once, although errors far
ahead are verified only a year later.

When an outcome is verified, q <- q + eta (missed - alpha): a miss widens the interval, and a hit
narrows it a little. So the share of misses tends to alpha for any sequence of errors. eta is a
share of the mean of q and the largest recent error; of q alone while that is larger, because
otherwise a radius from volatile years would persist for decades.

Source:
    Angelopoulos, Candes, Tibshirani (2023), Conformal PID control for time series prediction,
    doi:10.48550/arXiv.2307.16895.
"""

from typing import Final, NamedTuple

import numpy as np

from pulse_assets.array_types import Floats, Ints
from pulse_assets.retrodiction.arrays import LARGEST, kernel
from pulse_assets.retrodiction.padding import MAX_WIDTH

#: eta as a share of the mean of the radius and the larger of it and the largest recent error.
LEARNING_RATE: Final = 0.05
#: Discount of the largest recent error.
PEAK_DISCOUNT: Final = 0.98
#: Errors are taken to be proportional to this power of the mean absolute change.
SCALE_POWER: Final = 0.6
#: Discounts of the recent and of the long-run mean absolute change, whose mean is used.
RECENT_DISCOUNT: Final = 0.5
LONG_RUN_DISCOUNT: Final = 0.995
#: The mean absolute change is at least this share of that of the whole history.
SMALLEST_CHANGE: Final = 0.3
#: A change or an error counts as at most this many times the mean one ...
LARGEST_UNITS: Final = 20.0
#: ... once that is a mean of this many: a jump of a thousand mean changes must not widen the
#: intervals for years.
MEAN_KNOWN_FROM: Final = 12
#: Discount of persistence's errors in their mean.
ERROR_DISCOUNT: Final = 0.99
#: An error enters that mean as at most this share of the largest counted error, because a jump
#: causes an error from each of h successive origins.
ERROR_SHARE: Final = 0.2
#: Verified errors from whose conformal quantile the tracking starts.
FIRST_ERRORS: Final = 10


class Tracking(NamedTuple):
    """The state of each model's interval; each array is `[MAX_WIDTH]`.

    Attributes:
        verified: number of verified errors, up to `FIRST_ERRORS`.
        quantile: the tracked quantile of the errors, in units of the local scale.
        peak: the largest recent error, in the same units.
    """

    verified: Floats
    quantile: Floats
    peak: Floats


@kernel  # pragma: no cover
def new_tracking() -> Tracking:
    """Return the state before any verified error."""
    block = np.zeros((3, MAX_WIDTH))
    return Tracking(block[0], block[1], block[2])


def interval_radius(
    padded: Floats,
    observed: Floats,
    filled: Floats,
    horizons: Ints,
    origins: Ints,
    models: int,
    alpha: float,
) -> Floats:
    """Return half the width of the interval of every forecast.

    Until a model has `FIRST_ERRORS` verified errors it has the radius of persistence.

    Args:
        padded: padded forecast array `[H, T, W]`, see `padding`; the place after the models is
            filled with the forecasts of persistence.
        observed: the series `[T]`, NaN where missing.
        filled: the same with missing values carried forward.
        horizons: steps ahead `[H]`.
        origins: indices `[O]` at which the radius is wanted, ascending.
        models: the number of models.
        alpha: share of outcomes that may fall outside, 0..1.

    Returns:
        Radius `[H, O, W]`, >= 0; NaN until persistence has a verified error.
    """
    radius = np.empty((len(padded), len(origins), padded.shape[2]))
    scale, row = local_scale(filled), np.full(len(filled), -1)
    row[origins] = np.arange(len(origins))
    _track(padded, observed, filled, scale, horizons, row, models, alpha, radius)
    return radius


@kernel  # pragma: no cover
def local_scale(y: Floats) -> Floats:
    """Return the local scale of errors at each index `[T]`: a power of the mean absolute change.

    It is not the change itself: after volatile times errors are larger, but less so than the
    changes were. An outlying change counts as `LARGEST_UNITS` mean ones.

    Args:
        y: series without gaps `[T]`.
    """
    recent, recent_count, long_run, long_run_count, total = 0.0, 0.0, 0.0, 0.0, 0.0
    scale, mean_change, nonzero = np.zeros(len(y)), 0.0, 0
    for t in range(1, len(y)):
        change = abs(y[t] - y[t - 1])
        nonzero += change > 0.0
        if nonzero > MEAN_KNOWN_FROM:
            change = min(change, LARGEST_UNITS * mean_change)
        recent = RECENT_DISCOUNT * recent + change
        recent_count = RECENT_DISCOUNT * recent_count + 1.0
        long_run = LONG_RUN_DISCOUNT * long_run + change
        long_run_count = LONG_RUN_DISCOUNT * long_run_count + 1.0
        total += change
        mean_change = (recent / recent_count + long_run / long_run_count) / 2.0
        mean_change = max(mean_change, SMALLEST_CHANGE * total / t)
        scale[t] = mean_change**SCALE_POWER
    return scale


@kernel  # pragma: no cover
def _track(
    padded: Floats,
    observed: Floats,
    filled: Floats,
    scale: Floats,
    horizons: Ints,
    row: Ints,
    persistence: int,
    alpha: float,
    radius: Floats,
) -> None:
    """Fill the radius `[H, O, W]`, and the forecasts of persistence."""
    for j in range(len(horizons)):
        forecasts = padded[j]
        forecasts[:, persistence] = filled
        _track_horizon(forecasts, observed, scale, horizons[j], row, persistence, alpha, radius[j])


@kernel  # pragma: no cover
def _track_horizon(
    forecasts: Floats,
    observed: Floats,
    scale: Floats,
    h: int,
    row: Ints,
    persistence: int,
    alpha: float,
    radius: Floats,
) -> None:
    """Fill the radius `[O, W]` of one horizon."""
    length, width = forecasts.shape
    tracking, first, started = new_tracking(), np.full((width, FIRST_ERRORS), np.inf), False
    mean_error, count, largest = 0.0, 0.0, LARGEST
    for t in range(length):
        if t >= h and not np.isnan(observed[t]):
            # Before the first change of the series its scale is 0: take the current one.
            then = scale[t - h] if scale[t - h] > 0.0 else scale[t]
            inverse = 1.0 / then if then > 0.0 else 1.0
            update_quantiles(tracking, forecasts, t - h, observed[t], inverse, largest, alpha)
            if not started:
                started = start_quantiles(
                    tracking, forecasts, t - h, observed[t], inverse, first, alpha
                )
            error = min(abs(forecasts[t - h, persistence] - observed[t]), ERROR_SHARE * largest)
            mean_error, count = ERROR_DISCOUNT * mean_error + error, ERROR_DISCOUNT * count + 1.0
            if count > MEAN_KNOWN_FROM and mean_error > 0.0:
                largest = LARGEST_UNITS * mean_error / count
        if row[t] >= 0:
            write_radius(tracking, persistence, scale[t], radius, row[t])


@kernel  # pragma: no cover
def update_quantiles(
    tracking: Tracking,
    forecasts: Floats,
    s: int,
    outcome: float,
    inverse: float,
    largest: float,
    alpha: float,
) -> None:
    """Raise the quantiles that were missed and lower the others, of models that have started.

    Args:
        tracking: the state of all models.
        forecasts: all forecasts `[T, W]`.
        s: index of the forecasts that are verified.
        outcome: the observed value.
        inverse: 1 / local scale.
        largest: larger errors enter the peak as this one.
        alpha: share of outcomes that may fall outside.
    """
    for k in range(forecasts.shape[1]):
        quantile, peak = tracking.quantile[k], tracking.peak[k]
        error = abs(forecasts[s, k] - outcome) * inverse
        error = LARGEST if error > LARGEST else error
        counted = min(largest * inverse, error)
        missed = 1.0 if error > quantile else 0.0
        stride = (max(peak, quantile) + quantile) / 2.0
        moved = quantile + LEARNING_RATE * stride * (missed - alpha)
        verified = error == error and tracking.verified[k] >= FIRST_ERRORS
        tracking.quantile[k] = min(moved, LARGEST) if verified else quantile
        tracking.peak[k] = max(PEAK_DISCOUNT * peak, counted) if verified else peak


@kernel  # pragma: no cover
def start_quantiles(
    tracking: Tracking,
    forecasts: Floats,
    s: int,
    outcome: float,
    inverse: float,
    first: Floats,
    alpha: float,
) -> bool:
    """Set the quantiles of models with few verified errors; return whether all have started.

    `first` `[W, FIRST_ERRORS]` holds the first errors of each model; see `update_quantiles`.
    """
    started = True
    for k in range(forecasts.shape[1]):
        if tracking.verified[k] >= FIRST_ERRORS:
            continue
        error = min(abs(forecasts[s, k] - outcome) * inverse, LARGEST)
        if not np.isnan(forecasts[s, k]):
            tracking.verified[k] += 1.0
            n = int(tracking.verified[k])
            tracking.quantile[k] = first_quantile(first[k], n, error, alpha)
            tracking.peak[k] = max(PEAK_DISCOUNT * tracking.peak[k], error)
        started = False
    return started


@kernel  # pragma: no cover
def write_radius(
    tracking: Tracking, persistence: int, scale: float, radius: Floats, row: int
) -> None:
    """Fill a row of `radius` `[O, W]`; NaN until persistence has a verified error."""
    scale = scale if scale > 0.0 else 1.0
    for k in range(radius.shape[1]):
        at = k if tracking.verified[k] >= FIRST_ERRORS else persistence
        half = max(tracking.quantile[at], 0.0) * scale
        radius[row, k] = min(half, LARGEST) if tracking.verified[at] > 0.0 else np.nan


@kernel  # pragma: no cover
def first_quantile(errors: Floats, n: int, error: float, alpha: float) -> float:
    """Insert an error into the n - 1 sorted ones; return the conformal quantile of all n.

    Its rank is ceil((n + 1) (1 - alpha)), at most n.
    """
    place = n - 1
    while place > 0 and errors[place - 1] > error:
        errors[place] = errors[place - 1]
        place -= 1
    errors[place] = error
    rank = min(n, int(np.ceil((n + 1) * (1.0 - alpha) - 1e-9)))
    return errors[rank - 1]
