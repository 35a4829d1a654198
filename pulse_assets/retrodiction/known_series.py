"""A series as each origin knows it: implausible values are missing once they are revealed.

A value is only known to be implausible when the series has come back. So an origin between the two
sees the value, and all later origins see a missing value, in the whole of the past.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from pulse_assets.array_types import Bools, Floats, Ints
from pulse_assets.retrodiction.arrays import first_known
from pulse_assets.retrodiction.implausible import find_implausible


@dataclass(frozen=True)
class KnownSeries:
    """A series and what its origins know of it.

    Attributes:
        values: the series `[T]`; NaN where missing.
        implausible: indices of the implausible values, and for each the index that reveals it,
            `[K]` each; the former ascend.
    """

    values: Floats
    implausible: tuple[Ints, Ints]

    @classmethod
    def of(cls, values: Floats, season: int = 1) -> Self:
        """Find the implausible values of a series.

        Args:
            values: the series `[T]`; NaN where missing.
            season: observations per season; 1: none.
        """
        return cls(values, find_implausible(values, season))

    def carried(self, rows: Ints) -> Self:
        """Return the series on other dates: of each the last value known then.

        A value counts as implausible from the first date on at which the one is known that reveals
        it, whether that date shows it or not.

        Args:
            rows: index of the last value known at each date `[D]`, ascending; -1: none.
        """
        values = np.append(self.values, np.nan)[rows]
        places, revealed = self.implausible
        if not len(places):
            return type(self)(values, self.implausible)
        begins, ends = rows.searchsorted(places), rows.searchsorted(places, side="right")
        seen_at = rows.searchsorted(revealed)
        counts = np.where(seen_at < len(rows), ends - begins, 0)
        steps = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        found = np.repeat(begins, counts) + steps, np.repeat(seen_at, counts)
        return type(self)(values, found)

    def shifted(self, steps: int) -> Self:
        """Return the series beside one that begins so many steps later, or earlier if negative.

        Values before its begin are taken away; NaN are put before.

        Example:
            >>> KnownSeries.of(np.array([1.0, 2.0])).shifted(1).values
            array([nan,  1.,  2.])
        """
        places, revealed = (indices + steps for indices in self.implausible)
        values = np.append(np.full(max(steps, 0), np.nan), self.values[max(-steps, 0) :])
        left = places >= 0
        return type(self)(values, (places[left], revealed[left]))

    def measure(self, origins: Ints, function: Callable[[Floats, Ints], Floats]) -> Floats:
        """Return a function of the series as it is known at each origin `[O]`.

        Args:
            origins: indices `[O]`.
            function: makes of a series and origins one number per origin, from values up to each.
        """
        measured = np.empty(len(origins))
        for (known,), of in vintages([self], origins):
            measured[of] = function(known, origins[of])
        return measured

    def hides(self, origin: int) -> bool:
        """Return whether there are implausible values that an origin does not know to be so."""
        places, revealed = self.implausible
        return bool(((places <= origin) & (revealed > origin)).any())

    def at(self, origin: int, end: int | None = None) -> Floats:
        """Return the values up to an origin, or before `end`, as the origin knows them.

        An implausible first value is replaced by the next plausible one, so that the series begins
        where it did.

        Args:
            origin: index of the last value that may be used.
            end: index before which values are returned; values after the origin do not change
                those up to it.
        """
        known = self.values[: origin + 1 if end is None else end]
        places, revealed = self.implausible
        wrong = places[revealed <= origin]
        if len(wrong):
            known = np.array(known, np.float64)
            begin = first_known(known)
            known[wrong] = np.nan
            if begin == wrong[0]:
                known[begin] = known[first_known(known)]
        return known


def vintages(
    series: Sequence[KnownSeries], origins: Ints
) -> Iterator[tuple[tuple[Floats, ...], Bools]]:
    """Yield several series as origins know them, and the origins `[O]` that know them so.

    Values after an origin may be in its series. Each origin is in one of what is yielded.

    Args:
        series: the series, `[T]` each.
        origins: indices `[O]` of the last value that each may use, in any order.

    Example:
        >>> walk = np.arange(20) % 2.0
        >>> walk[15] = 1000.0
        >>> known = vintages([KnownSeries.of(walk)], np.array([14, 15, 16]))
        >>> [(len(values), of.tolist()) for (values,), of in known]
        [(16, [False, True, False]), (20, [True, False, True])]
    """
    settled = np.ones(len(origins), bool)
    if not any(len(one.implausible[0]) for one in series):
        yield tuple(one.values for one in series), settled
        return
    # Between two of these indices the values that are not yet revealed are the same.
    changes = np.unique(np.concatenate([places for one in series for places in one.implausible]))
    for begin, end in itertools.pairwise(changes.tolist()):
        of = (origins >= begin) & (origins < end)
        if of.any() and any(one.hides(begin) for one in series):
            settled &= ~of
            yield tuple(one.at(begin, end) for one in series), of
    if settled.any() or not len(origins):
        # To these origins all values are plausible that are not revealed by the last of them.
        last = int(origins[settled].max(initial=-1))
        yield tuple(one.at(last, len(one.values)) for one in series), settled
