"""Discounted and weighted least squares with a ridge, for the autoregressions."""

from typing import Final

from pulse_assets.array_types import Floats
from pulse_assets.retrodiction.arrays import kernel

#: Length of all rows: the features of the largest order, the outcome, and zeros. A length that is
#: known when kernels are compiled saves a quarter of their time.
ROW_LENGTH: Final = 16
#: Discount of the rows.
EVIDENCE_DISCOUNT: Final = 0.995
#: A row has less weight if its error is larger than this many times the mean absolute error ...
OUTLIER: Final = 1.0
#: ... but never less than this, so that the coefficients follow a new regime.
LEAST_WEIGHT: Final = 0.05
#: Errors that must be known before a row has less weight, and the discount of their mean.
ERRORS_KNOWN: Final = 20
MEAN_ERROR_DISCOUNT: Final = 0.98
#: A pivot below this share of its diagonal carries no information: its coefficient is 0.
NO_INFORMATION: Final = 1e-12


@kernel  # pragma: no cover
def weight_of_error(error: float, mean_error: Floats) -> float:
    """Return the weight of a row by its absolute error: 1 unless the error is outlying.

    A single crisis must not bias the coefficients for years.

    Args:
        error: the absolute error.
        mean_error: discounted sum and count of the earlier weighted errors, and their plain count
            `[3]`; this error is added.
    """
    limit, weight = OUTLIER * mean_error[0] / max(mean_error[1], 1.0), 1.0
    if mean_error[2] >= ERRORS_KNOWN and error > limit:
        weight = max(limit / error, LEAST_WEIGHT)
    mean_error[0] = MEAN_ERROR_DISCOUNT * mean_error[0] + weight * error
    mean_error[1] = MEAN_ERROR_DISCOUNT * mean_error[1] + 1.0
    mean_error[2] += 1.0
    return weight


@kernel  # pragma: no cover
def accumulate(gram: Floats, row: Floats, weight: float) -> None:
    """Add a weighted row to the discounted Gram matrix.

    Args:
        gram: Gram matrix of the features `[P, ROW_LENGTH]`; columns from P on are cross products.
        row: the features, then the outcome, then 0 `[ROW_LENGTH]`.
        weight: weight of the row.
    """
    for i in range(len(gram)):
        weighted, products = weight * row[i], gram[i]
        for j in range(len(row)):
            products[j] = EVIDENCE_DISCOUNT * products[j] + weighted * row[j]


@kernel  # pragma: no cover
def add_outcome(cross: Floats, features: Floats, outcome: float) -> None:
    """Add one row of features times its outcome to the discounted cross products `[P]`."""
    for i in range(len(cross)):
        cross[i] = EVIDENCE_DISCOUNT * cross[i] + features[i] * outcome


@kernel  # pragma: no cover
def factorise(gram: Floats, ridge: float, factor: Floats) -> None:
    """Fill `factor` `[P, ROW_LENGTH]` so that the ridged Gram matrix is U' D U.

    The columns from P on are multiplied by U'^-1. The diagonal holds the reciprocals of D, 0 where
    a feature carries no information of its own; the columns right of it hold D U. The columns left
    of it have no meaning: whole rows are processed, because the machine processes several numbers
    at once.
    """
    for i in range(len(gram)):
        row, products = factor[i], gram[i]
        for j in range(len(row)):
            row[j] = products[j]
        row[i] *= 1.0 + ridge
    for m in range(len(gram)):
        pivot = factor[m]
        informative = pivot[m] > NO_INFORMATION * gram[m, m]
        inverse = 1.0 / pivot[m] if informative else 0.0
        for i in range(m + 1, len(gram)):
            share, row = pivot[i] * inverse, factor[i]
            for j in range(len(row)):
                row[j] -= share * pivot[j]
        pivot[m] = inverse


@kernel  # pragma: no cover
def solve(factor: Floats, cross: Floats, beta: Floats) -> None:
    """Fill `beta` `[P]` with the coefficients, given the factor of the Gram matrix."""
    for i in range(len(cross)):
        beta[i] = cross[i]
    for i in range(len(cross)):
        share = beta[i] * factor[i, i]
        for j in range(i + 1, len(cross)):
            beta[j] -= share * factor[i, j]
    substitute(factor, beta, beta)


@kernel  # pragma: no cover
def substitute(factor: Floats, forward: Floats, beta: Floats) -> None:
    """Fill `beta` `[P]` with the coefficients, given U'^-1 times the cross products."""
    for i in range(len(beta) - 1, -1, -1):
        rest = forward[i]
        for j in range(i + 1, len(beta)):
            rest -= factor[i, j] * beta[j]
        beta[i] = rest * factor[i, i]


@kernel  # pragma: no cover
def predict(beta: Floats, features: Floats) -> float:
    """Return the change that the coefficients predict."""
    change = 0.0
    for i in range(len(beta)):
        change += beta[i] * features[i]
    return change
