"""The directory of Dagster's records."""

import os
from pathlib import Path

from pulse_assets.errors import ConfigurationError
from pulse_assets.storage.address import address_fault


def dagster_home() -> Path:
    """Return the directory of Dagster's records: DAGSTER_HOME, or `.pulse` in this directory.

    Raises:
        ConfigurationError: DAGSTER_HOME is the address of something else.
    """
    home = os.environ.get("DAGSTER_HOME") or ".pulse"
    fault = "lies in S3: name a directory" if home.startswith("s3://") else address_fault(home)
    if fault:
        raise ConfigurationError(f"DAGSTER_HOME = {home!r} {fault}")
    folder = Path(home).expanduser().resolve()
    if "?" in str(folder):
        raise ConfigurationError(
            f"DAGSTER_HOME {folder} holds a '?', after which the addresses of Dagster's records "
            "go on with options: name a directory without"
        )
    return folder
