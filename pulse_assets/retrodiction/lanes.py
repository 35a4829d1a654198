"""The lanes of the ensemble: ways to weigh the rules, which combine side by side.

A lane weighs the rules by a power of their inverse error, all alike, or by regret; the lanes
themselves are weighed by their own errors.
"""

from typing import Final

import numpy as np

from pulse_assets.retrodiction.arrays import LARGEST, Floats, kernel, summing_kernel
from pulse_assets.retrodiction.records import (
    AWAKE,
    AWAKE_SUM,
    BEST_SCORE,
    CLOSENESS,
    CLOSEST,
    DISCOUNTS,
    ERRORS,
    FACTOR,
    FORECAST,
    FOUND,
    LANES,
    MEAN,
    OWN_LOSS,
    POWERS,
    PRIOR_ERROR,
    READY,
    REGRET_LANE,
    SCALE,
    SCORE,
    SUM,
    TRUST_SUM,
    UNSHARED,
)
from pulse_assets.retrodiction.regret import exponential

#: The choice among the lanes: power 2**n of their own inverse error.
CHOICE_SQUARINGS: Final = 4
#: `boa` counts as many lanes: it draws on how rules complete each other, which the others ignore.
BOA_PRIOR: Final = 4.0
#: The largest quotient.
LARGEST_RATIO: Final = 1e150
#: Where power 2 gives less than this share of the best one's, it is 0: higher powers would be too
#: small for fast arithmetic.
SMALLEST_SHARE: Final = 1e-8


@kernel  # pragma: no cover
def share_by_error(ready: float, closeness: float, scale: float) -> float:
    """Return a rule's share at power 4, relative to the best; `scale` 0.0: all alike."""
    square = ready * closeness * scale if scale > 0.0 else ready
    return square * square if square > SMALLEST_SHARE else 0.0


@kernel  # pragma: no cover
def share_by_regret(ready: float, factor: float, score: float, best: float) -> float:
    """Return a rule's share by regret, not yet of sum 1."""
    return exponential(score - best) * factor * ready


@kernel  # pragma: no cover
def find_best(rules: int, record: Floats, errors: Floats, state: Floats) -> None:
    """Note the best score by regret, and the reciprocal of the best closeness for each discount."""
    slow, fast, score = 0.0, 0.0, -LARGEST
    for k in range(rules):
        ready = record[READY + k]
        slow = max(slow, ready * errors[CLOSENESS + k])
        fast = max(fast, ready * errors[ERRORS + CLOSENESS + k])
        score = max(score, record[SCORE + k])
    state[CLOSEST] = min(1.0 / slow if slow > 0.0 else 0.0, LARGEST_RATIO)
    state[CLOSEST + 1] = min(1.0 / fast if fast > 0.0 else 0.0, LARGEST_RATIO)
    state[BEST_SCORE] = score


@summing_kernel  # pragma: no cover
def divide(width: int, record: Floats, errors: Floats, state: Floats, lanes: Floats) -> None:
    """Add up the rules' shares, and shares times forecasts, in all lanes.

    In one pass, since as many sums as this keep the machine busy; more passes take twice as long.
    """
    slow_scale, fast_scale, best = state[CLOSEST], state[CLOSEST + 1], state[BEST_SCORE]
    alike, slow_4, slow_16, fast_4, fast_16, regret = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    alike_said, slow_4_said, slow_16_said = 0.0, 0.0, 0.0
    fast_4_said, fast_16_said, regret_said, plain = 0.0, 0.0, 0.0, 0.0
    for k in range(width):
        forecast, ready = record[FORECAST + k], record[READY + k]
        plain += forecast
        alike += ready
        alike_said += ready * forecast
        fourth = share_by_error(ready, errors[CLOSENESS + k], slow_scale)
        sixteenth = fourth * fourth * (fourth * fourth)
        slow_4 += fourth
        slow_4_said += fourth * forecast
        slow_16 += sixteenth
        slow_16_said += sixteenth * forecast
        fourth = share_by_error(ready, errors[ERRORS + CLOSENESS + k], fast_scale)
        sixteenth = fourth * fourth * (fourth * fourth)
        fast_4 += fourth
        fast_4_said += fourth * forecast
        fast_16 += sixteenth
        fast_16_said += sixteenth * forecast
        share = share_by_regret(ready, record[FACTOR + k], record[SCORE + k], best)
        regret += share
        regret_said += share * forecast
    unshared = regret == 0.0
    state[AWAKE_SUM], state[UNSHARED] = plain, 1.0 if unshared else 0.0
    lanes[0, SUM], lanes[0, MEAN] = alike, alike_said
    lanes[1, SUM], lanes[1, MEAN] = slow_4, slow_4_said
    lanes[2, SUM], lanes[2, MEAN] = slow_16, slow_16_said
    lanes[3, SUM], lanes[3, MEAN] = fast_4, fast_4_said
    lanes[4, SUM], lanes[4, MEAN] = fast_16, fast_16_said
    lanes[REGRET_LANE, SUM] = alike if unshared else regret
    lanes[REGRET_LANE, MEAN] = alike_said if unshared else regret_said


