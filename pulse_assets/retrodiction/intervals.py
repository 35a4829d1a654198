"""Prediction intervals that hold their level whatever the errors do: online quantile tracking.

Each rule and horizon has its own radius q, in units of how restless the series is, see
`restlessness`: so one wild month widens the intervals of all horizons at once, while the errors
that it made far ahead are verified only a year later. When an outcome is verified q <- q + eta
(missed - alpha), where eta is a share of the largest recent error, or of q while that is larger
(else a radius from wild years would outlive them by decades). A miss widens, a hit narrows a
little, so the share of misses tends to alpha without any assumption on the errors.

Source:
    Angelopoulos, Candes, Tibshirani (2023), Conformal PID control for time series prediction,
    doi:10.48550/arXiv.2307.16895.
"""

from typing import Final

import numpy as np

from pulse_assets.retrodiction.arrays import Floats, Ints, kernel

#: eta as a share of the largest recent error or of the radius.
LEARNING_RATE: Final = 0.05
#: What is left of a large error's memory a step later.
PEAK_DISCOUNT: Final = 0.98
#: Discounts of the mean absolute change, of late and of long; the two count alike.
LATE: Final = 0.85
LONG: Final = 0.995
#: Restlessness stays above this share of the mean absolute change so far.
CALMEST: Final = 0.3
#: Verified errors whose conformal quantile starts the tracking.
START: Final = 10


@kernel  # pragma: no cover
def interval_radius(
    panel: Floats, observed: Floats, filled: Floats, horizons: Ints, alpha: float
) -> Floats:
    """Return the half width of the interval of every forecast.

    Until a rule has `START` verified errors it gets the radius of persistence.

    Args:
        panel: forecasts `[H, T, M]`.
        observed: the series `[T]`, NaN where missing.
        filled: the same, missing values carried forward.
        horizons: steps ahead `[H]`.
        alpha: share of outcomes that may fall outside, 0..1.

    Returns:
        Radius `[H, T, M]`, >= 0; NaN until persistence has a verified error.
    """
    radius, unit = np.empty_like(panel), restlessness(filled)
    for j in range(len(horizons)):
        _track(panel[j], observed, filled, unit, horizons[j], alpha, radius[j])
    return radius


@kernel  # pragma: no cover
def restlessness(y: Floats) -> Floats:
    """Return the root of the usual absolute change at each index `[T]`.

    The root, for after a storm errors are larger, but not by as much as the storm was.

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
        unit[t] = np.sqrt(usual)
    return unit


@kernel  # pragma: no cover
def _track(
    forecasts: Floats,
    observed: Floats,
    filled: Floats,
    unit: Floats,
    h: int,
    alpha: float,
    radius: Floats,
) -> None:
    length, size = forecasts.shape
    # The last place is persistence's.
    quantile, peak = np.full(size + 1, np.nan), np.zeros(size + 1)
    first, verified = np.full((size + 1, START), np.inf), np.zeros(size + 1, np.int64)
    for t in range(length):
        s = t - h
        if s >= 0 and not np.isnan(observed[t]):
            # Where nothing had moved yet, the unit known by now.
            error_unit = unit[s] if unit[s] > 0.0 else unit[t]
            for k in range(size + 1):
                forecast = forecasts[s, k] if k < size else filled[s]
                error = abs(forecast - observed[t]) / (error_unit if error_unit > 0.0 else 1.0)
                if np.isnan(error):
                    continue
                if verified[k] < START:
                    verified[k] += 1
                    quantile[k] = first_quantile(first[k], verified[k], error, alpha)
                else:
                    missed = 1.0 if error > quantile[k] else 0.0
                    quantile[k] += LEARNING_RATE * max(peak[k], quantile[k]) * (missed - alpha)
                peak[k] = max(PEAK_DISCOUNT * peak[k], error)
        width = unit[t] if unit[t] > 0.0 else 1.0
        for k in range(size):
            tracked = quantile[k] if verified[k] >= START else quantile[size]
            radius[t, k] = max(tracked, 0.0) * width if tracked == tracked else np.nan


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
