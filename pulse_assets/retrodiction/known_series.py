"""A series as each origin knows it: implausible values are missing once they are revealed.

A value is only known to be implausible when the series has come back. So an origin between the two
sees the value, and all later origins see a missing value, in the whole of the past.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
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

    def hidden(self, origin: int) -> Ints:
        """Return the indices of implausible values that an origin does not know to be so."""
        places, revealed = self.implausible
        return places[(places <= origin) & (revealed > origin)]

    def at(self, origin: int, end: int | None = None) -> Floats:
        """Return the values up to an origin, or before `end`, as the origin knows them."""
        hidden = self.hidden(origin)
        known = self.cleaned[: origin + 1 if end is None else end]
        if len(hidden):
            known = known.copy()
            known[hidden] = self.values[hidden]
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
        >>> known = vintages([KnownSeries(walk)], np.array([14, 15, 16]))
        >>> [(len(values), of.tolist()) for (values,), of in known]
        [(16, [False, True, False]), (20, [True, False, True])]
    """
    settled = np.ones(len(origins), bool)
    if not any(len(one.implausible[0]) for one in series):
        yield tuple(one.values for one in series), settled
        return
    # Between two of these indices the values that are not yet revealed are the same.
    changes = np.unique(np.concatenate([places for one in series for places in one.implausible]))
    for begin, end in itertools.pairwise(changes):
        of = (origins >= begin) & (origins < end)
        if of.any() and any(len(one.hidden(begin)) for one in series):
            settled &= ~of
            yield tuple(one.at(begin, end) for one in series), of
    if settled.any() or not len(origins):
        yield tuple(one.cleaned for one in series), settled
