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

from pulse_assets.retrodiction.arrays import LARGEST, Bools, Floats, Ints, kernel
from pulse_assets.retrodiction.panel import SLOT, block_horizons

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
#: Verified errors whose conformal quantile starts the tracking.
START: Final = 10


# What is kept of a model, `SLOT` numbers a field, see `ensemble`: what it had forecast, its errors
# verified, the tracked quantile of them in units, and the largest of late.
FORECAST: Final = 0
VERIFIED: Final = SLOT
QUANTILE: Final = 2 * SLOT
PEAK: Final = 3 * SLOT
RECORD: Final = 4 * SLOT


def interval_radius(
    panel: Floats, observed: Floats, filled: Floats, horizons: Ints, origins: Ints, alpha: float
) -> Floats:
    """Return the half width of the interval of every forecast.

    Until a rule has `START` verified errors it gets the radius of persistence.

    Args:
        panel: forecasts `[B, M, T, W]`, see `panel`.
        observed: the series `[T]`, NaN where missing.
        filled: the same, missing values carried forward.
        horizons: steps ahead `[H]`.
        origins: indices `[O]` at which it is wanted, ascending.
        alpha: share of outcomes that may fall outside, 0..1.

    Returns:
        Radius `[B, M, O, W]`, >= 0; NaN until persistence has a verified error.
    """
    blocks, size, length, width = panel.shape
    radius, unit = np.empty((blocks, size, len(origins), width)), restlessness(filled)
    row = np.full(length, -1)
    row[origins] = np.arange(len(origins))
    for i, steps in enumerate(block_horizons(horizons)):
        _track(panel[i], observed, filled, unit, steps, row, alpha, radius[i])
    return radius


@kernel  # pragma: no cover
def restlessness(y: Floats) -> Floats:
    """Return a power of the usual absolute change, nearly its root, at each index `[T]`.

    Not the change itself, for after a storm errors are larger, but not by as much as the storm was.

    Args:
        y: series without gaps `[T]`.
    """
    late, late_count, long, long_count, total = 0.0, 0.0, 0.0, 0.0, 0.0
    unit = np.zeros(len(y))
    for t in range(1, len(y)):
        change = abs(y[t] - y[t - 1])
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
    filled: Floats,
    unit: Floats,
    steps: Ints,
    row: Ints,
    alpha: float,
    radius: Floats,
) -> None:
    size, width = len(forecasts) + 1, len(steps)
    # The last place is persistence's.
    record, inverse = np.zeros(size * RECORD), np.zeros(width)
    first, begun = np.full((size, width, START), np.inf), np.zeros(size, np.bool_)
    for t in range(len(observed)):
        if t > 0 and not np.isnan(observed[t]):
            for j in range(width):
                # Where nothing had moved yet, the unit known by now.
                then = unit[max(t - steps[j], 0)]
                then = then if then > 0.0 else unit[t]
                inverse[j] = 1.0 / then if then > 0.0 else 1.0
            recall(forecasts, filled, t, steps, record)
            begin(observed[t], inverse, record, first, begun, alpha)
            track(observed[t], inverse, record, alpha)
        if row[t] >= 0:
            write_radius(record, unit[t] if unit[t] > 0.0 else 1.0, radius, row[t])


@kernel  # pragma: no cover
def recall(forecasts: Floats, filled: Floats, t: int, steps: Ints, record: Floats) -> None:
    """Set `FORECAST` to what each model, and persistence, had forecast for index t."""
    models = len(record) // RECORD - 1
    for j in range(len(steps)):
        s = t - steps[j]
        for k in range(models):
            record[k * RECORD + FORECAST + j] = forecasts[k, s, j] if s >= 0 else np.nan
        record[models * RECORD + FORECAST + j] = filled[s] if s >= 0 else np.nan


@kernel  # pragma: no cover
def begin(
    outcome: float, inverse: Floats, record: Floats, first: Floats, begun: Bools, alpha: float
) -> None:
    """Set the quantile of models with few verified errors; their forecasts then count as none."""
    for k in range(len(first)):
        if begun[k]:
            continue
        at, begun[k] = k * RECORD, True
        for j in range(len(inverse)):
            if record[at + VERIFIED + j] >= START:
                continue
            error = abs(record[at + FORECAST + j] - outcome) * inverse[j]
            if not np.isnan(error):
                error = min(error, LARGEST)
                record[at + VERIFIED + j] += 1.0
                n = int(record[at + VERIFIED + j])
                record[at + QUANTILE + j] = first_quantile(first[k, j], n, error, alpha)
                record[at + PEAK + j] = max(PEAK_DISCOUNT * record[at + PEAK + j], error)
                record[at + FORECAST + j] = np.nan
            begun[k] &= record[at + VERIFIED + j] >= START


@kernel  # pragma: no cover
def track(outcome: float, inverse: Floats, record: Floats, alpha: float) -> None:
    """Widen the quantiles that were missed and narrow the others."""
    for k in range(len(record) // RECORD):
        at = k * RECORD
        for j in range(len(inverse)):
            quantile, peak = record[at + QUANTILE + j], record[at + PEAK + j]
            error = abs(record[at + FORECAST + j] - outcome) * inverse[j]
            error = LARGEST if error > LARGEST else error
            missed = 1.0 if error > quantile else 0.0
            stride = (max(peak, quantile) + quantile) / 2.0
            moved = quantile + LEARNING_RATE * stride * (missed - alpha)
            verified = error == error
            record[at + QUANTILE + j] = min(moved, LARGEST) if verified else quantile
            record[at + PEAK + j] = max(PEAK_DISCOUNT * peak, error) if verified else peak


@kernel  # pragma: no cover
def write_radius(record: Floats, unit: float, radius: Floats, row: int) -> None:
    """Fill a row of `radius` `[M, O, W]`; NaN until persistence has a verified error."""
    size, _, width = radius.shape
    persistence = size * RECORD
    for k in range(size):
        for j in range(width):
            at = k * RECORD if record[k * RECORD + VERIFIED + j] >= START else persistence
            known = record[at + VERIFIED + j] > 0.0
            half = max(record[at + QUANTILE + j], 0.0) * unit
            radius[k, row, j] = min(half, LARGEST) if known else np.nan


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
