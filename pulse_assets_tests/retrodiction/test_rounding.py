"""What is stored is rounded once, and rounding it again changes nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_assets.retrodiction.rounding import (
    SUM_PRECISION,
    WEIGHT_STEP,
    round_bounds,
    round_sums,
    round_weights,
)

NUMBERS = st.floats(allow_nan=True, allow_infinity=False)
RADII = st.floats(min_value=0.0, allow_infinity=False)


@given(st.lists(st.tuples(NUMBERS, RADII, RADII), min_size=1, max_size=20))
def test_bounds_contain_the_forecast_stay_near_and_round_once(rows):
    predicted, below, above = np.array(rows).T
    with np.errstate(over="ignore", invalid="ignore"):
        lower, upper = predicted - below, predicted + above
    lower, upper = (np.where(np.isfinite(x), x, predicted) for x in (lower, upper))
    rounded = round_bounds(predicted, lower, upper)
    for again, once in zip(round_bounds(predicted, *rounded), rounded, strict=True):
        np.testing.assert_array_equal(again, once)
    defined = ~np.isnan(predicted)
    assert (rounded[0][defined] <= predicted[defined]).all()
    assert (rounded[1][defined] >= predicted[defined]).all()
    assert np.isfinite(np.array(rounded)[:, defined]).all()
    radius = upper / 2 - lower / 2
    for once, exact in zip(rounded, (lower, upper), strict=True):
        # Half a step of 1/128, and a little where the second step is the larger one.
        moved = np.abs(once / 256 - exact / 256)[defined]
        assert (moved <= (radius / 256 / 250)[defined]).all()


def test_bounds_are_rounded_alike_whatever_stands_beside_them():
    rng = np.random.default_rng(0)
    predicted, radius = rng.normal(size=200), rng.gamma(1.0, size=200)
    together = round_bounds(predicted, predicted - radius, predicted + radius)
    for i in (0, 77, 199):
        f, r = predicted[i : i + 1], radius[i : i + 1]
        alone = round_bounds(f, f - r, f + r)
        assert [x[0] for x in alone] == [x[i] for x in together]


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
