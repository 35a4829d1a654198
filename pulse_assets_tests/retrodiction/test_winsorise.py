import numpy as np
import pytest

from pulse_assets.retrodiction import winsorise
from pulse_assets.retrodiction.rules import RULES
from pulse_assets.retrodiction.walk_forward import walk_forward


def winsorised(y):
    return winsorise.winsorise_changes(y, np.zeros(1, np.int64))


def test_a_jump_is_limited_to_four_mean_changes():
    y = np.append(np.arange(14.0), [113.0, 114.0])
    expected = np.append(np.arange(14.0), [17.0, 18.0])
    np.testing.assert_allclose(winsorised(y), expected)
    np.testing.assert_allclose(winsorised(-y), -expected)


def test_early_changes_and_changes_after_rest_are_left_alone():
    early = np.append(np.zeros(6), np.full(6, 50.0)) + np.arange(12.0)
    np.testing.assert_array_equal(winsorised(early), early)
    step = np.append(np.zeros(40), np.full(20, 7.0))
    np.testing.assert_array_equal(winsorised(step), step)


def test_a_volatile_regime_is_followed_after_a_while():
    rng = np.random.default_rng(0)
    y = np.cumsum(np.append(rng.standard_normal(200), 20.0 * rng.standard_normal(200)))
    changes, limited = np.diff(y), np.diff(winsorised(y))
    assert (changes[200:210] != limited[200:210]).mean() > 0.5
    assert (changes[300:] == limited[300:]).mean() > 0.95


def test_a_jump_moves_the_level_and_not_the_trend():
    # Alternating, so that no trend is there before the jump.
    y = np.append(np.arange(60.0) % 2, 1000.0 + np.arange(3.0) % 2)
    made = walk_forward(y, [60], [1, 12], 1, [RULES["holt"], RULES["ar_diff_3"]])[:, 0]
    assert (np.abs(made - 1000.0) < 30.0).all()


@pytest.mark.parametrize("unit", [1.0, 2.0**-8, -1.0])
def test_the_first_change_that_is_limited_is_the_thirteenth(unit):
    for before, counts_as in ((11, 100.0), (12, 4.0), (13, 4.0)):
        changes = np.append(np.ones(before), 100.0)
        limited = winsorised(unit * np.cumsum(np.append(0.0, changes)))
        assert np.diff(limited)[-1] == pytest.approx(unit * counts_as, rel=1e-12)


def test_a_jump_raises_the_mean_size_by_two_limits_at_most():
    changes = [*np.ones(13), 100.0, 100.0]
    limited = winsorised(np.cumsum([0.0, *changes]))
    total, count = (1.0 - 0.99**13) / 0.01, (1.0 - 0.99**13) / 0.01
    mean_size = (0.99 * total + 2.0 * 4.0) / (0.99 * count + 1.0)
    np.testing.assert_allclose(np.diff(limited)[-2:], [4.0, 4.0 * mean_size], rtol=1e-12)
