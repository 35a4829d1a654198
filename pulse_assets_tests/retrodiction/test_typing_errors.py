"""Wrong values do not spoil what comes after them, and no origin knows of them too early."""

import numpy as np
import pytest

from pulse_assets.retrodiction.indicators import IndicatorRule
from pulse_assets.retrodiction.known_series import KnownSeries
from pulse_assets.retrodiction.retrodict import retrodict
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, resolve_rules
from pulse_assets.retrodiction.user_rules import FastRule, SlowRule
from pulse_assets_tests.retrodiction.examples import InThisProcess, screen_indicators

RULES = resolve_rules(DEFAULT_MODELS)
LENGTH, TYPO, HORIZONS = 300, 150, np.array([1, 3, 12])
#: Observations after a wrong value from which on the ensemble errs at most so much more.
RECOVERED, GOAL = 15, 1.10
SEEDS = range(4)
SEASONS = {"monthly": 12, "quarterly": 4, "weekly": 52, "daily": 7}


def walk(seed, season=1, length=LENGTH):
    rng = np.random.default_rng(seed)
    cycle = 6.0 * np.sin(2.0 * np.pi * np.arange(length) / season) if season > 1 else 0.0
    return 100.0 + np.cumsum(rng.normal(size=length)) + cycle


def spoil(y, changes):
    """Multiply the values at some places; 0 makes them 0."""
    spoilt = y.copy()
    for at, factor in changes.items():
        spoilt[at] *= factor
    return spoilt


def errors_after(made_of, truth, first, season, rules=RULES):
    """Absolute errors of the ensemble by horizon, and the widths of its intervals."""
    origins = np.arange(first, len(truth) - HORIZONS[-1])
    made = retrodict(made_of, origins, HORIZONS, season, rules)
    ours = made.models.index("ensemble")
    errors = np.abs(made.predicted[ours] - truth[origins[:, None] + HORIZONS])
    return errors.mean(axis=0), (made.quantiles[-1] - made.quantiles[0])[ours].mean(axis=0)


def compare(changes, *, season=12, cycle=1):
    """Error and width with wrong values over those without, means over series, by horizon."""
    found = []
    for seed in SEEDS:
        y = walk(seed, cycle)
        first = max(max(changes) + RECOVERED, 30)
        spoilt = errors_after(spoil(y, changes), y, first, season)
        found.append([spoilt, errors_after(y, y, first, season)])
    spoilt, clean = np.mean(found, axis=0)
    return spoilt / clean


@pytest.mark.parametrize("factor", [1000, 10, 1.5, 1.1, 0.1, 0.001, 0.0, -1.0])
@pytest.mark.parametrize("calendar", SEASONS)
def test_one_wrong_value_is_forgotten(factor, calendar):
    """Case 22."""
    error, width = compare({TYPO: factor}, season=SEASONS[calendar])
    assert error.max() <= GOAL
    assert 0.8 < width.min() <= width.max() < 1.25


@pytest.mark.parametrize("factor", [1000, 10, 2, 0.001, 0.0, -1.0])
def test_one_wrong_value_in_a_season_is_forgotten(factor):
    error, _ = compare({TYPO: factor}, cycle=12)
    assert error.max() <= GOAL


@pytest.mark.parametrize(
    "changes",
    [
        {100: 1000, 130: 10, 133: -1, 135: 0.001, 150: 100},
        {149: 1000, 150: 1000},
        {148: 1000, 149: 10, 150: 100},
        {150: 1000, 152: 1000},
        {0: 1000},
        {0: 0.001, 1: 0.001},
        {1: 1000},
        {0: 1000, 4: 1000},
        {11: -1},
    ],
    ids=str,
)
def test_wrong_values_at_any_place_are_forgotten(changes):
    error, width = compare(changes)
    assert error.max() <= GOAL
    assert width.max() < 1.5


def test_the_last_value_spoils_nothing_before_it():
    y = walk(0)
    spoilt = spoil(y, {LENGTH - 1: 1000})
    origins = range(LENGTH - 30, LENGTH - 1)
    for one, other in zip(made_of(spoilt, origins), made_of(y, origins), strict=True):
        np.testing.assert_array_equal(one, other)


def made_of(y, origins, rules=RULES, season=12):
    made = retrodict(y, origins, HORIZONS, season, rules)
    return made.predicted, made.quantiles, made.weights


