"""Nothing after an origin may change a bit of what is made at it."""

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pulse_assets.errors import RuleError
from pulse_assets.retrodiction.arrays import first_known
from pulse_assets.retrodiction.indicators import IndicatorRule
from pulse_assets.retrodiction.known_series import KnownSeries
from pulse_assets.retrodiction.retrodict import retrodict
from pulse_assets.retrodiction.scores import mase_scale, squared_scale
from pulse_assets.retrodiction.trust import scan_trust
from pulse_assets.retrodiction.user_rules import FastRule, SlowRule
from pulse_assets.retrodiction.walk_forward import walk_forward
from pulse_assets_tests.properties import holds_for_all
from pulse_assets_tests.retrodiction.examples import (
    InThisProcess,
    random_walk,
    rules,
    screen_indicators,
    seasonal_walk,
)
from pulse_assets_tests.retrodiction.test_walk_forward import unusual_series

LENGTH = 48
HORIZONS = [1, 2, 7]
VALUES = st.one_of(
    st.just(np.nan),
    st.floats(-1e6, 1e6),
    st.sampled_from([0.0, 1e300, -1e300, 1e-300, 5e-324, np.inf]),
)


@st.composite
def typed_wrongly(draw):
    """A walk with wrong values, some of them in a row."""
    y = seasonal_walk(LENGTH, 4, draw(st.integers(0, 9)))
    for place in draw(st.lists(st.integers(0, LENGTH - 1), max_size=5)):
        y[place : place + draw(st.integers(1, 3))] *= draw(st.sampled_from([1e3, 1e6, 0.0, -1.0]))
    return y


@st.composite
def interrupted(draw):
    """A walk that begins late, with jumps before runs of missing values, also first and last.

    While values are missing nobody knows whether a jump will be undone.
    """
    y = seasonal_walk(LENGTH, 4, draw(st.integers(0, 9)))
    begin = draw(st.sampled_from([0, 0, 1, 2, 5, 14]))
    places = st.one_of(
        st.integers(begin, begin + 3), st.integers(LENGTH - 6, LENGTH - 1), st.integers(0, 47)
    )
    for place in draw(st.lists(places, min_size=1, max_size=4)):
        end = place + draw(st.integers(1, 3))
        y[place:end] *= draw(st.sampled_from([1e3, 1e6, 1e-3, 0.0, -1.0, 1e70]))
        y[end : end + draw(st.sampled_from([0, 1, 3, 8]))] = np.nan
    y[:begin] = np.nan
    return y


ANYTHING = arrays(np.float64, LENGTH, elements=VALUES, fill=VALUES)
#: A walk undoes a jump just before it.
POISON = st.one_of(ANYTHING, typed_wrongly(), interrupted())
ORIGINS = st.integers(0, LENGTH - 1)
METHODS = st.sampled_from(["dmsfe", "boa"])
#: Walks, what no series should be, and anything.
SERIES = st.one_of(
    st.integers(0, 9).map(lambda seed: seasonal_walk(LENGTH, 4, seed)),
    st.sampled_from([y[:LENGTH] for y in unusual_series().values() if len(y) >= LENGTH]),
    ANYTHING,
    typed_wrongly(),
    interrupted(),
)


def last_two(y, origins, horizons, season):
    before = y[np.maximum(origins - 1, 0)]
    return np.repeat((y[origins] / 2 + before / 2)[:, None], len(horizons), axis=1)


#: A user's rules in both forms.
USER_RULES = (
    InThisProcess(FastRule("fast", True, None, 1, last_two)),
    InThisProcess(
        SlowRule("slow", True, 24, 2, lambda y, horizons, season: [y[-5:].max()] * len(horizons))
    ),
)


def poisoned(y, origin, poison):
    return np.append(y[: origin + 1], poison[origin + 1 :])


