"""Several releases of one observation: the first one, and the later ones that change its value."""

from dataclasses import dataclass

import numpy as np

from pulse_assets.array_types import Bools, Dates, Floats, Ints


class SameDayError(Exception):
    """Two releases of one observation have one day of publication, or both have none."""

    def __init__(self, earlier: int, later: int) -> None:
        """Take the two rows, in the order in which they are in the source."""
        super().__init__(earlier, later)
        self.rows = (earlier, later)


@dataclass(frozen=True)
class DividedReleases:
    """Rows of a source, divided into first and later releases.

    Attributes:
        first: row of the first release of each observation, [T], in order of observation.
        later: rows of the later releases that change a value, [R], in order of observation and
            publication.
        observation: number of the observation of each later release, [R], 0..T-1.
    """

    first: Ints
    later: Ints
    observation: Ints


def divide_releases(observations: Ints, values: Floats, published: Dates) -> DividedReleases:
    """Find the first release of each observation, and the later ones that change its value.

    Releases are ordered by their day of publication; one without a day is the first. A later one
    without a value does not count. A first one does if it has a day: until the next one the value
    was missing.

    Args:
        observations: a number per row that is the same for all releases of one observation, [N].
        values: the released values, [N]; NaN where there is none.
        published: first day on which each release was public, [N]; NaT where it is not said.

    Raises:
        SameDayError: two releases of one observation have the same day, or both have none.

    Example:
        >>> days = np.array(["2020-03-01", "2020-02-01", "2020-04-01"], "M8[D]")
        >>> divided = divide_releases(np.array([7, 7, 7]), np.array([2.0, 1.0, 2.0]), days)
        >>> divided.first.tolist(), divided.later.tolist()
        ([1], [0])
    """
    days = published.astype(np.int64)  # of NaT the smallest number of all
    order = np.lexsort((days, observations))
    key, days = observations[order], days[order]
    twice = np.flatnonzero((key[1:] == key[:-1]) & (days[1:] == days[:-1]))
    if len(twice):
        raise SameDayError(int(order[twice[0]]), int(order[twice[0] + 1]))
    order = order[_counts(key, values[order], ~np.isnat(published[order]))]
    key, released = observations[order], values[order]
    is_first = _starts_observation(key)
    is_later = ~is_first & np.append(False, released[1:] != released[:-1])
    return DividedReleases(order[is_first], order[is_later], (np.cumsum(is_first) - 1)[is_later])


def _starts_observation(key: Ints) -> Bools:
    """Tell at which sorted rows another observation begins."""
    return np.append(True, key[1:] != key[:-1])


def _counts(key: Ints, values: Floats, has_day: Bools) -> Bools:
    """Tell which sorted releases count: those with a value, and the first of each observation.

    A first one without value and day says nothing, if there is another with a value.
    """
    valued, is_first = ~np.isnan(values), _starts_observation(key)
    number = np.cumsum(is_first) - 1
    any_valued = np.logical_or.reduceat(valued, np.flatnonzero(is_first))[number]
    says_nothing = ~valued & ~has_day & any_valued
    is_first |= np.append(False, says_nothing[:-1] & (number[1:] == number[:-1]))
    return valued | (is_first & ~says_nothing)
