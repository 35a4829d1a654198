"""Trust in a rule: the probability that it is closer than persistence, a Beta distribution.

Persistence (`naive`, the last value carried on) is compared with the rule on the same pair of
origin and target. So persistence itself has a trust of exactly 0.5, whatever the series.

The pairs are not independent: forecasts of h steps from neighbouring origins share h - 1 steps, and
a rule may stay too high for months. So their evidence is measured. A fixed share of 1 / h per pair
is right for a random walk, but only a twelfth of the evidence in white noise at h = 12.

`python -m benchmarks.trust` prints how often the interval contains the true probability, on random
walks, autoregressions, white noise and seasonal series, with and without a discount:

    batches of one target           share of 400 series
    120 and 400                     0.84 to 0.97
    40                              0.80 to 0.98
    a mean of 60 values, which lags a random walk by more than a block: 0.76 (overrated)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from scipy.special import betaincinv

from pulse_assets.array_types import Floats, Ints

#: Errors whose difference is at most this share of the larger one are a draw.
DRAW: Final = 1e-12

#: A block has at least this many targets, and this many times the horizon: results that are further
#: apart count as independent.
BLOCK_TARGETS: Final = 24
BLOCK_HORIZONS: Final = 3

#: Critical value of the two-sided test at 10 % for a block that is the share b of all evidence:
#: c0 + c1 b + c2 b^2 + c3 b^3. Kiefer, Vogelsang (2005), Table 1, Bartlett kernel.
_CRITICAL: Final = (1.6449, 2.1859, 0.3142, -0.3427)


def pair_wins(errors: Floats, reference_errors: Floats) -> Floats:
    """Return 1 where the rule is closer than the reference, 1/2 for a draw, 0 otherwise.

    Args:
        errors: absolute errors of a rule, in the unit of the series.
        reference_errors: absolute errors of persistence on the same pairs; the shapes broadcast.

    Returns:
        The result of each pair. Errors that agree to a relative 1e-12 are a draw. NaN where one of
        the two is NaN.

    Example:
        >>> pair_wins(np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.0]))
        array([1. , 0.5, 0. ])
    """
    with np.errstate(over="ignore", invalid="ignore"):
        gap, larger = errors - reference_errors, np.maximum(errors, reference_errors)
        drawn = (errors == reference_errors) | (np.abs(gap) <= DRAW * larger)
    wins = np.where(drawn, 0.5, (errors < reference_errors).astype(float))
    return np.where(np.isnan(larger), np.nan, wins)


def block_pairs(horizons: Sequence[int]) -> int:
    """Return the number of pairs in a block: of 24 targets, or 3 times the longest horizon.

    Example:
        >>> block_pairs([1]), block_pairs([24]), block_pairs([1, 24])
        (24, 72, 144)
    """
    targets = max(BLOCK_TARGETS, BLOCK_HORIZONS * int(max(horizons)))
    return len(horizons) * targets


def overlapping_pairs(horizons: Sequence[int]) -> int:
    """Return the largest number of pairs that overlap: h at one horizon, H h_max at H.

    Example:
        >>> overlapping_pairs([12]), overlapping_pairs([1, 3, 12])
        (12, 36)
    """
    return len(horizons) * int(max(horizons))


def scan_trust(
    wins: Floats, compared: Floats, discount: float, *, block: Ints, overlap: Ints
) -> tuple[Floats, Floats]:
    """Return the Beta distribution of the probability of a win after each batch.

    With u = discount ** (batches since), sums over the batches t up to now, and S, N the sums of
    u wins and u compared:

        p = S / N                                      the share of wins
        m = N^2 / sum(u^2 compared)                    pairs, discounted (Kish's effective size)
        L = block / mean(compared), rounded up         batches of a block
        V = sum over blocks(sum in block(u (wins - p compared))^2) / (L N^2)
            + (p^2 + (1 - p)^2) / m^2                  variance of p; one win, one loss more
        b = L sum((u compared)^2) / N^2                share of a block in the evidence
        E = q (1 - q) / V * (c(0) / c(b))^2            equivalent pairs, q = (p m + 1) / (m + 2)
        a = 1 + E p,  b = 1 + E (1 - p)

    The blocks are all runs of L neighbouring batches, including those that extend beyond the first
    or last batch: V is the variance by Bartlett's kernel (Newey and West 1987). The critical value
    c(b) allows for V being estimated from few blocks. While b >= 1, V cannot be estimated, and
    E = m / overlap. E is larger than m where wins and losses alternate, because that is more
    evidence on p than independent pairs. Limiting E to m made the intervals too wide: their
    coverage was within 0.85 to 0.95 in 66 % of the simulated cells instead of 87 %.

    Args:
        wins: sum of `pair_wins` of each batch, in order of date, for K rules `[B, K]`.
        compared: number of pairs of each batch `[B, K]`; may be 0.
        discount: share of the evidence that remains after each batch, 0..1.
        block: number of pairs in a block `[K]`, see `block_pairs`.
        overlap: number of pairs that overlap `[K]`, see `overlapping_pairs`.

    Returns:
        `a` and `b` after each batch `[B, K]`; trust is a / (a + b), 1/2 without any pair.

    Example:
        Three wins of four pairs at h = 1 in one batch: m = 4 and a, b = 1 + 3, 1 + 1.

    Source:
        Josang, Ismail (2002), The beta reputation system, 15th Bled Electronic Commerce
        Conference; Kish (1965), Survey Sampling; Kiefer, Vogelsang (2005), A new asymptotic theory
        for heteroskedasticity-autocorrelation robust tests, doi:10.1017/S0266466605050565.
    """
    evidence = _Evidence.of(
        _discounted_sum(wins, discount),
        _discounted_sum(compared, discount),
        _discounted_sum(compared, discount**2),
        _discounted_sum(compared**2, discount**2),
        _block_lengths(compared, block),
    )
    spread = _squared_blocks(
        wins, compared, evidence.share, evidence.length, discount, evidence.fraction < 1.0
    )
    return evidence.beta(spread, overlap)


def last_trust(
    wins: Floats, compared: Floats, discount: float, *, ran: Ints, block: Ints, overlap: Ints
) -> tuple[Floats, Floats]:
    """Return the Beta distributions of `scan_trust` after the last batch alone.

    Args:
        wins: as for `scan_trust`, `[B, K]`; a series with fewer batches has 0 before its first.
        compared: likewise.
        ran: number of batches of each series `[K]`.
        discount: share of the evidence that remains after each batch, 0..1.
        block: number of pairs in a block `[K]`.
        overlap: number of pairs that overlap `[K]`.

    Returns:
        `a` and `b`, `[K]`.
    """
    u = discount ** np.arange(len(wins) - 1.0, -1.0, -1.0)[:, None]
    with np.errstate(divide="ignore"):
        length = np.minimum(np.ceil(block * ran / compared.sum(axis=0)), len(wins) + 1.0)
    evidence = _Evidence.of(
        (u * wins).sum(axis=0),
        (u * compared).sum(axis=0),
        (u**2 * compared).sum(axis=0),
        (u**2 * compared**2).sum(axis=0),
        length.astype(np.int64),
    )
    spread = np.zeros(len(length))
    for size in np.unique(evidence.length[evidence.fraction < 1.0]).tolist():
        chosen = (evidence.fraction < 1.0) & (evidence.length == size)
        gaps = u * (wins[:, chosen] - evidence.share[chosen] * compared[:, chosen])
        spread[chosen] = _sum_of_squared_blocks(gaps, size) / size
    return evidence.beta(spread, overlap)


def _sum_of_squared_blocks(values: Floats, size: int) -> Floats:
    """Return the sum over all runs of `size` rows of [B, K], also those beyond the ends."""
    sums = np.zeros((len(values) + 1, values.shape[1]))
    np.cumsum(values, axis=0, out=sums[1:])
    end = np.arange(1, len(values) + size)
    start = np.maximum(end - size, 0)
    return ((sums[np.minimum(end, len(values))] - sums[start]) ** 2).sum(axis=0)


@dataclass(frozen=True)
class _Evidence:
    """The evidence of the batches so far, see `scan_trust`; the arrays have one shape.

    Attributes:
        total: N.
        share: p.
        pairs: m.
        length: L.
        fraction: b.
    """

    total: Floats
    share: Floats
    pairs: Floats
    length: Ints
    fraction: Floats

    @classmethod
    def of(
        cls, wins: Floats, total: Floats, squared: Floats, of_squares: Floats, length: Ints
    ) -> Self:
        """Return the evidence, given sums of u wins, u compared, u^2 compared, (u compared)^2."""
        some = total > 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(some, wins / total, 0.5)
            pairs = np.where(some, total**2 / squared, 0.0)
            fraction = np.where(some, length / (total**2 / of_squares), np.inf)
        return cls(total, share, pairs, length, fraction)

    def beta(self, spread: Floats, overlap: Ints) -> tuple[Floats, Floats]:
        """Return `a` and `b`; `spread` is the sum of squared blocks divided by L."""
        share, pairs = self.share, self.pairs
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = spread / self.total**2 + (share**2 + (1.0 - share) ** 2) / pairs**2
            centred = (share * pairs + 1.0) / (pairs + 2.0)
            worth = centred * (1.0 - centred) / variance * _allowance(self.fraction)
        evidence = np.where(self.fraction < 1.0, worth, pairs / overlap)
        return 1.0 + evidence * share, 1.0 + evidence * (1.0 - share)


def credible_interval(a: Floats, b: Floats, level: float = 0.9) -> tuple[Floats, Floats]:
    """Return the equal-tailed interval that contains `level` of the mass of Beta(a, b).

    Example:
        >>> low, high = credible_interval(np.array(1.0), np.array(1.0))
        >>> round(float(low), 9), round(float(high), 9)
        (0.05, 0.95)
    """
    tail = (1.0 - level) / 2.0
    return betaincinv(a, b, tail), betaincinv(a, b, 1.0 - tail)


def _block_lengths(compared: Floats, block: Ints) -> Ints:
    """Return the number of batches in a block `[B, K]`, from the pairs of the batches so far."""
    ran = np.arange(1, len(compared) + 1)[:, None]
    with np.errstate(divide="ignore"):
        length = np.ceil(block * ran / compared.cumsum(axis=0))
    return np.minimum(length, len(compared) + 1.0).astype(np.int64)


def _allowance(fraction: Floats) -> Floats:
    """Return (c(0) / c(b))^2; b is limited to 1."""
    b = np.minimum(fraction, 1.0)
    c0, c1, c2, c3 = _CRITICAL
    return (c0 / (c0 + b * (c1 + b * (c2 + b * c3)))) ** 2


def _squared_blocks(
    wins: Floats, compared: Floats, share: Floats, length: Ints, discount: float, where: np.ndarray
) -> Floats:
    """Return the sum of squared block sums, divided by L, `[B, K]`; 0 outside `where`."""
    squares = np.zeros(wins.shape)
    for size in np.unique(length[where]):
        chosen = where & (length == size)
        used = chosen.any(axis=0)
        sums = _blocks_of(wins[:, used], compared[:, used], share[:, used], int(size), discount)
        squares[:, used] = np.where(chosen[:, used], sums, squares[:, used])
    return squares


def _blocks_of(wins: Floats, compared: Floats, share: Floats, size: int, discount: float) -> Floats:
    """Return the sum of (block sum of u (wins - p compared))^2 over all blocks, by their size."""
    won, ran, squares = np.zeros(wins.shape), np.zeros(wins.shape), np.zeros(wins.shape)
    for age in range(min(size, len(wins))):
        if age:  # blocks that extend beyond the last batch contain the latest ones only
            squares += (won - share * ran) ** 2
        won[age:] += discount**age * wins[: len(wins) - age]
        ran[age:] += discount**age * compared[: len(wins) - age]
    whole = [_discounted_sum(x, discount**2) for x in (won * won, won * ran, ran * ran)]
    squares += whole[0] - 2.0 * share * whole[1] + share**2 * whole[2]
    return np.maximum(squares, 0.0) / size


def _discounted_sum(counts: Floats, discount: float) -> Floats:
    sums = np.array(counts, np.float64)
    for batch in range(1, len(sums)):
        sums[batch] += discount * sums[batch - 1]
    return sums
