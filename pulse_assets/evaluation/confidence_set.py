"""The model confidence set: the rules that cannot be told from the best one."""

from typing import Final

import numpy as np

from pulse_assets.array_types import Floats
from pulse_assets.evaluation.bootstrap import exact_parts

#: The probability with which the set contains the best rule.
CONFIDENCE: Final = 0.9


def confidence_set(losses: Floats, draws: Floats) -> Floats:
    """Return the probability of each rule that belongs to the model confidence set.

    A rule is in the set of level c if its probability is at least 1 - c. With L_i the mean loss of
    rule i, L its mean over the rules M that are left, and stars for a resampled history:

        t_i = (L_i - L) / s_i,  s_i^2 = mean over draws of (L*_i - L* - (L_i - L))^2
        T = max t_i,  p = share of draws in which max (L*_i - L* - (L_i - L)) / s_i >= T

    The rule of the largest t_i leaves, and its probability is the largest p up to then; the last
    one has 1.

    Args:
        losses: of each rule on the same dates `[T, K]`, at least 0 and finite.
        draws: how often a date is in each resampled history `[draws, T]`, see `draw_blocks`.

    Returns:
        The probabilities `[K]`. Rules whose losses are equal on all dates have equal ones.

    Source:
        Hansen, Lunde, Nason (2011), The model confidence set, doi:10.3982/ECTA5771, with the
        statistic T_max.

    Example:
        Of two rules, one errs by 2 on every date and the other by 1 or 2:

        >>> from pulse_assets.evaluation.bootstrap import draw_blocks
        >>> losses = np.array([[2.0, 1.0], [2.0, 2.0]] * 20)
        >>> confidence_set(losses, draw_blocks(40, 4, seed=1)).tolist()
        [0.0, 1.0]
    """
    exact = exact_parts(losses)
    total = exact.sum(axis=0)
    # [K, draws], so that a rule that leaves is one row.
    around = exact.T @ draws.T - total[:, None]
    left, worst = np.arange(len(total)), 0.0
    probabilities = np.ones(len(total))
    while len(left) > 1:
        statistics, p = _largest_gap(total[left], around[left])
        out = statistics == statistics.max()
        if out.all():
            break
        worst = max(worst, p)
        probabilities[left[out]] = worst
        left = left[~out]
    return probabilities


def _largest_gap(total: Floats, around: Floats) -> tuple[Floats, float]:
    """Return the statistic of each rule, and the probability of the largest one.

    Args:
        total: sum of the losses of each rule, a whole number `[K]`.
        around: that of each resampled history minus `total` `[K, draws]`.
    """
    # K times the distances from the mean, which are whole numbers too.
    gaps = len(total) * total - total.sum()
    centred = len(total) * around - around.sum(axis=0)
    spread = np.sqrt(np.einsum("kd,kd->k", centred, centred) / centred.shape[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        statistics = np.where(gaps == 0.0, 0.0, gaps / spread)
        centred *= np.where(spread > 0.0, 1.0 / spread, 0.0)[:, None]
    largest = statistics.max()
    return statistics, float((centred.max(axis=0) >= largest).mean())
