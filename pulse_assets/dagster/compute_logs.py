"""What steps print, where `dagster.yaml` keeps it in S3: checked before a run would write it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pulse_assets.dagster.internals import InstanceRef
from pulse_assets.errors import ConfigurationError, StoreUnavailableError
from pulse_assets.storage.s3 import S3Settings
from pulse_assets.storage.store import open_store

_IN_S3: Final = "S3ComputeLogManager"
#: Options that our connection does not have, with which it could fail where Dagster's does not.
_NOT_OURS: Final = ("use_ssl", "verify", "verify_cert_path", "upload_extra_args")


def check_compute_logs(ref: InstanceRef, file: Path) -> None:
    """Fail now if the bucket of compute logs cannot be written.

    Dagster writes to it after each step: minutes pass where a proxy or server is silent, and a
    failure is an event of the run that no terminal shows.

    Args:
        ref: the instance.
        file: its `dagster.yaml`, for messages.

    Raises:
        ConfigurationError: it cannot; the message names file, bucket, cause and fix.
    """
    data = ref.compute_logs_data
    config: Mapping[str, Any] = data.config_dict
    if data.class_name != _IN_S3 or any(name in config for name in _NOT_OURS):
        return
    bucket, prefix, endpoint = (_text(config, key) for key in ("bucket", "prefix", "endpoint_url"))
    address = f"s3://{bucket}/{(prefix or 'dagster').strip('/')}"
    try:
        open_store(address, S3Settings(endpoint_url=endpoint)).check_writable()
    except StoreUnavailableError as error:
        raise ConfigurationError(
            f"{file} keeps compute logs in S3, but {error}; or remove compute_logs from the file"
        ) from error


def _text(config: Mapping[str, Any], key: str) -> str | None:
    """Return a text of a configuration, which may name a variable of the environment."""
    value = config.get(key)
    return os.environ.get(value["env"]) if isinstance(value, dict) else value
