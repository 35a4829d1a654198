"""What is stored is rounded once, and rounding it again changes nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_assets.retrodiction.rounding import (
    SUM_PRECISION,
    WEIGHT_STEP,
    round_quantiles,
    round_sums,
    round_weights,
)

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.lists(NUMBERS, min_size=3, max_size=3), min_size=1, max_size=20))
def test_quantiles_stay_ordered_and_near_and_round_once(rows):
    exact = np.sort(np.array(rows), axis=1).T
    rounded = round_quantiles(exact)
    np.testing.assert_array_equal(round_quantiles(rounded), rounded)
    assert np.isfinite(rounded).all()
    assert (rounded[:-1] <= rounded[1:]).all()
    # Half a step of 1/128, and a little where the second step is the larger one.
    radius = exact[-1] / 2 - exact[0] / 2
    assert (np.abs(rounded / 256 - exact / 256) <= radius / 256 / 250).all()


def test_quantiles_are_rounded_alike_whatever_stands_beside_them():
    quantiles = np.sort(np.random.default_rng(0).normal(size=(7, 200)), axis=0)
    quantiles[:, 5] = np.nan
    together = round_quantiles(quantiles)
    for i in (0, 5, 77, 199):
        alone = round_quantiles(quantiles[:, i : i + 1])
        np.testing.assert_array_equal(alone[:, 0], together[:, i])


@given(
    st.integers(1, 20).flatmap(
        lambda n: st.lists(st.floats(0.0, 1.0), min_size=n, max_size=n).filter(any)
    )
)
def test_weights_add_up_to_exactly_one_and_round_once(raw):
    weights = np.array(raw) / np.sum(raw)
    rounded = round_weights(np.append(weights, np.nan)[:, None])[:, 0]
    assert np.isnan(rounded[-1])
    assert rounded[:-1].sum() == 1.0
    assert np.abs(rounded[:-1] - weights).max() <= WEIGHT_STEP
    np.testing.assert_array_equal(rounded[:-1] % WEIGHT_STEP, 0.0)
    np.testing.assert_array_equal(round_weights(rounded[:, None])[:, 0], rounded)


def test_no_weights_stay_none():
    np.testing.assert_array_equal(round_weights(np.zeros((3, 2))), np.zeros((3, 2)))


@given(st.lists(st.floats(allow_nan=True, allow_subnormal=False), min_size=1))
def test_sums_keep_six_digits_and_round_once(raw):
    values = np.array(raw)
    rounded = round_sums(values)
    np.testing.assert_array_equal(round_sums(rounded), rounded)
    np.testing.assert_array_equal(np.isnan(rounded), np.isnan(values))
    finite = np.isfinite(values)
    assert np.isfinite(rounded[finite]).all()
    assert rounded[finite] == pytest.approx(values[finite], rel=SUM_PRECISION, abs=0.0)
