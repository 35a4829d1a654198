"""The settings of a deployment (`Settings`), a run (`TrainingOptions`) and both (`TrainingConfig`)."""

from pulse_assets.settings.options import Settings, TrainingConfig, TrainingOptions, dagster_home

__all__ = ["Settings", "TrainingConfig", "TrainingOptions", "dagster_home"]
