"""Nothing after an origin may change a bit of what is made at it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pulse_assets.retrodiction.partners import PartnerRule, find_partners
from pulse_assets.retrodiction.retrodict import retrodict
from pulse_assets.retrodiction.scores import mase_scale, squared_scale
from pulse_assets.retrodiction.trust import hit_threshold
from pulse_assets.retrodiction.walk_forward import walk_forward
from pulse_assets_tests.retrodiction.examples import random_walk, rules, seasonal_walk

LENGTH = 48
HORIZONS = [1, 2, 7]
VALUES = st.one_of(
    st.just(np.nan),
    st.floats(-1e6, 1e6),
    st.sampled_from([0.0, 1e300, -1e300, 1e-300, 5e-324, np.inf]),
)
POISON = arrays(np.float64, LENGTH, elements=VALUES)
ORIGINS = st.integers(0, LENGTH - 1)


def poisoned(y, origin, poison):
    return np.append(y[: origin + 1], poison[origin + 1 :])


@settings(max_examples=40, deadline=None)
@given(poison=POISON, origin=ORIGINS, seed=st.integers(0, 5))
@pytest.mark.parametrize("method", ["dmsfe", "boa", "mlpol"])
def test_the_future_changes_no_bit(method, poison, origin, seed):
    y, other = seasonal_walk(LENGTH, 4, seed), random_walk(LENGTH, seed)
    future, other_future = poisoned(y, origin, poison), poisoned(other, origin, poison[::-1])
    past = range(origin + 1)

    def made(y, other, origins):
        pool = [*rules(), PartnerRule("ar_with_other", other)]
        found = retrodict(y, origins, HORIZONS, 4, pool, ensemble=method)
        return found.predicted, found.lower, found.upper, found.weights

    for true, false in zip(
        made(y, other, past), made(future, other_future, range(LENGTH)), strict=True
    ):
        np.testing.assert_array_equal(true, false[:, : origin + 1])


@settings(max_examples=40, deadline=None)
@given(y=POISON, poison=POISON, origin=ORIGINS)
def test_the_future_changes_no_bit_of_any_series(y, poison, origin):
    pool = [*rules(), PartnerRule("ar_with_other", y[::-1].copy())]
    made = walk_forward(y, [origin], HORIZONS, 4, pool)
    later = walk_forward(poisoned(y, origin, poison), range(LENGTH), HORIZONS, 4, pool)
    np.testing.assert_array_equal(made[:, 0], later[:, origin])


@settings(max_examples=40, deadline=None)
@given(y=POISON, poison=POISON, origin=ORIGINS)
def test_the_future_changes_no_yardstick(y, poison, origin):
    y = np.where(np.isinf(y), np.nan, y)
    future = poisoned(y, origin, np.where(np.isinf(poison), np.nan, poison))
    for yardstick in (
        lambda y: mase_scale(y, [origin], 4),
        lambda y: squared_scale(y, [origin]),
        lambda y: hit_threshold(y, [origin], HORIZONS),
    ):
        np.testing.assert_array_equal(yardstick(y), yardstick(future))


@settings(max_examples=25, deadline=None)
@given(poison=arrays(np.float64, 200, elements=VALUES), until=st.integers(100, 199))
def test_partners_are_found_in_the_past_alone(poison, until):
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.standard_normal(200))
    y = np.append(np.zeros(3), x[:-3]) + 0.3 * rng.standard_normal(200)

    def names(y, x):
        return [rule.name for rule in find_partners(y, {"x": x, "z": random_walk(200, 1)}, until)]

    assert (
        names(y, x)
        == names(poisoned(y, until, poison), poisoned(x, until, poison))
        == ["ar_with_x"]
    )
