"""Workers on other machines that see another store or source: an error before the first batch."""

import asyncio
import contextlib
import logging
import os

import pytest
from distributed import Client, LocalCluster

from pulse_assets.errors import ClusterError
from pulse_assets.execution import submissions, worker_store
from pulse_assets.execution.cluster import (
    ClusterSpec,
    active_client,
    open_cluster,
    remote_client,
)
from pulse_assets.execution.worker_calls import call_workers
from pulse_assets.execution.worker_check import WorkerCheck
from pulse_assets.execution.worker_store import WorkerAnswer, check_workers_store
from pulse_assets.run_training import main
from pulse_assets.settings import Settings
from pulse_assets.storage.s3 import S3Settings, connect
from pulse_assets.storage.store import LocalStore, S3Store, open_store
from pulse_assets_tests.execution.clusters import standing_cluster
from pulse_assets_tests.storage.buckets import new_bucket
from pulse_assets_tests.storage.s3_server import S3Server, refusing

#: A directory that every process sees differently: each in its own working directory.
OWN = "/proc/self/cwd"


@pytest.fixture(scope="module")
def client():
    """A client of two workers in threads of this process."""
    options = {"processes": False, "n_workers": 2, "threads_per_worker": 1}
    quiet = {"dashboard_address": "127.0.0.1:0", "scheduler_kwargs": {"dashboard": False}}
    with LocalCluster(**options, **quiet) as cluster, Client(cluster, set_as_default=False) as one:
        yield one


@pytest.fixture
def seeing(monkeypatch):
    """Let one look of a worker, of all that follow, give another result."""

    def change(change_first):
        look, looks = worker_store._look, iter([change_first])

        def changed(*place):
            return next(looks, lambda seen: seen)(look(*place))

        monkeypatch.setattr(worker_store, "_look", changed)

    return change


def test_workers_that_see_the_store_pass_and_leave_nothing(client, tmp_path):
    check_workers_store(client, Settings(store=str(tmp_path / "store")), ["gdp_growth"])
    assert list((tmp_path / "store").iterdir()) == []


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (WorkerAnswer("another"), "sees another object in the store"),
        (
            WorkerAnswer(store_fault="x: there is no such file"),
            r"cannot use the store \(x: there is no",
        ),
    ],
)
def test_one_of_two_workers_that_sees_another_place_is_named(client, tmp_path, seeing, seen, text):
    seeing(lambda _: seen)
    store = tmp_path / "store"
    with pytest.raises(ClusterError, match=f"^worker inproc://.* {text}") as caught:
        check_workers_store(client, Settings(store=str(store)), [])
    assert f"store {store} of this process" in str(caught.value)
    assert "either" not in str(caught.value)
    assert list(store.iterdir()) == []


def test_what_a_worker_raises_is_part_of_the_line(client, tmp_path, seeing):
    def fail(_):
        raise ValueError("odd\nerror")

    seeing(fail)
    with pytest.raises(ClusterError, match=r"cannot use the store \(odd error\)"):
        check_workers_store(client, Settings(store=str(tmp_path)), [])


def test_workers_without_the_source_are_named(client, tmp_path):
    settings = Settings(store=str(tmp_path / "store"), source=str(tmp_path / "none"))
    with pytest.raises(ClusterError, match=r"cannot use the source \(source .*/none does not"):
        check_workers_store(client, settings, ["line"])


def test_a_worker_that_does_not_answer_is_named(client, tmp_path, monkeypatch):
    monkeypatch.setattr(worker_store, "ANSWER_SECONDS", 0.0)
    with pytest.raises(ClusterError, match=r"no answer in 0 seconds.*; 1 other worker cannot"):
        check_workers_store(client, Settings(store=str(tmp_path)), [])


def test_a_worker_that_gives_no_answer_holds_up_no_other(client):
    stuck, other = client.nthreads()
    answers = call_workers(client, [stuck, other], wait_at, stuck, seconds=1)
    assert isinstance(answers[stuck], TimeoutError)
    assert answers[other] == other


async def wait_at(stuck, dask_worker):
    if dask_worker.address == stuck:
        await asyncio.Event().wait()
    return dask_worker.address


def test_another_run_that_replaces_the_token_in_s3_is_no_fault(client, s3, bucket, monkeypatch):
    store, replaced, write = open_store(f"s3://{bucket}/out", s3), [], S3Store.write

    def write_and_replace(self, path, data):
        write(self, path, data)
        if not replaced:
            replaced.append(data)
            write(self, path, b"of another run")

    monkeypatch.setattr(S3Store, "write", write_and_replace)
    place = {"aws_region": s3.region, "s3_endpoint_url": s3.endpoint_url}
    check_workers_store(client, Settings(store=store.uri, **place), [])
    assert replaced
    assert list(store.names()) == ["worker_check.txt"]


@pytest.mark.slow
def test_a_cluster_of_this_machine_is_not_checked(tmp_path):
    with open_cluster(ClusterSpec("local", {"n_workers": 1}, forced=True)):
        assert active_client() is not None
        assert remote_client() is None
    with standing_cluster(tmp_path, 1) as cluster:
        with open_cluster(ClusterSpec("existing", {"address": cluster.address})):
            assert remote_client() is active_client() is not None
        assert remote_client() is None


