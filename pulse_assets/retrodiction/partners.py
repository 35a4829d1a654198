"""Rules that read another variable: found from the past alone, and only where it truly leads.

A partner is kept when its changes, some steps ago, go with what an autoregression of the variable
itself could not foresee. Its rule is a regression of the variable's move over h steps on its own
last changes and the partner's: one regression a horizon, fitted as in `autoregression`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from scipy.special import ndtri

from pulse_assets.retrodiction.arrays import Floats, Ints, carry_forward, kernel, unit_of
from pulse_assets.retrodiction.asked import Asked
from pulse_assets.retrodiction.autoregression import regress_on_partner
from pulse_assets.retrodiction.known_series import KnownSeries
from pulse_assets.retrodiction.rules import PARTNER_PREFIX, RULES, Rule

#: Past changes of the variable and of its partner that enter.
OWN_LAGS: Final = 3
PARTNER_LAGS: Final = 6
#: Chance that unlinked variables yield any partner at all, over all pairs and lags tried.
FALSE_ALARM: Final = 0.01
#: Pairs of numbers that a correlation needs.
MIN_PAIRS: Final = 40
#: A spread below this share of the squares is rounding: the changes were all alike.
ROUNDING: Final = 1e-9


def find_partners(
    y: Floats,
    others: Mapping[str, Floats | KnownSeries],
    until: int,
    *,
    limit: int = 3,
) -> list[Rule]:
    """Find the variables that have led `y`, and make a rule of each.

    The rank correlation r between a partner's change i steps ago and the error of a one-step
    autoregression of `y` must exceed the normal quantile, |r| sqrt(n) > z, of `FALSE_ALARM`
    divided by the number of partners times lags tried.

    Args:
        y: the series `[T]`, NaN where missing; the rules are for this very array.
        others: by name, other series on y's dates `[T]`: what was known at each of them.
        until: index of the last value that may be used to choose.
        limit: keep at most so many, the strongest.

    Returns:
        Rules named `ar_with_<name>`, strongest first.
    """
    known = np.isfinite(y[: until + 1])
    if not known.any():
        return []
    start = int(known.argmax())
    surprise = ranks(_surprise(y[start : until + 1]))
    indicators = {
        name: KnownSeries.of(x) if isinstance(x, np.ndarray) else x for name, x in others.items()
    }
    strengths = {
        name: strongest_link(surprise, ranks(_changes(x.at(until)[start:])))
        for name, x in indicators.items()
    }
    needed = -ndtri(FALSE_ALARM / (2.0 * PARTNER_LAGS * max(len(others), 1)))
    found = [name for name in sorted(strengths) if strengths[name] > needed]
    found.sort(key=lambda name: -strengths[name])
    chosen = {name: indicators[name].shifted(-start) for name in found[:limit]}
    return [
        PartnerRule(f"{PARTNER_PREFIX}{name}", x.values, x.implausible)
        for name, x in chosen.items()
    ]


def _changes(x: Floats) -> Floats:
    """Return x_t - x_{t-1} `[T]`, infinite beyond the largest number there is."""
    with np.errstate(over="ignore"):
        return np.diff(x, prepend=np.nan)


def _surprise(y: Floats) -> Floats:
    """Return the errors of one-step autoregression: y_t less what was expected at t - 1 `[T]`."""
    filled = carry_forward(y)
    asked = Asked.of([len(y)], [np.arange(len(y))], [1], 1)
    expected = RULES[f"ar_diff_{OWN_LAGS}"].forecast(filled, asked)[:, 0]
    with np.errstate(over="ignore"):
        return np.append(np.nan, y[1:] - expected[:-1])


def ranks(values: Floats) -> Floats:
    """Return the ranks of the values about their middle, equal ones in between; NaN where none.

    Ranks, since one crisis must not make a partner.

    Example:
        >>> ranks(np.array([7.0, 9.0, np.nan, 9.0]))
        array([-1. ,  0.5,  nan,  0.5])
    """
    finite = np.isfinite(values)
    values = np.where(finite, values, np.nan)
    return _share_ranks(values, values.argsort(), int(finite.sum()))


@kernel  # pragma: no cover
def _share_ranks(values: Floats, order: Ints, known: int) -> Floats:
    shared = np.full(len(values), np.nan)
    first = 0
    while first < known:
        last = first
        while last + 1 < known and values[order[last + 1]] == values[order[first]]:
            last += 1
        shared[order[first : last + 1]] = (first + last + 1 - known) / 2.0
        first = last + 1
    return shared


@kernel  # pragma: no cover
def strongest_link(surprise: Floats, changes: Floats) -> float:
    """Return the largest |r| sqrt(n - 1) of `surprise` with `changes` 1 to `PARTNER_LAGS` before.

    r is the correlation over the n pairs known, so this is near the size of a normal number where
    there is no link. Below `MIN_PAIRS` it is 0.
    """
    strongest = 0.0
    for lag in range(1, PARTNER_LAGS + 1):
        n, first, second, squares, other_squares, products = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for t in range(lag, len(surprise)):
            a, b = surprise[t], changes[t - lag]
            if not np.isnan(a + b):
                n += 1.0
                first += a
                second += b
                squares += a * a
                other_squares += b * b
                products += a * b
        if n >= MIN_PAIRS:
            spread = (squares - first * first / n) * (other_squares - second * second / n)
            if spread > ROUNDING * squares * other_squares:
                link = abs(products - first * second / n) * np.sqrt((n - 1.0) / spread)
                strongest = max(strongest, link)
    return strongest


@dataclass(frozen=True, eq=False)
class PartnerRule:
    """A regression on the last changes of a variable and of its partner.

    Attributes:
        name: `ar_with_<partner>`.
        partner: the partner's values from the variable's first known one on, NaN at the head
            where it begins later.
        implausible: see `KnownSeries`; None: to be found.
        guarded: its forecasts are bounded.
        scale_free: it sees the variable in a unit that makes it near 1.
        history_origins: it runs over the whole history.
    """

    name: str
    partner: Floats
    implausible: tuple[Ints, Ints] | None = None
    guarded: bool = True
    scale_free: bool = True
    history_origins: int | None = None

    def forecast(self, y: Floats, asked: Asked) -> Floats:
        """Forecast from each origin of the one series `[O]`: `[O, H]`; see `Rule`."""
        partner = carry_forward(self.partner[: len(y)])
        begun = np.isfinite(partner)
        first = int(begun.argmax()) if begun.any() else len(y)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = partner / unit_of(partner[first:])
            start = max(OWN_LAGS, first + PARTNER_LAGS)
            made = regress_on_partner(y, scaled, start, asked.horizons, OWN_LAGS, PARTNER_LAGS)
        return made[asked.origins]

    def known(self, start: int) -> KnownSeries:
        """Return the partner's values beside a series whose first known value is at `start`."""
        if self.implausible is None:
            return KnownSeries.of(self.partner).shifted(start)
        return KnownSeries(self.partner, self.implausible).shifted(start)

    def with_partner(self, values: Floats, start: int) -> Self:
        """Return the rule with other values of the partner, see `known`."""
        return replace(self, partner=values[start:], implausible=None)
