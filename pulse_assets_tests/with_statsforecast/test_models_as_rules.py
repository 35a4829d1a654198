"""Models of statsforecast as rules: `--models statsforecast:AutoETS`."""

from importlib.metadata import version

import numpy as np
import pytest

from pulse_assets import TrainingConfig, train
from pulse_assets.errors import RuleError
from pulse_assets.retrodiction.hosted_rules import rule_versions
from pulse_assets.retrodiction.rules import RULES, resolve_rules
from pulse_assets.retrodiction.walk_forward import walk_forward
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
