import numpy as np
import pytest

from pulse_assets.errors import RuleError
from pulse_assets.retrodiction.rules import RULES
from pulse_assets.retrodiction.user_rules import FastRule, SlowRule
from pulse_assets.retrodiction.walk_forward import SeriesBatch, walk_forward
from pulse_assets_tests.retrodiction.examples import (
    InThisProcess,
    all_rules,
    random_walk,
    rules,
    seasonal_walk,
)

HORIZONS = [1, 3, 12]


def unusual_series():
    rng = np.random.default_rng(0)
    gaps = seasonal_walk(60)
    gaps[rng.random(60) < 0.4] = np.nan
    return {
        "constant": np.full(60, 5.0),
        "zero": np.zeros(60),
        "one value": np.array([3.0]),
        "two values": np.array([3.0, 4.0]),
        "empty": np.empty(0),
        "missing": np.full(60, np.nan),
        "huge": 1e300 * (1 + rng.random(60)),
        "huge, both signs": 1.7e308 * rng.choice([-1.0, 1.0], 60),
        "tiny": 1e-300 * (1 + rng.random(60)),
        "smallest": np.full(60, 5e-324) * rng.integers(0, 3, 60),
        "tiny, then huge": np.append(np.full(30, 1e-300), np.full(30, 1e300)),
        "negative": -seasonal_walk(60),
        "step": np.append(np.zeros(30), np.full(30, 9.0)),
        "spike": np.append(seasonal_walk(50), [1e12, *seasonal_walk(20)]),
        "gaps": gaps,
        "infinite": np.append(seasonal_walk(40), [np.inf, 3.0, -np.inf]),
    }


@pytest.mark.parametrize("name", unusual_series())
def test_unusual_series_give_no_warning_and_no_infinity(name):
    y = unusual_series()[name]
    made = walk_forward(y, range(len(y)), HORIZONS, 4, all_rules(len(y)))
    assert made.shape == (len(RULES) + 1, len(y), 3)
    assert not np.isinf(made).any()


@pytest.mark.parametrize("name", RULES)
def test_equals_forecasting_from_the_past_alone(name):
    y = seasonal_walk(70)
    whole = walk_forward(y, range(70), HORIZONS, 4, rules(name))[0]
    for origin in (0, 3, 20, 55):
        alone = walk_forward(y[: origin + 1], [origin], HORIZONS, 4, rules(name))[0, 0]
        np.testing.assert_array_equal(whole[origin], alone)


def test_picks_origins_in_the_order_asked():
    y = seasonal_walk(60)
    made = walk_forward(y, [50, 20, 50], HORIZONS, 4, rules())
    ascending = walk_forward(y, [20, 50], HORIZONS, 4, rules())
    np.testing.assert_array_equal(made, ascending[:, [1, 0, 1]])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_is_too_large_beside_the_first_value_counts_as_the_largest_number(sign):
    made = walk_forward([1e-300, sign * 1e300], [1], [1], 1, rules("naive"))
    assert made[0, 0, 0] == sign * np.finfo(np.float64).max * 2.0**-500


def test_no_origin_no_rule():
    assert walk_forward(np.arange(5.0), [], [1, 2], 1, rules("naive")).shape == (1, 0, 2)
    assert walk_forward(np.arange(5.0), [1], [1, 2], 1, []).shape == (0, 1, 2)


def test_leading_missing_values_do_not_count():
    y = seasonal_walk(40)
    late = np.concatenate([np.full(7, np.nan), y])
    made = walk_forward(late, range(47), HORIZONS, 4, rules())
    assert np.isnan(made[:, :7]).all()
    np.testing.assert_array_equal(made[:, 7:], walk_forward(y, range(40), HORIZONS, 4, rules()))


def test_a_missing_value_is_carried_forward():
    y = seasonal_walk(40)
    carried, gap = y.copy(), y.copy()
    carried[20:22], gap[20:22] = y[19], np.nan
    np.testing.assert_array_equal(
        walk_forward(gap, range(40), HORIZONS, 4, rules()),
        walk_forward(carried, range(40), HORIZONS, 4, rules()),
    )


@pytest.mark.parametrize("factor", [1024.0, -1.0, 1e-7, 3e200])
@pytest.mark.parametrize("name", RULES)
def test_forecasts_have_the_unit_of_the_series(name, factor):
    y = seasonal_walk(60)
    made = walk_forward(y, range(60), HORIZONS, 4, rules(name))
    scaled = walk_forward(y * factor, range(60), HORIZONS, 4, rules(name))
    np.testing.assert_allclose(scaled, made * factor, rtol=1e-6)


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.guarded])
def test_guarded_rules_stay_near_what_was_seen(name):
    y = 1.5 ** np.arange(40.0)
    made = walk_forward(y, range(40), [5], 4, rules(name))[0, :, 0]
    compared = [origin for origin in range(5, 40) if not np.isnan(made[origin])]
    assert compared
    for origin in compared:
        largest = max(abs(y[s] - y[s - i]) for s in range(origin + 1) for i in range(min(5, s) + 1))
        assert abs(made[origin] - y[origin]) <= 1.5 * largest * (1 + 1e-12)


class Broken:
    name, guarded, scale_free, history_origins = "broken", True, False, None

    def __init__(self, result):
        self.result = result

    def forecast(self, y, request):
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def test_a_failing_rule_is_named():
    with pytest.raises(RuleError, match=r"rule 'broken' failed: ZeroDivisionError: oh"):
        walk_forward(np.arange(5.0), [3], [1], 1, [Broken(ZeroDivisionError("oh"))])


def test_a_result_of_wrong_shape_is_named():
    with pytest.raises(
        RuleError, match=r"'broken' returned .* shape \(2, 2\), expected \(origins, 3\)"
    ):
        walk_forward(np.arange(5.0), [3], [1, 2, 3], 1, [Broken(np.zeros((2, 2)))])


def many():
    """Series of all kinds, and origins of each."""
    series = [*unusual_series().values(), random_walk(90, 1), seasonal_walk(7)]
    lengths = [len(y) for y in series]
    return series, [np.arange(n // 3, n, 2) for n in lengths]


@pytest.mark.parametrize("name", [*RULES, "last_two", "slow"])
@pytest.mark.parametrize("season", [1, 4])
def test_many_series_at_once_are_as_one_by_one(name, season):
    own = {
        "last_two": InThisProcess(FastRule("last_two", True, None, 2, last_two)),
        "slow": InThisProcess(SlowRule("slow", True, 2, 3, last_and_horizon)),
    }
    rule = own[name] if name in own else RULES[name]
    series, origins = many()
    batch = SeriesBatch.of(series, origins, HORIZONS, season)
    with np.errstate(over="ignore", invalid="ignore"):
        made = batch.forecast(rule)
    alone = [
        walk_forward(y, o, HORIZONS, season, [rule])[0]
        for y, o in zip(series, origins, strict=True)
    ]
    pairs = list(zip(alone, batch.first_origins, strict=True))
    np.testing.assert_array_equal(made, np.concatenate([one[first:] for one, first in pairs]))
    assert np.isnan(np.concatenate([one[:first] for one, first in pairs])).all()


def last_and_horizon(y, horizons, season):
    return y[-1] + horizons


def last_two(y, origins, horizons, season):
    return np.repeat(y[np.maximum(origins - 1, 0)][:, None], len(horizons), axis=1)
