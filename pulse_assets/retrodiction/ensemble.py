"""Weights of the rules in the combination, learnt online from verified forecasts alone.

At index t the forecasts for t, issued h steps before, meet their outcome; no later error enters.
A rule without a forecast sleeps: it has weight 0 and keeps its record. Panels are `[H, T, M]`
(horizons, indices, rules) so that a kernel reads the rules side by side.
"""

from typing import Final, Literal

import numpy as np

from pulse_assets.retrodiction.arrays import Floats, Ints, kernel

Method = Literal["dmsfe", "boa", "mlpol"]

#: Discounts of the absolute errors among which `dmsfe` learns to choose ...
DISCOUNTS: Final = (0.98, 1.0)
#: ... and how many powers of the inverse error: 2, 8, 32, ... Each pair is a lane; lane 0 is equal.
POWERS: Final = 3
#: The last lane is `boa`, whose learning needs neither.
BOA: Final = 1 + len(DISCOUNTS) * POWERS
LANES: Final = BOA + 1
#: The choice among the lanes: discount, and power 2**n of their own inverse error.
CHOICE_DISCOUNT: Final = 0.99
CHOICE_SQUARINGS: Final = 4
#: `boa` counts as many lanes: it draws on how rules complete each other, which the others ignore.
BOA_PRIOR: Final = 6.0
#: Weight, in observations, of the prior that every rule is as good as persistence.
PRIOR: Final = 1.0
#: Verified forecasts that a rule needs for a share, unless none has them.
MIN_VERIFIED: Final = 5
#: Unchanged values after which a series is at rest: only rules that keep it there have a share.
REST: Final = 6
#: Larger errors count as this large: their sums must stay finite.
LARGEST_ERROR: Final = 1e150
#: Slope of the loss of `boa` and `mlpol` at small errors, in units of persistence's.
STEEPNESS: Final = 3.0
#: Cap of a scaled error in the regrets of `boa` and `mlpol`.
LARGEST_REGRET: Final = 1e6


def combine(
    panel: Floats, observed: Floats, filled: Floats, horizons: Ints, method: Method
) -> Floats:
    """Combine the rules at every index for every horizon, in the panel's last two places.

    - `dmsfe`: w ~ D^-p, D the discounted mean absolute error divided by that of persistence over
      the same targets, with a prior of 1. Several discounts and powers p, equal weights (p = 0)
      and `boa` combine side by side; their combinations are weighed the same way by their own
      errors. So the constants are learnt, and thin evidence means equal weights.
    - `boa`, `mlpol`: Bernstein online aggregation and polynomially weighted averages, on the
      linearised Huber loss, measured in units of persistence's mean absolute error.

    Absolute errors throughout, not squared ones: after a crisis its few targets would else decide
    the weights for years.

    Args:
        panel: forecasts `[H, T, M + 2]`, NaN where a rule has none. The last two are filled: with
            the weighted mean of the M rules, and with their plain mean.
        observed: the series `[T]`, NaN where missing.
        filled: the same, missing values carried forward.
        horizons: steps ahead `[H]`.
        method: which of the three.

    Returns:
        Weights `[H, T, M + 2]`, >= 0, of sum 1 where any rule has a forecast; NaN in the last two
        places.

    Source:
        Stock, Watson (2004), Combination forecasts of output growth in a seven-country data set,
        doi:10.1002/for.928; Wintenberger (2017), Optimal learning with Bernstein online
        aggregation, doi:10.1007/s10994-016-5592-6; Gaillard, Stoltz, van Erven (2014), A
        second-order bound with excess losses, COLT.
    """
    weights = np.full_like(panel, np.nan)
    if method == "dmsfe":
        _dmsfe(panel, observed, filled, horizons, weights)
    else:
        _least_regret(panel, observed, filled, horizons, method == "boa", weights)
    return weights


@kernel  # pragma: no cover
def _dmsfe(
    panel: Floats, observed: Floats, filled: Floats, horizons: Ints, weights: Floats
) -> None:
    for j in range(len(horizons)):
        _dmsfe_horizon(panel[j], observed, filled, horizons[j], weights[j])


