"""What is known of the built-in rules before a series has shown which of them to trust.

With 20 to 120 observations the learned weights are still nearly equal, above all far ahead: then
the make-up of the pool is the forecast. So the weight that the built-in rules have together is
shared out among them partly as experience with other series suggests:

    W = sum of the built-in rules' w_k, p_k their prior shares, of sum 1
    w_k <- (1 - f) w_k + f W p_k

The weights of all other rules, and of forecasts that others have made, stay what they have earned.
The part f fades with n, the number of observations, and with evidence. C and C_p are the losses of
the forecasts by the learned weights (f = 0) and by the prior (f = 1), discounted as those of the
candidate combiners, and u is persistence's mean error:

    f_0 = 0.95 (400 / (400 + n))^3
    odds f / (1 - f) = f_0 / (1 - f_0) min(1, (C + u) / (C_p + u))^8

The shares depend on the kind of series, as known at each index, and on the horizon. They are those
of the linear combination with the smallest mean absolute error over 4,004 series of M1 and M3 and
197 monthly FRED series (of the validation half), each with a scale of its own: `python -m
benchmarks.prior` fits and prints them. The constants were chosen on the same series. Nearly all of
these are positive. So once a series has had values of both signs, as growth rates have, no
experience with it is claimed: f is 0.

Source:
    Montero-Manso, Athanasopoulos, Hyndman, Talagala (2020), FFORMA: Feature-based forecast model
    averaging, International Journal of Forecasting 36 (1), doi:10.1016/j.ijforecast.2019.02.011
    (weights from features of the series, learned on other series).
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from pulse_assets.array_types import Floats, Ints
from pulse_assets.retrodiction.arrays import kernel, summing_kernel
from pulse_assets.retrodiction.combination.evidence import RULE
from pulse_assets.retrodiction.combination.losses import CANDIDATE_DISCOUNT

#: The part that is shared out before the first observation, and after how many observations it is
#: an eighth of that.
STRENGTH: Final = 0.95
EIGHTH_AT: Final = 400.0
#: The odds of that part are multiplied by power 2^n of the ratio of losses.
EVIDENCE_SQUARINGS: Final = 3
#: Prior share in percent of a built-in rule where `PERCENT` has 0 or nothing.
LEAST_PERCENT: Final = 0.2
#: A series is long once it has more values.
SHORT: Final = 60
#: The last horizons of the first two groups of horizons.
GROUP_ENDS: Final = (3, 6)
#: The test for a season is at 10 %, of the standard normal distribution one-sided.
SEASON_CRITICAL: Final = 1.2816
#: A season is looked for once this many are known.
SEASONS_TO_TEST: Final = 3
#: Sums of squares that are a smaller part of the whole are rounding errors.
SMALLEST_SHARE_OF_SQUARES: Final = 1e-12

#: By rule, the shares in percent at the horizons (1 to 3, 4 to 6, 7 and more) of each kind: series
#: without seasons, short and long; with a season length but no season found, short and long; with
#: a season found, short and long.
PERCENT: Final = {
    "seasonal_naive": ((0, 0, 0), (0, 0, 0), (0, 4, 5), (0, 0, 0), (15, 14, 16), (3, 4, 7)),
    "mean": ((0, 0, 0), (0, 0, 3), (0, 4, 5), (0, 0, 0), (0, 0, 0), (0, 0, 0)),
    "holt": ((30, 23, 23), (21, 24, 17), (43, 27, 16), (42, 43, 36), (0, 0, 0), (0, 0, 0)),
    "ar_level_1": ((19, 9, 9), (48, 43, 45), (0, 0, 5), (14, 19, 21), (0, 0, 0), (0, 3, 7)),
    "ar_drift_3": ((15, 7, 7), (21, 21, 23), (0, 0, 0), (4, 0, 0), (0, 0, 0), (0, 0, 0)),
    "ar_log_12": ((0, 0, 0), (8, 3, 0), (9, 12, 9), (6, 18, 15), (4, 20, 26), (8, 14, 14)),
    "ar_seasonal_12": ((0, 0, 0), (0, 0, 0), (0, 0, 0), (3, 0, 0), (9, 3, 3), (26, 23, 22)),
    "ar_adjusted_12": ((0, 0, 0), (0, 0, 0), (0, 0, 0), (3, 0, 0), (0, 7, 0), (7, 10, 4)),
    "ces": ((36, 48, 48), (0, 3, 0), (6, 22, 17), (15, 15, 24), (26, 30, 29), (23, 23, 21)),
    "theta_adjusted": ((0, 0, 0), (0, 0, 0), (4, 9, 14), (4, 0, 0), (11, 9, 10), (12, 6, 9)),
    "seasonal_holt_winters": (
        (0, 0, 0),
        (0, 0, 0),
        (32, 19, 30),
        (7, 0, 0),
        (33, 15, 15),
        (22, 18, 15),
    ),
}
KINDS: Final = 6
#: The kind of a series with values of both signs, which has no shares.
BOTH_SIGNS: Final = KINDS


class Prior(NamedTuple):
    """The prior shares of the rules of one series; see `combination`.

    Attributes:
        shares: by kind, group of horizons and place `[KINDS + 1, 3, W]`; 0 where a rule is not
            built in, and for the last kind.
        kinds: kind of the series at each index `[T]`.
        strength: the part that is shared out before the first observation; 0 without a prior.
    """

    shares: Floats
    kinds: Ints
    strength: float


@lru_cache(maxsize=64)
def prior_shares(names: tuple[str | None, ...], width: int) -> Floats:
    """Return the prior shares `[KINDS + 1, 3, W]` of rules; not of sum 1.

    Args:
        names: the names of the rules; None for one that is not built in.
        width: number of places W.

    Example:
        >>> shares = prior_shares(("holt", None, "naive"), 8)
        >>> shares[0, 0, :3].tolist()  # a short series without seasons, 1 to 3 steps ahead
        [0.3, 0.0, 0.002]
    """
    shares = np.zeros((KINDS + 1, len(GROUP_ENDS) + 1, width))
    for place, name in enumerate(names):
        if name is not None:
            percent = np.array(PERCENT.get(name, np.zeros((KINDS, len(GROUP_ENDS) + 1))))
            shares[:KINDS, :, place] = np.where(percent > 0, percent, LEAST_PERCENT) / 100.0
    shares.flags.writeable = False
    return shares


@kernel  # pragma: no cover
def kinds_of(y_robust: Floats, observed: Floats, season: int) -> Ints:
    """Return the kind of a series at each index `[T]`, from the values until then.

    A season is found if the mean changes of the places in a season differ: by an F test at 10 %,
    whose distribution is approximated by the standard normal one.

    Args:
        y_robust: series without gaps, with outlying changes limited `[T]`.
        observed: the series `[T]`, NaN where missing: changes from or to there do not count.
        season: observations per season m, >= 1.

    Returns:
        0 without seasons, 2 with m > 1, 4 once a season is found; 1 more if the series is long;
        `BOTH_SIGNS` once a value above 0 and one below are observed.

    Source:
        Paulson (1942), An approximate normalization of the analysis of variance distribution,
        doi:10.1214/aoms/1177731608.
    """
    kinds, sums, counts = np.zeros(len(y_robust), np.int64), np.zeros(season), np.zeros(season)
    total, squares, of_places, changes = 0.0, 0.0, 0.0, 0
    observations, place, seasonal, above, below = 0, 0, False, False, False
    for t in range(len(y_robust)):
        place = place + 1 if place + 1 < season else 0
        observations += not np.isnan(observed[t])
        above, below = above or observed[t] > 0.0, below or observed[t] < 0.0
        if season > 1 and t > 0 and not np.isnan(observed[t] - observed[t - 1]):
            change = y_robust[t] - y_robust[t - 1]
            of_places -= sums[place] * sums[place] / max(counts[place], 1.0)
            sums[place] += change
            counts[place] += 1.0
            of_places += sums[place] * sums[place] / counts[place]
            total += change
            squares += change * change
            changes += 1
            between = of_places - total * total / changes
            seasonal = is_seasonal(between, squares - of_places, squares, season, changes)
        kinds[t] = 0 if season < 2 else 4 if seasonal else 2
        kinds[t] = BOTH_SIGNS if above and below else kinds[t] + (observations > SHORT)
    return kinds


@kernel  # pragma: no cover
def is_seasonal(between: float, within: float, squares: float, season: int, count: int) -> bool:
    """Return whether the F test finds different means; see `kinds_of`.

    Args:
        between: sum of squares between the places of a season.
        within: sum of squares within the places.
        squares: sum of the squares of all changes.
        season: observations per season m, >= 1.
        count: number of changes.
    """
    enough = season > 1 and count + 1 >= SEASONS_TO_TEST * season
    if not (enough and between > SMALLEST_SHARE_OF_SQUARES * squares):
        return False
    first, second = 2.0 / (9.0 * (season - 1)), 2.0 / (9.0 * (count - season))
    ratio = (
        between
        / (season - 1)
        / (max(within, SMALLEST_SHARE_OF_SQUARES * squares) / (count - season))
    )
    root = np.cbrt(ratio)
    spread = np.sqrt(second * root * root + first)
    return (1.0 - second) * root - (1.0 - first) > SEASON_CRITICAL * spread


@kernel  # pragma: no cover
def group_of(horizon: int) -> int:
    """Return the group of a horizon, an index of `Prior.shares`."""
    return 0 if horizon <= GROUP_ENDS[0] else 1 if horizon <= GROUP_ENDS[1] else 2


@kernel  # pragma: no cover
def part_of_prior(prior: Prior, observations: int, losses: Floats, prior_error: float) -> float:
    """Return the part of the built-in rules' weight that is shared out by the prior.

    Args:
        prior: of the series.
        observations: number of values observed until now.
        losses: of the forecasts by the learned weights, and by the prior `[2]`.
        prior_error: the error that is added to each loss.
    """
    share = EIGHTH_AT / (EIGHTH_AT + observations)
    part = prior.strength * share * share * share
    learned, by_prior = losses[0] + prior_error, losses[1] + prior_error
    evidence = learned / by_prior if learned < by_prior else 1.0
    for _ in range(EVIDENCE_SQUARINGS):
        evidence *= evidence
    return part * evidence / (1.0 - part + part * evidence)


@kernel  # pragma: no cover
def update_prior_losses(
    losses: Floats, forecasts: Floats, s: int, outcome: float, largest: float
) -> None:
    """Add the errors of the forecasts `[T, 2]` at s, limited to the largest; NaN adds nothing."""
    if not np.isnan(forecasts[s, 0] - forecasts[s, 1]):
        for which in range(2):
            error = min(abs(forecasts[s, which] - outcome), largest)
            losses[which] = CANDIDATE_DISCOUNT * losses[which] + error


@summing_kernel  # pragma: no cover
def prior_sums(rules: Floats, shares: Floats) -> tuple[float, float]:
    """Return the sums of the prior shares `[W]` of eligible rules, and of these times forecasts."""
    share_sum, forecast_sum = 0.0, 0.0
    for k in range(len(shares)):
        share = shares[k] * rules[RULE.eligible + k]
        share_sum += share
        forecast_sum += share * rules[RULE.forecast + k]
    return share_sum, forecast_sum


@summing_kernel  # pragma: no cover
def built_in_sums(rules: Floats, shares: Floats, weights: Floats) -> tuple[float, float]:
    """Return the sums of the weights `[W]` of built-in rules, and of these times forecasts."""
    weight_sum, forecast_sum = 0.0, 0.0
    for k in range(len(shares)):
        weight = weights[k] if shares[k] > 0.0 else 0.0
        weight_sum += weight
        forecast_sum += weight * rules[RULE.forecast + k]
    return weight_sum, forecast_sum


@kernel  # pragma: no cover
def share_out(
    rules: Floats, shares: Floats, share_sum: float, part: float, of_all: float, weights: Floats
) -> None:
    """Share a part of the built-in rules' weight out by the prior, in place.

    Args:
        rules: evidence of the rules, see `RuleFields`.
        shares: prior shares `[W]`.
        share_sum: their sum over eligible rules, > 0.
        part: the part.
        of_all: the weight of all built-in rules together.
        weights: the weights `[W]`.
    """
    for k in range(len(weights)):
        if shares[k] > 0.0:
            prior = of_all * shares[k] * rules[RULE.eligible + k] / share_sum
            weights[k] += part * (prior - weights[k])


def make_prior(
    names: Sequence[str | None], y_robust: Floats, observed: Floats, season: int, width: int
) -> Prior:
    """Return the prior of a series; see `prior_shares` and `kinds_of` for the arguments."""
    kinds = kinds_of(y_robust, observed, season)
    return Prior(prior_shares(tuple(names), width), kinds, STRENGTH)


def no_prior(length: int, width: int) -> Prior:
    """Return a prior that changes nothing, for a series of a length."""
    groups = len(GROUP_ENDS) + 1
    return Prior(np.zeros((KINDS + 1, groups, width)), np.zeros(length, np.int64), 0.0)
