"""Weights of the rules in the combination, learnt online from verified forecasts alone.

At index t the forecasts for t, issued h steps before, meet their outcome; no later error enters.
A rule without a forecast sleeps: it has weight 0 and keeps its record. Panels are as in `panel`;
all horizons of a block are learnt side by side and never mix.
"""

from typing import Final, Literal

import numpy as np

from pulse_assets.retrodiction.arrays import Floats, Ints, kernel
from pulse_assets.retrodiction.lanes import (
    LARGEST_RATIO,
    choose,
    divide,
    divide_regret,
    finish,
    finish_lanes,
    write_weights,
)
from pulse_assets.retrodiction.panel import SLOT, block_horizons
from pulse_assets.retrodiction.records import (
    AWAKE,
    AWAKE_COUNT,
    AWAKE_SUM,
    BASE,
    CLOSENESS,
    DISCOUNTS,
    ERRORS,
    FORECAST,
    FOUND,
    INVERSE_UNIT,
    LANE,
    LANES,
    LEAD,
    LOSS,
    OWN_LOSS,
    POWERS,
    PRIOR_ERROR,
    READY,
    RECORD,
    REFERENCE,
    REGRET_LANE,
    SLOPE,
    STATE,
    TYPICAL,
    TYPICAL_COUNT,
    VERIFIED,
)
from pulse_assets.retrodiction.regret import (
    LARGEST_INVERSE,
    STEEPNESS,
    regret_boa,
    regret_mlpol,
)

Method = Literal["dmsfe", "boa", "mlpol"]

#: Discount of what errors are measured against.
CHOICE_DISCOUNT: Final = 0.99
#: Weight, in observations, of the prior that every rule is as good as persistence.
PRIOR: Final = 1.0
#: Verified forecasts that a rule needs for a share, unless none has them.
MIN_VERIFIED: Final = 5
#: Unchanged values after which only rules that keep a series at rest have a share; till then the
#: shares of the others fade.
REST: Final = 3
#: Larger errors and forecasts count as this large: their sums must stay finite.
LARGEST_ERROR: Final = 1e150
LARGEST_FORECAST: Final = 1e300


def combine(
    panel: Floats,
    observed: Floats,
    filled: Floats,
    horizons: Ints,
    origins: Ints,
    method: Method,
) -> Floats:
    """Combine the rules at every index for every horizon, in the panel's last two places.

    - `dmsfe`: w ~ D^-p, D the discounted mean absolute error divided by that of persistence over
      the same targets, with a prior of 1. Several discounts and powers p, equal weights (p = 0)
      and `boa` combine side by side; their combinations are weighed the same way by their own
      errors. So the constants are learnt, and thin evidence means equal weights.
    - `boa`, `mlpol`: Bernstein online aggregation and polynomially weighted averages, on the
      linearised Huber loss, measured in units of persistence's discounted mean absolute error.

    Absolute errors throughout, not squared ones: after a crisis its few targets would else decide
    the weights for years.

    Args:
        panel: forecasts `[B, M + 2, T, W]`, NaN where a rule has none. The last two places are
            filled: with the weighted mean of the M rules, and with their plain mean.
        observed: the series `[T]`, NaN where missing.
        filled: the same, missing values carried forward.
        horizons: steps ahead `[H]`.
        origins: indices `[O]` at which weights are wanted, ascending.
        method: which of the three.

    Returns:
        Weights `[B, M, O, W]`, >= 0, of sum 1 where any rule has a forecast.

    Source:
        Stock, Watson (2004), Combination forecasts of output growth in a seven-country data set,
        doi:10.1002/for.928; Wintenberger (2017), Optimal learning with Bernstein online
        aggregation, doi:10.1007/s10994-016-5592-6; Gaillard, Stoltz, van Erven (2014), A
        second-order bound with excess losses, COLT.
    """
    blocks, size, length, width = panel.shape
    weights = np.empty((blocks, size - 2, len(origins), width))
    row = np.full(length, -1)
    row[origins] = np.arange(len(origins))
    for i, steps in enumerate(block_horizons(horizons)):
        _combine_block(
            panel[i], observed, filled, steps, row, method != "dmsfe", method != "mlpol", weights[i]
        )
    return weights


