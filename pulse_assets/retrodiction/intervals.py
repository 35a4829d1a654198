"""Prediction intervals that hold their level whatever the errors do: online quantile tracking.

Each rule and horizon has its own radius q. When an outcome is verified q <- q + eta (missed -
alpha), where eta is a share of the largest recent error, or of q while that is larger (else a
radius from wild years would outlive them by decades). A miss widens, a hit narrows a little, so
the share of misses tends to alpha without any assumption on the errors.

Source:
    Angelopoulos, Candes, Tibshirani (2023), Conformal PID control for time series prediction,
    doi:10.48550/arXiv.2307.16895.
"""

from typing import Final

import numpy as np

from pulse_assets.retrodiction.arrays import Floats, Ints, kernel

#: eta as a share of the largest recent error or of the radius.
LEARNING_RATE: Final = 0.1
#: What is left of a large error's memory a step later.
PEAK_DISCOUNT: Final = 0.98
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
    radius = np.empty_like(panel)
    for j in range(len(horizons)):
        _track(panel[j], observed, filled, horizons[j], alpha, radius[j])
    return radius


@kernel  # pragma: no cover
def _track(
    forecasts: Floats, observed: Floats, filled: Floats, h: int, alpha: float, radius: Floats
) -> None:
    length, size = forecasts.shape
    # The last place is persistence's.
    quantile, peak = np.full(size + 1, np.nan), np.zeros(size + 1)
    first, verified = np.full((size + 1, START), np.inf), np.zeros(size + 1, np.int64)
    for t in range(length):
        s = t - h
        if s >= 0 and not np.isnan(observed[t]):
            for k in range(size + 1):
                forecast = forecasts[s, k] if k < size else filled[s]
                error = abs(forecast - observed[t])
                if np.isnan(error):
                    continue
                if verified[k] < START:
                    verified[k] += 1
                    quantile[k] = first_quantile(first[k], verified[k], error, alpha)
                else:
                    missed = 1.0 if error > quantile[k] else 0.0
                    quantile[k] += LEARNING_RATE * max(peak[k], quantile[k]) * (missed - alpha)
                peak[k] = max(PEAK_DISCOUNT * peak[k], error)
        for k in range(size):
            tracked = quantile[k] if verified[k] >= START else quantile[size]
            radius[t, k] = max(tracked, 0.0) if tracked == tracked else np.nan


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
