"""Run rules over a series whose values were revised: from each origin on what was known there.

Origins between two revisions know the same series, a *vintage*. All rules run over each vintage,
but only the forecasts from its own origins are kept. A series without revisions has one vintage.

Weights and intervals learn from the first releases alone, whatever a value was revised to later.

Source:
    Croushore and Stark (2001), A real-time data set for macroeconomists, Journal of Econometrics
    105 (1), doi:10.1016/S0304-4076(01)00072-0.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pulse_assets.array_types import Floats, Ints
from pulse_assets.retrodiction.arrays import first_known, rescale
from pulse_assets.retrodiction.failures import RuleFailure
from pulse_assets.retrodiction.indicators import IndicatorRule
from pulse_assets.retrodiction.known_series import KnownSeries, Revisions
from pulse_assets.retrodiction.rules import Rule
from pulse_assets.retrodiction.walk_forward import SeriesBatch


class Vintage(NamedTuple):
    """A series as some origins know it.

    Attributes:
        values: the values up to the last of these origins `[T]`; each origin knows those up to it.
        origins: indices of the origins, ascending, without a gap `[O]`.
    """

    values: Floats
    origins: Ints


def vintages_of(first_releases: Floats, revisions: Revisions, season: int) -> list[Vintage]:
    """Return the vintages of a series, in order of their origins.

    Values that look implausible in a vintage are missing in it.

    Args:
        first_releases: the first release of each value `[T]`; NaN where missing.
        revisions: the later releases.
        season: observations per season; 1: none.

    Example:
        >>> revised = Revisions(np.array([0]), np.array([5.0]), np.array([2]))
        >>> vintages = vintages_of(np.array([1.0, 2.0, 3.0]), revised, 1)
        >>> [(v.values.tolist(), v.origins.tolist()) for v in vintages]
        [([1.0, 2.0], [0, 1]), ([5.0, 2.0, 3.0], [2])]
    """
    values, length = np.array(first_releases, np.float64), len(first_releases)
    order = np.argsort(revisions.known_from, kind="stable")
    indices, known_from = revisions.indices[order], revisions.known_from[order]
    firsts = np.unique(known_from[known_from < length]).tolist()
    vintages = []
    for first, end in itertools.pairwise([*sorted({0, *firsts}), length]):
        new = slice(*known_from.searchsorted([first, first + 1]))
        values[indices[new]] = revisions.values[order[new]]
        plausible = KnownSeries.of(values[: first + 1], season).at(first)
        whole = np.append(plausible, values[first + 1 : end])
        vintages.append(Vintage(whole, np.arange(first, end)))
    return vintages


def run_on_vintages(
    vintages: Sequence[Vintage],
    rule: Rule,
    batch: SeriesBatch,
    origins: range,
    forecasts: Floats,
    failures: list[RuleFailure] | None,
) -> None:
    """Fill `forecasts` `[O, H]` with those of a rule from each origin on the vintage known there.

    Args:
        vintages: the vintages of a series.
        rule: the rule.
        batch: the first releases of the series, from the first known value on, and its unit.
        origins: the origins, indices of the values of `batch`.
        forecasts: the array to fill; NaN where no value is known.
        failures: receives the origins from which the rule failed; None: they are raised.

    Raises:
        RuleError: the rule failed, and `failures` is None.
    """
    forecasts[:] = np.nan
    start = len(vintages[-1].values) - len(batch.filled)  # the index of the batch's first value
    for chosen in _together(vintages, rule, range(origins.start + start, origins.stop + start)):
        values, own_origins = zip(*chosen, strict=True)
        own = SeriesBatch.of(values, own_origins, batch.request.horizons, batch.request.season)
        later = first_known(chosen[0].values) - start
        aligned = rule.starting_at(later) if isinstance(rule, IndicatorRule) else rule
        places = np.concatenate(own_origins) - start
        _fill(own, aligned, places, batch.units[0], origins.start, forecasts, failures)


def _together(vintages: Sequence[Vintage], rule: Rule, origins: range) -> Iterator[list[Vintage]]:
    """Yield the vintages that a rule forecasts in one call, with those of the origins alone.

    A rule on a leading indicator forecasts one series a call, all others any number of them.
    """
    chosen = []
    for values, own in vintages:
        first = max(origins.start, first_known(values))
        wanted = own[(own >= first) & (own < origins.stop)]
        if len(wanted):
            chosen.append(Vintage(values, wanted))
    if isinstance(rule, IndicatorRule):
        yield from ([vintage] for vintage in chosen)
    elif chosen:
        yield chosen


def _fill(
    own: SeriesBatch,
    rule: Rule,
    origins: Ints,
    unit: float,
    first: int,
    forecasts: Floats,
    failures: list[RuleFailure] | None,
) -> None:
    """Fill the rows of `forecasts` `[O, H]`, from origin `first` on, that belong to a batch."""
    filled = np.empty((len(origins), forecasts.shape[1]))
    raised = None if failures is None else list[RuleFailure]()
    own.fill(rule, filled, raised)
    rescale(filled, own.request.origin_offsets, own.units / unit)
    forecasts[origins - first] = filled
    for failure in raised or ():
        place = own.request.origins.searchsorted(failure.origin)
        failures.append(failure._replace(origin=int(origins[place])))  # type: ignore[union-attr]