@kernel  # pragma: no cover
def _dmsfe_horizon(
    forecasts: Floats, observed: Floats, filled: Floats, h: int, weights: Floats
) -> None:
    length, size = len(observed), forecasts.shape[1] - 2
    # Per rule and discount: discounted absolute error, and persistence's over the same targets.
    loss, base = np.zeros((size, len(DISCOUNTS))), np.zeros((size, len(DISCOUNTS)))
    verified, ready, shares = np.zeros(size), np.zeros(size), np.zeros((size, LANES))
    combined, own_loss, lane = np.empty((length, LANES)), np.zeros(LANES), np.zeros(LANES)
    regret, spread, scores = np.zeros(size), np.zeros(size), np.zeros(size)
    step, typical, still = np.zeros(size), np.zeros(2), 0
    for t in range(length):
        s = t - h
        if s >= 0 and not np.isnan(observed[t]):
            reference = absolute_error(filled[s], observed[t])
            typical[0] = CHOICE_DISCOUNT * typical[0] + reference
            typical[1] = CHOICE_DISCOUNT * typical[1] + 1.0
            learn(forecasts[s], observed[t], reference, loss, base, verified)
            unit = typical[0] / typical[1]
            regret_step(forecasts[s], combined[s, BOA], observed[t], unit, step)
            update_regret(regret, spread, step, 0.0, True)
            judge(combined[s], observed[t], own_loss)
        prior = PRIOR * typical[0] / max(typical[1], 1.0)
        row, row_weights = forecasts[t], weights[t]
        judged = mark_ready(row, verified, MIN_VERIFIED, ready)
        still = count_still(observed, filled, t, still)
        keep_at_rest(row, filled[t], still, ready)
        divide(loss, base, prior, ready, shares, lane)
        score_regret(regret, spread, True, scores)
        normalise(scores, ready, shares[:, BOA])
        # Before rules have a record the lanes would be judged for what none could know.
        weigh_lanes(row, shares, lane, judged, combined[t])
        choose(own_loss, prior, shares, lane, row_weights)
        finish(row, row_weights)


@kernel  # pragma: no cover
def absolute_error(forecast: float, outcome: float) -> float:
    """Return the absolute error, finite however large it is."""
    return min(abs(forecast - outcome), LARGEST_ERROR)


@kernel  # pragma: no cover
def learn(
    forecasts: Floats,
    outcome: float,
    reference: float,
    loss: Floats,
    base: Floats,
    verified: Floats,
) -> None:
    """Add the errors of verified forecasts, and persistence's beside them, to the records."""
    for k in range(len(verified)):
        if not np.isnan(forecasts[k]):
            error = absolute_error(forecasts[k], outcome)
            verified[k] += 1.0
            for q in range(len(DISCOUNTS)):
                loss[k, q] = DISCOUNTS[q] * loss[k, q] + error
                base[k, q] = DISCOUNTS[q] * base[k, q] + reference


@kernel  # pragma: no cover
def judge(combined: Floats, outcome: float, loss: Floats) -> None:
    """Add the absolute errors of the lanes' own combinations to their record."""
    if not np.isnan(combined[0]):
        for c in range(LANES):
            loss[c] = CHOICE_DISCOUNT * loss[c] + absolute_error(combined[c], outcome)


@kernel  # pragma: no cover
def mark_ready(forecasts: Floats, verified: Floats, needed: int, ready: Floats) -> bool:
    """Fill `ready` with 1.0 for rules that have a forecast and a record, else 0.0.

    Where none has a record, those that have a forecast are ready.

    Returns:
        Whether any rule has a record.
    """
    found = False
    for k in range(len(ready)):
        ready[k] = not np.isnan(forecasts[k]) and verified[k] >= needed
        found |= ready[k] > 0.0
    if not found:
        for k in range(len(ready)):
            ready[k] = not np.isnan(forecasts[k])
    return found


@kernel  # pragma: no cover
def count_still(observed: Floats, filled: Floats, t: int, still: int) -> int:
    """Return how many values in a row, missing ones not counted, were as the one before."""
    if t == 0 or np.isnan(observed[t]):
        return still
    return still + 1 if filled[t] == filled[t - 1] else 0


