"""Fixtures of the tests on a real Dask cluster, which all of them share."""

import pytest
from distributed import Client

from pulse_assets_tests.execution.clusters import worker_processes
from pulse_assets_tests.storage.conftest import bucket, credentials, s3, s3_server  # noqa: F401


@pytest.fixture(scope="session")
def scheduler():
    """Address of a scheduler with two workers of one thread each."""
    with worker_processes(2) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def client(scheduler):
    """A client of its own on that scheduler."""
    with Client(scheduler, set_as_default=False) as client:
        yield client
