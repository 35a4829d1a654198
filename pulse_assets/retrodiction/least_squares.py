"""Discounted least squares with a ridge and with weights: what the autoregressions share."""

from typing import Final

from pulse_assets.retrodiction.arrays import Floats, kernel

#: Length of all rows: of the features of the largest order, what is regressed on them, and nothing.
#: One that is known when kernels are compiled saves a quarter of their time.
ROW: Final = 16
#: Discount of the evidence.
DISCOUNT: Final = 0.995
#: A row counts less when its error is more than this many times the usual absolute error ...
OUTLIER: Final = 1.0
#: ... but never less than this, so that a new regime is learnt.
LEAST_WEIGHT: Final = 0.05
#: Errors known before any counts as unusual, and their discount.
USUAL_START: Final = 20
USUAL_DISCOUNT: Final = 0.98
#: A pivot below this share of its diagonal carries no information: its coefficient is 0.
NO_INFORMATION: Final = 1e-12


@kernel  # pragma: no cover
def weigh_outcome(error: float, usual: Floats) -> float:
    """Return the weight of a row by its absolute error, 1 unless it is unusually large.

    One crisis must not bend the coefficients for years.

    Args:
        error: the absolute error.
        usual: discounted sum and count of earlier errors as they were weighed, and their plain
            count; this one is added.
    """
    limit, weight = OUTLIER * usual[0] / max(usual[1], 1.0), 1.0
    if usual[2] >= USUAL_START and error > limit:
        weight = max(limit / error, LEAST_WEIGHT)
    usual[0] = USUAL_DISCOUNT * usual[0] + weight * error
    usual[1] = USUAL_DISCOUNT * usual[1] + 1.0
    usual[2] += 1.0
    return weight


@kernel  # pragma: no cover
def accumulate(gram: Floats, row: Floats, weight: float) -> None:
    """Add a weighted row to the discounted Gram matrix.

    Args:
        gram: of the features `[P, ROW]`; columns from P on are cross products.
        row: the features, then what is regressed on them `[ROW]`.
        weight: of the row.
    """
    for i in range(len(gram)):
        weighted, products = weight * row[i], gram[i]
        for j in range(len(row)):
            products[j] = DISCOUNT * products[j] + weighted * row[j]


@kernel  # pragma: no cover
def add_outcome(cross: Floats, features: Floats, outcome: float) -> None:
    """Add one row of features times its outcome to the discounted cross products `[P]`."""
    for i in range(len(cross)):
        cross[i] = DISCOUNT * cross[i] + features[i] * outcome


@kernel  # pragma: no cover
def factorise(gram: Floats, ridge: float, factor: Floats) -> None:
    """Fill `factor` `[P, ROW]` so that the ridged Gram matrix is U' D U.

    The columns from P on become what U' must be multiplied by to give those of the Gram matrix.
    Rows hold D U right of the diagonal, which holds the reciprocals of D; 0 where a feature
    carries no information of its own. What is left of it has no meaning: whole rows are handled,
    since the machine does several numbers at once.
    """
    for i in range(len(gram)):
        row, products = factor[i], gram[i]
        for j in range(len(row)):
            row[j] = products[j]
        row[i] *= 1.0 + ridge
    for m in range(len(gram)):
        pivot = factor[m]
        known = pivot[m] > NO_INFORMATION * gram[m, m]
        inverse = 1.0 / pivot[m] if known else 0.0
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
