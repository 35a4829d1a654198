"""Fixtures of the tests on a real Dask cluster."""

from pulse_assets_tests.execution.conftest import (  # noqa: F401
    bucket,
    client,
    credentials,
    s3,
    s3_server,
    scheduler,
)
