import numpy as np
import pytest
from scipy import stats

from benchmarks.comparison import diebold_mariano, geometric_mean, significance


def plain_formula(first, second, h):
    """The statistic as the paper has it, with sums in place of vectors."""
    d = [a - b for a, b in zip(first, second, strict=True)]
    n = len(d)
    mean = sum(d) / n
    sums = [sum((d[t] - mean) * (d[t - k] - mean) for t in range(k, n)) for k in range(h)]
    variance = (sums[0] + 2 * sum(sums[1:])) / n**2
    return mean / variance**0.5 * ((n + 1 - 2 * h + h * (h - 1) / n) / n) ** 0.5


def test_by_hand_one_step_ahead():
    statistic, probability = diebold_mariano(np.array([1.0, 1.0, 1.0, -1.0]), np.zeros(4), 1)
    assert statistic == pytest.approx(1.0)
    assert probability == pytest.approx(0.39100221895577053)  # Student's law of 3 degrees


def test_by_hand_two_steps_ahead():
    """d = 3, 3, 1, 1, 2: sums of products 4 and 1 - 1 + 1 + 0, V = (4 + 2) / 25."""
    d = np.array([3.0, 3.0, 1.0, 1.0, 2.0])
    small_sample = (5 + 1 - 4 + 2 / 5) / 5
    statistic, _ = diebold_mariano(d, np.zeros(5), 2)
    assert statistic == pytest.approx(2.0 / np.sqrt(6 / 25) * np.sqrt(small_sample))


@pytest.mark.parametrize("h", [1, 2, 3, 6, 12])
def test_the_plain_formula(h):
    rng = np.random.default_rng(h)
    first, second = rng.random((2, 109)) + np.array([[0.1], [0.0]])
    statistic, probability = diebold_mariano(first, second, h)
    assert statistic == pytest.approx(plain_formula(first, second, h))
    assert probability == pytest.approx(2 * stats.t.cdf(-abs(statistic), 108))


def test_at_one_step_it_is_students_test():
    """At h = 1, HLN's factor turns the variance over n into that over n - 1."""
    rng = np.random.default_rng(1)
    first, second = rng.random((2, 30))
    expected = stats.ttest_rel(first, second)
    found = diebold_mariano(first, second, 1)
    assert found == pytest.approx((expected.statistic, expected.pvalue))


def test_exchanged_forecasters_change_the_sign():
    first, second = np.random.default_rng(2).random((2, 20))
    assert diebold_mariano(first, second, 3)[0] == -diebold_mariano(second, first, 3)[0]


@pytest.mark.parametrize("d", [np.zeros(5), np.ones(5)])
def test_without_variance_it_is_undefined(d):
    assert np.isnan(diebold_mariano(d, np.zeros(5), 1)).all()


def test_a_negative_variance_is_undefined():
    """d = 1, -1, 1, -1: sums of products 4 and -3, 4 - 6 < 0."""
    assert np.isnan(diebold_mariano(np.array([1.0, -1.0, 1.0, -1.0]), np.zeros(4), 2)).all()


def test_counts():
    noise = np.random.default_rng(3).random(50)
    small, large = noise, noise[::-1] + 5.0
    pairs = [(small, large), (large, small), (small, small), (small, noise[::-1])]
    expected = {"better": 1, "worse": 1, "neither": 1, "undefined": 1}
    assert significance(pairs, 1) == expected


def test_geometric_means():
    assert geometric_mean(np.array([[2.0, 1.0], [8.0, 1.0]])) == pytest.approx([4.0, 1.0])
    assert geometric_mean(np.array([0.0, 1.0])) == pytest.approx(0.1)  # 0 counts as 0.01
