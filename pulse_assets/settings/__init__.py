"""The settings of a deployment (`Settings`), of a run (`TrainingOptions`) and of both.

A value is checked once, here: code that holds one of these models relies on it.
"""

from pulse_assets.settings.config import TrainingConfig
from pulse_assets.settings.deployment import Settings
from pulse_assets.settings.home import dagster_home
from pulse_assets.settings.options import TrainingOptions

__all__ = ["Settings", "TrainingConfig", "TrainingOptions", "dagster_home"]
