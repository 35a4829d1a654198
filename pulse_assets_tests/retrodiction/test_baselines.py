import numpy as np
import pytest

from pulse_assets.retrodiction.baselines import WINDOW_WITHOUT_SEASON, window_drift
from pulse_assets.retrodiction.walk_forward import walk_forward
from pulse_assets_tests.retrodiction.examples import everywhere, rules

NAN = np.nan


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("naive", [[1, 1], [2, 2], [6, 6], [3, 3]]),
        ("drift", [[NAN, NAN], [3, 5], [8.5, 13.5], [3 + 2 / 3, 5]]),
        ("seasonal_naive", [[NAN, NAN], [1, 1], [2, 2], [6, 6]]),
        ("mean", [[1, 1], [1.5, 1.5], [3, 3], [3, 3]]),
        ("window_mean", [[NAN, NAN], [1.5, 1.5], [4, 4], [4.5, 4.5]]),
    ],
)
def test_hand_computed(name, expected):
    y = np.array([1.0, 2.0, 6.0, 3.0])
    made = walk_forward(y, range(4), [1, 3], 2, rules(name))
    np.testing.assert_allclose(made[0], expected, rtol=1e-12)


def test_window_mean_without_a_season():
    y = np.arange(8.0)
    made = walk_forward(
        y, [WINDOW_WITHOUT_SEASON - 2, WINDOW_WITHOUT_SEASON - 1, 7], [1], 1, rules("window_mean")
    )
    np.testing.assert_array_equal(made[0, :, 0], [NAN, 2.5, 4.5])


def test_window_drift_forgets_what_is_older_than_its_window():
    y = np.append(np.full(20, 1000.0), np.arange(61.0))
    made = everywhere(window_drift, y, np.array([1, 3]), 1)
    np.testing.assert_allclose(made[-1], [61, 63])
    # While the past is shorter it is `drift`: from 1000 down to 1 in 21 steps.
    np.testing.assert_allclose(made[21], [1 - 999 / 21, 1 - 3 * 999 / 21])
    assert np.isnan(made[0]).all()
