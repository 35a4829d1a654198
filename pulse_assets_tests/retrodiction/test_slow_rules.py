"""A slow rule is fitted once to equal values, and its forecasts do not depend on that."""

from types import SimpleNamespace

import numpy as np
import pytest

from pulse_assets.dagster.checks import lookahead
from pulse_assets.errors import RuleError
from pulse_assets.retrodiction import hosted_rules, rule_host, user_rules
from pulse_assets.retrodiction.failures import RuleFailedError
from pulse_assets.retrodiction.hosted_rules import rule_versions
from pulse_assets.retrodiction.request import ForecastRequest
from pulse_assets.retrodiction.rule_process import HostTimeoutError, this_threads_host
from pulse_assets.retrodiction.rule_wire import Message
from pulse_assets.retrodiction.rules import resolve_rules
from pulse_assets.retrodiction.user_rules import ImportedRule, SlowRule
from pulse_assets.retrodiction.walk_forward import walk_forward

HORIZONS = np.array([1, 3])
Y = np.arange(20.0)


class Fits:
    """A rule that counts its fits, and raises where the last value is `broken`."""

    def __init__(self, broken=None):
        self.count, self.broken = 0, broken

    def __call__(self, y, horizons, season):
        self.count += 1
        if y[-1] == self.broken:
            raise ValueError("broken")
        return y.sum() * season + horizons


def slow(fits):
    return SlowRule("slow", True, 24, 1, fits)


def run(rule, origins, y=Y, horizons=HORIZONS, season=1):
    return rule.run(y, np.array(origins), horizons, season)


def test_equal_values_are_fitted_once():
    fits = Fits()
    rule = slow(fits)
    first, _ = run(rule, range(5, 15))
    second, _ = run(rule, range(10, 20))
    assert fits.count == 15
    np.testing.assert_array_equal(first[5:], second[:5])
    alone = [run(slow(Fits()), [origin])[0][0] for origin in range(10, 20)]
    np.testing.assert_array_equal(second, alone)


@pytest.mark.parametrize(
    "change",
    [
        {"y": np.append(Y[:-1], 19.5)},
        {"y": np.append(-1.0, Y)[:-1], "season": 1},
        {"horizons": np.array([1, 4])},
        {"horizons": np.array([1])},
        {"season": 2},
    ],
)
def test_a_fit_to_anything_else_is_another(change):
    fits = Fits()
    rule = slow(fits)
    run(rule, [19])
    other, _ = run(rule, [19], **change)
    assert fits.count == 2
    np.testing.assert_array_equal(other, run(slow(Fits()), [19], **change)[0])


def test_a_caller_cannot_change_what_is_remembered():
    rule = slow(Fits())
    forecasts, _ = run(rule, [19])
    expected = forecasts.copy()
    forecasts[:] = 0.0
    np.testing.assert_array_equal(run(rule, [19])[0], expected)


def test_a_failure_is_tried_again_and_costs_one_origin():
    fits = Fits(broken=7.0)
    rule = slow(fits)
    forecasts, failures = run(rule, range(5, 10))
    again, _ = run(rule, range(5, 10))
    assert fits.count == 6
    np.testing.assert_array_equal(np.isnan(forecasts[:, 0]), np.arange(5, 10) == 7)
    np.testing.assert_array_equal(forecasts, again)
    assert failures == [(2, "ValueError", "broken")]
    fits.broken = None
    assert run(rule, range(5, 10))[1] == []


def test_the_oldest_forecasts_are_forgotten(monkeypatch):
    monkeypatch.setattr(user_rules, "_REMEMBERED_NUMBERS", 3 * (2 + 40))
    fits = Fits()
    rule = slow(fits)
    run(rule, range(5, 10))
    assert len(rule.forecasts) == 3
    run(rule, [9, 8, 7])
    assert fits.count == 5
    run(rule, [5])
    assert fits.count == 6


# In the rule host


def ask(rules, batch, *, check=False):
    header = {"reference": "a:B", "batch": batch, "version": "1", "season": 1, "check": check}
    (forecasts,) = rules.forecast(Message(header, [Y, np.array([19]), HORIZONS])).arrays
    return forecasts


@pytest.fixture
def fits(monkeypatch):
    """The fits of a model of which all batches have one rule, and all checks one."""
    fits = Fits()
    rules = [slow(fits), slow(fits)]
    monkeypatch.setattr(rule_host, "import_rule", lambda _: ImportedRule(rules.__getitem__, "1"))
    return fits


def test_a_model_is_fitted_once_for_all_batches(fits):
    rules = rule_host._Rules()
    made = [ask(rules, batch) for batch in (1, 1, 2, 3)]
    assert fits.count == 1
    np.testing.assert_array_equal(made, made[:1] * 4)