@kernel  # pragma: no cover
def _combine_block(
    forecasts: Floats,
    observed: Floats,
    filled: Floats,
    steps: Ints,
    row: Ints,
    alone: bool,
    boa: bool,
    weights: Floats,
) -> None:
    size, width = len(forecasts) - 2, len(steps)
    record, lanes, state = np.zeros(size * RECORD), np.zeros((LANES, LANE)), np.zeros(STATE)
    errors = np.zeros((len(DISCOUNTS), size * ERRORS))
    # What a discount's closest rule is multiplied by to have a share of 1.
    best = np.zeros((len(DISCOUNTS), SLOT))
    # What the lanes said of each index, found under the index divided by the longest wait.
    said, still = np.full((steps[-1] + 1, LANES, SLOT), np.nan), 0
    for t in range(len(observed)):
        due = said[t % len(said)]
        if not np.isnan(observed[t]):
            face_outcome(due, filled, observed[t], t, steps, state)
            judge(due, observed[t], width, lanes)
            recall(forecasts, t, steps, record)
            for q in range(len(DISCOUNTS)):
                learn(observed[t], DISCOUNTS[q], width, record, state, errors[q])
            if boa:
                regret_boa(width, record, state)
            else:
                regret_mlpol(width, record, state)
        mark_ready(forecasts, t, record, state)
        still = count_still(observed, filled, t, still)
        if still > 0:
            keep_at_rest(filled[t], max(0.0, 1.0 - still / REST) ** 2, width, record)
        for q in range(len(DISCOUNTS)):
            divide(width, record, errors[q], best[q], lanes[1 + q * POWERS :].reshape(-1))
        divide_regret(width, record, state, lanes[0], lanes[REGRET_LANE])
        finish_lanes(lanes, state, t, steps, said)
        choose(width, state, lanes, alone)
        if row[t] >= 0:
            write_weights(record, errors, best, lanes, state, weights, row[t])
        finish(width, state, forecasts, t)


@kernel  # pragma: no cover
def face_outcome(
    due: Floats, filled: Floats, outcome: float, t: int, steps: Ints, state: Floats
) -> None:
    """Judge persistence by the outcome of index t, and find the slope of the combination's loss."""
    for j in range(len(steps)):
        s = t - steps[j]
        state[LEAD + j], state[SLOPE + j], state[REFERENCE + j] = 0.0, 0.0, 0.0
        if s < 0:
            continue
        state[REFERENCE + j] = min(abs(filled[s] - outcome), LARGEST_ERROR)
        state[TYPICAL + j] = CHOICE_DISCOUNT * state[TYPICAL + j] + state[REFERENCE + j]
        state[TYPICAL_COUNT + j] = CHOICE_DISCOUNT * state[TYPICAL_COUNT + j] + 1.0
        unit = state[TYPICAL + j] / state[TYPICAL_COUNT + j]
        state[PRIOR_ERROR + j] = PRIOR * unit
        # While nothing has moved there is no unit, and no regret.
        state[INVERSE_UNIT + j] = min(1.0 / unit, LARGEST_INVERSE) if unit > 0.0 else 0.0
        lead = due[REGRET_LANE, j]
        if not np.isnan(lead):
            slope = STEEPNESS * (lead - outcome) * state[INVERSE_UNIT + j]
            state[LEAD + j], state[SLOPE + j] = lead, max(-1.0, min(slope, 1.0))


@kernel  # pragma: no cover
def judge(due: Floats, outcome: float, width: int, lanes: Floats) -> None:
    """Add the errors of the lanes' combinations to their records."""
    for c in range(LANES):
        said, lane = due[c], lanes[c]
        for j in range(width):
            combined = said[j]
            judged = combined == combined
            error = min(abs(combined - outcome), LARGEST_ERROR) if judged else 0.0
            lane[OWN_LOSS + j] = (CHOICE_DISCOUNT if judged else 1.0) * lane[OWN_LOSS + j] + error


