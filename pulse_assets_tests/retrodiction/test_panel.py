import numpy as np
import pytest

from pulse_assets.errors import RuleError
from pulse_assets.retrodiction.panel import OTHERS, SLOT, empty_panel, place, unfold
from pulse_assets.retrodiction.retrodict import retrodict
from pulse_assets.retrodiction.rules import BuiltIn

LARGEST = np.finfo(np.float64).max


def test_a_row_has_places_for_rules_ensembles_and_persistence():
    assert [empty_panel(rules, 1, 1).shape[2] for rules in (1, 5, 6, 21)] == [8, 8, 16, 24]


def test_a_rule_has_no_forecast_from_other_indices_than_its_origins():
    panel = empty_panel(2, 5, 3)
    forecasts = np.arange(12.0).reshape(4, 3)
    place(panel, 1, forecasts, np.array([0, 1, 2, 4]))
    nobody, made = unfold(panel, np.arange(5), 2, 2.0)
    np.testing.assert_array_equal(made[[0, 1, 2, 4]], 2.0 * forecasts)
    assert np.isnan(made[3]).all()
    assert np.isnan(nobody).all()


def test_values_stay_finite_in_their_unit():
    panel = np.array([1e308, -1e308, np.nan, 1.0]).reshape(4, 1, 1)
    made = unfold(panel, np.array([0, -1]), 1, 4.0)[0]
    np.testing.assert_array_equal(made, [[LARGEST, -LARGEST, np.nan, 4.0], [np.nan] * 4])


def last_value(y, seen, origins, horizons, season):
    return np.repeat(y[origins][:, None], len(horizons), axis=1)


def test_as_many_rules_as_a_panel_has_places_for():
    rules = [BuiltIn(f"rule_{i}", last_value) for i in range(SLOT - OTHERS)]
    y = np.array([1.0, 3.0, 2.0, 5.0])
    made = retrodict(y, [3], [1], 1, rules)
    np.testing.assert_allclose(made.predicted[:, 0, 0], 5.0)
    np.testing.assert_allclose(made.weights[:-2, 0, 0], 1.0 / len(rules))


def test_more_rules_than_a_panel_has_places_for():
    rules = [BuiltIn(f"rule_{i}", last_value) for i in range(SLOT - OTHERS + 1)]
    with pytest.raises(RuleError, match="246 rules are too many: leave out all but 245"):
        retrodict(np.array([1.0, 2.0]), [1], [1], 1, rules)
