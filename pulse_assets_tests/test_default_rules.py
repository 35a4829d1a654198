"""`default` among the rules stands for those that run if none is named."""

import pytest

from pulse_assets.errors import ConfigurationError
from pulse_assets.retrodiction.rules import DEFAULT_MODELS
from pulse_assets.settings import TrainingConfig


def test_default_rules_and_one_more():
    models = TrainingConfig(models=["default", "ses_adjusted", "my_rules:Mine"]).models
    assert models == [*DEFAULT_MODELS, "ses_adjusted", "my_rules:Mine"]


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (["default", "naive"], "naive beside default, which includes it"),
        (["default", "default"], "names one twice"),
    ],
)
def test_a_rule_that_default_includes_is_refused(models, message):
    with pytest.raises(ConfigurationError, match=message):
        TrainingConfig(models=models)
