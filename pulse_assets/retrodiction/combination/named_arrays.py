"""The named arrays in which the combination of one horizon keeps its evidence.

The arrays of one `NamedTuple` are rows of one block of memory, `MAX_WIDTH` numbers apart. Only
because that distance is a constant does the compiler know that they do not overlap, so that it may
handle several rules at once.
"""

from typing import Final, NamedTuple

import numpy as np

from pulse_assets.array_types import Floats
from pulse_assets.retrodiction.arrays import kernel
from pulse_assets.retrodiction.padding import MAX_WIDTH

#: Candidate combiners: equal weights, powers 4 and 16 at each of two discounts, and regret.
CANDIDATES: Final = 6
#: The index of the candidate that weighs by regret: `boa`, or `mlpol` on request.
BY_REGRET: Final = CANDIDATES - 1


class RuleEvidence(NamedTuple):
    """What is known of each rule; each array is `[MAX_WIDTH]`, of which `[W]` are used.

    Attributes:
        forecast: the forecast from the current index, 0 if the rule sleeps.
        verified: the number of verified forecasts.
        eligible: 1 if the rule may have a share at the current index, 0 if not; between them while
            the share of the rule fades.
        gain: the latest gain r.
        regret: the regret R.
        spread: E of `boa`, 1 / eta of `mlpol`.
        score: the share by regret is exp(score) times the factor.
        factor: see `score`.
    """

    forecast: Floats
    verified: Floats
    eligible: Floats
    gain: Floats
    regret: Floats
    spread: Floats
    score: Floats
    factor: Floats


class RuleLosses(NamedTuple):
    """Discounted absolute errors of each rule; each array is `[MAX_WIDTH]`.

    Attributes:
        loss: of the rule.
        reference_loss: of persistence for the same targets.
        inverse_square: inverse relative error squared, (reference_loss / loss)^2 with a prior.
    """

    loss: Floats
    reference_loss: Floats
    inverse_square: Floats


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
def new_evidence() -> RuleEvidence:
    """Return evidence of rules that have forecast nothing yet."""
    block = np.zeros((8, MAX_WIDTH))
    return RuleEvidence(
        block[0], block[1], block[2], block[3], block[4], block[5], block[6], block[7]
    )


@kernel  # pragma: no cover
def new_losses() -> tuple[RuleLosses, RuleLosses]:
    """Return losses of rules without verified forecasts, for the two discounts."""
    block = np.zeros((6, MAX_WIDTH))
    return RuleLosses(block[0], block[1], block[2]), RuleLosses(block[3], block[4], block[5])


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
