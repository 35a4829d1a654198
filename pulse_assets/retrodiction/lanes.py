"""The lanes of the ensemble: ways to weigh the rules, which combine side by side.

A lane weighs the rules by a power of their inverse error, all alike, or by regret; the lanes
themselves are weighed by their own errors.
"""

from typing import Final

import numpy as np

from pulse_assets.retrodiction.arrays import Floats, Ints, kernel
from pulse_assets.retrodiction.panel import SLOT
from pulse_assets.retrodiction.records import (
    AWAKE_COUNT,
    AWAKE_SUM,
    BEST_SCORE,
    CLOSENESS,
    DISCOUNTS,
    ERRORS,
    FACTOR,
    FORECAST,
    FOUND,
    LANE,
    LANES,
    MEAN,
    OWN_LOSS,
    POWERS,
    PRIOR_ERROR,
    READY,
    RECORD,
    REGRET_LANE,
    SCALE,
    SCORE,
    SMALLEST,
    SUM,
    TRUST_SUM,
    UNSHARED,
    WEIGHTED,
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
def divide(width: int, record: Floats, errors: Floats, best: Floats, lane: Floats) -> None:
    """Add up the rules' shares, and shares times forecasts, in the lanes of one discount.

    `best` becomes what shares are measured against, for `share_by_error`.
    """
    best[:] = 0.0
    for k in range(len(record) // RECORD):
        rule, at = k * RECORD, k * ERRORS
        for j in range(width):
            best[j] = max(best[j], record[rule + READY + j] * errors[at + CLOSENESS + j])
    for j in range(width):
        best[j] = min(1.0 / best[j] if best[j] > 0.0 else 0.0, LARGEST_RATIO)
    for k in range(len(record) // RECORD):
        rule, at = k * RECORD, k * ERRORS
        for j in range(width):
            forecast, ready = record[rule + FORECAST + j], record[rule + READY + j]
            fourth = share_by_error(ready, errors[at + CLOSENESS + j], best[j])
            sixteenth = fourth * fourth * (fourth * fourth)
            lane[SUM + j] += fourth
            lane[MEAN + j] += fourth * forecast
            lane[LANE + SUM + j] += sixteenth
            lane[LANE + MEAN + j] += sixteenth * forecast


@kernel  # pragma: no cover
def divide_regret(width: int, record: Floats, state: Floats, equal: Floats, regret: Floats) -> None:
    """Add up the shares, and shares times forecasts, in the first lane and in the last."""
    state[BEST_SCORE : BEST_SCORE + SLOT] = -np.inf
    for k in range(len(record) // RECORD):
        for j in range(width):
            state[BEST_SCORE + j] = max(state[BEST_SCORE + j], record[k * RECORD + SCORE + j])
    for k in range(len(record) // RECORD):
        at = k * RECORD
        for j in range(width):
            forecast, ready = record[at + FORECAST + j], record[at + READY + j]
            factor, score = record[at + FACTOR + j], record[at + SCORE + j]
            share = share_by_regret(ready, factor, score, state[BEST_SCORE + j])
            equal[SUM + j] += ready
            equal[MEAN + j] += ready * forecast
            regret[SUM + j] += share
            regret[MEAN + j] += share * forecast


@kernel  # pragma: no cover
def finish_lanes(lanes: Floats, state: Floats, t: int, steps: Ints, said: Floats) -> None:
    """Turn the lanes' sums into means, and note what they say of the indices to come.

    That is NaN where no rule has a record: the lanes would be judged for what none could know.
    """
    width, equal, regret = len(steps), lanes[0], lanes[REGRET_LANE]
    for j in range(width):
        unshared = regret[SUM + j] == 0.0
        state[UNSHARED + j] = 1.0 if unshared else 0.0
        regret[SUM + j] = equal[SUM + j] if unshared else regret[SUM + j]
        regret[MEAN + j] = equal[MEAN + j] if unshared else regret[MEAN + j]
    for c in range(LANES):
        lane = lanes[c]
        for j in range(width):
            total = lane[SUM + j]
            lane[SCALE + j] = 1.0 / total if total > 0.0 else 0.0
            lane[MEAN + j] *= lane[SCALE + j]
            lane[SUM + j] = 0.0
    for j in range(width):
        row, found = said[(t + steps[j]) % len(said)], state[FOUND + j] > 0.0
        for c in range(LANES):
            row[c, j] = lanes[c, MEAN + j] if found else np.nan


@kernel  # pragma: no cover
def choose(width: int, state: Floats, lanes: Floats, alone: bool) -> None:
    """Multiply each lane's scale by its weight: by its own errors, or the last lane `alone`."""
    state[SMALLEST : SMALLEST + SLOT] = np.inf
    state[TRUST_SUM : WEIGHTED + SLOT] = 0.0
    for c in range(LANES):
        lane = lanes[c]
        for j in range(width):
            state[SMALLEST + j] = min(state[SMALLEST + j], lane[OWN_LOSS + j])
    for c in range(LANES):
        lane, prior = lanes[c], BOA_PRIOR if c == REGRET_LANE else 1.0 - alone
        for j in range(width):
            smallest = state[SMALLEST + j] + state[PRIOR_ERROR + j]
            own = lane[OWN_LOSS + j] + state[PRIOR_ERROR + j]
            trust = smallest / own if own > smallest else 1.0
            for _ in range(CHOICE_SQUARINGS):
                trust *= trust
            lane[SCALE + j] *= trust * prior
            state[TRUST_SUM + j] += trust * prior
            state[WEIGHTED + j] += trust * prior * lane[MEAN + j]
            lane[MEAN + j] = 0.0


@kernel  # pragma: no cover
def write_weights(
    record: Floats,
    errors: Floats,
    best: Floats,
    lanes: Floats,
    state: Floats,
    weights: Floats,
    row: int,
) -> None:
    """Fill a row of `weights` `[M, O, W]`: over lanes, their weight times the rules' shares."""
    width, equal, regret = weights.shape[2], lanes[0], lanes[REGRET_LANE]
    for k in range(len(weights)):
        at, weight = k * RECORD, weights[k, row]
        for j in range(width):
            ready = record[at + READY + j]
            share = share_by_regret(
                ready, record[at + FACTOR + j], record[at + SCORE + j], state[BEST_SCORE + j]
            )
            share = ready if state[UNSHARED + j] > 0.0 else share
            weight[j] = equal[SCALE + j] * ready + regret[SCALE + j] * share
    for q in range(len(DISCOUNTS)):
        add_weights(record, errors[q], best[q], lanes[1 + q * POWERS :].reshape(-1), weights, row)
    for k in range(len(weights)):
        weight = weights[k, row]
        for j in range(width):
            weight[j] /= state[TRUST_SUM + j]


@kernel  # pragma: no cover
def add_weights(
    record: Floats, errors: Floats, best: Floats, lane: Floats, weights: Floats, row: int
) -> None:
    """Add the weights of the lanes of one discount."""
    for k in range(len(weights)):
        rule, at, weight = k * RECORD, k * ERRORS, weights[k, row]
        for j in range(len(weight)):
            fourth = share_by_error(record[rule + READY + j], errors[at + CLOSENESS + j], best[j])
            sixteenth = fourth * fourth * (fourth * fourth)
            weight[j] += lane[SCALE + j] * fourth + lane[LANE + SCALE + j] * sixteenth


@kernel  # pragma: no cover
def finish(width: int, state: Floats, forecasts: Floats, t: int) -> None:
    """Fill the last two forecasts of index t: the rules' weighted mean, and their plain one."""
    size = len(forecasts) - 2
    for j in range(width):
        awake = state[AWAKE_COUNT + j]
        weighted = state[WEIGHTED + j] / state[TRUST_SUM + j]
        forecasts[size, t, j] = weighted if awake > 0.0 else np.nan
        forecasts[size + 1, t, j] = state[AWAKE_SUM + j] / awake
