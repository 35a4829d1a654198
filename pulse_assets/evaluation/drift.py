"""Drift of forecasts that used to be good: coverage, trust, and the loss of the last batch."""

from typing import Final, NamedTuple

import numpy as np

from pulse_assets.array_types import Floats

#: Probability that a chart is above its threshold while coverage is right, on each side, one step
#: ahead.
FALSE_ALARM: Final = 1.0 / 500.0
_THRESHOLD: Final = -float(np.log(FALSE_ALARM))
#: Odds of a miss that the charts look for, relative to the nominal ones.
_FACTORS: Final = (2.0, 0.5)

#: Earlier losses that the last one is compared with: at most, and at least.
MEMORY: Final = 120
FEWEST: Final = 40
#: Probability of the range of losses.
RANGE: Final = 0.95


class CoverageDrift(NamedTuple):
    """A chart that is above its threshold after the last batch.

    Attributes:
        first: index of the first batch since the chart was last 0.
        share: of the outcomes that were covered since then, 0..1.
    """

    first: int
    share: float


def coverage_drift(
    covered: Floats, n: Floats, level: float, steps: int = 1
) -> CoverageDrift | None:
    """Return since when intervals cover too few or too many outcomes; None while they do not.

    CUSUM charts of the log-likelihood ratio of a share of misses p1 whose odds are twice or half
    those of the nominal p0 = 1 - level, with m misses and c covered outcomes in a batch of
    forecasts h steps ahead:

        S_t = max(0, S_{t-1} + (m log(p1 / p0) + c log((1 - p1) / (1 - p0))) / h)

    It is above log(500) with a probability of at most 1 / 500 while coverage is right and h is 1:
    S_t is the largest sum of an end of the history, and the mean of the exponential of such a sum
    is at most 1. Outcomes of h steps overlap: S_t is the mean of h charts of every h-th batch, so
    the probability is at most h / 500.

    S_t is limited to log(500) + 1, so that a drift that is over does not alarm for years.

    Args:
        covered: number of outcomes inside their intervals, by batch `[T]`.
        n: number of outcomes `[T]`.
        level: nominal coverage, 0..1.
        steps: h.

    Source:
        Page (1954), Continuous inspection schemes, doi:10.1093/biomet/41.1-2.100. Reynolds,
        Stoumbos (1999), A CUSUM chart for monitoring a proportion when inspecting continuously,
        doi:10.1080/00224065.1999.11979900.

    Example:
        Twelve misses in a row after 20 right ones, at a level of 90 %: p1 = 0.2 / 1.1, and each
        adds log(p1 / 0.1) = 0.6, more than log(500) = 6.2 in all.

        >>> coverage_drift(np.array([1.0] * 20 + [0.0] * 12), np.ones(32), 0.9)
        CoverageDrift(first=20, share=0.0)
    """
    misses, nominal = n - covered, 1.0 - level
    for factor in _FACTORS:
        other = factor * nominal / (level + factor * nominal)
        gains = misses * np.log(other / nominal) + covered * np.log((1 - other) / (1 - nominal))
        first = _above_threshold(gains / steps)
        if first is not None:
            total = n[first:].sum()
            return CoverageDrift(first, float(covered[first:].sum() / total))
    return None


def _above_threshold(gains: Floats) -> int | None:
    """Return where the last excursion of a chart starts if it is above its threshold at the end."""
    value, first = 0.0, 0
    for at, gain in enumerate(gains.tolist()):
        if value == 0.0:
            first = at
        value = min(max(0.0, value + gain), _THRESHOLD + 1.0)
    return first if value > _THRESHOLD else None


def loss_limit(losses: Floats) -> float | None:
    """Return the upper end of the range of the next loss; None while there are too few.

    It is the loss of rank (n + 1) 0.975, rounded up, among the last `MEMORY` ones: if losses are
    exchangeable the next one is larger with a probability of at most 2.5 %.

    Args:
        losses: of the batches before, in order of date; NaN ones do not count.

    Example:
        >>> loss_limit(np.arange(1.0, 80.0)), loss_limit(np.arange(30.0))
        (78.0, None)
    """
    past = losses[~np.isnan(losses)][-MEMORY:]
    if len(past) < FEWEST:
        return None
    rank = int(np.ceil(round((len(past) + 1) * (1.0 + RANGE) / 2.0, 9)))
    return float(np.sort(past)[min(rank, len(past)) - 1])


def first_below(values: Floats, limit: float) -> int | None:
    """Return since when values have been below a limit until the last one; None if it is not.

    Example:
        >>> first_below(np.array([0.2, 0.6, 0.3, 0.1]), 0.5), first_below(np.array([0.7]), 0.5)
        (2, None)
    """
    below = values < limit
    if not len(values) or not below[-1]:
        return None
    above = np.flatnonzero(~below)
    return int(above[-1]) + 1 if len(above) else 0
