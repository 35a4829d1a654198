"""Series with revisions: rules see what each origin knew, weights learn from first releases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulse_assets.retrodiction.indicators import IndicatorRule
from pulse_assets.retrodiction.known_series import KnownSeries, Revisions
from pulse_assets.retrodiction.real_time import vintages_of
from pulse_assets.retrodiction.retrodict import retrodict
from pulse_assets.retrodiction.rules import RULES, resolve_rules

LENGTH = 80
HORIZONS = [1, 3]


def walk(rng, length=LENGTH):
    return 50.0 + rng.standard_normal(length).cumsum()


def revisions_of(y, rng, count):
    """Return plausible later releases of some values, each known some origins after its own."""
    indices = np.sort(rng.integers(0, len(y) - 1, count))
    known_from = indices + rng.integers(1, 30, count)
    order = np.lexsort((known_from, indices))
    values = y[indices] + 0.3 * rng.standard_normal(count)
    return Revisions(indices[order], values[order], known_from[order])


def known_at(y, revisions, origin):
    """Return the series as an origin knows it, one release after the other."""
    values = y[: origin + 1].copy()
    for index, value, first in zip(*revisions, strict=True):
        if first <= origin:
            values[index] = value
    return values


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(20, LENGTH - 1))
def test_each_rule_forecasts_from_the_values_known_at_the_origin(seed, count, origin):
    """The oracle applies the releases one by one, and runs the rules on that series alone."""
    rng = np.random.default_rng(seed)
    y = walk(rng)
    revisions = revisions_of(y, rng, count)
    rules = [rule for rule in RULES.values() if rule.name != "seasonal_naive"]
    series = KnownSeries.of(y, 4, revisions)
    real_time = retrodict(series, [origin - 3, origin, LENGTH - 1], HORIZONS, 4, rules)
    alone = retrodict(known_at(y, revisions, origin), [origin], HORIZONS, 4, rules)
    ours = real_time.predicted[: len(rules), 1]
    np.testing.assert_array_equal(ours, alone.predicted[: len(rules), 0])


def test_weights_and_intervals_learn_from_first_releases():
    """A constant revision of all values moves naive's forecasts by nothing: each is an origin."""
    rng = np.random.default_rng(1)
    y = walk(rng)
    everything = Revisions(np.arange(LENGTH - 1), y[:-1] + 5.0, np.arange(1, LENGTH))
    origins, rules = [60, LENGTH - 1], resolve_rules(["naive"])
    revised = retrodict(KnownSeries.of(y, 1, everything), origins, HORIZONS, 1, rules)
    plain = retrodict(y, origins, HORIZONS, 1, rules)
    for name in ("predicted", "quantiles", "weights"):
        np.testing.assert_array_equal(getattr(revised, name), getattr(plain, name))


def test_a_revision_that_no_origin_knows_changes_nothing():
    rng = np.random.default_rng(2)
    y = walk(rng)
    later = Revisions(np.array([3, 70]), np.array([1e6, np.nan]), np.array([75, 79]))
    rules, origins = resolve_rules(["naive", "holt", "ar_diff_3"]), [40, 74]
    revised = retrodict(KnownSeries.of(y, 4, later), origins, HORIZONS, 4, rules)
    plain = retrodict(KnownSeries.of(y, 4), origins, HORIZONS, 4, rules)
    for name in ("predicted", "quantiles", "weights"):
        np.testing.assert_array_equal(getattr(revised, name), getattr(plain, name))


def test_a_typing_error_in_a_vintage_is_missing_once_it_is_revealed():
    y = np.arange(40.0) % 3
    typo = Revisions(np.array([20, 20]), np.array([1e5, y[20]]), np.array([25, 35]))
    vintages = vintages_of(y, typo, 1)
    assert [vintage.origins.tolist() for vintage in vintages] == [
        list(range(25)),
        list(range(25, 35)),
        list(range(35, 40)),
    ]
    assert [vintage.values[20] for vintage in vintages[::2]] == [y[20], y[20]]
    assert np.isnan(vintages[1].values[20])


@pytest.mark.parametrize("start", [0, 7])
def test_a_leading_indicator_keeps_its_dates_in_each_vintage(start):
    """The first values of the series may come late: no indicator is read before the others."""
    rng = np.random.default_rng(3)
    y, indicator = walk(rng), walk(rng)
    first = y.copy()
    first[:start] = np.nan
    revisions = Revisions(np.array([2, 30]), np.array([50.0, y[30] + 0.1]), np.array([60, 50]))
    rule = IndicatorRule.of("x", KnownSeries.of(indicator), start)
    series = KnownSeries.of(first, 1, revisions)
    real_time = retrodict(series, [55, 70], HORIZONS, 1, [RULES["naive"], rule])
    for place, origin in enumerate([55, 70]):
        known = known_at(first, revisions, origin)
        begin = int(np.flatnonzero(np.isfinite(known))[0])
        before = np.where(np.arange(LENGTH) < start, np.nan, indicator)[: origin + 1]
        alone = IndicatorRule.of("x", KnownSeries.of(before), begin)
        expected = retrodict(known, [origin], HORIZONS, 1, [RULES["naive"], alone])
        np.testing.assert_array_equal(real_time.predicted[1, place], expected.predicted[1, 0])