@pytest.mark.slow
@pytest.mark.parametrize("what", ["store", "numpy"])
def test_a_worker_that_joins_late_is_checked_then(tmp_path, what):
    """It has another directory, or finds the metadata of another version first."""
    here, there, versions = (tmp_path / name for name in ("here", "there", "versions"))
    metadata = versions / "numpy-1.0.1.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.0.1\n")
    here.mkdir()
    with (
        standing_cluster(tmp_path, 0) as cluster,
        contextlib.chdir(here),
        joined(cluster) as client,
    ):
        check = WorkerCheck(client, Settings(store=f"{OWN}/store"), [])
        assert check() == frozenset()
        start_in(cluster, here)
        cluster.wait_for_workers(1)
        (first,) = check()
        if what == "store":
            start_in(cluster, there)
            text = r"cannot use the store \(.*; it joined during the run: finished batches are"
        else:
            start_in(cluster, here, PYTHONPATH=str(versions))
            text = "numpy 1.0.1 instead of .* on worker tcp://.*; it joined during the run"
        cluster.wait_for_workers(2)
        with pytest.raises(ClusterError, match=text) as caught:
            check()
        assert first not in str(caught.value)
        assert check() == {first}


@contextlib.contextmanager
def joined(cluster):
    """The client of a run on a cluster that is there."""
    with open_cluster(ClusterSpec("existing", {"address": cluster.address})):
        yield active_client()


@pytest.mark.slow
def test_a_training_waits_for_the_first_worker_and_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(submissions, "NO_WORKER_SECONDS", 0.1)
    with standing_cluster(tmp_path, 0) as cluster:

        class Starts(logging.Handler):
            def emit(self, record):
                lines.append(record.getMessage())
                if len(lines) == 1:
                    cluster.add_worker()

        lines, handler = [], Starts()
        monkeypatch.setattr(logging.getLogger("pulse_assets.cluster"), "handlers", [handler])
        assert train_on(cluster, "--store", str(tmp_path / "store")) == 0
        assert f"the Dask scheduler {cluster.address} has no worker, so " in lines[0]
    assert "has no worker" in capsys.readouterr().err


@pytest.mark.slow
def test_a_first_worker_that_cannot_compute_ends_the_training(tmp_path, monkeypatch, capsys):
    """None of its batches counts, although it joins when the run has begun."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(submissions, "NO_WORKER_SECONDS", 0.1)
    with standing_cluster(tmp_path, 0) as cluster:

        class Starts(logging.Handler):
            def emit(self, _):
                if not cluster.workers:
                    start_in(cluster, there)

        monkeypatch.setattr(logging.getLogger("pulse_assets.cluster"), "handlers", [Starts()])
        assert train_on(cluster, "--store", f"{OWN}/store") == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: worker tcp://")
    assert "cannot use the store" in line
    assert not (here / "store" / "batch_metrics").exists()


def start_in(cluster, folder, **environment):
    """Add a worker that works in `folder`."""
    folder.mkdir(exist_ok=True)
    cluster._popen |= {"cwd": folder, "env": os.environ | environment}
    cluster.add_worker()


def train_on(cluster, *options):
    given = ("--start-date", "2019-01-01", "--batch-cadence", "yearly", "--models", "naive")
    where = ("--use-dask", "--dask-scheduler-address", cluster.address)
    return main([*given, "--variables", "gdp_growth", *where, *options])


@pytest.mark.slow
@pytest.mark.parametrize("which", ["store", "source"])
def test_a_worker_with_another_directory_ends_the_run_before_any_batch(
    tmp_path, monkeypatch, capsys, which
):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    monkeypatch.chdir(here)
    places = {"store": str(tmp_path / "store"), "source": "sample"}
    if which == "source":
        source = LocalStore(here / "source")
        rows = "".join(f"{y}-{m:02}-01,{y + m}\n" for y in range(2010, 2023) for m in range(1, 13))
        source.write("historical_gdp_growth.csv", f"timestamp,value\n{rows}".encode())
    places[which] = f"{OWN}/{which}"
    with standing_cluster(tmp_path, 0) as cluster:
        start_in(cluster, here)
        start_in(cluster, there)
        cluster.wait_for_workers(2)
        assert train_on(cluster, "--store", places["store"], "--source", places["source"]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: worker tcp://")
    assert f"cannot use the {which}" in line
    assert f"{OWN}/{which}" in line
    stores = (tmp_path / "store", here / "store", there / "store")
    assert [file for store in stores if store.exists() for file in store.rglob("*")] == []


@pytest.mark.slow
def test_a_worker_with_another_s3_server_ends_the_run_before_any_batch(
    tmp_path, monkeypatch, capsys, credentials
):
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    connect.cache_clear()  # a client remembers the environment in which it was made
    servers = S3Server(), S3Server()
    try:
        bucket = new_bucket(S3Settings("us-east-1", endpoint_url=servers[0].url))
        # moto's servers share what they hold, so the other one denies it.
        servers[1].fault = refusing("NoSuchBucket", "404 Not Found")
        monkeypatch.setenv("AWS_ENDPOINT_URL", servers[0].url)
        with standing_cluster(tmp_path, 0) as cluster:
            for name, server in zip(("here", "there"), servers, strict=True):
                start_in(cluster, tmp_path / name, AWS_ENDPOINT_URL=server.url)
            cluster.wait_for_workers(2)
            assert train_on(cluster, "--store", f"s3://{bucket}/out") == 1
    finally:
        connect.cache_clear()
        for server in servers:
            server.stop()
    err = capsys.readouterr().err
    assert f"cannot use the store (s3://{bucket}/out/worker_check.txt: cannot be read" in err
    assert "the bucket does not exist" in err
