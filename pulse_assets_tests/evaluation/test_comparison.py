"""The test of equal accuracy: by hand, beside a second implementation, and its size and power."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, t

from benchmarks import comparison
from pulse_assets.evaluation.comparison import (
    SIGNIFICANCE,
    adjust_probabilities,
    diebold_mariano,
    steps_between_batches,
)

#: Simulated series, [T, series].
SERIES = 2_000


def moving_average(rng, count, steps):
    """Differences of forecasts `steps` ahead: correlated up to lag steps - 1, of mean 0."""
    noise = rng.normal(size=(count + steps - 1, SERIES))
    return sum(noise[lag : lag + count] for lag in range(steps))


def rejected(differences, steps):
    test = diebold_mariano(differences, np.full(SERIES, steps))
    return np.nanmean(np.where(np.isnan(test.p), 1.0, test.p) < SIGNIFICANCE)


@pytest.mark.parametrize(
    ("steps", "count", "largest"),
    [(1, 30, 0.065), (1, 400, 0.065), (3, 120, 0.085), (12, 400, 0.1)],
)
def test_equal_forecasts_are_called_different_about_as_often_as_the_level_says(
    steps, count, largest
):
    share = rejected(moving_average(np.random.default_rng(steps + count), count, steps), steps)
    assert 0.03 <= share <= largest


def test_without_the_lags_overlapping_forecasts_are_called_different_far_too_often():
    """What the lags up to h - 1 are for."""
    differences = moving_average(np.random.default_rng(5), 200, 6)
    assert rejected(differences, 1) > 0.3
    assert rejected(differences, 6) < 0.1


@pytest.mark.parametrize(("gap", "least", "most"), [(0.1, 0.1, 0.4), (0.3, 0.9, 1.0)])
def test_power_grows_with_the_difference(gap, least, most):
    """A mean of 0.1 and 0.3 standard deviations in 120 differences; exact: 19 and 90 %."""
    differences = np.random.default_rng(1).normal(gap, 1.0, (120, SERIES))
    share = rejected(differences, 1)
    assert least <= share <= most
    test = diebold_mariano(differences, np.ones(SERIES, int))
    assert (test.statistic[test.p < SIGNIFICANCE] > 0).mean() > 0.98


def test_the_control_of_many_tests_holds_false_discoveries_to_the_level():
    """Of 40 variables 10 differ: at most 5 % of what is called different is not, on average."""
    rng = np.random.default_rng(3)
    shares = []
    for _ in range(200):
        means = np.where(np.arange(40) < 10, 0.5, 0.0)
        test = diebold_mariano(rng.normal(means, 1.0, (80, 40)), np.ones(40, int))
        called = adjust_probabilities(test.p) < SIGNIFICANCE
        shares.append(called[10:].sum() / max(1, called.sum()))
        assert called[:10].sum() >= 5
    assert 0.005 < np.mean(shares) < 0.05
    assert (adjust_probabilities(test.p) >= test.p).all()


@pytest.mark.parametrize(("steps", "count"), [(1, 10), (2, 15), (5, 60)])
def test_it_is_that_of_a_second_implementation(steps, count):
    rng = np.random.default_rng(count)
    first, second = np.abs(rng.normal(size=(2, count)))
    test = diebold_mariano((first - second)[:, None], np.array([steps]))
    assert (test.statistic[0], test.p[0]) == pytest.approx(
        comparison.diebold_mariano(first, second, steps)
    )


def test_columns_of_other_steps_and_lengths_are_tested_each_for_itself():
    rng = np.random.default_rng(8)
    columns = [rng.normal(size=40), rng.normal(size=40), rng.normal(size=25)]
    differences = np.full((40, 3), np.nan)
    for at, column in enumerate(columns):
        differences[: len(column), at] = column
    steps = np.array([1, 6, 3])
    together = diebold_mariano(differences, steps)
    for at, column in enumerate(columns):
        alone = diebold_mariano(column[:, None], steps[at : at + 1])
        assert together.p[at] == pytest.approx(alone.p[0])
        assert together.n[at] == len(column)


def test_a_gap_adds_nothing():
    """d = 3, -, 1, 2 at h = 2: mean 2, g_0 = 2, g_1 = (2 - 2) (1 - 2) = 0, V = 2 / 9."""
    test = diebold_mariano(np.array([[3.0], [np.nan], [1.0], [2.0]]), np.array([2]))
    statistic = 2.0 / np.sqrt(2.0 / 9.0) * np.sqrt((3 + 1 - 4 + 2 / 3) / 3)
    assert (test.statistic[0], test.n[0]) == (pytest.approx(statistic), 3)
    assert test.p[0] == pytest.approx(2 * t.sf(statistic, 2))


@pytest.mark.parametrize(
    ("differences", "steps"),
    [
        ([0.0, 0.0, 0.0, 0.0], 1),  # equal forecasts
        ([0.1] * 10, 1),  # always as far apart: rounding is no variance
        ([1.0, 2.0], 2),  # no more of them than steps
        ([1.0, -1.0, 1.0, -1.0, 1.0], 2),  # V < 0
        ([np.nan, np.nan], 1),
        ([1.0], 1),
        ([], 1),
    ],
)
def test_without_a_variance_nothing_is_said(differences, steps):
    test = diebold_mariano(np.array(differences).reshape(-1, 1), np.array([steps]))
    assert np.isnan([test.statistic[0], test.p[0]]).all()


@given(st.floats(-200, 200), st.integers(0, 1000))
def test_the_unit_does_not_matter(exponent, seed):
    differences = np.random.default_rng(seed).normal(size=(30, 2))
    steps = np.array([1, 4])
    scaled = diebold_mariano(differences * 2.0 ** int(exponent), steps)
    expected = diebold_mariano(differences, steps).p
    assert scaled.p == pytest.approx(expected, nan_ok=True)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_adjusted_probabilities_are_those_of_scipy(p):
    expected = false_discovery_control(np.array(p), method="bh")
    assert adjust_probabilities(np.array(p)) == pytest.approx(expected)
    with_gap = adjust_probabilities(np.array([np.nan, *p]))
    assert np.isnan(with_gap[0])
    assert with_gap[1:] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("horizon", "targets", "steps"), [(1, 1, 1), (12, 1, 12), (12, 11, 2), (13, 3, 5), (5, 0.4, 5)]
)
def test_sums_over_batches_are_correlated_over_fewer_steps(horizon, targets, steps):
    assert steps_between_batches(np.array([horizon]), np.array([targets])).tolist() == [steps]