@kernel  # pragma: no cover
def keep_at_rest(forecasts: Floats, last: float, still: int, ready: Floats) -> None:
    """Of a series at rest, leave ready those that forecast its last value, if there are any.

    A rate that is pegged or a series that has ended would else be pulled off for years by rules
    that were good before.
    """
    if still < REST:
        return
    keepers = 0.0
    for k in range(len(ready)):
        keepers += ready[k] * (forecasts[k] == last)
    for k in range(len(ready)):
        ready[k] *= keepers == 0.0 or forecasts[k] == last


@kernel  # pragma: no cover
def divide(
    loss: Floats, base: Floats, prior: float, ready: Floats, shares: Floats, lane: Floats
) -> None:
    """Fill `shares` `[M, LANES]` with the weights of all lanes but `boa`, `lane` with 1 / sum."""
    lane[:] = 0.0
    for k in range(len(ready)):
        shares[k, 0] = ready[k]
        lane[0] += ready[k]
    for q in range(len(DISCOUNTS)):
        first, best = 1 + q * POWERS, 0.0
        for k in range(len(ready)):
            # Perfect so far, and persistence too: as good as it gets.
            error = loss[k, q] + prior
            closeness = (base[k, q] + prior) / error if error > 0.0 else LARGEST_ERROR
            shares[k, first] = ready[k] * min(closeness, LARGEST_ERROR) ** 2
            best = max(best, shares[k, first])
        inverse = 1.0 / best if best > 0.0 else 0.0
        for k in range(len(ready)):
            ratio = shares[k, first] * inverse if best > 0.0 else ready[k]
            for c in range(first, first + POWERS):
                shares[k, c] = ratio
                lane[c] += ratio
                ratio *= ratio
                ratio *= ratio
    for c in range(LANES):
        lane[c] = 1.0 / max(lane[c], 1.0)


@kernel  # pragma: no cover
def weigh_lanes(
    forecasts: Floats, shares: Floats, lane: Floats, judged: bool, combined: Floats
) -> None:
    """Fill `combined` `[LANES]` with each lane's combination; NaN where it is not to be judged."""
    combined[:] = 0.0
    for k in range(len(shares)):
        if not np.isnan(forecasts[k]):
            for c in range(LANES):
                combined[c] += shares[k, c] * forecasts[k]
    for c in range(LANES):
        combined[c] = combined[c] * lane[c] if judged else np.nan


@kernel  # pragma: no cover
def choose(loss: Floats, prior: float, shares: Floats, lane: Floats, weights: Floats) -> None:
    """Fill `weights` `[M]` with the mean of the lanes' weights, weighed by their own errors."""
    smallest, total = np.inf, 0.0
    for c in range(LANES):
        smallest = min(smallest, loss[c] + prior)
    for c in range(LANES):
        trust = smallest / (loss[c] + prior) if loss[c] + prior > smallest else 1.0
        for _ in range(CHOICE_SQUARINGS):
            trust *= trust
        trust *= BOA_PRIOR if c == BOA else 1.0
        total += trust
        lane[c] *= trust
    for k in range(len(shares)):
        weight = 0.0
        for c in range(LANES):
            weight += lane[c] * shares[k, c]
        weights[k] = weight / total


@kernel  # pragma: no cover
def finish(forecasts: Floats, weights: Floats) -> None:
    """Fill the last two places of `forecasts` with the weighted and the plain mean of the rules."""
    weighted, plain, awake = 0.0, 0.0, 0.0
    for k in range(len(forecasts) - 2):
        if not np.isnan(forecasts[k]):
            weighted += weights[k] * forecasts[k]
            plain += forecasts[k]
            awake += 1.0
    forecasts[-2] = weighted if awake > 0.0 else np.nan
    forecasts[-1] = plain / awake


@kernel  # pragma: no cover
def _least_regret(
    panel: Floats, observed: Floats, filled: Floats, horizons: Ints, boa: bool, weights: Floats
) -> None:
    for j in range(len(horizons)):
        _regret_horizon(panel[j], observed, filled, horizons[j], boa, weights[j])