def test_a_step_widens_the_intervals_for_no_years():
    """Nothing undoes a new base of an index, so no value of it is implausible."""
    ratios = []
    for seed in SEEDS:
        y = walk(seed)
        stepped = y + np.where(np.arange(LENGTH) >= TYPO, 1000.0, 0.0)
        widths = [errors_after(one, one, TYPO + 60, 12)[1] for one in (stepped, y)]
        ratios.append(widths[0] / widths[1])
    assert np.mean(ratios, axis=0).max() < 4.0


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("places", [[150], [0], [3], [11], [60, 100, 150]], ids=str)
def test_a_wrong_value_of_an_indicator_is_forgotten(places, rows):
    """Also one of an indicator that is observed at every third row alone."""
    ratios = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        seen = np.arange(LENGTH) // rows
        leading = 100.0 + np.cumsum(rng.normal(size=seen[-1] + 1))
        y = np.append(np.zeros(2), leading[seen][:-2]) + 0.3 * np.cumsum(rng.normal(size=LENGTH))
        spoilt = spoil(leading, dict.fromkeys(np.array(places) // rows, 1000))
        first = max(places[-1] + RECOVERED, 60)
        errors = [
            errors_after(
                y, y, first, 12, [*RULES, IndicatorRule("indicator", x.values, x.implausible)]
            )[0]
            for x in (KnownSeries.of(one).carried(seen) for one in (spoilt, leading))
        ]
        ratios.append(errors[0] / errors[1])
    assert np.mean(ratios, axis=0).max() <= GOAL


def test_a_wrong_value_hides_no_indicator():
    rng = np.random.default_rng(0)
    leading = 100.0 + np.cumsum(rng.normal(size=LENGTH))
    y = np.append(np.zeros(2), leading[:-2]) + 0.3 * np.cumsum(rng.normal(size=LENGTH))
    spoilt = spoil(leading, {100: 1000})
    for x in (spoilt, leading):
        assert [rule.name for rule in screen_indicators(y, {"x": x}, 200)] == ["ar_with_x"]


def rules_of_users():
    def last_two(y, origins, horizons, season):
        before = y[np.maximum(origins - 1, 0)]
        return np.repeat((y[origins] / 2 + before / 2)[:, None], len(horizons), axis=1)

    def highest(y, horizons, season):
        return [y[-5:].max()] * len(horizons)

    return [
        InThisProcess(FastRule("fast", True, None, 1, last_two)),
        InThisProcess(SlowRule("slow", True, 24, 2, highest)),
    ]


def test_an_origin_sees_what_was_known_there():
    """At the wrong value nobody knows that it is wrong; before and after it plays no part."""
    rules = [*RULES, *rules_of_users()]
    y = walk(2, length=60)
    spoilt, missing = spoil(y, {40: 1000}), spoil(y, {40: np.nan})
    origins = [39, 40, 41, 45]
    whole, cut = made_of(spoilt, origins, rules), made_of(spoilt[:41], [39, 40], rules)
    without = made_of(missing, origins, rules)
    for ours, early, later in zip(whole, cut, without, strict=True):
        np.testing.assert_array_equal(ours[..., 1, :], early[..., 1, :])
        np.testing.assert_array_equal(ours[..., [0, 2, 3], :], later[..., [0, 2, 3], :])
    naive = RULES.index(next(rule for rule in RULES if rule.name == "naive"))
    assert whole[0][naive, :, 0].tolist() == [y[39], spoilt[40], y[41], y[45]]


def test_an_indicator_is_used_as_it_was_known_there():
    y, x = walk(3, length=80), walk(4, length=80)
    spoilt, missing = spoil(x, {40: 1000}), spoil(x, {40: np.nan})
    origins = [39, 40, 41, 60]

    def made(y, x, origins):
        return made_of(y, origins, [*RULES, IndicatorRule("indicator", x)])

    whole, cut = made(y, spoilt, origins), made(y[:41], spoilt[:41], [39, 40])
    for ours, early, later in zip(whole, cut, made(y, missing, origins), strict=True):
        np.testing.assert_array_equal(ours[..., 1, :], early[..., 1, :])
        np.testing.assert_array_equal(ours[..., [0, 2, 3], :], later[..., [0, 2, 3], :])


@pytest.mark.parametrize("factor", [2.0**40, 2.0**-40])
def test_units(factor):
    y = spoil(walk(5, length=100), {0: 1000, 50: 1000, 70: -1, 71: -1})
    made, scaled = made_of(y, range(100)), made_of(y * factor, range(100))
    for one, other in zip(made[:2], scaled[:2], strict=True):
        np.testing.assert_array_equal(one * factor, other)
    np.testing.assert_array_equal(made[2], scaled[2])


def test_a_rule_that_fails_is_named_once_per_origin():
    """Failures at an origin are those of the forecasts that are returned."""

    def picky(y, horizons, season):
        if y[-1] > 1000.0:
            raise ValueError("too high")
        return [y[-1]] * len(horizons)

    rule = InThisProcess(SlowRule("picky", True, 24, 2, picky))
    y = spoil(walk(6, length=60), {40: 1000})
    made = retrodict(y, [38, 39, 40, 41, 42], [1], 12, [*RULES, rule], strict=False)
    assert [(one.model, one.origin) for one in made.errors] == [("picky", 40)]
    assert np.isnan(made.predicted[len(RULES), :, 0]).tolist() == [False, False, True, False, False]
