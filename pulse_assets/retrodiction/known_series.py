"""A series as each origin knows it: implausible values are missing once they are revealed.

A value is known to be implausible only after a later value has undone its jump. Origins before that
use the value; all later origins treat it as missing.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from pulse_assets.array_types import Bools, Floats, Ints
from pulse_assets.retrodiction.arrays import first_known
from pulse_assets.retrodiction.implausible import find_implausible


class Revisions(NamedTuple):
    """Later releases of values of a series, `[R]`, those of one value in order of publication.

    Attributes:
        indices: index of each value.
        values: what it is from then on; NaN: withdrawn.
        known_from: index of the first origin that knows it.
    """

    indices: Ints
    values: Floats
    known_from: Ints


@dataclass(frozen=True)
class KnownSeries:
    """A series, its implausible values and its revisions.

    Attributes:
        values: the first release of each value `[T]`; NaN where missing.
        implausible: indices of the implausible values, ascending, and of the values that reveal
            them, `[K]` each.
        revisions: the later releases; None: none.
    """

    values: Floats
    implausible: tuple[Ints, Ints]
    revisions: Revisions | None = None

    @classmethod
    def of(cls, values: Floats, season: int = 1, revisions: Revisions | None = None) -> Self:
        """Return a series with its implausible values.

        Args:
            values: the series `[T]`; NaN where missing.
            season: observations per season; 1: none.
            revisions: later releases of its values.
        """
        return cls(values, find_implausible(values, season), revisions)

    def carried(self, last_known: Ints) -> Self:
        """Return the series at other dates: the last value that was known at each.

        A value counts as implausible from the first date on at which the value that reveals it is
        known.

        Args:
            last_known: index of the last value known at each date `[D]`, ascending; -1: none.
        """
        values = np.append(self.values, np.nan)[last_known]
        places, revealed = self.implausible
        if not len(places):
            return type(self)(values, self.implausible)
        firsts = last_known.searchsorted(places)
        ends = last_known.searchsorted(places, side="right")
        revealed_at = last_known.searchsorted(revealed)
        counts = np.where(revealed_at < len(last_known), ends - firsts, 0)
        steps = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        implausible = np.repeat(firsts, counts) + steps, np.repeat(revealed_at, counts)
        return type(self)(values, implausible)

    def shifted(self, steps: int) -> Self:
        """Return the series with `steps` NaN before it, or without its first `-steps` values.

        Example:
            >>> KnownSeries.of(np.array([1.0, 2.0])).shifted(1).values
            array([nan,  1.,  2.])
        """
        places, revealed = (indices + steps for indices in self.implausible)
        values = np.append(np.full(max(steps, 0), np.nan), self.values[max(-steps, 0) :])
        inside = places >= 0
        return type(self)(values, (places[inside], revealed[inside]))

    def measure(self, origins: Ints, function: Callable[[Floats, Ints], Floats]) -> Floats:
        """Return a function of the series as it is known at each origin `[O]`.

        Args:
            origins: indices `[O]`.
            function: returns one number per origin, given a series and origins; it uses no value
                after an origin.
        """
        measured = np.empty(len(origins))
        for (values,), where in versions([self], origins):
            measured[where] = function(values, origins[where])
        return measured

    def newest_value(self, index: int) -> float:
        """Return the newest release of a value."""
        if self.revisions is not None:
            later = np.flatnonzero(self.revisions.indices == index)
            if len(later):
                return float(self.revisions.values[later[-1]])
        return float(self.values[index])

    def hides(self, origin: int) -> bool:
        """Return whether there are implausible values up to an origin that are revealed later."""
        places, revealed = self.implausible
        return bool(((places <= origin) & (revealed > origin)).any())

    def at(self, origin: int, end: int | None = None) -> Floats:
        """Return the values up to an origin, or before `end`, as the origin knows them.

        An implausible first value is replaced by the next plausible one, so that the first value
        of the series stays at its index.

        Args:
            origin: index of the last value that may be used.
            end: index before which values are returned instead; those up to the origin are the
                same.
        """
        values = self.values[: origin + 1 if end is None else end]
        places, revealed = self.implausible
        missing = places[revealed <= origin]
        if len(missing):
            values = np.array(values, np.float64)
            first = first_known(values)
            values[missing] = np.nan
            if first == missing[0]:
                values[first] = values[first_known(values)]
        return values


def versions(
    series: Sequence[KnownSeries], origins: Ints
) -> Iterator[tuple[tuple[Floats, ...], Bools]]:
    """Yield each version of several series, and which origins `[O]` know this version.

    Each origin knows one version. A version may contain values after an origin that knows it.

    Args:
        series: the series, `[T]` each.
        origins: indices `[O]` of the last value that may be used, in any order.

    Example:
        >>> walk = np.arange(20) % 2.0
        >>> walk[15] = 1000.0
        >>> known = versions([KnownSeries.of(walk)], np.array([14, 15, 16]))
        >>> [(len(values), where.tolist()) for (values,), where in known]
        [(16, [False, True, False]), (20, [True, False, True])]
    """
    settled = np.ones(len(origins), bool)
    if not any(len(member.implausible[0]) for member in series):
        yield tuple(member.values for member in series), settled
        return
    # Between two of these indices the same values are not yet revealed.
    indices = [places for member in series for places in member.implausible]
    for start, end in itertools.pairwise(np.unique(np.concatenate(indices)).tolist()):
        where = (origins >= start) & (origins < end)
        if where.any() and any(member.hides(start) for member in series):
            settled &= ~where
            yield tuple(member.at(start, end) for member in series), where
    if settled.any() or not len(origins):
        # For these origins all values are plausible that are not revealed by the last of them.
        last = int(origins[settled].max(initial=-1))
        yield tuple(member.at(last, len(member.values)) for member in series), settled
