import sys

import numpy as np
import pytest

from pulse_assets.errors import RuleError
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, RULES, BuiltIn, resolve_rules
from pulse_assets.retrodiction.user_rules import import_rule
from pulse_assets.retrodiction.walk_forward import walk_forward
from pulse_assets.retrodiction.winsorise import winsorise_changes
from pulse_assets_tests.retrodiction.examples import request_of, seasonal_walk

MODULE = "pulse_assets_tests.retrodiction.made_rules"


def resolve(name):
    return resolve_rules([f"{MODULE}:{name}"])


def forecast(name, y, origins, horizons=(1, 2)):
    return walk_forward(y, origins, horizons, 4, resolve(name))[0]


def test_built_ins_by_name():
    assert resolve_rules(list(RULES)) == list(RULES.values())
    assert [rule.name for rule in resolve_rules(DEFAULT_MODELS)] == list(DEFAULT_MODELS)
    assert resolve_rules([]) == []


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["naiv"], r"unknown rule 'naiv'\. Did you mean 'naive'\? Valid names: naive, drift, .*"),
        (["zzz"], r"unknown rule 'zzz'\. Valid names"),
        (["ses", "ses"], "2 rules are named 'ses'"),
        (["naive", f"{MODULE}:Naive"], "2 rules are named 'naive'"),
        ([f"{MODULE}:Ensemble"], "named 'ensemble', the name of an ensemble"),
        (["no_such_module:Rule"], "cannot import module 'no_such_module'.*PYTHONPATH"),
        ([":Rule"], "cannot import module ''"),
        ([f"{MODULE}:Lost"], "no class 'Lost'; it has .*Last, Mean"),
        ([f"{MODULE}:number"], "no class 'number'"),
        ([f"{MODULE}:"], "no class ''"),
        ([f"{MODULE}:Nameless"], "has the name None: give the class a `name`"),
        ([f"{MODULE}:Numbered"], "has the name 7: give the class a `name`"),
        ([f"{MODULE}:Unnamed"], "has the name '': give the class a `name`"),
        ([f"{MODULE}:Idle"], r"has no method: write forecast\(.*or fit_predict\("),
        ([f"{MODULE}:Demanding"], "cannot be made without arguments: TypeError"),
    ],
)
def test_names_that_cannot_be_used(names, message):
    with pytest.raises(RuleError, match=message):
        resolve_rules(names)


class FarOff:
    """A rule that stores the history that it gets and forecasts 1e6."""

    def __call__(self, history, request):
        self.history = history
        return np.full((len(request.origins), len(request.horizons)), 1e6)


def one_jump():
    y = np.cumsum(np.tile([1.0, -0.5, 0.7], 20))
    y[40:] += 500.0
    return y


def test_a_robust_rule_is_fitted_to_limited_changes():
    y, robust, plain = one_jump(), FarOff(), FarOff()
    arguments = y, request_of(y, [59], [1])
    BuiltIn("robust", robust, robust=True).forecast(*arguments)
    BuiltIn("plain", plain).forecast(*arguments)
    expected = winsorise_changes(y, np.zeros(1, np.int64))
    np.testing.assert_array_equal(robust.history.y_robust, expected)
    assert np.abs(np.diff(robust.history.y_robust)).max() < 500.0
    np.testing.assert_array_equal(plain.history.y_robust, y)
    np.testing.assert_array_equal(robust.history.y, y)


def test_a_built_in_rule_is_guarded_unless_it_says_otherwise():
    y = seasonal_walk(30)
    guarded, free = (
        walk_forward(y, [29], [1], 1, [BuiltIn("far", FarOff(), guarded=g)])[0]
        for g in (True, False)
    )
    assert guarded == walk_forward(y, [29], [1], 1, [BuiltIn("far", FarOff())])[0]
    assert guarded < 1e3
    assert free > 1e5


def test_simple_rules_may_go_as_far_as_their_definition():
    y = one_jump()
    made = walk_forward(y, [40], [1], 30, resolve_rules(["mean", "seasonal_naive"]))[:, 0, 0]
    np.testing.assert_allclose(made, [y[:41].mean(), y[11]])


def test_a_fast_rule():
    y = seasonal_walk(30)
    np.testing.assert_array_equal(
        forecast("Last", y, [3, 29]), y[[3, 29]][:, None].repeat(2, axis=1)
    )
    assert resolve("Last")[0].history_origins is None


def test_a_fast_rule_may_ask_for_observations():
    made = forecast("Patient", seasonal_walk(30), [2, 3, 4])
    np.testing.assert_array_equal(np.isnan(made[:, 0]), [True, False, False])


def test_a_fast_rule_is_not_called_with_fewer_observations():
    y = seasonal_walk(30)
    made = forecast("ThreeBack", y, [0, 2, 3, 29])  # with one value it would raise
    np.testing.assert_array_equal(np.isnan(made[:, 0]), [True, True, False, False])
    np.testing.assert_array_equal(made[2:, 0], y[[0, 26]])


def test_a_slow_rule():
    y = seasonal_walk(30)
    made = forecast("Mean", y, [2, 3, 29])
    assert np.isnan(made[0]).all()
    np.testing.assert_allclose(made[1:, 0], [y[:4].mean(), y.mean()])
    assert resolve("Mean")[0].history_origins == 3


def test_a_user_rule_is_guarded_unless_it_says_otherwise():
    assert resolve("Last")[0].guarded
    np.testing.assert_array_equal(forecast("Unguarded", seasonal_walk(30), [29]), 1e9)


def test_a_rule_that_looks_ahead_is_caught():
    with pytest.raises(RuleError, match="'peeking' looks ahead or is random"):
        forecast("Peeking", seasonal_walk(30), range(30))


def test_a_rule_cannot_spoil_its_input():
    y = seasonal_walk(30)
    before = y.copy()
    pool = [*resolve("Spoiler"), *resolve_rules(["naive"])]
    made = walk_forward(y, [29], [1], 4, pool)
    np.testing.assert_array_equal(y, before)
    assert made[1, 0, 0] == before[29]


def test_a_wrong_shape_names_rule_and_shapes():
    message = r"'wide' returned forecasts of shape \(origins, 99\), expected \(origins, 2\)"
    with pytest.raises(RuleError, match=message):
        forecast("Wide", seasonal_walk(30), [20, 29, 25])


def test_a_result_without_numbers_is_refused():
    with pytest.raises(RuleError, match="'words' returned list, not an array of numbers"):
        forecast("Words", seasonal_walk(30), [29])


def test_statsforecast_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "statsforecast.models", None)
    with pytest.raises(
        RuleError, match=r"needs statsforecast: install pulse-assets\[statsforecast\]"
    ):
        import_rule("statsforecast:AutoETS")
