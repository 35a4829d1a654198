"""Files of settings: that of `--config`, and that of a deployment, which PULSE_CONFIG names."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pulse_assets.errors import ConfigurationError
from pulse_assets.settings.config import TrainingConfig
from pulse_assets.settings.deployment import Settings
from pulse_assets.settings.environment import CONFIG_VARIABLE
from pulse_assets.settings.options import TrainingOptions


def read_settings(path: Path, name: str) -> dict[str, Any]:
    """Read settings by name from a YAML file.

    Args:
        path: the file.
        name: the option or variable that names it, for messages.

    Raises:
        ConfigurationError: the file cannot be read or holds no settings.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{name} {path} cannot be read: {reason}") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ConfigurationError(
            f"{name} {path} holds no settings: write lines such as `batch_size_days: 7`"
        )
    return values


def settings_in_file(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings in the file that the environment names, unchecked; none without one.

    Raises:
        ConfigurationError: the file cannot be read or holds no settings.
    """
    path = environment.get(CONFIG_VARIABLE)
    return read_settings(Path(path), CONFIG_VARIABLE) if path else {}


def deployment_of(environment: Mapping[str, str] | None = None) -> tuple[Settings, TrainingOptions]:
    """Return what the environment says of a deployment, and the defaults of its runs.

    Args:
        environment: variables by name; those of this process unless given.

    Raises:
        ConfigurationError: a value cannot be used, or the file cannot be read.
    """
    config = TrainingConfig(**environment_config(environment))
    return config.settings(), config.options()


def environment_config(environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the settings that the environment and its file name, unchecked.

    Args:
        environment: variables by name; those of this process unless given.

    Raises:
        ConfigurationError: the file cannot be read or holds no settings.
    """
    environment = os.environ if environment is None else environment
    return settings_in_file(environment) | Settings.in_environment(environment)
