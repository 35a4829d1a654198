"""Where the combination of one horizon keeps its evidence: names for the fields of its arrays.

The fields of the rules are parts of one array, `rules[RULE.score + k]` for rule k. Only because
they are at constant distances does the compiler know that they do not overlap, so that it handles
several rules at once. One array per field takes a third more time.
"""

from typing import Final, NamedTuple

import numpy as np

from pulse_assets.array_types import Floats
from pulse_assets.retrodiction.arrays import kernel
from pulse_assets.retrodiction.padding import MAX_WIDTH

#: Candidate combiners: equal weights, powers 4 and 16 at each of two discounts, and regret.
CANDIDATES: Final = 6
#: The index of the candidate that weighs by regret: `boa`.
BY_REGRET: Final = CANDIDATES - 1


class RuleFields(NamedTuple):
    """Where each field of the rules' evidence starts; a field has `[MAX_WIDTH]` places.

    Attributes:
        forecast: the forecast from the current index, 0 if the rule sleeps.
        verified: the number of verified forecasts.
        eligible: 1 if the rule may have a share at the current index, 0 if not; between them while
            the share of the rule fades.
        regret: the regret R.
        spread: the spread E of the gains.
        score: the share by regret is exp(score) times the factor.
        factor: see `score`.
        end: length of the array.
    """

    forecast: int
    verified: int
    eligible: int
    regret: int
    spread: int
    score: int
    factor: int
    end: int


class LossFields(NamedTuple):
    """Where each field of the rules' absolute errors starts; a field has `[MAX_WIDTH]` places.

    Attributes:
        loss: sum of the rule's errors, discounted by 0.99.
        reference_loss: that of persistence for the same targets.
        inverse_square: inverse relative error squared, (reference_loss / loss)^2 with a prior.
        lasting_loss: sum of the rule's errors without a discount.
        lasting_reference_loss: that of persistence for the same targets.
        lasting_inverse_square: inverse relative error squared of these.
        end: length of the array.
    """

    loss: int
    reference_loss: int
    inverse_square: int
    lasting_loss: int
    lasting_reference_loss: int
    lasting_inverse_square: int
    end: int


RULE: Final = RuleFields(*(field * MAX_WIDTH for field in range(8)))
LOSS: Final = LossFields(*(field * MAX_WIDTH for field in range(7)))


class Candidates(NamedTuple):
    """The candidate combiners, `[CANDIDATES]` each.

    Attributes:
        loss: discounted absolute error of their forecasts.
        share_sum: sum of the rules' shares.
        forecast_sum: sum of shares times forecasts.
        scale: what shares are multiplied by to become weights.
    """

    loss: Floats
    share_sum: Floats
    forecast_sum: Floats
    scale: Floats


@kernel  # pragma: no cover
def new_candidates() -> Candidates:
    """Return candidate combiners without verified forecasts."""
    block = np.zeros((4, CANDIDATES))
    return Candidates(block[0], block[1], block[2], block[3])


class Reference(NamedTuple):
    """Persistence's verified errors, in whose unit all others are measured.

    Attributes:
        error: the latest absolute error, winsorised.
        total: discounted sum of the errors.
        error_count: discounted number of the errors.
        largest_counted: larger errors, of rules too, count as this one.
        prior_error: the prior that is added to each loss.
        inverse_unit: 1 / mean error; 0 while nothing has moved: then there is no regret.
    """

    error: float
    total: float
    error_count: float
    largest_counted: float
    prior_error: float
    inverse_unit: float


class Best(NamedTuple):
    """What makes shares relative to the best rule's.

    Attributes:
        discounted_scale: 1 / largest inverse relative error squared, discounted.
        lasting_scale: the same for errors that never fade.
        score: the largest score by regret.
    """

    discounted_scale: float
    lasting_scale: float
    score: float
