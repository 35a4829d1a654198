"""What is asked of rules: forecasts of one series, or of many that lie end to end in one array.

Many at once, since a call of compiled code costs as much as some simple rules take for a series.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple, Self

import numpy as np

from pulse_assets.retrodiction.arrays import Floats, Ints

_NOTHING: Final = np.empty(0, np.int64)


class Asked(NamedTuple):
    """Which forecasts are wanted of series that lie end to end in an array `[T]`.

    A tuple of arrays, as kernels take it.

    Attributes:
        begins: index at which each series begins `[S]`.
        rows: the origins of series s are those from place `rows[s]` to before `rows[s + 1]`,
            `[S + 1]`.
        origins: indices `[O]` of the last value that each forecast may use, ascending.
        horizons: steps ahead `[H]`, ascending, >= 1.
        season: observations a season, >= 1.
    """

    begins: Ints
    rows: Ints
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
        """Ask for forecasts of series of these lengths, each from its own origins.

        Example:
            >>> Asked.of([5, 3], [[3, 4], [1]], [1], 1).origins
            array([3, 4, 6])
        """
        begins = [0, *accumulate(lengths)][:-1]
        rows = [0, *accumulate(map(len, origins))]
        places = [np.asarray(o, np.int64) + b for o, b in zip(origins, begins, strict=True)]
        return cls(
            np.array(begins, np.int64),
            np.array(rows, np.int64),
            np.concatenate([_NOTHING, *places]),
            np.array(horizons, np.int64),
            int(season),
        )

    def later(self, steps: int) -> Self:
        """Return the same of series that begin so many steps later; their origins stay."""
        return self._replace(begins=self.begins + steps)

    def one_by_one(self, y: Floats) -> Iterator[tuple[Floats, Ints]]:
        """Yield each series of `y`, up to the begin of the next, and its own origins."""
        bounds = [*self.begins.tolist(), len(y)]
        for s, begin in enumerate(bounds[:-1]):
            origins = self.origins[self.rows[s] : self.rows[s + 1]]
            yield y[begin : bounds[s + 1]], origins - begin
