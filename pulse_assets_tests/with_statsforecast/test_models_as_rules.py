"""Models of statsforecast as rules: `--models statsforecast:AutoETS`."""

from importlib.metadata import version

import numpy as np
import pytest
from statsforecast.models import AutoCES, AutoETS

from pulse_assets import TrainingConfig, train
from pulse_assets.errors import RuleError
from pulse_assets.retrodiction.hosted_rules import rule_versions
from pulse_assets.retrodiction.rule_process import close_hosts
from pulse_assets.retrodiction.rules import RULES, resolve_rules
from pulse_assets.retrodiction.user_rules import import_rule
from pulse_assets.retrodiction.walk_forward import SeriesBatch, walk_forward
from pulse_assets_tests.execution.test_blocks import config_of, run_in_blocks
from pulse_assets_tests.retrodiction.examples import seasonal_walk


@pytest.mark.parametrize(("name", "season"), [("SeasonalNaive", 4), ("HistoricAverage", 1)])
def test_a_model_of_statsforecast(name, season):
    y = seasonal_walk(30)
    rules = [*resolve_rules([f"statsforecast:{name}"]), RULES["seasonal_naive"], RULES["mean"]]
    made = walk_forward(y, [5, 20, 29], [1, 3], 4, rules)
    assert rules[0].name == name
    assert np.isnan(made[0, 0]).all()
    np.testing.assert_allclose(made[0, 1:], made[1 if season == 4 else 2, 1:])


def test_an_unknown_model_is_named():
    message = "'statsforecast.models' has no class 'Nothing'"
    with pytest.raises(RuleError, match=message):
        resolve_rules(["statsforecast:Nothing"])


def test_statsforecast_has_the_version_of_the_library():
    assert rule_versions(["statsforecast:Naive"]) == {
        "statsforecast:Naive": version("statsforecast")
    }


def test_batches_and_checks_have_rules_of_their_own():
    imported = import_rule("statsforecast:Naive")
    assert imported.make(False) is imported.make(False)
    assert imported.make(True) is imported.make(True)
    assert imported.make(False).forecasts is not imported.make(True).forecasts


def test_a_training_stores_its_forecasts(tmp_path, source):
    config = TrainingConfig(
        **{"source": str(source), "store": str(tmp_path / "store"), "variables": ["line"]},
        **{"start_date": "2005-01-01", "end_date": "2005-03-31", "batch_cadence": "monthly"},
        **{"models": ["naive", "statsforecast:Naive"], "horizons": [1, 3], "max_workers": 1},
    )
    results = train(config)
    assert results.success, results.message
    scores = results.models.set_index("model")
    assert scores.loc["Naive", "mase"] == scores.loc["naive", "mase"]
    assert scores.loc["Naive", "missing"] == 0


@pytest.mark.parametrize("count", [1, 3, 8])
def test_series_together_have_the_forecasts_of_each_alone(count):
    series = [10.0 * (i + 1) + seasonal_walk(24 + i) for i in range(count)]
    origins = [np.array([len(y) - 4, len(y) - 1]) for y in series]
    (rule,) = resolve_rules(["statsforecast:AutoETS"])
    rule.guarded = False
    batch = SeriesBatch.of(series, origins, [1, 3], 4)
    for _ in range(2):
        together = batch.forecast(rule)
        alone = [
            AutoETS(season_length=4).forecast(y=y[: origin + 1], h=3)["mean"][[0, 2]]
            for y, own in zip(series, origins, strict=True)
            for origin in own
        ]
        np.testing.assert_array_equal(together, alone)


def test_a_series_on_which_a_model_breaks_fails_alone():
    broken = np.tile([1e300, -1e300], 12)
    series = [seasonal_walk(24), broken, 50.0 + seasonal_walk(24)]
    (rule,) = resolve_rules(["statsforecast:AutoCES"])
    batch = SeriesBatch.of(series, [np.array([22, 23])] * 3, [1], 4)
    failures = []
    made = batch.run(rule, failures)
    texts = ["Exception: no model able to be fitted"] * 2
    assert [(f.origin - 24, f.text) for f in failures] == [*zip([22, 23], texts, strict=True)]
    np.testing.assert_array_equal(np.isnan(made[:, 0]), [False, False, True, True, False, False])
    for s, start in ((0, 0), (2, 4)):
        alone = SeriesBatch.of([series[s]], [np.array([22, 23])], [1], 4).run(rule)
        np.testing.assert_array_equal(made[start : start + 2], alone)
        expected = [
            AutoCES(season_length=4).forecast(y=series[s][:n], h=1)["mean"] for n in (23, 24)
        ]
        np.testing.assert_array_equal(made[start : start + 2] * batch.units[s], expected)


def test_how_batches_are_grouped_changes_no_forecast(tmp_path, source):
    dates = {"start_date": "2002-06-01", "end_date": "2002-08-31", "history_days": 400}
    models, objects = ["naive", "statsforecast:AutoETS"], []
    for size in (1, 3):
        close_hosts()  # with all that they remember
        config = config_of(source, tmp_path / str(size), **dates, models=models, horizons=[1])
        objects.append(run_in_blocks(config, size)[1])
    assert objects[0] == objects[1]
