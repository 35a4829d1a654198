"""Prediction intervals that hold their level whatever the errors do: online quantile tracking.

Each rule and horizon has its own radius q, in units of how restless the series is, see
`restlessness`: so one wild month widens the intervals of all horizons at once, while the errors
that it made far ahead are verified only a year later. When an outcome is verified q <- q + eta
(missed - alpha), where eta is a share of the mean of q and the largest recent error (of q alone
while that is larger, else a radius from wild years would outlive them by decades). A miss widens,
a hit narrows a little, so the share of misses tends to alpha without any assumption on the errors.

Source:
    Angelopoulos, Candes, Tibshirani (2023), Conformal PID control for time series prediction,
    doi:10.48550/arXiv.2307.16895.
"""

from typing import Final

import numpy as np

from pulse_assets.retrodiction.arrays import LARGEST, Floats, Ints, kernel
from pulse_assets.retrodiction.panel import SLOT

#: eta as a share of the mean of the radius and the larger of it and the largest recent error.
LEARNING_RATE: Final = 0.05
#: What is left of a large error's memory a step later.
PEAK_DISCOUNT: Final = 0.98
#: The power of the usual change to which errors are taken to be proportional.
RESTLESSNESS: Final = 0.6
#: Discounts of the mean absolute change, of late and of long; the two count alike.
LATE: Final = 0.5
LONG: Final = 0.995
#: Restlessness stays above this share of the mean absolute change so far.
CALMEST: Final = 0.3
#: A change or an error counts as at most this many times the usual one, once that rests on so many:
#: a step of a thousand usual changes must not widen the intervals for years.
LARGEST_UNITS: Final = 20.0
COUNTED_FROM: Final = 12
#: Discount of persistence's errors, of which the mean is the usual error; each counts there as at
#: most this share of the largest: a step is an error of h origins, horizon h, one after the other.
USUAL_DISCOUNT: Final = 0.99
USUAL_SHARE: Final = 0.2
#: Verified errors whose conformal quantile starts the tracking.
START: Final = 10


# What is kept of models, `SLOT` numbers a field, see `panel`: their errors verified, the tracked
# quantile of them in units, and the largest of late.
VERIFIED: Final = 0
QUANTILE: Final = SLOT
PEAK: Final = 2 * SLOT
RECORD: Final = 3 * SLOT


def interval_radius(
    panel: Floats,
    observed: Floats,
    filled: Floats,
    horizons: Ints,
    origins: Ints,
    models: int,
    alpha: float,
) -> Floats:
    """Return the half width of the interval of every forecast.

    Until a rule has `START` verified errors it gets the radius of persistence.

    Args:
        panel: forecasts `[H, T, W]`, see `panel`; the place after the models is filled with those
            of persistence.
        observed: the series `[T]`, NaN where missing.
        filled: the same, missing values carried forward.
        horizons: steps ahead `[H]`.
        origins: indices `[O]` at which it is wanted, ascending.
        models: how many there are.
        alpha: share of outcomes that may fall outside, 0..1.

    Returns:
        Radius `[H, O, W]`, >= 0; NaN until persistence has a verified error.
    """
    radius, unit = np.empty((len(panel), len(origins), panel.shape[2])), restlessness(filled)
    row = np.full(len(filled), -1)
    row[origins] = np.arange(len(origins))
    panel[:, :, models] = filled
    for j, h in enumerate(horizons):
        _track(panel[j], observed, unit, h, row, models, alpha, radius[j])
    return radius


@kernel  # pragma: no cover
def restlessness(y: Floats) -> Floats:
    """Return a power of the usual absolute change, nearly its root, at each index `[T]`.

    Not the change itself, for after a storm errors are larger, but not by as much as the storm was.
    An outlying change counts as `LARGEST_UNITS` usual ones.

    Args:
        y: series without gaps `[T]`.
    """
    late, late_count, long, long_count, total = 0.0, 0.0, 0.0, 0.0, 0.0
    unit, usual, moved = np.zeros(len(y)), 0.0, 0
    for t in range(1, len(y)):
        change = abs(y[t] - y[t - 1])
        moved += change > 0.0
        if moved > COUNTED_FROM:
            change = min(change, LARGEST_UNITS * usual)
        late, late_count = LATE * late + change, LATE * late_count + 1.0
        long, long_count = LONG * long + change, LONG * long_count + 1.0
        total += change
        usual = (late / late_count + long / long_count) / 2.0
        usual = max(usual, CALMEST * total / t)
        unit[t] = usual**RESTLESSNESS
    return unit


