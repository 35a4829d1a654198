"""Combine the rules of one series: weights and combined forecasts at every index and horizon."""

from typing import Literal

import numpy as np

from pulse_assets.array_types import Floats, Ints
from pulse_assets.retrodiction.arrays import kernel
from pulse_assets.retrodiction.combination.candidates import (
    combine_candidates,
    find_best,
    normalise,
    weighted_sums,
    write_weights,
)
from pulse_assets.retrodiction.combination.eligibility import (
    eligibility_at_rest,
    make_active_eligible,
    mark_eligible,
    prefer_last_value,
)
from pulse_assets.retrodiction.combination.evidence import (
    BY_REGRET,
    CANDIDATES,
    LOSS,
    RULE,
    new_candidates,
)
from pulse_assets.retrodiction.combination.losses import (
    new_reference,
    update_combiner_losses,
    update_reference,
    update_rule_losses,
)
from pulse_assets.retrodiction.combination.median import fill_medians
from pulse_assets.retrodiction.combination.prior import (
    Prior,
    built_in_sums,
    group_of,
    part_of_prior,
    prior_sums,
    share_out,
    update_prior_losses,
)
from pulse_assets.retrodiction.combination.regret import loss_gradient, update_boa
from pulse_assets.retrodiction.padding import padded_width

Method = Literal["dmsfe", "boa"]


def combine(
    forecasts: Floats,
    observed: Floats,
    filled: Floats,
    horizons: Ints,
    origins: Ints,
    rules: int,
    method: Method,
    prior: Prior,
) -> Floats:
    """Combine the rules at every index for every horizon; the mathematics are in `combination`.

    Args:
        forecasts: padded forecast array `[H, T, W]`, see `padding`; NaN where a rule has no
            forecast, and from the place of the last rule on. The two places after the rules are
            filled with their weighted mean and with their median.
        observed: the series `[T]`, NaN where missing.
        filled: the same with missing values carried forward.
        horizons: steps ahead `[H]`.
        origins: indices `[O]` at which weights are wanted, ascending.
        rules: the number of rules.
        method: `dmsfe`: all candidate combiners; `boa`: the one by regret alone.
        prior: how the weight of built-in rules is shared out while evidence is thin.

    Returns:
        Weights `[H, O, W]`, >= 0, of sum 1 where any rule has a forecast.
    """
    weights = np.empty((len(forecasts), len(origins), forecasts.shape[2]))
    row, at_rest = np.full(len(filled), -1), eligibility_at_rest(observed, filled)
    row[origins] = np.arange(len(origins))
    first = 0 if method == "dmsfe" else BY_REGRET
    width = padded_width(rules)
    _combine(
        forecasts, observed, filled, at_rest, horizons, row, rules, width, first, prior, weights
    )
    # Afterwards: a place after the rules with a forecast would count as one of them.
    fill_medians(forecasts, rules)
    return weights


@kernel  # pragma: no cover
def _combine(
    forecasts: Floats,
    observed: Floats,
    filled: Floats,
    at_rest: Floats,
    horizons: Ints,
    row: Ints,
    count: int,
    width: int,
    first: int,
    prior: Prior,
    weights: Floats,
) -> None:
    """Fill the weights `[H, O, W]`, and the place after the rules."""
    for j in range(len(horizons)):
        combined = _combine_horizon(
            forecasts[j],
            observed,
            filled,
            at_rest,
            horizons[j],
            row,
            count,
            width,
            first,
            prior,
            weights[j],
        )
        forecasts[j, :, count] = combined


@kernel  # pragma: no cover
def _combine_horizon(
    forecasts: Floats,
    observed: Floats,
    filled: Floats,
    at_rest: Floats,
    h: int,
    row: Ints,
    count: int,
    width: int,
    first: int,
    prior: Prior,
    weights: Floats,
) -> Floats:
    """Fill the weights `[O, W]`; return the weighted means `[T]`."""
    length = len(forecasts)
    rules, losses, candidates = np.zeros(RULE.end), np.zeros(LOSS.end), new_candidates()
    reference = new_reference()
    by_candidate, combined = np.empty((length, CANDIDATES)), np.empty(length)
    by_both, both_losses, observations = np.empty((length, 2)), np.zeros(2), 0
    # The places of the ensembles would take as long as those of rules.
    weights[:, width:] = 0.0
    group, current = group_of(h), np.empty(width)
    all_built_in = prior.shares[0, 0, :count].min() > 0.0
    for t in range(length):
        observations += not np.isnan(observed[t])
        if t >= h and not np.isnan(observed[t]):
            s, outcome = t - h, observed[t]
            reference = update_reference(reference, filled[s], outcome)
            update_prior_losses(both_losses, by_both, s, outcome, reference.largest_counted)
            update_combiner_losses(candidates, by_candidate, s, outcome, reference)
            update_rule_losses(rules, losses, forecasts[s, :width], outcome, reference)
            loss = loss_gradient(by_candidate[s, BY_REGRET], outcome, reference)
            update_boa(rules, forecasts[s, :width], loss, reference.inverse_unit)
        eligible, active = mark_eligible(rules, forecasts[t, :width])
        if eligible == 0.0:
            make_active_eligible(rules, forecasts[t, :width])
        if at_rest[t] < 1.0:
            prefer_last_value(rules, filled[t], at_rest[t], width)
        best = find_best(rules, losses, count)
        no_regret = weighted_sums(rules, losses, best, candidates, width)
        normalise(candidates, by_candidate, t, eligible > 0.0)
        mean, total = combine_candidates(candidates, reference, first)
        shares = prior.shares[prior.kinds[t], group, :width]
        share_sum, forecast_sum = prior_sums(rules, shares)
        shared = prior.strength > 0.0 and share_sum > 0.0
        if row[t] >= 0 or (shared and not all_built_in):
            write_weights(rules, losses, best, candidates.scale, current, no_regret, total)
        by_both[t] = mean
        part, of_all, mean_of_all = 0.0, 1.0, mean
        if shared:
            if not all_built_in:
                of_all, mean_of_all = built_in_sums(rules, shares, current)
            by_both[t, 1] += of_all * forecast_sum / share_sum - mean_of_all
            part = part_of_prior(prior, observations, both_losses, reference.prior_error)
            mean += part * (by_both[t, 1] - mean)
        if row[t] >= 0:
            if part > 0.0:
                share_out(rules, shares, share_sum, part, of_all, current)
            weights[row[t], :width] = current
        combined[t] = mean if active > 0.0 else np.nan
    return combined
