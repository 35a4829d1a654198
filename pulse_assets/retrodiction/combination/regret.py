"""Regret-based weights: Bernstein online aggregation (`boa`)."""

from typing import Final

import numpy as np

from pulse_assets.array_types import Floats
from pulse_assets.retrodiction.arrays import kernel
from pulse_assets.retrodiction.combination.evidence import RULE, Reference

#: Slope of Huber's loss at small errors, in units of persistence's mean error.
STEEPNESS: Final = 3.0
#: Larger differences of forecasts count as this one, in units of persistence's mean error.
LARGEST_GAP: Final = 1e6


@kernel  # pragma: no cover
def loss_gradient(combined: float, outcome: float, reference: Reference) -> tuple[float, float]:
    """Return a combined forecast and the gradient of its Huber loss; 0 and 0 if it is NaN.

    The gradient is the sign of the error, but proportional to errors below 1 / `STEEPNESS` units:
    a combination that cannot be improved is left alone.
    """
    if np.isnan(combined):
        return 0.0, 0.0
    gradient = STEEPNESS * (combined - outcome) * reference.inverse_unit
    return combined, max(-1.0, min(gradient, 1.0))


@kernel  # pragma: no cover
def gain(forecast: float, combined: float, gradient: float, inverse_unit: float) -> float:
    """Return r = gradient (combined - forecast) in units: what more weight for a rule would gain.

    It is 0 of a sleeping rule.
    """
    gap = (combined - forecast) * inverse_unit if forecast == forecast else 0.0
    return gradient * max(-LARGEST_GAP, min(gap, LARGEST_GAP))


@kernel  # pragma: no cover
def update_boa(
    rules: Floats, forecasts: Floats, loss: tuple[float, float], inverse_unit: float
) -> None:
    """Add each rule's gain r: spread E <- E + 2.2 r^2, regret R <- R + r - r^2 / sqrt(E).

    The rule's share is exp(R / sqrt(E)) / sqrt(E); 0 while its forecasts equal the combination.

    Args:
        rules: evidence of the rules, see `RuleFields`.
        forecasts: the forecasts that are verified `[W]`.
        loss: what `loss_gradient` returned for the combination of these forecasts.
        inverse_unit: 1 / mean error of persistence.
    """
    combined, gradient = loss
    for k in range(len(forecasts)):
        r = gain(forecasts[k], combined, gradient, inverse_unit)
        spread = rules[RULE.spread + k] + 2.2 * r * r
        inverse = 1.0 / np.sqrt(spread) if spread > 0.0 else 0.0
        regret = rules[RULE.regret + k] + r - r * r * inverse
        rules[RULE.spread + k], rules[RULE.regret + k] = spread, regret
        rules[RULE.score + k], rules[RULE.factor + k] = regret * inverse, inverse


@kernel  # pragma: no cover
def exponential(x: float) -> float:
    """Return exp(x) for x <= 0, with a relative error of at most |x|^3 / 2^34; exp(-300) below.

    (1 + z + z^2 / 2)^n with z = x / n, n = 2^16. Unlike the library's function, the machine
    computes it for several numbers at once.
    """
    z = max(x, -300.0) / 65536.0
    power = 1.0 + z + 0.5 * z * z
    for _ in range(16):
        power *= power
    return power
