"""The candidate combiners, and their combination.

A candidate weighs the eligible rules all alike, by a power of their inverse relative error, or by
regret. The candidates themselves are weighed by a power of their own inverse error.
"""

from typing import Final

import numpy as np

from pulse_assets.array_types import Floats
from pulse_assets.retrodiction.arrays import LARGEST, kernel, summing_kernel
from pulse_assets.retrodiction.combination.evidence import (
    BY_REGRET,
    CANDIDATES,
    LOSS,
    RULE,
    Best,
    Candidates,
    Reference,
)
from pulse_assets.retrodiction.combination.losses import LARGEST_RATIO
from pulse_assets.retrodiction.combination.regret import exponential

#: Candidates are weighed by power 2^n of their inverse error.
CANDIDATE_SQUARINGS: Final = 4
#: Prior weight of the candidate by regret, that of another being 1: it alone takes into account
#: how rules complement each other.
REGRET_PRIOR: Final = 4.0
#: A share whose power 2 is below this part of the best one's is 0: higher powers would be so small
#: that arithmetic is slow.
SMALLEST_SHARE: Final = 1e-8


@kernel  # pragma: no cover
def share_by_error(eligible: float, inverse_square: float, scale: float) -> float:
    """Return a rule's share at power 4, relative to the best; `scale` 0: all alike."""
    square = eligible * inverse_square * scale if scale > 0.0 else eligible
    return square * square if square > SMALLEST_SHARE else 0.0


@kernel  # pragma: no cover
def share_by_regret(eligible: float, factor: float, score: float, best: float) -> float:
    """Return a rule's share by regret, relative to the best score."""
    return exponential(score - best) * factor * eligible


@kernel  # pragma: no cover
def find_best(rules: Floats, losses: Floats, count: int) -> Best:
    """Return the best score and the reciprocals of the largest inverse relative errors squared."""
    first, second, score = 0.0, 0.0, -LARGEST
    for k in range(count):
        eligible = rules[RULE.eligible + k]
        first = max(first, eligible * losses[LOSS.inverse_square + k])
        second = max(second, eligible * losses[LOSS.lasting_inverse_square + k])
        score = max(score, rules[RULE.score + k])
    return Best(
        min(1.0 / first if first > 0.0 else 0.0, LARGEST_RATIO),
        min(1.0 / second if second > 0.0 else 0.0, LARGEST_RATIO),
        score,
    )


@summing_kernel  # pragma: no cover
def weighted_sums(
    rules: Floats,
    losses: Floats,
    best: Best,
    candidates: Candidates,
    width: int,
) -> bool:
    """Fill `share_sum` and `forecast_sum` of all candidates.

    One pass over the rules keeps the machine busy with many sums; more passes take twice as long.

    Returns:
        Whether no rule has a share by regret, so that the candidate by regret weighs all alike.
    """
    equal, discounted_4, discounted_16, lasting_4, lasting_16, regret = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    equal_sum, discounted_4_sum, discounted_16_sum = 0.0, 0.0, 0.0
    lasting_4_sum, lasting_16_sum, regret_sum = 0.0, 0.0, 0.0
    for k in range(width):
        forecast, eligible = rules[RULE.forecast + k], rules[RULE.eligible + k]
        equal += eligible
        equal_sum += eligible * forecast
        fourth = share_by_error(eligible, losses[LOSS.inverse_square + k], best.discounted_scale)
        sixteenth = fourth * fourth * (fourth * fourth)
        discounted_4 += fourth
        discounted_4_sum += fourth * forecast
        discounted_16 += sixteenth
        discounted_16_sum += sixteenth * forecast
        fourth = share_by_error(
            eligible, losses[LOSS.lasting_inverse_square + k], best.lasting_scale
        )
        sixteenth = fourth * fourth * (fourth * fourth)
        lasting_4 += fourth
        lasting_4_sum += fourth * forecast
        lasting_16 += sixteenth
        lasting_16_sum += sixteenth * forecast
        share = share_by_regret(eligible, rules[RULE.factor + k], rules[RULE.score + k], best.score)
        regret += share
        regret_sum += share * forecast
    no_regret = regret == 0.0
    shares, sums = candidates.share_sum, candidates.forecast_sum
    shares[0], sums[0] = equal, equal_sum
    shares[1], sums[1] = discounted_4, discounted_4_sum
    shares[2], sums[2] = discounted_16, discounted_16_sum
    shares[3], sums[3] = lasting_4, lasting_4_sum
    shares[4], sums[4] = lasting_16, lasting_16_sum
    shares[BY_REGRET] = equal if no_regret else regret
    sums[BY_REGRET] = equal_sum if no_regret else regret_sum
    return no_regret


