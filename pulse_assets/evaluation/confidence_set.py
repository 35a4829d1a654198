"""The model confidence set: the rules that cannot be told from the best one."""

from typing import Final

import numpy as np

from pulse_assets.array_types import Bools, Floats, Ints
from pulse_assets.evaluation.bootstrap import exact_parts

#: The probability with which the set contains the best rule.
CONFIDENCE: Final = 0.9


def confidence_set(losses: Floats, draws: Floats) -> Floats:
    """Return the probability of each rule that belongs to the model confidence set.

    A rule is in the set of level c if its probability is at least 1 - c. With L_i the mean loss of
    rule i, and stars for a resampled history, for each two of the rules that are left:

        t_ij = (L_i - L_j) / s_ij,  s_ij^2 = mean over draws of (L*_i - L*_j - (L_i - L_j))^2
        T = max t_ij,  p = share of draws in which max |L*_i - L*_j - (L_i - L_j)| / s_ij >= T

    The rule i of the largest t_ij leaves, and its probability is the largest p up to then; the last
    one has 1. Each two rules are compared, and not each with the mean of all: one hopeless rule
    would make that mean so uncertain that every other one stays.

    Not by arch's `MCS`, which needs statsmodels and takes ten times as long; a test compares
    the two.

    Args:
        losses: of each rule on the same dates `[T, K]`, at least 0 and finite.
        draws: how often a date is in each resampled history `[draws, T]`, see `draw_blocks`.

    Returns:
        The probabilities `[K]`. Rules whose losses are equal on all dates have equal ones.

    Source:
        Hansen, Lunde, Nason (2011), The model confidence set, doi:10.3982/ECTA5771, with the
        statistic T_R.

    Example:
        Of two rules, one errs by 2 on every date and the other by 1 or 2:

        >>> from pulse_assets.evaluation.bootstrap import draw_blocks
        >>> losses = np.array([[2.0, 1.0], [2.0, 2.0]] * 20)
        >>> confidence_set(losses, draw_blocks(40, 4, seed=1)).tolist()
        [0.0, 1.0]
    """
    exact = exact_parts(losses)
    total = exact.sum(axis=0)
    # [K, draws], so that a rule is one row; whole numbers, as `total` is.
    around = exact.T @ draws.T - total[:, None]
    spread = _spreads(around)
    leaving = _order_of_leaving(_statistics(total, spread))
    stays = np.ones(len(total), bool)
    for out, _ in leaving:
        stays[out] = False
    probabilities = np.ones(len(total))
    drawn = _largest(around, spread, np.flatnonzero(stays), stays)
    shares = []
    for out, statistic in reversed(leaving):  # each two rules are looked at once
        stays[out] = True
        drawn = np.maximum(drawn, _largest(around, spread, out, stays))
        shares.append((drawn >= statistic).mean())
    worst = np.maximum.accumulate(shares[::-1])
    for (out, _), p in zip(leaving, worst, strict=True):
        probabilities[out] = p
    return probabilities


def _spreads(around: Floats) -> Floats:
    """Return s_ij of each two rules, [K, K], in the unit of `around`."""
    spread = np.zeros((len(around), len(around)))
    for i in range(1, len(around)):
        gaps = around[i] - around[:i]
        spread[i, :i] = spread[:i, i] = np.sqrt(np.einsum("kd,kd->k", gaps, gaps) / gaps.shape[1])
    return spread


def _statistics(total: Floats, spread: Floats) -> Floats:
    """Return t_ij of each two rules, [K, K]; 0 where the losses are equal."""
    gaps = total[:, None] - total
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gaps == 0.0, 0.0, gaps / spread)


def _order_of_leaving(statistics: Floats) -> list[tuple[Ints, float]]:
    """Return the rules that leave together, and the statistic by which they do, in order."""
    left, leaving = np.arange(len(statistics)), []
    while len(left) > 1:
        worst = statistics[np.ix_(left, left)].max(axis=1)
        largest = worst.max()
        if largest == 0.0:
            break
        leaving.append((left[worst == largest], float(largest)))
        left = left[worst < largest]
    return leaving


def _largest(around: Floats, spread: Floats, rules: Ints, among: Bools) -> Floats:
    """Return the largest scaled distance of some rules from `among` in each draw, [draws]."""
    others = np.flatnonzero(among)
    largest = np.zeros(around.shape[1])
    for rule in rules.tolist():
        scale = spread[rule, others]
        pairs = others[scale > 0.0]
        scaled = np.abs(around[rule] - around[pairs]) * (1.0 / scale[scale > 0.0])[:, None]
        largest = np.maximum(largest, scaled.max(axis=0, initial=0.0))
    return largest
