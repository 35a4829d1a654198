import numpy as np
import pytest

from pulse_assets.errors import RuleError
from pulse_assets.retrodiction.padding import (
    MAX_WIDTH,
    PLACES_AFTER_RULES,
    add_forecasts,
    pack,
    quantiles_by_model,
    unpack,
)
from pulse_assets.retrodiction.retrodict import retrodict
from pulse_assets.retrodiction.rules import BuiltIn

LARGEST = np.finfo(np.float64).max


def test_a_row_has_places_for_rules_and_ensembles():
    widths = [pack(np.zeros((rules, 1, 1))).shape[2] for rules in (1, 6, 7, 21)]
    assert widths == [4, 8, 12, 24]


def test_forecasts_come_back_as_they_were():
    made = np.random.default_rng(0).standard_normal((3, 5, 2))
    padded = pack(made)
    assert np.isnan(padded[:, :, 3:]).all()
    indices, places = np.array([1, 4, -1]), np.array([1, 0, -1])
    predicted = unpack(padded, indices, 2.0, 3)
    np.testing.assert_array_equal(predicted[:, :2], 2.0 * made[:, [1, 4]])
    quantiles = np.ones((2, 2, 2, padded.shape[2]))
    quantiles[:, :, 0] = -1.0
    add_forecasts(quantiles, padded, indices[[1, 0]], 2.0)
    lower, upper = quantiles_by_model(quantiles, places, 3)
    np.testing.assert_array_equal(lower[:, :2], predicted[:, :2] - 2.0)
    np.testing.assert_array_equal(upper[:, :2], predicted[:, :2] + 2.0)
    assert np.isnan([predicted[:, 2], lower[:, 2], upper[:, 2]]).all()


def test_values_stay_finite_in_their_unit():
    padded = np.array([1e308, -1e308, np.nan, 1.0]).reshape(4, 1, 1)
    quantiles, nobody = np.full((4, 1, 2, 1), 1e308), np.zeros(1, np.int64)
    quantiles[:, :, 0] = -1e308
    add_forecasts(quantiles, padded, nobody, 4.0)
    lower, upper = quantiles_by_model(quantiles, nobody, 1)
    np.testing.assert_array_equal(
        unpack(padded, nobody, 4.0, 1), [[[LARGEST, -LARGEST, np.nan, 4.0]]]
    )
    np.testing.assert_array_equal(lower, [[[0.0, -LARGEST, np.nan, 4.0 - LARGEST]]])
    np.testing.assert_array_equal(upper, [[[LARGEST, 0.0, np.nan, LARGEST]]])


def last_value(history, request):
    return np.repeat(history.y[request.origins][:, None], len(request.horizons), axis=1)


def test_as_many_rules_as_there_are_places_for():
    rules = [BuiltIn(f"rule_{i}", last_value) for i in range(MAX_WIDTH - PLACES_AFTER_RULES)]
    y = np.array([1.0, 3.0, 2.0, 5.0])
    made = retrodict(y, [3], [1], 1, rules)
    np.testing.assert_allclose(made.predicted[:, 0, 0], 5.0)
    np.testing.assert_allclose(made.weights[:-2, 0, 0], 1.0 / len(rules))


def test_more_rules_than_there_are_places_for():
    rules = [BuiltIn(f"rule_{i}", last_value) for i in range(MAX_WIDTH - PLACES_AFTER_RULES + 1)]
    with pytest.raises(RuleError, match="247 rules are too many: leave out all but 246"):
        retrodict(np.array([1.0, 2.0]), [1], [1], 1, rules)