def test_the_lookahead_check_gets_no_forecast_of_a_batch(fits):
    rules = rule_host._Rules()
    ask(rules, 1)
    ask(rules, 2, check=True)
    assert fits.count == 2
    ask(rules, 3, check=True)
    ask(rules, 4)
    assert fits.count == 2


def test_the_lookahead_check_asks_for_new_forecasts(monkeypatch):
    class ResolvedError(Exception):
        pass

    def resolve(models, *, seconds, check):
        assert check
        raise ResolvedError

    options = SimpleNamespace(models=["naive"], rule_timeout_seconds=1.0)
    batches = SimpleNamespace(options=options, sample=lambda _: ["key"])
    monkeypatch.setattr(lookahead, "resolve_rules", resolve)
    with pytest.raises(ResolvedError):
        lookahead.no_lookahead(batches)


class Count:
    """A user's rule that depends on more than its input: it forecasts the number of its calls."""

    name = "count"
    guarded = False

    def __init__(self):
        self.calls = 0

    def fit_predict(self, y_past, horizons):
        self.calls += 1
        return [self.calls] * len(horizons)


def test_a_users_class_remembers_no_other_batch():
    for _ in range(2):
        rules = resolve_rules([f"{__name__}:Count"])
        for _ in range(2):
            made = walk_forward(Y, [17, 18, 19], [1], 1, rules)
            np.testing.assert_array_equal(made[0, :, 0], [1, 2, 3])


# Other libraries


@pytest.mark.parametrize("library", ["sktime", "darts"])
def test_other_libraries_take_part_by_their_forecasts(library):
    host = this_threads_host()
    host.close()
    message = (
        rf"rule '{library}:Model': models of {library} are not run here: .* as "
        r"forecasts_Model\.csv, with the columns variable, target_date, predicted and made_at$"
    )
    for resolve in (resolve_rules, rule_versions):
        with pytest.raises(RuleError, match=message):
            resolve([f"{library}:Model"])
    assert not host.descriptions


class Host:
    """A rule host with a clock of its own, by which each series takes some seconds."""

    def __init__(self, takes):
        self.descriptions, self.takes, self.asked, self.now = {}, takes, [], 0.0

    def monotonic(self):
        return self.now

    def ask(self, header, arrays=(), *, seconds):
        if header["ask"] == "describe":
            described = {"name": "mine", "guarded": True, "history_origins": None, "version": "1"}
            return Message(described, [])
        taken = self.takes[len(self.asked)]
        self.asked.append(seconds)
        self.now += min(taken, seconds)
        if taken >= seconds:
            raise HostTimeoutError
        _, origins, horizons = arrays
        return Message({"failures": []}, [np.zeros((len(origins), len(horizons)))])


def forecast_variables(monkeypatch, host, variables, vintages):
    """Return, for each variable, how many of its vintages a rule with 5 seconds forecasts."""
    monkeypatch.setattr(hosted_rules, "this_threads_host", lambda: host)
    monkeypatch.setattr(hosted_rules, "time", host)
    (rule,) = resolve_rules(["my_rules:Mine"], seconds=5.0)
    request = ForecastRequest.of([20] * vintages, [[18, 19]] * vintages, HORIZONS, 1)
    forecast = []
    for _ in range(variables):
        try:
            forecast.append(len(rule.forecast(np.tile(Y, vintages), request)) // 2)
        except RuleFailedError as error:
            forecast.append(vintages - len(error.failures) // 2)
            said = {failure.message for failure in error.failures}
            assert all("rule_timeout_seconds = 5 for one variable" in text for text in said)
    return forecast


@pytest.mark.parametrize("hang", [(), (0,), (99,), (40, 60)])
def test_the_time_limit_counts_for_each_variable_alone(monkeypatch, hang):
    """A hundred variables may take a hundred times as long as one; a rule that hangs, once."""
    host = Host([9.0 if number in hang else 4.0 for number in range(100)])
    forecast = forecast_variables(monkeypatch, host, 100, 1)
    called = min(hang, default=99) + 1
    assert forecast == [1] * (called - bool(hang)) + [0] * (100 - called + bool(hang))
    assert host.asked == [5.0] * called


@pytest.mark.parametrize(
    ("takes", "expected"), [(1.0, [4, 4, 4]), (1.5, [3, 0, 0]), (6, [0, 0, 0])]
)
def test_all_vintages_of_a_variable_share_its_time_limit(monkeypatch, takes, expected):
    host = Host([takes] * 12)
    assert forecast_variables(monkeypatch, host, 3, 4) == expected
    assert host.now <= 5.0 * (1 + sum(count == 4 for count in expected))
