"""What a rule gets: the history, and the forecast request; one or more series, concatenated.

Many series at once, because a call of compiled code takes as long as a simple rule takes for one.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple, Self

import numpy as np

from pulse_assets.array_types import Floats, Ints
from pulse_assets.retrodiction.arrays import kernel

_NO_ORIGINS: Final = np.empty(0, np.int64)


class History(NamedTuple):
    """The values of one or more series without gaps, concatenated.

    Attributes:
        y: the values `[T]`; forecasts start from them.
        y_robust: the values that a rule is fitted to `[T]`: `y` itself, or a copy with outlying
            changes limited, see `winsorise`.
    """

    y: Floats
    y_robust: Floats


class ForecastRequest(NamedTuple):
    """Which forecasts are requested of the series in an array `[T]`.

    A tuple of arrays, which kernels accept.

    Attributes:
        series_offsets: index of the first value of each series `[S]`.
        origin_offsets: the origins of series s are `origins[origin_offsets[s] :
            origin_offsets[s + 1]]`, `[S + 1]`.
        origins: index of the last value that each forecast may use, ascending `[O]`.
        horizons: steps ahead, ascending, >= 1 `[H]`.
        season: observations per season, >= 1.
    """

    series_offsets: Ints
    origin_offsets: Ints
    origins: Ints
    horizons: Ints
    season: int

    @classmethod
    def of(
        cls,
        lengths: Sequence[int],
        origins: Sequence[Sequence[int] | Ints],
        horizons: Sequence[int] | Ints,
        season: int,
    ) -> Self:
        """Request forecasts of series of these lengths, each from its own origins.

        Example:
            >>> ForecastRequest.of([5, 3], [[3, 4], [1]], [1], 1).origins
            array([3, 4, 6])
        """
        offsets = [0, *accumulate(lengths)][:-1]
        origin_offsets = [0, *accumulate(map(len, origins))]
        shifted = [np.asarray(o, np.int64) + i for o, i in zip(origins, offsets, strict=True)]
        return cls(
            np.array(offsets, np.int64),
            np.array(origin_offsets, np.int64),
            np.concatenate([_NO_ORIGINS, *shifted]),
            np.array(horizons, np.int64),
            int(season),
        )

    def with_later_starts(self, steps: int) -> Self:
        """Return the request for series that start `steps` later; their origins do not change."""
        return self._replace(series_offsets=self.series_offsets + steps)

    def split(self, y: Floats) -> Iterator[tuple[Floats, Ints]]:
        """Yield the values of each series in `y`, and its origins as indices of these values."""
        ends = [*self.series_offsets[1:].tolist(), len(y)]
        for s, first in enumerate(self.series_offsets.tolist()):
            origins = self.origins[self.origin_offsets[s] : self.origin_offsets[s + 1]]
            yield y[first : ends[s]], origins - first


#: A rule: it returns the requested forecasts `[O, H]`, NaN where the history is too short.
RuleFunction = Callable[[History, ForecastRequest], Floats]


@kernel  # pragma: no cover
def first_values(request: ForecastRequest) -> Ints:
    """Return for each origin the index of its series' first value `[O]`.

    Example:
        >>> first_values(ForecastRequest.of([5, 3], [[3, 4], [1]], [1], 1))
        array([0, 0, 5])
    """
    firsts = np.empty(len(request.origins), np.int64)
    for s in range(len(request.series_offsets)):
        for i in range(request.origin_offsets[s], request.origin_offsets[s + 1]):
            firsts[i] = request.series_offsets[s]
    return firsts


@kernel  # pragma: no cover
def flat_forecasts(levels: Floats, horizons: Ints) -> Floats:
    """Return forecasts `[O, H]` that equal one level per origin `[O]` at every horizon."""
    forecasts = np.empty((len(levels), len(horizons)))
    for i in range(len(levels)):
        for j in range(len(horizons)):
            forecasts[i, j] = levels[i]
    return forecasts
