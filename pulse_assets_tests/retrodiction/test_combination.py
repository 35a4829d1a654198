import numpy as np
import pytest

from pulse_assets.retrodiction.combination import combine
from pulse_assets.retrodiction.combination.candidates import CANDIDATE_SQUARINGS, REGRET_PRIOR
from pulse_assets.retrodiction.combination.eligibility import MIN_VERIFIED, UNCHANGED_VALUES
from pulse_assets.retrodiction.combination.losses import CANDIDATE_DISCOUNT, LOSS_DISCOUNTS, PRIOR
from pulse_assets.retrodiction.combination.prior import no_prior
from pulse_assets.retrodiction.combination.regret import STEEPNESS
from pulse_assets.retrodiction.padding import pack

NAN = np.nan


def padded(*members):
    """Panel of one horizon: the members, and room for the two combinations."""
    return pack(np.array(members)[:, :, None])


def combined(padded_forecasts, observed, filled, rules, h=1, method="dmsfe"):
    """Weights `[T, M]` of one horizon; the padded_forecasts is filled."""
    origins = np.arange(len(filled))
    prior = no_prior(len(filled), padded_forecasts.shape[2])
    made = combine(padded_forecasts, observed, filled, np.array([h]), origins, rules, method, prior)
    np.testing.assert_array_equal(made[0, :, rules:], 0.0)
    return made[0, :, :rules]


def weights_of(y, *members, h=1, method="dmsfe"):
    y = np.asarray(y, float)
    return combined(padded(*members), y, y, len(members), h, method)


def test_thin_evidence_means_equal_weights():
    y = np.arange(30.0)
    made = weights_of(y, y, y + 9.0, h=5)
    np.testing.assert_allclose(made[:5], 0.5, rtol=1e-12)
    # One error, 5 against 4, and a prior: the better has more, but not nearly all.
    assert 0.5 < made[5, 1] < 0.8
    assert made[9, 1] > made[5, 1]


def winsorised(errors):
    """Persistence's errors as they count, and the largest error that counts beside each."""
    counted, largest = [], []
    limit, total, count = np.inf, 0.0, 0.0
    for error in errors:
        counted.append(min(error, limit))
        total = CANDIDATE_DISCOUNT * total + counted[-1]
        count = CANDIDATE_DISCOUNT * count + 1.0
        limit = 10 * total / count if count >= 12 else np.inf
        largest.append(limit)
    return np.array(counted), np.array(largest)


def plain_dmsfe(y, members, h):
    """The definition, anew at every index, for members of which one is always active."""
    members, length = np.array(members), len(y)
    active = ~np.isnan(members)
    forecasts = np.where(active, members, 0.0)
    settings = [(0.95, 0), *[(q, 4 ** (p + 1)) for q in LOSS_DISCOUNTS for p in range(2)]]
    combined = np.zeros((length, len(settings) + 1))
    own_boa = np.zeros((length, len(members)))
    result, counted = [], np.zeros(length, bool)
    references, largest = winsorised(np.abs(y[h:] - y[:-h]))
    for t in range(length):
        s = np.arange(max(t - h + 1, 0))
        reference = references[s]
        slow = CANDIDATE_DISCOUNT ** (len(s) - 1 - s)
        prior = PRIOR * (slow @ reference / slow.sum() if len(s) else 0.0)
        # A forecast's age is the number of later ones of the same rule.
        verified_then = active[:, s]
        ages = verified_then[:, ::-1].cumsum(axis=1)[:, ::-1] - 1
        verified = verified_then.sum(axis=1)
        eligible = active[:, t] & (verified >= MIN_VERIFIED)
        counted[t] = eligible.any()
        eligible = eligible if counted[t] else active[:, t]
        shares = []
        for discount, power in settings:
            d = np.where(verified_then, discount**ages, 0.0)
            errors = np.minimum(np.abs(forecasts[:, s] - y[s + h]), largest[s])
            loss = (d * errors).sum(axis=1) + prior
            inverse = eligible * ((d @ reference + prior) / loss if len(s) else 1.0)
            w = eligible * (inverse / inverse.max()) ** power
            shares.append(w / w.sum())
        spread, regret = np.zeros(len(members)), np.zeros(len(members))
        # The regrets begin when the lanes are first counted.
        for i in s[counted[s]]:
            known = reference[: i + 1]
            weights = CANDIDATE_DISCOUNT ** np.arange(i, -1, -1)
            unit = weights @ known / weights.sum()
            e = own_boa[i] @ forecasts[:, i]
            slope = np.clip(STEEPNESS * (e - y[i + h]) / unit, -1, 1)
            r = active[:, i] * slope * (e - forecasts[:, i]) / unit
            spread = spread + 2.2 * r**2
            regret = regret + r - r**2 / np.sqrt(np.where(spread > 0, spread, 1.0))
        root = np.sqrt(np.where(spread > 0, spread, np.inf))
        w = eligible * np.exp(regret / root) / root
        own_boa[t] = w / w.sum() if w.any() else eligible / eligible.sum()
        shares = np.array([*shares, own_boa[t]])
        combined[t] = shares @ forecasts[:, t]
        later = counted[s][::-1].cumsum()[::-1] - 1
        own = np.where(counted[s], CANDIDATE_DISCOUNT**later, 0.0)
        own = own @ np.minimum(np.abs(combined[s] - y[s + h, None]), largest[s, None]) + prior
        own = own if len(s) else np.ones(len(shares))
        candidate_weights = (own.min() / own) ** 2**CANDIDATE_SQUARINGS
        candidate_weights[-1] *= REGRET_PRIOR
        result.append(candidate_weights @ shares / candidate_weights.sum())
    return np.array(result)


