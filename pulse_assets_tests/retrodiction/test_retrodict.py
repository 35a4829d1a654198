import numpy as np
import pytest

from pulse_assets.retrodiction.quantiles import LEVELS
from pulse_assets.retrodiction.retrodict import retrodict, slow_origins
from pulse_assets.retrodiction.user_rules import SlowRule
from pulse_assets.retrodiction.walk_forward import walk_forward
from pulse_assets_tests.retrodiction.examples import InThisProcess, all_rules, rules, seasonal_walk
from pulse_assets_tests.retrodiction.test_walk_forward import unusual_series

HORIZONS = [1, 3, 12]
METHODS = ["dmsfe", "boa"]


def test_shapes_and_names():
    made = retrodict(seasonal_walk(60), [40, 50, 59], HORIZONS, 4, rules("naive", "ses"))
    assert made.models == ("naive", "ses", "ensemble", "ensemble_median")
    for values in (made.predicted, *made.quantiles, made.weights):
        assert values.shape == (4, 3, 3)
    assert len(made.quantiles) == len(LEVELS)


def test_rules_forecast_as_walk_forward_does():
    y = seasonal_walk(60)
    made = retrodict(y, [40, 59], HORIZONS, 4, rules())
    np.testing.assert_array_equal(
        made.predicted[:-2], walk_forward(y, [40, 59], HORIZONS, 4, rules())
    )


@pytest.mark.parametrize("method", METHODS)
def test_ensembles_are_the_weighted_mean_and_the_median(method):
    made = retrodict(seasonal_walk(60), range(60), HORIZONS, 4, rules(), ensemble=method)
    members, weights = made.predicted[:-2], made.weights[:-2]
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(0), 1, rtol=1e-12)
    assert (weights[np.isnan(members)] == 0).all()
    np.testing.assert_allclose(made.predicted[-2], np.nansum(weights * members, 0), rtol=1e-12)
    np.testing.assert_allclose(made.predicted[-1], np.nanmedian(members, 0), rtol=1e-12)
    assert np.isnan(made.weights[-2:]).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", unusual_series())
def test_unusual_series(name, method):
    y = unusual_series()[name]
    made = retrodict(y, range(len(y)), HORIZONS, 4, all_rules(len(y)), ensemble=method)
    for values in (made.predicted, made.quantiles, made.weights):
        assert not np.isinf(values).any()
    weights, awake = made.weights[:-2], np.isfinite(made.predicted[:-2]).any(axis=0)
    np.testing.assert_allclose(weights.sum(axis=0)[awake], 1.0, rtol=1e-9)
    assert (weights[:, awake] >= 0).all()
    assert not (made.quantiles[1:] < made.quantiles[:-1]).any()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("factor", [2.0**40, 1e-9, -1.0])
def test_units(method, factor):
    y = seasonal_walk(60)
    made = retrodict(y, range(60), HORIZONS, 4, rules(), ensemble=method)
    scaled = retrodict(y * factor, range(60), HORIZONS, 4, rules(), ensemble=method)
    np.testing.assert_allclose(scaled.predicted, made.predicted * factor, rtol=1e-6)
    np.testing.assert_allclose(scaled.weights, made.weights, rtol=1e-6, atol=1e-9)
    quantiles = np.sort(made.quantiles * factor, axis=0)
    np.testing.assert_allclose(scaled.quantiles, quantiles, rtol=1e-6, atol=abs(factor) * 1e-6)


def test_quantiles_are_finite_from_the_second_value_on():
    made = retrodict(seasonal_walk(30), range(30), [1, 4], 4, rules("naive", "ses"))
    defined = np.isfinite(made.quantiles).all(axis=(0, 1, 3))
    assert defined.tolist() == [False] + [True] * 29


@pytest.mark.parametrize("method", METHODS)
def test_a_horizon_does_not_depend_on_the_others_nor_an_origin(method):
    y = seasonal_walk(70)
    many = retrodict(y, range(70), [*range(1, 23), 26], 4, all_rules(70), ensemble=method)
    few = retrodict(y, [30, 50], [5, 26], 4, all_rules(70), ensemble=method)
    for name in ("predicted", "quantiles", "weights"):
        made, alone = getattr(many, name), getattr(few, name)
        np.testing.assert_array_equal(made[..., [30, 50], :][..., [4, 22]], alone)


def test_a_missing_value_teaches_nothing():
    y = seasonal_walk(60)
    y[40:42] = np.nan
    made = retrodict(y, [39, 41, 42], [1, 4], 4, rules("naive", "mean", "drift")).weights[:-2]
    np.testing.assert_array_equal(made[:, 1], made[:, 0])
    assert (made[:, 2] != made[:, 1]).all()


def test_before_the_first_value_nothing():
    y = np.append(np.full(5, np.nan), seasonal_walk(20))
    made = retrodict(y, [2, 4, 20], [1], 4, rules("naive"))
    assert np.isnan(made.predicted[:, :2]).all()
    assert np.isnan(made.weights[:, :2]).all()
    assert np.isfinite(made.predicted[:, 2]).all()


def test_no_origin():
    assert retrodict(np.arange(5.0), [], [1, 2], 1, rules("naive")).predicted.shape == (3, 0, 2)


def test_a_slow_rule_is_judged_at_the_origins_before():
    y = seasonal_walk(80, 4)
    lengths = []

    def fit_predict(past, horizons, season):
        lengths.append(len(past) - 1)
        return y[len(past) - 1 + horizons]  # it knows the future, so it is always right

    oracle = InThisProcess(SlowRule("oracle", True, 24, 1, fit_predict))
    made = retrodict(y, [60, 61], [1, 4], 4, [*rules("naive", "ses"), oracle])
    assert lengths == list(range(36, 62))
    np.testing.assert_allclose(made.weights[2], 1.0, atol=0.05)


def explosive(value, *, guarded):
    class Explosive:
        name, scale_free, history_origins = "explosive", False, None

        def forecast(self, y, request):
            return np.full((len(request.origins), len(request.horizons)), value)

    rule = Explosive()
    rule.guarded = guarded
    return rule


@pytest.mark.parametrize(
    ("method", "is_guarded"), [("dmsfe", True), ("dmsfe", False), ("boa", True)]
)
def test_an_exploding_rule_does_not_poison_the_ensemble(method, is_guarded):
    y = seasonal_walk(120)
    origins = np.arange(20, 119)
    wild = explosive(1e9, guarded=is_guarded)
    with_it, without = (
        retrodict(y, origins, [1], 4, pool, ensemble=method).predicted[-2:, :, 0]
        for pool in ([*rules(), wild], rules())
    )
    errors = np.abs(with_it - y[origins + 1])
    assert errors[0].mean() < 1.1 * np.abs(without[0] - y[origins + 1]).mean()
    assert errors[1].max() < 50 or not is_guarded


@pytest.mark.parametrize("method", METHODS)
def test_the_ensemble_follows_the_better_rule(method):
    y = np.tile([1.0, 5.0, 3.0, 9.0], 40) + 0.1 * np.random.default_rng(0).standard_normal(160)
    made = retrodict(y, [150], [1], 4, rules("naive", "mean", "seasonal_naive"), ensemble=method)
    assert made.weights[2, 0, 0] > 0.95


def test_slow_rules_run_at_a_few_origins_before_those_asked():
    assert slow_origins(5, 8, 2) == range(3, 9)
    assert slow_origins(1, 1, 2) == range(2)
