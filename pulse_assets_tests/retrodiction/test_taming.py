import numpy as np

from pulse_assets.retrodiction.rules import RULES
from pulse_assets.retrodiction.taming import tame
from pulse_assets.retrodiction.walk_forward import walk_forward


def test_a_jump_counts_as_four_usual_changes():
    y = np.append(np.arange(14.0), [113.0, 114.0])
    expected = np.append(np.arange(14.0), [17.0, 18.0])
    np.testing.assert_allclose(tame(y), expected)
    np.testing.assert_allclose(tame(-y), -expected)


def test_early_changes_and_changes_after_rest_are_left_alone():
    early = np.append(np.zeros(6), np.full(6, 50.0)) + np.arange(12.0)
    np.testing.assert_array_equal(tame(early), early)
    step = np.append(np.zeros(40), np.full(20, 7.0))
    np.testing.assert_array_equal(tame(step), step)


def test_wilder_times_are_believed_after_a_while():
    rng = np.random.default_rng(0)
    y = np.cumsum(np.append(rng.standard_normal(200), 20.0 * rng.standard_normal(200)))
    changes, tamed = np.diff(y), np.diff(tame(y))
    assert (changes[200:210] != tamed[200:210]).mean() > 0.5
    assert (changes[300:] == tamed[300:]).mean() > 0.95


def test_a_jump_moves_the_level_and_not_the_trend():
    # Alternating, so that no trend is there before the jump.
    y = np.append(np.arange(60.0) % 2, 1000.0 + np.arange(3.0) % 2)
    made = walk_forward(y, [60], [1, 12], 1, [RULES["holt"], RULES["ar_diff_3"]])[:, 0]
    assert (np.abs(made - 1000.0) < 30.0).all()
