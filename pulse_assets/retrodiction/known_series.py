"""A series as each origin knows it: implausible values are missing once they are revealed.

A value is only known to be implausible when the series has come back. So an origin between the two
sees the value, and all later origins see a missing value, in the whole of the past.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pulse_assets.retrodiction.arrays import Bools, Floats, Ints, first_known
from pulse_assets.retrodiction.implausible import find_implausible


@dataclass(frozen=True)
class KnownSeries:
    """A series and what its origins know of it.

    Attributes:
        values: the series `[T]`; NaN where missing.
        season: observations per season; 1: none.
        rows: index of the observation that each value repeats `[T]`, ascending; None: each value is
            an observation of its own.
    """

    values: Floats
    season: int = 1
    rows: Ints | None = None

    @cached_property
    def implausible(self) -> tuple[Ints, Ints]:
        """Indices of the implausible values, and for each the index that reveals it, `[K]` each."""
        if self.rows is None:
            return find_implausible(self.values, self.season)
        _, firsts = np.unique(self.rows, return_index=True)
        places, revealed = find_implausible(self.values[firsts], self.season)
        counts = np.diff(np.append(firsts, len(self.values)))[places]
        repeated = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return (
            np.repeat(firsts[places], counts) + repeated,
            np.repeat(firsts[revealed], counts),
        )

    @cached_property
    def cleaned(self) -> Floats:
        """The series without its implausible values `[T]`.

        An implausible first value is replaced by the next plausible one, so that the series begins
        where it did.
        """
        places, _ = self.implausible
        if not len(places):
            return self.values
        cleaned = np.array(self.values, np.float64)
        cleaned[places] = np.nan
        if first_known(self.values) == places[0]:
            cleaned[places[0]] = cleaned[first_known(cleaned)]
        return cleaned

    def at(self, origin: int) -> Floats:
        """Return the values up to an origin as it knows them."""
        return self._known(origin, origin + 1)

    def vintages(self, origins: Ints) -> Iterator[tuple[Floats, Bools]]:
        """Yield the series as origins know it, and the origins `[O]` that know it so.

        Values after an origin may be in its series; each origin is yielded once.

        Args:
            origins: indices `[O]` of the last value that each may use, in any order.

        Example:
            >>> walk = np.arange(20) % 2.0
            >>> walk[15] = 1000.0
            >>> known = KnownSeries(walk).vintages(np.array([14, 15, 16]))
            >>> [(len(values), of.tolist()) for values, of in known]
            [(16, [False, True, False]), (20, [True, False, True])]
        """
        settled = np.ones(len(origins), bool)
        # Between two of these indices the values that are not yet revealed are the same.
        for begin, end in itertools.pairwise(np.unique(self.implausible)):
            of = (origins >= begin) & (origins < end)
            if of.any() and len(self._hidden(begin)):
                settled &= ~of
                yield self._known(begin, end), of
        if settled.any() or not len(origins):
            yield self.cleaned, settled

    def measure(self, origins: Ints, function: Callable[[Floats, Ints], Floats]) -> Floats:
        """Return a function of the series as it is known at each origin `[O]`.

        Args:
            origins: indices `[O]`.
            function: makes of a series and origins one number per origin, from values up to each.
        """
        measured = np.empty(len(origins))
        for known, of in self.vintages(origins):
            measured[of] = function(known, origins[of])
        return measured

    def _hidden(self, origin: int) -> Ints:
        """Return the indices of implausible values that an origin does not know to be so."""
        places, revealed = self.implausible
        return places[(places <= origin) & (revealed > origin)]

    def _known(self, origin: int, end: int) -> Floats:
        """Return the values before `end`, as an origin knows them."""
        hidden = self._hidden(origin)
        known = self.cleaned[:end]
        if len(hidden):
            known = known.copy()
            known[hidden] = self.values[hidden]
        return known
