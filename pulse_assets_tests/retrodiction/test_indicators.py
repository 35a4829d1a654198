import numpy as np
import pytest
from scipy.stats import pearsonr, rankdata

from pulse_assets.retrodiction.autoregression import RIDGE
from pulse_assets.retrodiction.indicators import (
    INDICATOR_LAGS,
    OWN_LAGS,
    Candidates,
    IndicatorRule,
    ranks,
)
from pulse_assets.retrodiction.least_squares import EVIDENCE_DISCOUNT
from pulse_assets.retrodiction.retrodict import retrodict
from pulse_assets.retrodiction.walk_forward import walk_forward
from pulse_assets_tests.retrodiction.examples import (
    random_walk,
    request_of,
    rules,
    screen_indicators,
)

SEEDS = range(6)


def largest_lagged_correlation(errors, changes):
    ((_, strengths),) = Candidates.of_changes({"x": changes}).correlations(ranks(errors)[None])
    return strengths[0]


def linked(length, seed, lag=3, strength=0.8):
    rng = np.random.default_rng(seed)
    dx, dy = rng.standard_normal((2, length))
    dy[lag:] += strength * dx[:-lag]
    return np.cumsum(dy), np.cumsum(dx)


@pytest.mark.parametrize("seed", SEEDS)
def test_finds_a_link_of_lag_3_among_noise(seed):
    y, x = linked(300, seed)
    noise = {f"noise_{i}": random_walk(300, 100 * (seed + 1) + i) for i in range(5)}
    found = screen_indicators(y, {**noise, "x": x}, 299)
    assert [rule.name for rule in found] == ["ar_with_x"]


@pytest.mark.parametrize("seed", SEEDS)
def test_finds_nothing_in_white_noise_and_random_walks(seed):
    rng = np.random.default_rng(seed)
    for made in (rng.standard_normal((6, 300)), rng.standard_normal((6, 300)).cumsum(axis=1)):
        others = {f"noise_{i}": made[i] for i in range(1, 6)}
        assert screen_indicators(made[0], others, 299) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_the_rule_beats_the_variable_alone(seed):
    y, x = linked(400, seed)
    origins = np.arange(200, 396)
    for h in (1, 3):
        truth = y[origins + h]
        pool = [*rules("ar_diff_3"), IndicatorRule("ar_with_x", x)]
        alone, together = np.abs(walk_forward(y, origins, [h], 1, pool)[:, :, 0] - truth).mean(
            axis=1
        )
        assert together < alone


def test_keeps_the_strongest():
    y, x = linked(400, 0)
    rng = np.random.default_rng(1)
    weaker = x + np.cumsum(rng.standard_normal(400))
    others = {"a_weaker": weaker, "x": x}
    names = [rule.name for rule in screen_indicators(y, others, 399)]
    assert names == ["ar_with_x", "ar_with_a_weaker"]
    assert [r.name for r in screen_indicators(y, others, 399, limit=1)] == ["ar_with_x"]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_first_link_found_has_forty_pairs(sign):
    y, x = linked(400, 0, strength=5.0)
    # An autoregression with four coefficients first expects a value at index 9.
    assert screen_indicators(y, {"x": sign * x}, 9 + 38) == []
    assert [rule.name for rule in screen_indicators(y, {"x": sign * x}, 9 + 39)] == ["ar_with_x"]


def test_reads_nothing_after_until():
    y, x = linked(400, 0)
    later = {name: x.copy() for name in "abcdef"}
    for values, move in zip(later.values(), (0.0, 0.7, -0.7, 0.3, 0.1, -0.2), strict=True):
        values[201] = values[200] + move
    # Equals stay in the order of their names.
    found = screen_indicators(y, later, 200, limit=9)
    assert [rule.name for rule in found] == [f"ar_with_{name}" for name in later]


@pytest.mark.parametrize("others", [{}, {"flat": np.ones(300)}, {"missing": np.full(300, np.nan)}])
def test_indicators_that_say_nothing(others):
    assert screen_indicators(linked(300, 0)[0], others, 299) == []


def test_no_value_no_indicator():
    assert screen_indicators(np.full(300, np.nan), {"x": random_walk(300)}, 299) == []


def test_a_indicator_that_begins_later_than_the_variable():
    y, x = linked(400, 0)
    x[:100] = np.nan
    (rule,) = screen_indicators(y, {"x": x}, 399)
    made = walk_forward(y, range(400), [1], 1, [rule])[0, :, 0]
    size = 1 + OWN_LAGS + INDICATOR_LAGS
    first = 100 + INDICATOR_LAGS + size + 2
    np.testing.assert_array_equal(np.isnan(made), np.arange(400) < first)


