import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pulse_assets.retrodiction.worth import saved_errors


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 4))
def test_each_rule_is_left_out_in_turn(seed, rules, pairs):
    rng = np.random.default_rng(seed)
    predicted, observed = rng.normal(size=(rules, pairs)), rng.normal(size=pairs)
    predicted[rng.random(predicted.shape) < 0.2] = np.nan
    observed[rng.random(pairs) < 0.2] = np.nan
    weight = np.where(np.isnan(predicted), 0.0, rng.random(predicted.shape))
    weight[rng.random(weight.shape) < 0.2] = 0.0
    places, outcomes = (np.broadcast_to(row, (rules, pairs)) for row in (range(pairs), observed))
    rows = (values.ravel() for values in (predicted, outcomes, weight, places))
    saved = saved_errors(*rows).reshape(rules, pairs)
    for pair in range(pairs):
        heard = np.flatnonzero(weight[:, pair])
        for rule in range(rules):
            others = heard[heard != rule]
            expected = 0.0
            if rule in heard and len(others) and not np.isnan(observed[pair]):
                errors = [
                    abs(np.average(predicted[of, pair], weights=weight[of, pair]) - observed[pair])
                    for of in (others, heard)
                ]
                expected = errors[0] - errors[1]
            np.testing.assert_allclose(saved[rule, pair], expected, rtol=1e-9, atol=1e-9)


def test_an_ensemble_saves_nothing_and_huge_forecasts_raise_no_warning():
    predicted = np.array([1e308, -1e308, 0.0, 1.0])
    weight = np.array([0.5, 0.25, 0.25, np.nan])
    saved = saved_errors(predicted, np.full(4, 1e308), weight, np.zeros(4, np.int64))
    assert np.isfinite(saved).all()
    assert saved[3] == 0.0
