"""Sleeping experts: which rules may have a share in the combination at an index.

A rule is active at an index from which it has a forecast; otherwise it sleeps. An active rule is
eligible once `MIN_VERIFIED` of its forecasts are verified.
"""

from typing import Final

import numpy as np

from pulse_assets.array_types import Floats
from pulse_assets.retrodiction.arrays import kernel, summing_kernel
from pulse_assets.retrodiction.combination.evidence import RULE

#: Verified forecasts that a rule needs for a share, unless no active rule has them.
MIN_VERIFIED: Final = 5
#: Unchanged values after which only rules that forecast the last value have a share; until then
#: the shares of the others fade.
UNCHANGED_VALUES: Final = 3
#: Larger forecasts count as this one: their sums must stay finite.
LARGEST_FORECAST: Final = 1e300


@summing_kernel  # pragma: no cover
def mark_eligible(rules: Floats, forecasts: Floats) -> tuple[float, float]:
    """Set `forecast` and `eligible` of each rule; return how many rules are eligible and active.

    Args:
        rules: evidence of the rules, see `RuleFields`.
        forecasts: the forecasts from the current index `[W]`; NaN of sleeping rules.
    """
    eligible_count, active_count = 0.0, 0.0
    for k in range(len(forecasts)):
        active = 1.0 if forecasts[k] == forecasts[k] else 0.0
        limited = max(-LARGEST_FORECAST, min(forecasts[k], LARGEST_FORECAST))
        rules[RULE.forecast + k] = limited if active > 0.0 else 0.0
        eligible = active if rules[RULE.verified + k] >= MIN_VERIFIED else 0.0
        rules[RULE.eligible + k] = eligible
        eligible_count += eligible
        active_count += active
    return eligible_count, active_count


@kernel  # pragma: no cover
def make_active_eligible(rules: Floats, forecasts: Floats) -> None:
    """Make every active rule eligible: for indices where no active rule is verified enough."""
    for k in range(len(forecasts)):
        rules[RULE.eligible + k] = 1.0 if forecasts[k] == forecasts[k] else 0.0


@kernel  # pragma: no cover
def eligibility_at_rest(observed: Floats, filled: Floats) -> Floats:
    """Return how eligible rules are at each index that do not forecast the last value `[T]`.

    It is 1 where the value has just changed, and falls to 0 after `UNCHANGED_VALUES` values
    without a change. Missing values do not count.
    """
    eligibility, unchanged = np.ones(len(filled)), 0
    for t in range(1, len(filled)):
        if not np.isnan(observed[t]):
            unchanged = unchanged + 1 if filled[t] == filled[t - 1] else 0
        eligibility[t] = max(0.0, 1.0 - unchanged / UNCHANGED_VALUES) ** 2
    return eligibility


@kernel  # pragma: no cover
def prefer_last_value(rules: Floats, last: float, eligibility: float, width: int) -> None:
    """Multiply `eligible` of rules that do not forecast the last value, if any eligible rule does.

    Otherwise rules that were good before would pull a pegged rate, or a series that has ended, off
    its level for years.
    """
    persistent = 0.0
    for k in range(width):
        persistent += rules[RULE.eligible + k] * (rules[RULE.forecast + k] == last)
    for k in range(width):
        unchanged = persistent == 0.0 or rules[RULE.forecast + k] == last
        rules[RULE.eligible + k] *= 1.0 if unchanged else eligibility