def test_a_variable_that_begins_later_than_its_indicator():
    y, x = linked(400, 0)
    y[:50] = np.nan
    (rule,) = screen_indicators(y, {"x": x}, 399)
    late = walk_forward(y, [350], [1, 2], 1, [rule])
    cut = walk_forward(y[50:], [300], [1, 2], 1, [IndicatorRule("ar_with_x", x[50:])])
    np.testing.assert_array_equal(late, cut)


def test_a_indicator_without_values_gives_no_forecast():
    rule = IndicatorRule("ar_with_x", np.full(60, np.nan))
    assert np.isnan(walk_forward(random_walk(60), [59], [1], 1, [rule])).all()


@pytest.mark.parametrize("h", [1, 3])
def test_equals_plain_least_squares(h):
    y, x = linked(60, 2)
    start = max(OWN_LAGS, INDICATOR_LAGS)

    def row(t):
        own = [y[t - i] - y[t - i - 1] for i in range(OWN_LAGS)]
        return np.array([1.0, *own, *[x[t - i] - x[t - i - 1] for i in range(INDICATOR_LAGS)]])

    def fit(t):
        rows = np.array([row(s) for s in range(start, t - h + 1)])
        moves = np.array([y[s + h] - y[s] for s in range(start, t - h + 1)])
        w = EVIDENCE_DISCOUNT ** np.arange(len(rows) - 1, -1, -1.0)
        gram = (rows * w[:, None]).T @ rows
        penalty = np.diag(np.diag(gram)) * RIDGE / w.sum()
        return np.linalg.solve(gram + penalty, (rows * w[:, None]).T @ moves)

    made = IndicatorRule("ar_with_x", x).forecast(y, request_of(y, [59], [h]))
    expected = y[59] + row(59) @ fit(59)
    np.testing.assert_allclose(made[0, 0], expected, rtol=1e-9)


def test_a_link_is_a_rank_correlation():
    rng = np.random.default_rng(3)
    errors, changes = rng.standard_normal((2, 120))
    changes[rng.random(120) < 0.2] = np.nan
    errors[:7] = np.nan
    # Few distinct values, so that ranks are shared.
    changes = np.round(changes)
    expected = []
    for lag in range(1, INDICATOR_LAGS + 1):
        a, b = ranks(errors)[lag:], ranks(changes)[:-lag]
        both = np.isfinite(a + b)
        expected.append(abs(pearsonr(a[both], b[both])[0]) * np.sqrt(both.sum() - 1))
    assert largest_lagged_correlation(errors, changes) == pytest.approx(max(expected))
    np.testing.assert_allclose(
        ranks(changes)[np.isfinite(changes)],
        rankdata(changes[np.isfinite(changes)]) - (np.isfinite(changes).sum() + 1) / 2,
    )


@pytest.mark.parametrize("lag", range(1, INDICATOR_LAGS + 2))
def test_a_link_is_looked_for_at_each_lag(lag):
    changes = np.random.default_rng(0).standard_normal(100)
    found = largest_lagged_correlation(np.append(np.full(lag, np.nan), -changes[:-lag]), changes)
    assert (found > 0.99 * np.sqrt(99 - lag)) == (lag <= INDICATOR_LAGS)


def test_a_indicator_s_unit_changes_nothing():
    y, x = linked(80, 0)
    request = request_of(y, range(80), [1, 3])
    made, scaled = (
        IndicatorRule("ar_with_x", x * factor).forecast(y, request) for factor in (1.0, 2.0**400)
    )
    np.testing.assert_array_equal(scaled, made)


def test_changes_alike_in_the_overlap_are_no_link():
    errors = np.append(np.full(60, np.nan), np.arange(60.0))
    changes = np.append(np.arange(50.0), np.full(70, 25.3))
    assert largest_lagged_correlation(errors, changes) == 0.0


def test_an_infinite_change_has_no_rank():
    np.testing.assert_array_equal(ranks(np.array([-np.inf, 2.0, 1.0])), [np.nan, 0.5, -0.5])


def test_equal_changes_share_a_rank():
    np.testing.assert_array_equal(ranks(np.array([3.0, 3.0])), [0.0, 0.0])
    np.testing.assert_array_equal(ranks(np.array([2.0, 5.0, 5.0, 1.0])), [-0.5, 1, 1, -1.5])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_leading_variable_earns_the_largest_share(seed):
    y, x = linked(400, seed)
    origins = np.arange(300, 397)
    pool = [*rules(), *screen_indicators(y, {"x": x, "noise": random_walk(400, seed + 50)}, 300)]
    made = retrodict(y, origins, [1, 3], 1, pool)
    share = made.weights[:-2].mean(axis=1)
    assert (share.argmax(axis=0) == made.models.index("ar_with_x")).all()
    assert (share.max(axis=0) > 0.3).all()
