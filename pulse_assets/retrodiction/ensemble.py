"""Weights of the rules in the combination, learnt online from verified forecasts alone.

At index t the forecasts for t, issued h steps before, meet their outcome; no later error enters.
A rule without a forecast sleeps: it has weight 0 and keeps its record. Panels are as in `panel`;
each horizon learns for itself.
"""

from typing import Final, Literal

import numpy as np

from pulse_assets.retrodiction.arrays import Floats, Ints, kernel, summing_kernel
from pulse_assets.retrodiction.lanes import (
    LARGEST_RATIO,
    choose,
    divide,
    find_best,
    finish_lanes,
    write_weights,
)
from pulse_assets.retrodiction.records import (
    AWAKE,
    BASE,
    CLOSENESS,
    DISCOUNTS,
    ERRORS,
    FORECAST,
    FOUND,
    INVERSE_UNIT,
    LANE,
    LANES,
    LARGEST_COUNTED,
    LEAD,
    LOSS,
    OWN_LOSS,
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
#: An error counts as at most this many times the typical error of persistence, once that rests on
#: so many: one typing error must not decide the weights for years.
LARGEST_COUNTED_UNITS: Final = 10.0
COUNTED_FROM: Final = 12.0
LARGEST_FORECAST: Final = 1e300


def combine(
    panel: Floats,
    observed: Floats,
    filled: Floats,
    horizons: Ints,
    origins: Ints,
    rules: int,
    method: Method,
) -> Floats:
    """Combine the rules at every index for every horizon, in the two places after them.

    - `dmsfe`: w ~ D^-p, D the discounted mean absolute error divided by that of persistence over
      the same targets, with a prior of 1. Several discounts and powers p, equal weights (p = 0)
      and `boa` combine side by side; their combinations are weighed the same way by their own
      errors. So the constants are learnt, and thin evidence means equal weights.
    - `boa`, `mlpol`: Bernstein online aggregation and polynomially weighted averages, on the
      linearised Huber loss, measured in units of persistence's discounted mean absolute error.

    Absolute errors throughout, not squared ones: after a crisis its few targets would else decide
    the weights for years.

    Args:
        panel: forecasts `[H, T, W]`, NaN where a rule has none and beyond the M rules. The two
            places after them are filled: with their weighted mean, and with their plain mean.
        observed: the series `[T]`, NaN where missing.
        filled: the same, missing values carried forward.
        horizons: steps ahead `[H]`.
        origins: indices `[O]` at which weights are wanted, ascending.
        rules: how many there are.
        method: which of the three.

    Returns:
        Weights `[H, O, W]`, >= 0, of sum 1 where any rule has a forecast.

    Source:
        Stock, Watson (2004), Combination forecasts of output growth in a seven-country data set,
        doi:10.1002/for.928; Wintenberger (2017), Optimal learning with Bernstein online
        aggregation, doi:10.1007/s10994-016-5592-6; Gaillard, Stoltz, van Erven (2014), A
        second-order bound with excess losses, COLT.
    """
    weights = np.empty((len(panel), len(origins), panel.shape[2]))
    row, others = np.full(len(filled), -1), others_at_rest(observed, filled)
    row[origins] = np.arange(len(origins))
    alone, boa = method != "dmsfe", method != "mlpol"
    for j, h in enumerate(horizons):
        panel[j, :, rules : rules + 2] = _combine_horizon(
            panel[j], observed, filled, others, h, row, rules, alone, boa, weights[j]
        )
    return weights


@kernel  # pragma: no cover
def _combine_horizon(
    forecasts: Floats,
    observed: Floats,
    filled: Floats,
    others: Floats,
    h: int,
    row: Ints,
    rules: int,
    alone: bool,
    boa: bool,
    weights: Floats,
) -> Floats:
    """Fill the weights `[O, W]`; return the combinations `[T, 2]`."""
    length, width = forecasts.shape
    record, errors = np.zeros(RECORD), np.zeros(len(DISCOUNTS) * ERRORS)
    lanes, state = np.zeros((LANES, LANE)), np.zeros(STATE)
    state[LARGEST_COUNTED] = LARGEST_ERROR
    said, combined = np.empty((length, LANES)), np.empty((length, 2))
    for t in range(length):
        if t >= h and not np.isnan(observed[t]):
            s, outcome = t - h, observed[t]
            face_outcome(said, s, filled[s], outcome, state)
            judge(said, s, outcome, lanes, state)
            learn(forecasts, s, outcome, record, state, errors)
            if boa:
                regret_boa(forecasts, s, record, state)
            else:
                regret_mlpol(forecasts, s, record, state)
        mark_ready(forecasts, t, record, state)
        if state[FOUND] == 0.0:
            mark_awake(forecasts, t, record)
        if others[t] < 1.0:
            keep_at_rest(filled[t], others[t], width, record)
        find_best(rules, record, errors, state)
        divide(width, record, errors, state, lanes)
        finish_lanes(lanes, state, said, t)
        choose(lanes, state, alone, combined, t)
        if row[t] >= 0:
            write_weights(record, errors, lanes, state, weights, row[t])
    return combined


@kernel  # pragma: no cover
def face_outcome(said: Floats, s: int, last: float, outcome: float, state: Floats) -> None:
    """Judge persistence by the outcome, and find the slope of the last lane's loss."""
    reference = min(abs(last - outcome), state[LARGEST_COUNTED])
    state[REFERENCE] = reference
    state[TYPICAL] = CHOICE_DISCOUNT * state[TYPICAL] + reference
    state[TYPICAL_COUNT] = CHOICE_DISCOUNT * state[TYPICAL_COUNT] + 1.0
    unit = state[TYPICAL] / state[TYPICAL_COUNT]
    many = state[TYPICAL_COUNT] >= COUNTED_FROM and unit > 0.0
    state[LARGEST_COUNTED] = LARGEST_COUNTED_UNITS * unit if many else LARGEST_ERROR
    state[PRIOR_ERROR] = PRIOR * unit
    # While nothing has moved there is no unit, and no regret.
    state[INVERSE_UNIT] = min(1.0 / unit, LARGEST_INVERSE) if unit > 0.0 else 0.0
    state[LEAD], state[SLOPE] = 0.0, 0.0
    if not np.isnan(said[s, REGRET_LANE]):
        slope = STEEPNESS * (said[s, REGRET_LANE] - outcome) * state[INVERSE_UNIT]
        state[LEAD], state[SLOPE] = said[s, REGRET_LANE], max(-1.0, min(slope, 1.0))


@kernel  # pragma: no cover
def judge(said: Floats, s: int, outcome: float, lanes: Floats, state: Floats) -> None:
    """Add the errors of the lanes' combinations to their records."""
    largest = state[LARGEST_COUNTED]
    for c in range(LANES):
        if not np.isnan(said[s, c]):
            error = min(abs(said[s, c] - outcome), largest)
            lanes[c, OWN_LOSS] = CHOICE_DISCOUNT * lanes[c, OWN_LOSS] + error


@kernel  # pragma: no cover
def learn(
    forecasts: Floats, s: int, outcome: float, record: Floats, state: Floats, errors: Floats
) -> None:
    """Add the errors of the forecasts from index s, and persistence's beside them, to the records.

    Count these forecasts, too.
    """
    prior, reference, largest = state[PRIOR_ERROR], state[REFERENCE], state[LARGEST_COUNTED]
    for k in range(forecasts.shape[1]):
        forecast = forecasts[s, k]
        awake = forecast == forecast
        error = min(abs(forecast - outcome), largest) if awake else 0.0
        beside = reference if awake else 0.0
        record[VERIFIED + k] += 1.0 if awake else 0.0
        keep = DISCOUNTS[0] if awake else 1.0
        loss, base = keep * errors[LOSS + k] + error, keep * errors[BASE + k] + beside
        errors[LOSS + k], errors[BASE + k] = loss, base
        errors[CLOSENESS + k] = closeness(loss + prior, base + prior)
        keep = DISCOUNTS[1] if awake else 1.0
        loss = keep * errors[ERRORS + LOSS + k] + error
        base = keep * errors[ERRORS + BASE + k] + beside
        errors[ERRORS + LOSS + k], errors[ERRORS + BASE + k] = loss, base
        errors[ERRORS + CLOSENESS + k] = closeness(loss + prior, base + prior)


@kernel  # pragma: no cover
def closeness(loss: float, base: float) -> float:
    """Return the square of persistence's error by a rule's."""
    # Perfect so far, and persistence too: as good as it gets.
    ratio = min(base / loss if loss > 0.0 else LARGEST_RATIO, LARGEST_RATIO)
    return ratio * ratio


@summing_kernel  # pragma: no cover
def mark_ready(forecasts: Floats, t: int, record: Floats, state: Floats) -> None:
    """Set `READY` to 1.0 for rules that have a forecast and a record, else 0.0; count both.

    `FORECAST` becomes the forecast, or 0.0 of a rule asleep.
    """
    found, count = 0.0, 0.0
    for k in range(forecasts.shape[1]):
        awake = 1.0 if forecasts[t, k] == forecasts[t, k] else 0.0
        within = max(-LARGEST_FORECAST, min(forecasts[t, k], LARGEST_FORECAST))
        record[FORECAST + k] = within if awake > 0.0 else 0.0
        ready = awake if record[VERIFIED + k] >= MIN_VERIFIED else 0.0
        record[READY + k] = ready
        found += ready
        count += awake
    state[FOUND], state[AWAKE] = found, count


@kernel  # pragma: no cover
def mark_awake(forecasts: Floats, t: int, record: Floats) -> None:
    """Where no rule has a record, those that have a forecast are ready."""
    for k in range(forecasts.shape[1]):
        record[READY + k] = 1.0 if forecasts[t, k] == forecasts[t, k] else 0.0


@kernel  # pragma: no cover
def others_at_rest(observed: Floats, filled: Floats) -> Floats:
    """Return the readiness left at each index `[T]` to rules that do not keep the last value.

    It is 1.0 unless the values before, missing ones not counted, were as the last one; it is 0.0
    after `REST` of them.
    """
    others, still = np.ones(len(filled)), 0
    for t in range(1, len(filled)):
        if not np.isnan(observed[t]):
            still = still + 1 if filled[t] == filled[t - 1] else 0
        others[t] = max(0.0, 1.0 - still / REST) ** 2
    return others


@kernel  # pragma: no cover
def keep_at_rest(last: float, others: float, width: int, record: Floats) -> None:
    """Of a series at rest, leave ready those that forecast its last value, if there are any.

    A rate that is pegged or a series that has ended would else be pulled off for years by rules
    that were good before. The readiness of the others fades while the series comes to rest.
    """
    keepers = 0.0
    for k in range(width):
        keepers += record[READY + k] * (record[FORECAST + k] == last)
    for k in range(width):
        kept = keepers == 0.0 or record[FORECAST + k] == last
        record[READY + k] *= 1.0 if kept else others