@kernel  # pragma: no cover
def finish_lanes(lanes: Floats, state: Floats, said: Floats, t: int) -> None:
    """Turn the lanes' sums into means, and note what they say.

    That is NaN where no rule has a record: the lanes would be judged for what none could know.
    """
    for c in range(LANES):
        total = lanes[c, SUM]
        lanes[c, SCALE] = 1.0 / total if total > 0.0 else 0.0
        lanes[c, MEAN] *= lanes[c, SCALE]
        said[t, c] = lanes[c, MEAN] if state[FOUND] > 0.0 else np.nan


@kernel  # pragma: no cover
def choose(lanes: Floats, state: Floats, alone: bool, combined: Floats, t: int) -> None:
    """Weigh the lanes by their own errors, or the last one `alone`; combine what they say.

    Each lane's scale is multiplied by its weight. `combined` becomes the rules' weighted mean, and
    their plain one.
    """
    first, smallest, trusts, weighted = REGRET_LANE if alone else 0, np.inf, 0.0, 0.0
    lanes[:first, SCALE] = 0.0
    for c in range(first, LANES):
        smallest = min(smallest, lanes[c, OWN_LOSS])
    smallest += state[PRIOR_ERROR]
    for c in range(first, LANES):
        own = lanes[c, OWN_LOSS] + state[PRIOR_ERROR]
        trust = smallest / own if own > smallest else 1.0
        for _ in range(CHOICE_SQUARINGS):
            trust *= trust
        trust *= BOA_PRIOR if c == REGRET_LANE else 1.0
        lanes[c, SCALE] *= trust
        trusts += trust
        weighted += trust * lanes[c, MEAN]
    state[TRUST_SUM] = trusts
    combined[t, 0] = weighted / trusts if state[AWAKE] > 0.0 else np.nan
    combined[t, 1] = state[AWAKE_SUM] / state[AWAKE]


@kernel  # pragma: no cover
def write_weights(
    record: Floats,
    errors: Floats,
    lanes: Floats,
    state: Floats,
    weights: Floats,
    row: int,
) -> None:
    """Fill a row of `weights` `[O, W]`: over lanes, their weight times the rules' shares."""
    equal, regret, best = lanes[0, SCALE], lanes[REGRET_LANE, SCALE], state[BEST_SCORE]
    for k in range(weights.shape[1]):
        ready = record[READY + k]
        share = share_by_regret(ready, record[FACTOR + k], record[SCORE + k], best)
        weights[row, k] = equal * ready + regret * (ready if state[UNSHARED] > 0.0 else share)
    for q in range(len(DISCOUNTS)):
        low, high = lanes[1 + q * POWERS, SCALE], lanes[2 + q * POWERS, SCALE]
        for k in range(weights.shape[1]):
            fourth = share_by_error(
                record[READY + k], errors[q * ERRORS + CLOSENESS + k], state[CLOSEST + q]
            )
            weights[row, k] += low * fourth + high * (fourth * fourth * (fourth * fourth))
    for k in range(weights.shape[1]):
        weights[row, k] /= state[TRUST_SUM]