@kernel  # pragma: no cover
def recall(forecasts: Floats, t: int, steps: Ints, record: Floats) -> None:
    """Set `FORECAST` to what each rule had forecast for index t, and count these forecasts."""
    for k in range(len(record) // RECORD):
        at = k * RECORD
        for j in range(len(steps)):
            s = t - steps[j]
            forecast = forecasts[k, s, j] if s >= 0 else np.nan
            record[at + FORECAST + j] = forecast
            record[at + VERIFIED + j] += 1.0 if forecast == forecast else 0.0


@kernel  # pragma: no cover
def learn(
    outcome: float, discount: float, width: int, record: Floats, state: Floats, errors: Floats
) -> None:
    """Add the errors of the forecasts, and persistence's beside them, to the rules' records."""
    for k in range(len(record) // RECORD):
        rule, at = k * RECORD, k * ERRORS
        for j in range(width):
            forecast, prior = record[rule + FORECAST + j], state[PRIOR_ERROR + j]
            awake = forecast == forecast
            error = min(abs(forecast - outcome), LARGEST_ERROR) if awake else 0.0
            reference = state[REFERENCE + j] if awake else 0.0
            keep = discount if awake else 1.0
            loss = keep * errors[at + LOSS + j] + error
            base = keep * errors[at + BASE + j] + reference
            errors[at + LOSS + j], errors[at + BASE + j] = loss, base
            # Perfect so far, and persistence too: as good as it gets.
            ratio = (base + prior) / (loss + prior) if loss + prior > 0.0 else LARGEST_RATIO
            ratio = min(ratio, LARGEST_RATIO)
            errors[at + CLOSENESS + j] = ratio * ratio


@kernel  # pragma: no cover
def mark_ready(forecasts: Floats, t: int, record: Floats, state: Floats) -> None:
    """Set `READY` to 1.0 for rules that have a forecast and a record, else 0.0.

    Where none has a record, those that have a forecast are ready, and `FOUND` is 0.0. `FORECAST`
    becomes the forecast, or 0.0 of a rule asleep.
    """
    width = forecasts.shape[2]
    state[FOUND : FOUND + SLOT] = 0.0
    state[AWAKE_COUNT : AWAKE_SUM + SLOT] = 0.0
    for k in range(len(record) // RECORD):
        at, made = k * RECORD, forecasts[k, t]
        for j in range(width):
            forecast = made[j]
            awake = 1.0 if forecast == forecast else 0.0
            within = max(-LARGEST_FORECAST, min(forecast, LARGEST_FORECAST)) if awake else 0.0
            ready = awake if record[at + VERIFIED + j] >= MIN_VERIFIED else 0.0
            record[at + FORECAST + j], record[at + AWAKE + j] = within, awake
            record[at + READY + j] = ready
            state[FOUND + j] = max(state[FOUND + j], ready)
            state[AWAKE_COUNT + j] += awake
            state[AWAKE_SUM + j] += within
    for j in range(width):
        if state[FOUND + j] == 0.0:
            for k in range(j, len(record), RECORD):
                record[READY + k] = record[AWAKE + k]


@kernel  # pragma: no cover
def count_still(observed: Floats, filled: Floats, t: int, still: int) -> int:
    """Return how many values in a row, missing ones not counted, were as the one before."""
    if t == 0 or np.isnan(observed[t]):
        return still
    return still + 1 if filled[t] == filled[t - 1] else 0


@kernel  # pragma: no cover
def keep_at_rest(last: float, others: float, width: int, record: Floats) -> None:
    """Of a series at rest, leave ready those that forecast its last value, if there are any.

    A rate that is pegged or a series that has ended would else be pulled off for years by rules
    that were good before. The readiness of the others fades while the series comes to rest.
    """
    for j in range(width):
        keepers = 0.0
        for k in range(j, len(record), RECORD):
            keepers += record[READY + k] * (record[FORECAST + k] == last)
        for k in range(j, len(record), RECORD):
            kept = keepers == 0.0 or record[FORECAST + k] == last
            record[READY + k] *= 1.0 if kept else others