def indicator_rules(y, other):
    """Rules with an indicator that is known at every row, and with one at every third row only."""
    last = np.maximum.accumulate(np.where(np.isfinite(other), np.arange(LENGTH), -1))
    start = min(first_known(y), LENGTH - 1)
    for name, rows in (
        ("ar_with_other", last),
        ("ar_with_third", last[np.arange(LENGTH) // 3 * 3]),
    ):
        known = KnownSeries.of(other).carried(rows).shifted(-start)
        yield IndicatorRule(name, known.values, known.implausible)


def compare_with_poisoned(y, other, poison, origin, method):
    future, other_future = poisoned(y, origin, poison), poisoned(other, origin, poison[::-1])

    def made(y, other, origins):
        pool = [*rules(), *USER_RULES, *indicator_rules(y, other)]
        found = retrodict(y, origins, HORIZONS, 4, pool, ensemble=method)
        return found.predicted, found.quantiles, found.weights

    for true, false in zip(
        made(y, other, range(origin + 1)), made(future, other_future, range(LENGTH)), strict=True
    ):
        np.testing.assert_array_equal(true, false[..., : origin + 1, :])


@holds_for_all(150, 600, y=SERIES, other=SERIES, poison=POISON, origin=ORIGINS, method=METHODS)
def test_the_future_changes_no_bit(y, other, poison, origin, method):
    compare_with_poisoned(y, other, poison, origin, method)


@holds_for_all(
    150, 600, y=interrupted(), other=interrupted(), poison=typed_wrongly(), origin=ORIGINS
)
def test_the_future_does_not_tell_which_values_are_wrong(y, other, poison, origin):
    """The poison undoes the last jump, in the series itself or in its indicator."""
    compare_with_poisoned(y, other, poison, origin, "dmsfe")


def test_slow_rules_begin_alike_whichever_vintages_a_late_series_has():
    """A jump before a gap, which only a value after the origin undoes."""
    y = seasonal_walk(LENGTH, 4, 3)
    y[:2], y[33], y[34:40] = np.nan, 1e8, np.nan
    compare_with_poisoned(y, seasonal_walk(LENGTH, 4, 5), seasonal_walk(LENGTH, 4, 3), 36, "dmsfe")


@holds_for_all(40, 500, y=SERIES, poison=POISON, origin=ORIGINS)
def test_the_future_changes_no_bit_of_one_origin_alone(y, poison, origin):
    pool = [*rules(), *USER_RULES, IndicatorRule("ar_with_other", y[::-1].copy())]
    made = walk_forward(y, [origin], HORIZONS, 4, pool)
    later = walk_forward(poisoned(y, origin, poison), range(LENGTH), HORIZONS, 4, pool)
    np.testing.assert_array_equal(made[:, 0], later[:, origin])


@holds_for_all(40, 500, y=SERIES, poison=POISON, origin=ORIGINS, season=st.integers(1, 13))
def test_the_future_changes_no_yardstick(y, poison, origin, season):
    y = np.where(np.isinf(y), np.nan, y)
    future = poisoned(y, origin, np.where(np.isinf(poison), np.nan, poison))
    for yardstick in (
        lambda y: mase_scale(y, [origin], season),
        lambda y: squared_scale(y, [origin]),
    ):
        np.testing.assert_array_equal(yardstick(y), yardstick(future))


@holds_for_all(
    25,
    500,
    poison=arrays(np.float64, 200, elements=VALUES, fill=VALUES),
    until=st.integers(100, 199),
)
def test_indicators_are_selected_from_the_past_only(poison, until):
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.standard_normal(200))
    y = np.append(np.zeros(3), x[:-3]) + 0.3 * rng.standard_normal(200)

    def names(y, x):
        return [
            rule.name for rule in screen_indicators(y, {"x": x, "z": random_walk(200, 1)}, until)
        ]

    assert (
        names(y, x)
        == names(poisoned(y, until, poison), poisoned(x, until, poison))
        == ["ar_with_x"]
    )


COUNTS = arrays(np.int64, (24, 4), elements=st.integers(0, 40))


def trust_after_each_batch(counts):
    wins, others = counts[:, :2].astype(float), counts[:, 2:].astype(float)
    sizes = {"block": np.array([24, 48]), "overlap": np.array([1, 12])}
    return scan_trust(wins, wins + others, 0.98, **sizes)


@holds_for_all(25, 500, counts=COUNTS, later=COUNTS, batch=st.integers(0, 23))
def test_later_batches_change_no_trust(counts, later, batch):
    other = np.concatenate([counts[: batch + 1], later[batch + 1 :]])
    for made, again in zip(
        trust_after_each_batch(counts), trust_after_each_batch(other), strict=True
    ):
        np.testing.assert_array_equal(made[: batch + 1], again[: batch + 1])


def test_a_rule_that_looks_ahead_is_caught():
    def tomorrow(y, origins, horizons, season):
        ahead = np.minimum(origins[:, None] + horizons, len(y) - 1)
        return y[ahead]

    cheat = InThisProcess(FastRule("cheat", True, None, 1, tomorrow))
    with pytest.raises(RuleError, match="'cheat' looks ahead"):
        walk_forward(seasonal_walk(LENGTH), range(LENGTH), HORIZONS, 4, [cheat])
