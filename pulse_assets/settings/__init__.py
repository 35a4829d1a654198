"""The settings of a deployment (`Settings`), of a run (`TrainingOptions`) and of both."""

from pulse_assets.settings.options import Settings, TrainingConfig, TrainingOptions, dagster_home

__all__ = ["Settings", "TrainingConfig", "TrainingOptions", "dagster_home"]
