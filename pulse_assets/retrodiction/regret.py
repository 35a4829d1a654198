"""Weights that learn by regret: Bernstein online aggregation (`boa`) and `mlpol`.

They make up the last lane of the ensemble; the fields of the arrays are those of `records`.
"""

from typing import Final

import numpy as np

from pulse_assets.retrodiction.arrays import Floats, kernel
from pulse_assets.retrodiction.panel import SLOT
from pulse_assets.retrodiction.records import (
    BEST,
    FORECAST,
    INVERSE,
    INVERSE_UNIT,
    LEAD,
    PEAK,
    READY,
    RECORD,
    REGRET,
    REGRET_SHARE,
    SLOPE,
    SPREAD,
    STEP,
    VERIFIED,
)

#: Slope of the loss of `boa` and `mlpol` at small errors, in units of persistence's.
STEEPNESS: Final = 3.0
#: Cap of a scaled error in the regrets of `boa` and `mlpol`, and of a reciprocal.
LARGEST_REGRET: Final = 1e6
LARGEST_INVERSE: Final = 1e300


@kernel  # pragma: no cover
def measure_steps(outcome: float, width: int, record: Floats, state: Floats) -> None:
    """Set `STEP` to what following each rule a little more would have gained, in units.

    That is g (combined - forecast), where g is the slope of Huber's loss of the combination: the
    sign of its error, but in proportion to errors below 1 / `STEEPNESS`, so that a combination
    that cannot be bettered is left alone.
    """
    for k in range(len(record) // RECORD):
        at = k * RECORD
        for j in range(width):
            forecast = record[at + FORECAST + j]
            awake = forecast == forecast
            gap = (state[LEAD + j] - forecast) * state[INVERSE_UNIT + j] if awake else 0.0
            gap = max(-LARGEST_REGRET, min(gap, LARGEST_REGRET))
            record[at + STEP + j] = state[SLOPE + j] * gap
            record[at + VERIFIED + j] += 1.0 if awake else 0.0


@kernel  # pragma: no cover
def regret_boa(width: int, record: Floats) -> None:
    """Add the steps r: spread E <- E + 2.2 r^2, regret R <- R + r - r^2 / sqrt(E)."""
    for k in range(len(record) // RECORD):
        at = k * RECORD
        for j in range(width):
            step = record[at + STEP + j]
            spread = record[at + SPREAD + j] + 2.2 * step * step
            inverse = 1.0 / np.sqrt(spread) if spread > 0.0 else 0.0
            record[at + SPREAD + j], record[at + INVERSE + j] = spread, inverse
            record[at + REGRET + j] += step - step * step * inverse


@kernel  # pragma: no cover
def regret_mlpol(width: int, record: Floats, state: Floats) -> None:
    """Add the steps r: regret R <- R + r, spread 1/eta <- 1/eta + r^2 + B' - B, B the peak r^2."""
    for j in range(width):
        highest = state[PEAK + j]
        for k in range(j, len(record), RECORD):
            highest = max(highest, record[STEP + k] ** 2)
        for k in range(j, len(record), RECORD):
            record[SPREAD + k] += record[STEP + k] ** 2 + highest - state[PEAK + j]
            record[REGRET + k] += record[STEP + k]
        state[PEAK + j] = highest


@kernel  # pragma: no cover
def score_boa(width: int, record: Floats, state: Floats) -> None:
    """Set the shares of the last lane: exp(R / sqrt(E)) / sqrt(E), over the largest exponential."""
    state[BEST : BEST + SLOT] = -np.inf
    for k in range(len(record) // RECORD):
        at = k * RECORD
        for j in range(width):
            score = record[at + REGRET + j] * record[at + INVERSE + j]
            state[BEST + j] = max(state[BEST + j], score)
    for k in range(len(record) // RECORD):
        at = k * RECORD
        for j in range(width):
            score = record[at + REGRET + j] * record[at + INVERSE + j]
            power = exponential(score - state[BEST + j])
            share = power * record[at + INVERSE + j] * record[at + READY + j]
            record[at + REGRET_SHARE + j] = share


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


@kernel  # pragma: no cover
def score_mlpol(width: int, record: Floats) -> None:
    """Set the shares of the last lane: eta max(R, 0)."""
    for k in range(len(record) // RECORD):
        at = k * RECORD
        for j in range(width):
            gain = max(record[at + REGRET + j], 0.0) * record[at + READY + j]
            spread = record[at + SPREAD + j]
            share = gain / spread if spread > 0.0 else 0.0
            record[at + REGRET_SHARE + j] = share