@kernel  # pragma: no cover
def _track(
    forecasts: Floats,
    observed: Floats,
    unit: Floats,
    h: int,
    row: Ints,
    persistence: int,
    alpha: float,
    radius: Floats,
) -> None:
    length, width = forecasts.shape
    record, first, begun = np.zeros(RECORD), np.full((width, START), np.inf), False
    usual, count, largest = 0.0, 0.0, LARGEST
    for t in range(length):
        if t >= h and not np.isnan(observed[t]):
            # Where nothing had moved yet, the unit known by now.
            then = unit[t - h] if unit[t - h] > 0.0 else unit[t]
            inverse = 1.0 / then if then > 0.0 else 1.0
            track(forecasts, t - h, observed[t], inverse, largest, record, alpha)
            if not begun:
                begun = begin(forecasts, t - h, observed[t], inverse, record, first, alpha)
            error = min(abs(forecasts[t - h, persistence] - observed[t]), USUAL_SHARE * largest)
            usual, count = USUAL_DISCOUNT * usual + error, USUAL_DISCOUNT * count + 1.0
            if count > COUNTED_FROM and usual > 0.0:
                largest = LARGEST_UNITS * usual / count
        if row[t] >= 0:
            write_radius(record, persistence, unit[t], radius, row[t])


@kernel  # pragma: no cover
def track(
    forecasts: Floats,
    s: int,
    outcome: float,
    inverse: float,
    largest: float,
    record: Floats,
    alpha: float,
) -> None:
    """Widen the quantiles that were missed and narrow the others, of models that have begun.

    Larger errors than `largest` are remembered as this large.
    """
    for k in range(forecasts.shape[1]):
        quantile, peak = record[QUANTILE + k], record[PEAK + k]
        error = abs(forecasts[s, k] - outcome) * inverse
        error = LARGEST if error > LARGEST else error
        counted = min(largest * inverse, error)
        missed = 1.0 if error > quantile else 0.0
        stride = (max(peak, quantile) + quantile) / 2.0
        moved = quantile + LEARNING_RATE * stride * (missed - alpha)
        verified = error == error and record[VERIFIED + k] >= START
        record[QUANTILE + k] = min(moved, LARGEST) if verified else quantile
        record[PEAK + k] = max(PEAK_DISCOUNT * peak, counted) if verified else peak


@kernel  # pragma: no cover
def begin(
    forecasts: Floats,
    s: int,
    outcome: float,
    inverse: float,
    record: Floats,
    first: Floats,
    alpha: float,
) -> bool:
    """Set the quantile of models with few verified errors; return whether all have begun."""
    begun = True
    for k in range(forecasts.shape[1]):
        if record[VERIFIED + k] >= START:
            continue
        error = min(abs(forecasts[s, k] - outcome) * inverse, LARGEST)
        if not np.isnan(forecasts[s, k]):
            record[VERIFIED + k] += 1.0
            n = int(record[VERIFIED + k])
            record[QUANTILE + k] = first_quantile(first[k], n, error, alpha)
            record[PEAK + k] = max(PEAK_DISCOUNT * record[PEAK + k], error)
        begun = False
    return begun


@kernel  # pragma: no cover
def write_radius(record: Floats, persistence: int, unit: float, radius: Floats, row: int) -> None:
    """Fill a row of `radius` `[O, W]`; NaN until persistence has a verified error."""
    unit = unit if unit > 0.0 else 1.0
    for k in range(radius.shape[1]):
        at = k if record[VERIFIED + k] >= START else persistence
        half = max(record[QUANTILE + at], 0.0) * unit
        radius[row, k] = min(half, LARGEST) if record[VERIFIED + at] > 0.0 else np.nan


@kernel  # pragma: no cover
def first_quantile(errors: Floats, n: int, error: float, alpha: float) -> float:
    """Insert an error into the sorted first ones; return their conformal quantile.

    Its rank is ceil((n + 1) (1 - alpha)), at most n.
    """
    place = n - 1
    while place > 0 and errors[place - 1] > error:
        errors[place] = errors[place - 1]
        place -= 1
    errors[place] = error
    rank = min(n, int(np.ceil((n + 1) * (1.0 - alpha) - 1e-9)))
    return errors[rank - 1]