@pytest.mark.parametrize("h", [1, 3])
def test_dmsfe_equals_its_definition(h):
    rng = np.random.default_rng(0)
    y = np.cumsum(rng.standard_normal(60))
    members = [y + s * rng.standard_normal(60) for s in (0.3, 1.0, 3.0, 1.0)]
    # One wakes late, when the others sleep, so none that is active has a record; one sleeps longer.
    members[3][:20] = members[0][20:22] = members[1][20:30] = members[2][20:22] = NAN
    made = weights_of(y, *members, h=h)
    expected = plain_dmsfe(y, members, h)
    np.testing.assert_allclose(made, expected, rtol=1e-9)


def test_weights_are_those_at_the_origins():
    y = np.cumsum(np.random.default_rng(0).standard_normal(60))
    members = [y + 0.5, y * 0.9]
    everywhere = weights_of(y, *members)
    forecasts, origins = padded(*members), np.array([20, 40])
    prior = no_prior(60, forecasts.shape[2])
    made = combine(forecasts, y, y, np.array([1]), origins, 2, "dmsfe", prior)
    np.testing.assert_array_equal(made[0, :, :2], everywhere[[20, 40]])


def test_a_sleeping_rule_has_no_weight_and_keeps_its_record():
    y = np.sin(np.arange(60.0))
    good = np.append(y[1:], 0.0)
    good[30:40] = NAN
    made = weights_of(y, good, np.zeros(60))
    np.testing.assert_allclose(made[30:40], np.tile([0.0, 1.0], (10, 1)), rtol=1e-12)
    assert made[40, 0] > 0.95
    np.testing.assert_allclose(made[40], made[29], atol=0.05)


def test_a_missing_outcome_teaches_nothing():
    y = np.sin(np.arange(40.0))
    members = padded(np.append(y[1:], 0.0), np.zeros(40))
    gap = y.copy()
    gap[20:] = NAN
    made = combined(members, gap, y, 2)
    np.testing.assert_array_equal(made[20:, :2], np.tile(made[19, :2], (20, 1)))


def test_nobody_awake():
    padded_forecasts = padded(np.full(5, NAN), np.full(5, NAN))
    weights = combined(padded_forecasts, np.arange(5.0), np.arange(5.0), 2)
    assert np.isnan(padded_forecasts).all()
    np.testing.assert_array_equal(weights, 0.0)


def test_a_perfect_rule_where_persistence_is_perfect_too():
    y = np.ones(40)
    made = weights_of(y, y, y + 1.0, y)
    np.testing.assert_allclose(made[-1], [0.5, 0, 0.5], atol=0.01)


