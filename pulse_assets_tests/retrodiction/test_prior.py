"""The prior of the built-in rules: kinds of series, shares, and how it fades."""

import numpy as np
import pytest
from scipy.stats import f as f_distribution

from pulse_assets.retrodiction.combination import combine
from pulse_assets.retrodiction.combination.losses import CANDIDATE_DISCOUNT
from pulse_assets.retrodiction.combination.prior import (
    BOTH_SIGNS,
    EIGHTH_AT,
    EVIDENCE_SQUARINGS,
    KINDS,
    LEAST_PERCENT,
    PERCENT,
    SHORT,
    STRENGTH,
    Prior,
    kinds_of,
    make_prior,
    no_prior,
    prior_shares,
)
from pulse_assets.retrodiction.padding import pack
from pulse_assets.retrodiction.retrodict import retrodict
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, RULES, resolve_rules
from pulse_assets_tests.retrodiction.test_combination import winsorised

NAN = np.nan


def test_each_cell_of_the_table_shares_out_nearly_everything():
    """Shares below 3 % are left out, and each kind has rules that can forecast it."""
    cells = np.array([*PERCENT.values()])
    assert cells.shape == (len(PERCENT), KINDS, 3)
    assert set(PERCENT) <= set(DEFAULT_MODELS) <= set(RULES)
    assert (cells.sum(axis=0) >= 85).all() and (cells.sum(axis=0) <= 101).all()
    seasonal = [name.startswith("seasonal") or "adjusted" in name for name in PERCENT]
    assert (cells[seasonal][:, :2] == 0).all()  # they sleep in a series without seasons


def test_built_in_rules_without_a_share_have_the_least():
    shares = prior_shares(("drift", "theta_adjusted", None), 8)
    assert (shares[:-1, :, 0] == LEAST_PERCENT / 100).all()
    assert (shares[-1] == 0.0).all()
    assert shares[4, 0, 1] == PERCENT["theta_adjusted"][4][0] / 100
    assert (shares[:, :, 2:] == 0.0).all()


@pytest.mark.parametrize("season", [2, 4, 7, 12])
@pytest.mark.parametrize("strength", [0.0, 0.5, 3.0])
def test_a_season_is_found_as_the_f_test_finds_it(season, strength):
    """Beside SciPy's distribution, from which the approximation differs by less than 0.003."""
    rng = np.random.default_rng([season, int(2 * strength)])
    y = np.cumsum(rng.standard_normal(20 * season))
    y += strength * np.tile(rng.standard_normal(season), 20) + 100.0
    kinds = kinds_of(y, y, season)
    undecided = 0
    for t in range(len(y)):
        found = False
        if t + 1 >= 3 * season:
            changes, places = np.diff(y[: t + 1]), np.arange(1, t + 1) % season
            means = np.array([changes[places == p].mean() for p in range(season)])
            between = ((means[places] - changes.mean()) ** 2).sum() / (season - 1)
            within = ((changes - means[places]) ** 2).sum() / (t - season)
            level = f_distribution.cdf(between / within, season - 1, t - season)
            if abs(level - 0.9) < 0.003:
                undecided += 1
                continue
            found = level > 0.9
        assert kinds[t] == (4 if found else 2) + (t + 1 > SHORT)
    assert undecided < len(y) / 10


def test_kinds_by_hand():
    """Up and down in turn is a season of 2 from the sixth value on; no season of 1."""
    y = np.tile([1.0, 2.0], 40)
    assert kinds_of(y, y, 2).tolist() == [2] * 5 + [4] * 55 + [5] * 20
    assert kinds_of(y, y, 1).tolist() == [0] * 60 + [1] * 20
    line = 1.0 + 0.1 * np.arange(40.0)  # its changes differ by rounding errors alone
    assert set(kinds_of(line, line, 4)) == {2}
    assert kinds_of(-line, -line, 4).tolist() == kinds_of(line, line, 4).tolist()
    signs = np.array([0.0, 1.0, 2.0, -1.0, 4.0])
    assert kinds_of(signs, signs, 1).tolist() == [0, 0, 0, BOTH_SIGNS, BOTH_SIGNS]


def test_missing_values_tell_nothing_of_the_kind():
    """They count neither as values nor as changes."""
    y = np.cumsum(np.random.default_rng(0).standard_normal(90)) + 100.0
    observed = np.where(np.arange(90) % 9 < 3, NAN, y)
    counts = (~np.isnan(observed)).cumsum()
    np.testing.assert_array_equal(kinds_of(y, observed, 1), counts > SHORT)
    other = np.where(np.isnan(observed), 1e6, y)
    np.testing.assert_array_equal(kinds_of(other, observed, 4), kinds_of(y, observed, 4))


def combined(members, y, h, prior):
    """Weights `[T, M]` and forecasts `[T]` of one horizon."""
    padded = pack(np.array(members)[:, :, None])
    count, origins = len(members), np.arange(len(y))
    weights = combine(padded, y, y, np.array([h]), origins, count, "dmsfe", prior)
    return weights[0, :, :count], padded[0, :, count]


