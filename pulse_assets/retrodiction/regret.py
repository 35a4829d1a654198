"""Weights that learn by regret: Bernstein online aggregation (`boa`) and `mlpol`.

They make up the last lane of the ensemble; the fields of the arrays are those of `records`.
"""

from typing import Final

import numpy as np

from pulse_assets.retrodiction.arrays import Floats, kernel
from pulse_assets.retrodiction.records import (
    FACTOR,
    INVERSE_UNIT,
    LEAD,
    PEAK,
    REGRET,
    SCORE,
    SLOPE,
    SPREAD,
    STEP,
)

#: Slope of the loss of `boa` and `mlpol` at small errors, in units of persistence's.
STEEPNESS: Final = 3.0
#: Cap of a scaled error in the regrets of `boa` and `mlpol`, and of a reciprocal.
LARGEST_REGRET: Final = 1e6
LARGEST_INVERSE: Final = 1e300


@kernel  # pragma: no cover
def gain(forecast: float, lead: float, slope: float, inverse_unit: float) -> float:
    """Return what following a rule a little more would have gained, in units; asleep: nothing.

    That is g (combined - forecast), where g is the slope of Huber's loss of the combination: the
    sign of its error, but in proportion to errors below 1 / `STEEPNESS`, so that a combination
    that cannot be bettered is left alone.
    """
    gap = (lead - forecast) * inverse_unit if forecast == forecast else 0.0
    return slope * max(-LARGEST_REGRET, min(gap, LARGEST_REGRET))


@kernel  # pragma: no cover
def regret_boa(forecasts: Floats, s: int, record: Floats, state: Floats) -> None:
    """Add a rule's gains r: spread E <- E + 2.2 r^2, regret R <- R + r - r^2 / sqrt(E).

    Its share is exp(R / sqrt(E)) / sqrt(E); 0 while it never parted from the combination.
    """
    lead, slope, inverse_unit = state[LEAD], state[SLOPE], state[INVERSE_UNIT]
    for k in range(forecasts.shape[1]):
        r = gain(forecasts[s, k], lead, slope, inverse_unit)
        spread = record[SPREAD + k] + 2.2 * r * r
        inverse = 1.0 / np.sqrt(spread) if spread > 0.0 else 0.0
        regret = record[REGRET + k] + r - r * r * inverse
        record[SPREAD + k], record[REGRET + k] = spread, regret
        record[SCORE + k], record[FACTOR + k] = regret * inverse, inverse


@kernel  # pragma: no cover
def regret_mlpol(forecasts: Floats, s: int, record: Floats, state: Floats) -> None:
    """Add the gains r: regret R <- R + r, spread 1/eta <- 1/eta + r^2 + B' - B, B the peak r^2.

    A rule's share is eta max(R, 0).
    """
    highest = state[PEAK]
    for k in range(forecasts.shape[1]):
        r = gain(forecasts[s, k], state[LEAD], state[SLOPE], state[INVERSE_UNIT])
        record[STEP + k], highest = r, max(highest, r * r)
    rise, state[PEAK] = highest - state[PEAK], highest
    for k in range(forecasts.shape[1]):
        record[SPREAD + k] += record[STEP + k] ** 2 + rise
        record[REGRET + k] += record[STEP + k]
        regret, spread = max(record[REGRET + k], 0.0), record[SPREAD + k]
        record[FACTOR + k] = regret / spread if spread > 0.0 else 0.0


@kernel  # pragma: no cover
def exponential(x: float) -> float:
    """Return exp(x) for x <= 0, exp(-300) below, to x^3 / 2^34 of it.

    (1 + z + z^2 / 2)^n with z = x / n, n = 2^16: several at once, which the library's cannot.
    """
    z = max(x, -300.0) / 65536.0
    power = 1.0 + z + 0.5 * z * z
    for _ in range(16):
        power *= power
    return power