@kernel  # pragma: no cover
def _regret_horizon(
    forecasts: Floats, observed: Floats, filled: Floats, h: int, boa: bool, weights: Floats
) -> None:
    length, size = len(observed), forecasts.shape[1] - 2
    regret, spread, scores = np.zeros(size), np.zeros(size), np.zeros(size)
    step, ready, verified = np.zeros(size), np.zeros(size), np.zeros(size)
    total, count, peak, still = 0.0, 0.0, 0.0, 0
    for t in range(length):
        s = t - h
        if s >= 0 and not np.isnan(observed[t]):
            total += absolute_error(filled[s], observed[t])
            count += 1.0
            regret_step(forecasts[s], forecasts[s, size], observed[t], total / count, step)
            for k in range(size):
                verified[k] += 0.0 if np.isnan(forecasts[s, k]) else 1.0
            peak = update_regret(regret, spread, step, peak, boa)
        score_regret(regret, spread, boa, scores)
        row, row_weights = forecasts[t], weights[t]
        mark_ready(row, verified, 1, ready)
        still = count_still(observed, filled, t, still)
        keep_at_rest(row, filled[t], still, ready)
        normalise(scores, ready, row_weights)
        finish(row, row_weights)


@kernel  # pragma: no cover
def regret_step(
    forecasts: Floats, combined: float, outcome: float, unit: float, step: Floats
) -> None:
    """Fill `step` `[M]` with what following each rule a little more would have gained.

    That is g (combined - forecast), in units; 0 for a rule asleep. g is the slope of Huber's loss
    of the combination: the sign of its error, but in proportion to errors below 1 / `STEEPNESS`,
    so that a combination that cannot be bettered is left alone.
    """
    slope = max(-1.0, min(STEEPNESS * scaled(combined - outcome, unit), 1.0))
    for k in range(len(step)):
        gap = combined - forecasts[k]
        step[k] = 0.0 if np.isnan(gap) else slope * scaled(gap, unit)


@kernel  # pragma: no cover
def scaled(value: float, unit: float) -> float:
    """Return the value in units, capped; 0 while nothing has moved and there is no unit."""
    if not unit > 0.0:
        return 0.0
    return max(-LARGEST_REGRET, min(value / unit, LARGEST_REGRET))


@kernel  # pragma: no cover
def update_regret(regret: Floats, spread: Floats, step: Floats, peak: float, boa: bool) -> float:
    """Add a step to each rule's regret; return the largest squared step so far.

    `boa`: spread E <- E + 2.2 r^2, regret R <- R + r - r^2 / sqrt(E). `mlpol`: R <- R + r, and
    spread 1/eta <- 1/eta + r^2 + B' - B, where B is the largest r^2.
    """
    if boa:
        for k in range(len(regret)):
            square = step[k] * step[k]
            spread[k] += 2.2 * square
            root = np.sqrt(spread[k])
            regret[k] += step[k] - (square / root if root > 0.0 else 0.0)
        return peak
    highest = max(peak, (step * step).max())
    for k in range(len(regret)):
        spread[k] += step[k] * step[k] + highest - peak
        regret[k] += step[k]
    return highest


@kernel  # pragma: no cover
def score_regret(regret: Floats, spread: Floats, boa: bool, scores: Floats) -> None:
    """Fill `scores` `[M]`, to which the weights are proportional.

    `boa`: exp(R / sqrt(E)) / sqrt(E), over its largest exponential. `mlpol`: eta max(R, 0).
    """
    if not boa:
        for k in range(len(regret)):
            scores[k] = max(regret[k], 0.0) / spread[k] if spread[k] > 0.0 else 0.0
        return
    for k in range(len(regret)):
        scores[k] = regret[k] / np.sqrt(spread[k]) if spread[k] > 0.0 else 0.0
    largest = scores.max()
    for k in range(len(regret)):
        power = exponential(scores[k] - largest)
        scores[k] = power / np.sqrt(spread[k]) if spread[k] > 0.0 else 0.0


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
def normalise(scores: Floats, ready: Floats, weights: Floats) -> None:
    """Fill `weights` `[M]` with the scores of the ready rules, of sum 1; equal if all are 0."""
    total, awake = 0.0, 0.0
    for k in range(len(scores)):
        total += scores[k] * ready[k]
        awake += ready[k]
    for k in range(len(scores)):
        weights[k] = scores[k] * ready[k] / total if total > 0.0 else ready[k] / max(awake, 1.0)
