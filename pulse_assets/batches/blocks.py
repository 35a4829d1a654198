"""Blocks: runs of consecutive batches with one anchor, which share a walk over their history.

How batches are grouped changes no byte of what is stored; it only decides how often the same
history is walked, and how soon a run tells of progress.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from math import ceil
from typing import Final

import numpy as np

from pulse_assets.batches.windows import TrainingBatch, history_starts
from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, ENSEMBLES
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.panel import SCREENING_ROWS

#: A block takes about as many seconds at most, unless its walk alone takes longer.
BLOCK_SECONDS: Final = 2.0
#: Blocks per thread at least, so that threads end at nearly the same time.
BLOCKS_PER_THREAD: Final = 4
#: The walk takes at most this share of the time of a block, which sets its smallest size.
WALK_SHARE: Final = 0.5

#: Bytes that the forecasts of a block take at most until their batches are stored.
BLOCK_BYTES: Final = 240_000_000

#: Processor seconds, measured on one core of a Xeon with 122 and 500 monthly series and with daily
#: ones: of a walk by series, by pair of a series and a possible leading indicator, and by row, rule
#: and horizon; of a batch by rule and horizon of each variable, and of writing its tables.
_SERIES: Final = 2e-3
_PAIR: Final = 2.5e-7
_ROW: Final = 3e-8
_FORECAST: Final = 5e-6
_BATCH: Final = 1.1e-2


def group_batches(
    batches: Sequence[TrainingBatch], options: TrainingOptions, threads: int
) -> list[tuple[TrainingBatch, ...]]:
    """Group batches into blocks, in their order.

    A block has one anchor. Each thread gets at least four blocks, and a block takes no more than
    about two seconds; but a block is never so short that the walk takes most of its time.

    A user's rule may take any time, and what a block computed is lost if it is interrupted. So with
    such rules a block holds no more origins of a variable than a rule is restarted for: it takes
    about twice the time of one batch.

    Args:
        batches: the batches, ordered by date.
        options: the configuration, with the frequency of each variable.
        threads: number of threads that compute blocks.

    Example:
        Of 60 monthly batches of one anchor, four threads get 20 blocks of 3.
    """
    if not batches:
        return []
    walk, each = _seconds(options)
    fit = int(max(BLOCK_SECONDS - walk, 0.0) / each)
    share = len(batches) // (threads * BLOCKS_PER_THREAD)
    long = ceil(walk / each * (1.0 / WALK_SHARE - 1.0))
    memory = BLOCK_BYTES // _forecast_bytes(batches, options)
    most = min(memory, _most_with_user_rules(batches, options))
    size = max(min(max(min(fit, share), long), most), 1)
    return [
        tuple(part)
        for block in _by_anchor(batches, options.history_days)
        for part in _cut(block, size)
    ]


def _by_anchor(
    batches: Sequence[TrainingBatch], history_days: int
) -> Iterator[list[TrainingBatch]]:
    """Yield runs of batches whose histories begin on the same day."""
    starts = np.array([batch.start for batch in batches], "M8[D]")
    anchors = history_starts(starts, history_days).tolist()
    pairs = zip(anchors, batches, strict=True)
    for _, members in groupby(pairs, key=lambda pair: pair[0]):
        yield [batch for _, batch in members]


def _cut(block: Sequence[TrainingBatch], size: int) -> Iterator[Sequence[TrainingBatch]]:
    """Cut a block into parts of nearly the same length, none longer than `size`."""
    parts = ceil(len(block) / size)
    bounds = [len(block) * i // parts for i in range(parts + 1)]
    for first, end in pairwise(bounds):
        yield block[first:end]


def _per_year(options: TrainingOptions) -> list[float]:
    """Return the number of observations per year of each variable."""
    return [get_frequency(frequency).per_year for frequency in options.frequencies.values()]


def _most_with_user_rules(batches: Sequence[TrainingBatch], options: TrainingOptions) -> int:
    """Return how many batches a block may have at most; without a user's rule all of them."""
    if not any(":" in model for model in options.models or ()):
        return len(batches)
    targets = max((count * _years(batches) for count in _per_year(options)), default=1.0)
    return int(SCREENING_ROWS / max(targets, 1.0))


def _years(batches: Sequence[TrainingBatch]) -> float:
    """Return the length of the longest window."""
    return max((batch.end - batch.start).days for batch in batches) / 365.25


def _forecast_bytes(batches: Sequence[TrainingBatch], options: TrainingOptions) -> int:
    """Estimate the bytes of the forecasts of a batch, each variable having a target at least.

    A forecast is held with its weight and its quantiles, each a float.
    """
    years = _years(batches)
    targets = sum(max(count * years, 1.0) for count in _per_year(options))
    models = len(options.models or DEFAULT_MODELS) + options.max_partners + len(ENSEMBLES)
    floats = 2 + len(options.quantile_levels)
    return max(int(targets * models * len(options.horizons)) * floats * 8, 1)


def _seconds(options: TrainingOptions) -> tuple[float, float]:
    """Estimate the seconds of a walk, and of each batch of it."""
    per_year = _per_year(options)
    rows_per_year = sum(per_year)
    years = options.history_days / 365.25 + 5.0
    cells = len(options.models or DEFAULT_MODELS) * len(options.horizons)
    pairs = len(per_year) ** 2 if options.max_partners else 0
    walk = _SERIES * len(per_year) + _PAIR * pairs + _ROW * rows_per_year * years * cells
    return walk, _BATCH + _FORECAST * len(per_year) * cells
