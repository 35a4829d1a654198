"""A training whose parts are on hosts that share no disk, over TLS, while a link is cut."""

import sys
import time
from pathlib import Path

import pytest
import yaml

from pulse_assets import train
from pulse_assets_tests.conftest import stored
from pulse_assets_tests.execution.clusters import wait_until
from pulse_assets_tests.execution.test_joining import make_certificate
from pulse_assets_tests.network import network
from pulse_assets_tests.test_faults import months, sixty_batches  # noqa: F401

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
CUT_SECONDS = 30
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
EVERYWHERE = KEYS | {
    "AWS_EC2_METADATA_DISABLED": "true",
    "PYTHONPATH": str(ROOT),
    "DASK_CONFIG": str(ROOT / "deploy" / "dask.yaml"),
}

FILL = """
import boto3, os, sys, time, botocore
s3 = boto3.client("s3", endpoint_url=sys.argv[1], region_name="us-east-1")
while True:
    try:
        s3.create_bucket(Bucket="bucket")
        break
    except botocore.exceptions.EndpointConnectionError:
        time.sleep(0.1)
s3.upload_file("historical_line.csv", "bucket", "source/historical_line.csv")
"""

COPY = """
import boto3, pathlib, sys
bucket = boto3.resource("s3", endpoint_url=sys.argv[1], region_name="us-east-1").Bucket("bucket")
for one in bucket.objects.filter(Prefix="store/"):
    file = pathlib.Path(one.key)
    file.parent.mkdir(parents=True, exist_ok=True)
    bucket.download_file(one.key, str(file))
"""


def test_a_link_is_cut_in_the_middle_of_a_training(months, tmp_path, monkeypatch):  # noqa: F811
    files = dict(zip(("crt", "key"), make_certificate(tmp_path, "pulse"), strict=True))
    files = {name: Path(file).read_bytes() for name, file in files.items()}
    table = (months / "historical_line.csv").read_bytes()
    with network(tmp_path) as hosts:
        storage = f"http://{hosts.add('storage')}:5000"
        address = f"tls://{hosts.add('scheduler', **files)}:8786"
        workers = {name: hosts.add(name, **files) for name in ("first", "second")}
        hosts.add("run", **files, **{"historical_line.csv": table})

        def start(host, module, *arguments, **more):
            return hosts.start(host, sys.executable, "-m", module, *arguments, **EVERYWHERE, **more)

        start("storage", "moto.server", "-H", "0.0.0.0", "-p", "5000")
        tls = ("--tls-ca-file", "crt", "--tls-cert", "crt", "--tls-key", "key", "--no-dashboard")
        start("scheduler", "distributed.cli.dask_scheduler", "--protocol", "tls", *tls)
        for name, place in workers.items():
            mine = ("--nthreads", "1", "--host", place, *tls)
            start(name, "distributed.cli.dask_worker", address, *mine, BATCH_SECONDS="3")
        script = hosts.start("run", sys.executable, "-c", FILL, storage, **EVERYWHERE)
        assert script.wait(60) == 0, hosts.log("run")

        certificates = {"ca_file": "crt", "client_cert": "crt", "client_key": "key"}
        config = {
            **sixty_batches(months, "store").model_dump(mode="json", exclude_none=True),
            **{f"dask_tls_{name}": str(hosts.disk / file) for name, file in certificates.items()},
            "source": "s3://bucket/source",
            "store": "s3://bucket/store",
            "s3_endpoint_url": storage,
            "aws_region": "us-east-1",
            "use_dask": True,
            "dask_scheduler_address": address,
        }
        (hosts.disk_of("run") / "config.yaml").write_text(yaml.safe_dump(config))
        run = start("run", "pulse_assets.run_training", "--config", "config.yaml")

        def written(worker):
            """The objects that a worker has written until now."""
            assert run.poll() is None, hosts.log("run")
            lines = hosts.log("storage").splitlines()
            return [line for line in lines if "PUT" in line and f"{workers[worker]} " in line]

        wait_until(lambda: written("first") and written("second"), 60)
        hosts.pull_cable("first")
        before = {worker: written(worker) for worker in workers}
        time.sleep(CUT_SECONDS)  # a fault that lasts as long is what is tested
        during = {worker: len(written(worker)) - len(before[worker]) for worker in workers}
        hosts.plug_in("first")
        assert run.wait(120) == 0, hosts.log("run")
        script = hosts.start("run", sys.executable, "-c", COPY, storage, **EVERYWHERE)
        assert script.wait(60) == 0, hosts.log("run")
        found = stored(hosts.disk_of("run") / "store")
    assert during["first"] <= 1  # one that the server had received when the cable was pulled
    assert during["second"] > 0
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    assert train(sixty_batches(months, tmp_path / "local", max_workers=1)).success
    assert found == stored(tmp_path / "local")