@kernel  # pragma: no cover
def normalise(candidates: Candidates, forecasts: Floats, t: int, verified: bool) -> None:
    """Set `scale` to 1 / sum of shares, and fill a row of the candidates' forecasts.

    Args:
        candidates: the candidate combiners.
        forecasts: the candidates' forecasts `[T, CANDIDATES]`.
        t: the row to fill.
        verified: whether a rule with enough verified forecasts is active. Otherwise the forecasts
            are NaN, so that they enter no candidate's loss: no candidate knew better.
    """
    for c in range(CANDIDATES):
        total = candidates.share_sum[c]
        scale = 1.0 / total if total > 0.0 else 0.0
        candidates.scale[c] = scale
        forecasts[t, c] = candidates.forecast_sum[c] * scale if verified else np.nan


@kernel  # pragma: no cover
def combine_candidates(
    candidates: Candidates, reference: Reference, first: int
) -> tuple[float, float]:
    """Weigh the candidates from index `first` on by their own errors; ignore those before.

    The scale of each candidate is multiplied by its weight.

    Returns:
        The combined forecast, and the sum of the candidates' weights.
    """
    smallest, total, weighted = np.inf, 0.0, 0.0
    for c in range(first):
        candidates.scale[c] = 0.0
    for c in range(first, CANDIDATES):
        smallest = min(smallest, candidates.loss[c])
    smallest += reference.prior_error
    for c in range(first, CANDIDATES):
        loss = candidates.loss[c] + reference.prior_error
        weight = smallest / loss if loss > smallest else 1.0
        for _ in range(CANDIDATE_SQUARINGS):
            weight *= weight
        weight *= REGRET_PRIOR if c == BY_REGRET else 1.0
        mean = candidates.forecast_sum[c] * candidates.scale[c]
        candidates.scale[c] *= weight
        total += weight
        weighted += weight * mean
    return weighted / total, total


@kernel  # pragma: no cover
def write_weights(
    rules: Floats,
    losses: Floats,
    best: Best,
    scale: Floats,
    weights: Floats,
    no_regret: bool,
    total: float,
) -> None:
    """Fill the rules' weights `[W]`: the sum over candidates of scale times share.

    Args:
        rules: evidence of the rules, see `RuleFields`.
        losses: errors of the rules, see `LossFields`.
        best: the reference of the shares.
        scale: scale of each candidate, from `combine_candidates`.
        weights: the array to fill.
        no_regret: whether the candidate by regret weighs all rules alike.
        total: the sum of the candidates' weights.
    """
    equal, regret = scale[0], scale[BY_REGRET]
    for k in range(len(weights)):
        eligible = rules[RULE.eligible + k]
        share = share_by_regret(eligible, rules[RULE.factor + k], rules[RULE.score + k], best.score)
        weights[k] = equal * eligible + regret * (eligible if no_regret else share)
    inverse_squares = losses[LOSS.inverse_square :]
    add_shares_by_error(rules, inverse_squares, best.discounted_scale, scale[1:3], weights)
    inverse_squares = losses[LOSS.lasting_inverse_square :]
    add_shares_by_error(rules, inverse_squares, best.lasting_scale, scale[3:5], weights)
    for k in range(len(weights)):
        weights[k] /= total


@kernel  # pragma: no cover
def add_shares_by_error(
    rules: Floats, inverse_squares: Floats, best_scale: float, scale: Floats, weights: Floats
) -> None:
    """Add to the weights `[W]` the shares at powers 4 and 16, times the candidates' scale `[2]`."""
    low, high = scale[0], scale[1]
    for k in range(len(weights)):
        fourth = share_by_error(rules[RULE.eligible + k], inverse_squares[k], best_scale)
        weights[k] += low * fourth + high * (fourth * fourth * (fourth * fourth))
