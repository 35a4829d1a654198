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
    BASE,
    BEST,
    DISCOUNTS,
    ERRORS,
    FORECAST,
    FOUND,
    LANE,
    LANES,
    LOSS,
    MEAN,
    OWN_LOSS,
    POWERS,
    PRIOR_ERROR,
    READY,
    RECORD,
    REGRET_LANE,
    REGRET_SHARE,
    SCALE,
    SHARE,
    SMALLEST,
    SUM,
    TRUST_SUM,
    WEIGHTED,
)

#: The choice among the lanes: power 2**n of their own inverse error.
CHOICE_SQUARINGS: Final = 4
#: `boa` counts as many lanes: it draws on how rules complete each other, which the others ignore.
BOA_PRIOR: Final = 6.0
#: The largest quotient.
LARGEST_RATIO: Final = 1e150
#: A smaller share of the best one's is 0: its powers would be too small for fast arithmetic.
SMALLEST_SHARE: Final = 1e-8


@kernel  # pragma: no cover
def divide(width: int, record: Floats, state: Floats, errors: Floats, lane: Floats) -> None:
    """Set the shares of the lanes of one discount, and add them up: powers 2, 8 and 32.

    Of the inverse error, that is, relative to the best rule's.
    """
    state[BEST : BEST + SLOT] = 0.0
    for k in range(len(record) // RECORD):
        rule, at = k * RECORD, k * ERRORS
        for j in range(width):
            error = errors[at + LOSS + j] + state[PRIOR_ERROR + j]
            base = errors[at + BASE + j] + state[PRIOR_ERROR + j]
            # Perfect so far, and persistence too: as good as it gets.
            closeness = min(base / error if error > 0.0 else LARGEST_RATIO, LARGEST_RATIO)
            errors[at + SHARE + j] = record[rule + READY + j] * closeness * closeness
        for j in range(width):
            state[BEST + j] = max(state[BEST + j], errors[at + SHARE + j])
    for j in range(width):
        best = state[BEST + j]
        state[BEST + j] = min(1.0 / best, LARGEST_RATIO) if best > 0.0 else 0.0
    for k in range(len(record) // RECORD):
        rule, at = k * RECORD, k * ERRORS
        for j in range(width):
            share = errors[at + SHARE + j] * state[BEST + j]
            share = share if state[BEST + j] > 0.0 else record[rule + READY + j]
            share = share if share > SMALLEST_SHARE else 0.0
            fourth = share * share * (share * share)
            errors[at + SHARE + j] = share
            errors[at + SHARE + SLOT + j] = fourth
            errors[at + SHARE + 2 * SLOT + j] = fourth * fourth * (fourth * fourth)
    add_up(width, record, errors, lane)


@kernel  # pragma: no cover
def add_up(width: int, record: Floats, errors: Floats, lane: Floats) -> None:
    """Add shares, and shares times forecasts, to the sums of the lanes of one discount."""
    for k in range(len(record) // RECORD):
        rule, at = k * RECORD, k * ERRORS
        for j in range(width):
            first, second = errors[at + SHARE + j], errors[at + SHARE + SLOT + j]
            third, forecast = errors[at + SHARE + 2 * SLOT + j], record[rule + FORECAST + j]
            lane[SUM + j] += first
            lane[MEAN + j] += first * forecast
            lane[LANE + SUM + j] += second
            lane[LANE + MEAN + j] += second * forecast
            lane[2 * LANE + SUM + j] += third
            lane[2 * LANE + MEAN + j] += third * forecast


@kernel  # pragma: no cover
def divide_regret(width: int, record: Floats, state: Floats, equal: Floats, regret: Floats) -> None:
    """Add up the shares of the first lane, equal ones, and of the last: equal if all are 0."""
    state[BEST : BEST + SLOT] = 0.0
    for k in range(len(record) // RECORD):
        at = k * RECORD
        for j in range(width):
            state[BEST + j] += record[at + REGRET_SHARE + j]
    for k in range(len(record) // RECORD):
        at = k * RECORD
        for j in range(width):
            ready, share = record[at + READY + j], record[at + REGRET_SHARE + j]
            record[at + REGRET_SHARE + j] = share if state[BEST + j] > 0.0 else ready
        for j in range(width):
            ready, forecast = record[at + READY + j], record[at + FORECAST + j]
            equal[SUM + j] += ready
            equal[MEAN + j] += ready * forecast
            regret[SUM + j] += record[at + REGRET_SHARE + j]
            regret[MEAN + j] += record[at + REGRET_SHARE + j] * forecast


@kernel  # pragma: no cover
def finish_lanes(lanes: Floats, state: Floats, t: int, steps: Ints, said: Floats) -> None:
    """Turn the lanes' sums into means, and note what they say of the indices to come.

    That is NaN where no rule has a record: the lanes would be judged for what none could know.
    """
    for c in range(LANES):
        lane = lanes[c]
        for j in range(len(steps)):
            total = lane[SUM + j]
            lane[SCALE + j] = 1.0 / total if total > 0.0 else 0.0
            lane[MEAN + j] *= lane[SCALE + j]
            lane[SUM + j] = 0.0
    for j in range(len(steps)):
        row = (t + steps[j]) % len(said)
        for c in range(LANES):
            said[row, c, j] = lanes[c, MEAN + j] if state[FOUND + j] > 0.0 else np.nan


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
    record: Floats, errors: Floats, lanes: Floats, state: Floats, weights: Floats, row: int
) -> None:
    """Fill a row of `weights` `[M, O, W]`: the lanes' scales times the rules' shares in them."""
    size, _, width = weights.shape
    for k in range(size):
        for j in range(width):
            weight = lanes[0, SCALE + j] * record[k * RECORD + READY + j]
            weight += lanes[REGRET_LANE, SCALE + j] * record[k * RECORD + REGRET_SHARE + j]
            for q in range(len(DISCOUNTS)):
                for p in range(POWERS):
                    share = errors[q, k * ERRORS + SHARE + p * SLOT + j]
                    weight += lanes[1 + q * POWERS + p, SCALE + j] * share
            weights[k, row, j] = weight / state[TRUST_SUM + j]


@kernel  # pragma: no cover
def finish(width: int, state: Floats, forecasts: Floats, t: int) -> None:
    """Fill the last two forecasts of index t: the rules' weighted mean, and their plain one."""
    size = len(forecasts) - 2
    for j in range(width):
        awake = state[AWAKE_COUNT + j]
        weighted = state[WEIGHTED + j] / state[TRUST_SUM + j]
        forecasts[size, t, j] = weighted if awake > 0.0 else np.nan
        forecasts[size + 1, t, j] = state[AWAKE_SUM + j] / awake
