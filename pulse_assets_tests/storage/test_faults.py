"""Storage that fails during a run of sixty batches, for real: what is kept, said and mended."""

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pulse_assets import TrainingConfig, train
from pulse_assets.errors import TrainingError
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.store import open_store
from pulse_assets_tests.conftest import stored
from pulse_assets_tests.storage.buckets import new_bucket
from pulse_assets_tests.storage.s3_server import S3Server, after, dropping, overloaded, silent
from pulse_assets_tests.storage.test_s3_runs import objects_of, place, upload

RUN = {
    "start_date": "2005-01-01",
    "end_date": "2009-12-05",
    "models": ["naive", "drift"],
    "horizons": [1],
    "variables": ["line"],
    "max_workers": 1,
}
BATCHES = 60
KEY = "2005-03-02"
#: Batches wait for a slow server side by side.
SIDE_BY_SIDE = {"max_workers": 2, "dask_threads_per_worker": 4}


@pytest.fixture
def undisturbed(source, tmp_path):
    """The objects of the same run in a directory."""
    store = str(tmp_path / "undisturbed")
    assert train(TrainingConfig(**RUN, source=str(source), store=store)).success
    objects = stored(store)
    assert len(objects) == 4 * BATCHES + 1
    return objects


# S3


@pytest.fixture
def cloud(source, bucket, s3):
    """Source and store in a bucket, as fields of a configuration."""
    upload(source, f"s3://{bucket}/in", s3)
    return {"source": f"s3://{bucket}/in", "store": f"s3://{bucket}/out", **place(s3)}


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["overloaded", "dropping", "silent"])
def test_a_run_outlasts_what_passes(fault, cloud, s3, s3_server, undisturbed):
    faults = {
        "overloaded": lambda: overloaded(1 / 3),
        "dropping": lambda: dropping(s3_server, 1 / 3),
        "silent": lambda: after(40, lambda: setattr(s3_server, "fault", silent(60))),
    }
    started = time.monotonic()
    with s3_server.failing(faults[fault]()):
        results = train(TrainingConfig(**RUN | SIDE_BY_SIDE, **cloud))
    assert results.success
    assert objects_of(cloud["store"], s3) == undisturbed
    assert fault != "silent" or time.monotonic() - started > 60


@pytest.mark.slow
@pytest.mark.parametrize("silence", [False, True])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_whose_s3_is_gone_ends_within_two_minutes(source, credentials, silence, workers):
    server = S3Server()
    gone = []

    def go():
        gone.append(time.monotonic())
        server.fault = silent(600)
        if not silence:
            server.stop()

    s3 = type("S3", (), {"region": "us-east-1", "endpoint_url": server.url})
    ...
