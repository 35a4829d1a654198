"""How sure a win rate is: the share of comparisons that a rule wins in resampled histories."""

from typing import Final

import numpy as np

from pulse_assets.array_types import Floats
from pulse_assets.evaluation.bootstrap import exact_parts
from pulse_assets.retrodiction.trust import pair_wins

#: Probability of the interval of a win rate.
LEVEL: Final = 0.9


def resampled_win_rates(errors: Floats, reference: Floats, draws: Floats) -> Floats:
    """Return the win rate of each rule in each resampled history.

    A rule wins a horizon if the sum of its errors is smaller than that of the reference over the
    same pairs, as in the leaderboard; a draw counts half.

    Args:
        errors: sums of absolute errors by date, rule and horizon `[T, M, H]`; NaN where the rule
            is not compared.
        reference: those of the reference over the same pairs.
        draws: how often a date is in each resampled history `[draws, T]`.

    Returns:
        Share of the horizons won `[draws, M]`; NaN of a rule without a comparison.

    Example:
        >>> errors, reference = np.array([[[1.0, 3.0]]]), np.array([[[2.0, 2.0]]])
        >>> resampled_win_rates(errors, reference, np.ones((1, 1))).tolist()
        [[0.5]]
    """
    compared = ~np.isnan(errors) & ~np.isnan(reference)
    exact = exact_parts(np.where(compared, np.stack([errors, reference]), 0.0))
    won = pair_wins(*(_resampled_sums(part, draws) for part in exact))
    some = compared.any(axis=0)
    with np.errstate(invalid="ignore"):
        return np.where(some, won, 0.0).sum(axis=2) / some.sum(axis=1)


def _resampled_sums(losses: Floats, draws: Floats) -> Floats:
    """Return the sums of [T, M, H] over each history, [draws, M, H]."""
    if (losses == losses[:, :1]).all():  # errors of naive over the same pairs of all rules
        return (draws @ losses[:, 0])[:, None]
    return (draws @ losses.reshape(len(losses), -1)).reshape(-1, *losses.shape[1:])


def resampled_means(values: Floats, counts: Floats, draws: Floats) -> Floats:
    """Return the ratio of sums over resampled units, such as variables.

    Args:
        values: sum of each unit and rule `[V, M]`, multiples of 1/2.
        counts: number of what it is the sum of `[V, M]`.
        draws: how often a unit is in each resampled set `[draws, V]`.

    Example:
        One variable of three with two wins of two, in two sets of resampled variables:

        >>> draws = np.array([[1.0, 1.0, 1.0], [3.0, 0.0, 0.0]])
        >>> resampled_means(np.array([[2.0], [0.0], [0.0]]), np.full((3, 1), 2.0), draws).tolist()
        [[0.3333333333333333], [1.0]]
    """
    with np.errstate(invalid="ignore"):
        return (draws @ values) / (draws @ counts)


def central_interval(drawn: Floats, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Return the interval that holds the middle `level` of the draws of each column.

    Args:
        drawn: `[draws, K]`; draws that are NaN do not count.
        level: probability.

    Example:
        >>> [float(end[0]) for end in central_interval(np.arange(101.0)[:, None])]
        [5.0, 95.0]
    """
    tail = round((1.0 - level) / 2.0, 9)
    ordered = np.sort(drawn, axis=0)  # NaN last
    n = (~np.isnan(drawn)).sum(axis=0)
    columns = np.arange(drawn.shape[1])
    ends = (np.floor(tail * (n - 1)), np.ceil((1.0 - tail) * (n - 1)))
    low, high = (ordered[np.maximum(end, 0).astype(int), columns] for end in ends)
    return low, high