@pytest.mark.parametrize("names", [("holt", "ar_level_1", "naive"), ("holt", None, "naive")])
@pytest.mark.parametrize("h", [1, 5])
def test_weights_are_shared_out_as_defined(names, h):
    """The definition, from the learned weights; where a rule is not built in, it keeps its own."""
    rng = np.random.default_rng(h)
    y = np.cumsum(rng.standard_normal(150)) + 100.0
    members = [np.append(y[h:], y[-h:]) + s * rng.standard_normal(150) for s in (1.0, 0.6, 2.0)]
    members[0][30:40] = NAN  # it sleeps
    width = pack(np.array(members)[:, :, None]).shape[2]
    prior = make_prior(names, y, y, 1, width)
    learned, by_learned = combined(members, y, h, no_prior(150, width))
    made, forecasts = combined(members, y, h, prior)
    filled = np.nan_to_num(np.array(members))
    group = 0 if h <= 3 else 1
    errors, expected, by_prior = np.zeros(2), [], np.zeros(150)
    references, largest = winsorised(np.abs(y[h:] - y[:-h]))
    total = count = unit = 0.0
    for t in range(150):
        if t >= h:
            s = t - h
            total, count = 0.99 * total + references[s], 0.99 * count + 1.0
            unit = total / count
            new = np.abs(np.array([by_learned[s], by_prior[s]]) - y[t])
            errors = CANDIDATE_DISCOUNT * errors + np.minimum(new, largest[s])
        shares = prior.shares[prior.kinds[t], group, :3] * ~np.isnan(np.array(members)[:, t])
        if h == 1 and 30 <= t < 45:
            shares = np.where(learned[t] > 0.0, shares, 0.0)  # too few verified
        built_in = np.array([name is not None for name in names])
        of_all = learned[t, built_in].sum()
        shared = np.where(built_in, of_all * shares / shares.sum(), learned[t])
        by_prior[t] = shared @ filled[:, t]
        part = STRENGTH * (EIGHTH_AT / (EIGHTH_AT + t + 1)) ** 3
        a, b = errors + unit
        odds = part / (1 - part) * min(1.0, a / b if b else 1.0) ** 2**EVIDENCE_SQUARINGS
        part = odds / (1 + odds)
        expected.append((1 - part) * learned[t] + part * shared)
    np.testing.assert_allclose(made, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(forecasts, (np.array(expected) * filled.T).sum(axis=1), rtol=1e-9)
    if None in names:
        np.testing.assert_allclose(made[:, 1], learned[:, 1], rtol=1e-12)


def test_a_rule_that_is_nearly_right_is_not_diluted():
    """On a straight line the evidence is overwhelming after 60 values, whatever the prior."""
    y = 3.0 + 2.0 * np.arange(60.0)
    made = retrodict(y, [59], [1, 3], 12, resolve_rules(DEFAULT_MODELS))
    np.testing.assert_allclose(made.predicted[-2, 0], [123.0, 127.0], rtol=1e-3)


def test_a_series_of_both_signs_has_the_learned_weights():
    """Growth rates are not among the series that the experience is from."""
    y = np.cumsum(np.random.default_rng(2).standard_normal(60))
    first = int((np.minimum.accumulate(y) * np.maximum.accumulate(y) < 0.0).argmax())
    assert 0 < first < 50
    members = [y, y + 1.0]
    made, forecasts = combined(members, y, 1, make_prior(("holt", "naive"), y, y, 1, 8))
    learned, by_learned = combined(members, y, 1, no_prior(60, 8))
    np.testing.assert_array_equal(made[first:], learned[first:])
    np.testing.assert_array_equal(forecasts[first:], by_learned[first:])
    assert (made[:first] != learned[:first]).any()


def test_a_prior_of_strength_0_changes_nothing():
    y = np.cumsum(np.random.default_rng(0).standard_normal(50))
    members, width = [y, y + 1.0], 8
    shares = prior_shares(("holt", "naive"), width)
    without = combined(members, y, 1, no_prior(50, width))
    made = combined(members, y, 1, Prior(shares, kinds_of(y, y, 4), 0.0))
    for one, other in zip(made, without, strict=True):
        np.testing.assert_array_equal(one, other)


def test_regret_alone_has_no_prior():
    """`boa` is what its formulas say; the default is not."""
    y = np.cumsum(np.random.default_rng(1).standard_normal(60)) + 50.0
    made = retrodict(y, [5], [1], 1, resolve_rules(["naive", "holt", "mean"]), ensemble="boa")
    np.testing.assert_allclose(made.weights[:3, 0, 0].sum(), 1.0)
    default = retrodict(y, [5], [1], 1, resolve_rules(["naive", "holt", "mean"]))
    assert default.weights[1, 0, 0] > 2 * made.weights[1, 0, 0]
