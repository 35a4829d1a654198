"""Resampling of blocks of neighbouring dates; the seed comes from their names, so it repeats.

Sums over a resampled history are products of matrices. Losses are rounded to multiples of a power
of two that make these products exact, so that no order of additions changes a bit.
"""

import hashlib
from typing import Final

import numpy as np

from pulse_assets.array_types import Floats, Ints

#: Resampled histories.
DRAWS: Final = 999
#: Histories that are counted at a time, because one takes 50 bytes per date meanwhile.
_TOGETHER: Final = 100
#: Bits of the largest sum, which a 64-bit float holds exactly.
_BITS: Final = 50


def block_length(count: int, steps: int) -> int:
    """Return the length of a block: the steps ahead, or the cube root of the count if larger.

    Example:
        >>> block_length(400, 1), block_length(400, 12), block_length(5, 12)
        (8, 12, 5)
    """
    return max(1, min(count, max(steps, int(np.ceil(round(count ** (1.0 / 3.0), 9))))))


def draw_blocks(count: int, block: int, seed: int, draws: int = DRAWS) -> Floats:
    """Return how often each date is part of each resampled history `[draws, count]`.

    A history is made of blocks of neighbouring dates, each of which begins anywhere with equal
    probability; the last one is cut, so that each history has `count` dates.

    Args:
        count: number of dates, at least 1.
        block: length of a block, 1 to `count`.
        seed: of the random numbers.
        draws: number of histories.

    Source:
        Kuensch (1989), The jackknife and the bootstrap for general stationary observations,
        doi:10.1214/aos/1176347265.

    Example:
        >>> draw_blocks(4, 4, seed=1, draws=2)
        array([[1., 1., 1., 1.],
               [1., 1., 1., 1.]])
    """
    blocks = -(-count // block)
    starts = np.random.default_rng(seed).integers(0, count - block + 1, (draws, blocks))
    lengths = np.full(blocks, block)
    lengths[-1] = count - block * (blocks - 1)
    drawn = np.empty((draws, count))
    for first in range(0, draws, _TOGETHER):
        chosen = slice(first, first + _TOGETHER)
        drawn[chosen] = _count_dates(starts[chosen], lengths, count)
    return drawn


def _count_dates(starts: Ints, lengths: Ints, count: int) -> Ints:
    """Return how often each date is part of blocks `[draws, B]` with these lengths `[B]`."""
    width = count + 1
    rows = np.arange(len(starts))[:, None] * width
    first, after = ((rows + place).ravel() for place in (starts, starts + lengths))
    size = len(starts) * width
    changes = np.bincount(first, minlength=size) - np.bincount(after, minlength=size)
    return changes.reshape(-1, width).cumsum(axis=1)[:, :count]


def content_seed(*names: str) -> int:
    """Return a seed that depends on the names of what is resampled, such as a variable and dates.

    Example:
        >>> content_seed("gdp", "2020-01-01") == content_seed("gdp", "2020-02-01")
        False
    """
    text = "\0".join(names).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def exact_parts(losses: Floats) -> Floats:
    """Return losses in units of a power of two, as whole numbers whose sums are exact.

    Args:
        losses: at least 0, finite `[T, ...]`.

    Example:
        >>> parts = exact_parts(np.array([1.0, 0.25]))
        >>> float(parts[0] / parts[1])
        4.0
    """
    _, exponent = np.frexp(losses.max(initial=0.0))
    room = _BITS - int(np.ceil(np.log2(max(2, losses.size))))
    return np.rint(np.ldexp(losses, room - exponent))
