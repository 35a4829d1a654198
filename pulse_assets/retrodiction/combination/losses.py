"""Verified errors: of persistence, of the candidate combiners and of the rules."""

from typing import Final

import numpy as np

from pulse_assets.array_types import Floats
from pulse_assets.retrodiction.arrays import kernel
from pulse_assets.retrodiction.combination.evidence import (
    CANDIDATES,
    LOSS,
    RULE,
    Candidates,
    Reference,
)

#: Discounts of the rules' absolute errors.
LOSS_DISCOUNTS: Final = (0.99, 1.0)
#: Discount of persistence's and of the candidate combiners' absolute errors.
CANDIDATE_DISCOUNT: Final = 0.99
#: Weight, in observations, of the prior that every rule is as good as persistence.
PRIOR: Final = 1.0
#: Larger errors count as this one: their sums must stay finite.
LARGEST_ERROR: Final = 1e150
#: An error counts as at most this many times persistence's mean error ...
LARGEST_COUNTED_ERRORS: Final = 10.0
#: ... once that is a mean of this many: one typing error must not decide the weights for years.
WINSORISED_FROM: Final = 12.0
#: The largest ratio of errors, and the largest reciprocal of a mean error.
LARGEST_RATIO: Final = 1e150
LARGEST_INVERSE: Final = 1e300


@kernel  # pragma: no cover
def new_reference() -> Reference:
    """Return persistence's errors before the first verified forecast."""
    return Reference(0.0, 0.0, 0.0, LARGEST_ERROR, 0.0, 0.0)


@kernel  # pragma: no cover
def update_reference(reference: Reference, last: float, outcome: float) -> Reference:
    """Add the error of persistence, which forecast the last value."""
    error = min(abs(last - outcome), reference.largest_counted)
    total = CANDIDATE_DISCOUNT * reference.total + error
    count = CANDIDATE_DISCOUNT * reference.error_count + 1.0
    unit = total / count
    winsorised = count >= WINSORISED_FROM and unit > 0.0
    return Reference(
        error=error,
        total=total,
        error_count=count,
        largest_counted=LARGEST_COUNTED_ERRORS * unit if winsorised else LARGEST_ERROR,
        prior_error=PRIOR * unit,
        inverse_unit=min(1.0 / unit, LARGEST_INVERSE) if unit > 0.0 else 0.0,
    )


@kernel  # pragma: no cover
def update_combiner_losses(
    candidates: Candidates, forecasts: Floats, s: int, outcome: float, reference: Reference
) -> None:
    """Add the errors of the candidates' forecasts `[T, CANDIDATES]` at s; NaN adds nothing."""
    for c in range(CANDIDATES):
        if not np.isnan(forecasts[s, c]):
            error = min(abs(forecasts[s, c] - outcome), reference.largest_counted)
            candidates.loss[c] = CANDIDATE_DISCOUNT * candidates.loss[c] + error


@kernel  # pragma: no cover
def update_rule_losses(
    rules: Floats,
    losses: Floats,
    forecasts: Floats,
    outcome: float,
    reference: Reference,
) -> None:
    """Add the errors of the rules' forecasts `[W]`, and count them; NaN adds nothing.

    A sleeping rule's losses do not fade either.
    """
    prior, largest = reference.prior_error, reference.largest_counted
    for k in range(len(forecasts)):
        active = forecasts[k] == forecasts[k]
        error = min(abs(forecasts[k] - outcome), largest) if active else 0.0
        reference_error = reference.error if active else 0.0
        rules[RULE.verified + k] += 1.0 if active else 0.0
        discount = LOSS_DISCOUNTS[0] if active else 1.0
        loss = discount * losses[LOSS.loss + k] + error
        base = discount * losses[LOSS.reference_loss + k] + reference_error
        losses[LOSS.loss + k], losses[LOSS.reference_loss + k] = loss, base
        losses[LOSS.inverse_square + k] = inverse_relative_square(loss + prior, base + prior)
        discount = LOSS_DISCOUNTS[1] if active else 1.0
        loss = discount * losses[LOSS.lasting_loss + k] + error
        base = discount * losses[LOSS.lasting_reference_loss + k] + reference_error
        losses[LOSS.lasting_loss + k], losses[LOSS.lasting_reference_loss + k] = loss, base
        losses[LOSS.lasting_inverse_square + k] = inverse_relative_square(
            loss + prior, base + prior
        )


@kernel  # pragma: no cover
def inverse_relative_square(loss: float, reference_loss: float) -> float:
    """Return (reference_loss / loss)^2, the inverse of the relative error squared."""
    # Both are 0 while rule and persistence are perfect: no rule is better than that.
    ratio = min(reference_loss / loss if loss > 0.0 else LARGEST_RATIO, LARGEST_RATIO)
    return ratio * ratio