def plain_regret_weights(y, members):
    """The formulas of boa, step by step, h = 1, all active; regrets begin with a record."""
    members = np.array(members)
    size = len(members)
    regret, spread, total, count = np.zeros(size), np.zeros(size), 0.0, 0.0
    weights = np.full(size, 1 / size)
    result = [weights]
    for t in range(1, len(y)):
        total = CANDIDATE_DISCOUNT * total + abs(y[t] - y[t - 1])
        count = CANDIDATE_DISCOUNT * count + 1.0
        if t > MIN_VERIFIED:
            mixed = weights @ members[:, t - 1]
            slope = np.clip(STEEPNESS * (mixed - y[t]) / (total / count), -1, 1)
            r = slope * (mixed - members[:, t - 1]) / (total / count)
            spread = spread + 2.2 * r**2
            regret = regret + r - r**2 / np.sqrt(spread)
            w = np.exp(regret / np.sqrt(spread)) / np.sqrt(spread)
            weights = w / w.sum() if w.sum() > 0 else np.full(size, 1 / size)
        result.append(weights)
    return np.array(result)


@pytest.mark.parametrize("apart", [1.0, 0.01])
def test_boa_equals_its_formulas(apart):
    rng = np.random.default_rng(1)
    y = np.cumsum(rng.standard_normal(80))
    members = [y + apart * s * rng.standard_normal(80) for s in (0.4, 1.0, 2.0)]
    made = weights_of(y, *members, method="boa")
    np.testing.assert_allclose(made, plain_regret_weights(y, members), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("method", ["dmsfe", "boa"])
def test_a_rule_never_verified_gets_nothing_while_others_are(method):
    y = np.sin(np.arange(30.0))
    late = np.full(30, NAN)
    late[29] = 0.0
    made = weights_of(y, y, np.zeros(30), late, method=method)
    assert made[29, 2] == 0.0
    np.testing.assert_allclose(made[29].sum(), 1.0)


@pytest.mark.parametrize("method", ["dmsfe", "boa"])
def test_a_series_at_rest_is_kept_there(method):
    rng = np.random.default_rng(0)
    y = np.append(np.cumsum(rng.standard_normal(100)), np.full(20, 5.0))
    good = np.append(y[1:100], np.full(21, 4.0))
    made = weights_of(y, good, y, method=method)
    # Index 100 is the first 5; 101 is as the one before.
    assert (made[90:100, 0] > 0.5).all()
    np.testing.assert_allclose(
        made[100 + UNCHANGED_VALUES :], [[0.0, 1.0]] * (20 - UNCHANGED_VALUES)
    )


def test_a_gap_is_no_rest():
    y = np.cumsum(np.random.default_rng(0).standard_normal(60))
    gap = np.append(y[:40], np.full(20, NAN))
    filled = np.append(y[:40], np.full(20, y[39]))
    members = padded(filled, filled + 1.0)
    assert (combined(members, gap, filled, 2)[-1] > 0.0).all()


@pytest.mark.parametrize("method", ["dmsfe", "boa"])
def test_while_nothing_has_moved_no_error_is_worse_than_another(method):
    still = np.full(40, 2.0)
    np.testing.assert_allclose(weights_of(still, still + 1.0, still + 2.5, method=method), 0.5)


def test_at_rest_the_shares_of_others_fade_within_three_values():
    still = np.full(8, 2.0)
    # Four lanes go by errors: the other has no share. In the equal lane and in that of boa, which
    # counts as four, it has r against 1, r = (2/3)^2 and (1/3)^2: so 5 / (5 + 4) r / (1 + r).
    expected = [1 / 2, 5 / 9 * 4 / 13, 5 / 9 * 1 / 10, 0, 0, 0, 0, 0]
    np.testing.assert_allclose(weights_of(still, still, still + 1.0)[:, 1], expected, atol=1e-12)


def test_at_rest_a_keeper_without_a_record_does_not_count():
    y = np.append(np.cumsum(np.random.default_rng(0).standard_normal(40)), np.full(8, 9.0))
    late = np.append(np.full(45, NAN), np.full(3, 9.0))
    made = weights_of(y, y + 1.0, y - 1.0, late)
    np.testing.assert_array_equal(made[45:, 2], 0.0)
    np.testing.assert_allclose(made[45:].sum(axis=1), 1.0)
