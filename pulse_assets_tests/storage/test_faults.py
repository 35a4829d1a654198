"""Storage that fails during a run of sixty batches, for real: what is kept, said and mended."""

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pulse_assets import TrainingConfig, train
from pulse_assets.catalog import BATCH_TABLES
from pulse_assets.dagster.partitions import batch_partitions
from pulse_assets.errors import TrainingError
from pulse_assets.execution.tally import NoProgress
from pulse_assets.preflight import check_ready
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.s3 import S3Settings
from pulse_assets.storage.store import open_store
from pulse_assets.storage.tables import encode_table
from pulse_assets_tests.conftest import object_count, stored, write_source
from pulse_assets_tests.storage.buckets import new_bucket
from pulse_assets_tests.storage.examples import history
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
KEY = "2005-01-31"
KINDS = ["truncated", "garbage", "schema", "deleted"]
#: Twenty batches, which wait for a slow server side by side.
ON_S3 = {"end_date": "2006-08-24", "max_workers": 2, "dask_threads_per_worker": 4}


def train_undisturbed(folder, **run):
    """Return the objects of a run in a directory."""
    source, store = write_source(folder / "source"), str(folder / "store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(folder / "home"))
        assert train(TrainingConfig(**run, source=str(source), store=store)).success
    return stored(store)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    objects = train_undisturbed(tmp_path_factory.mktemp("undisturbed"), **RUN)
    assert len(objects) == object_count(BATCHES)
    return objects


@pytest.fixture(scope="module")
def undisturbed_on_disk(tmp_path_factory):
    """What a run on S3 stores, in a directory."""
    return train_undisturbed(tmp_path_factory.mktemp("undisturbed"), **RUN | ON_S3)


# S3


@pytest.fixture
def cloud(source, bucket, s3):
    """Source and store in a bucket, as fields of a configuration."""
    upload(source, f"s3://{bucket}/in", s3)
    return {"source": f"s3://{bucket}/in", "store": f"s3://{bucket}/out", **place(s3)}


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["overloaded", "dropping", "silent"])
def test_a_run_outlasts_what_passes(fault, cloud, s3, s3_server, undisturbed_on_disk):
    faults = {
        "overloaded": lambda: overloaded(1 / 3),
        "dropping": lambda: dropping(s3_server, 1 / 3),
        "silent": lambda: after(40, fall_silent),
    }
    begun = []

    def fall_silent():
        begun.append("silence")
        s3_server.fault = silent(60)

    with s3_server.failing(faults[fault]()):
        results = train(TrainingConfig(**RUN | ON_S3, **cloud))
    assert results.success
    assert objects_of(cloud["store"], s3) == undisturbed_on_disk
    assert fault != "silent" or begun  # more than 40 exchanges were made


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "mute"), [(2, True)])
def test_a_run_whose_s3_is_gone_ends_in_one_line(source, credentials, workers, mute):
    server = S3Server()
    s3 = S3Settings("us-east-1", endpoint_url=server.url)
    bucket = new_bucket(s3)
    upload(source, f"s3://{bucket}/in", s3)

    def go():
        server.fault = silent(600) if mute else dropping(server, 1.0)
        if not mute:
            server.stop()

    where = {"source": f"s3://{bucket}/in", "store": f"s3://{bucket}/out", **place(s3)}
    with server.failing(after(40, go)), pytest.raises(TrainingError) as caught:
        train(TrainingConfig(**RUN | {"max_workers": workers}, **where))
    (line,) = str(caught.value).splitlines()
    assert where["store"] in line or where["source"] in line
    assert server.url in line


# Objects that are no longer what was stored


def damage(store, path, kind):
    """Truncate an object, replace it, or delete it."""
    data = store.read(path)
    other_schema = encode_table(history(("gdp", 0, 1.0)), "historical_data", fingerprint={})
    changed = {"truncated": data[:-30], "garbage": b"\0" * len(data), "schema": other_schema}
    if kind == "deleted":
        (store.root / path).unlink()
    else:
        store.write(path, changed[kind])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("asset", ["batch_metrics", "retrodictions"])
def test_a_damaged_object_ends_the_run_with_its_name(source, tmp_path, asset, kind):
    few = {**RUN, "end_date": "2005-03-31", "source": str(source), "store": str(tmp_path / "store")}
    store, path = open_store(few["store"]), object_path(asset, KEY, 30)

    class Saboteur(NoProgress):
        """Damages the object when the last batch is recorded, before the aggregates."""

        def update(self, status, batch):
            if batch == "2005-03-02":
                damage(store, path, kind)

    with pytest.raises(TrainingError) as caught:
        train(TrainingConfig(**few), progress=Saboteur())
    (line,) = str(caught.value).splitlines()
    assert f"{asset} of batch {KEY} ({store.uri}/{path}): " in line
    assert "--resume" in line


@pytest.mark.slow
def test_a_resumed_run_makes_again_what_is_damaged_and_nothing_else(source, tmp_path, undisturbed):
    config = TrainingConfig(**RUN, source=str(source), store=str(tmp_path / "store"))
    train(config)
    store = open_store(config.store)
    keys = batch_partitions(config.settings()).get_partition_keys()
    cases = dict(zip(keys, itertools.product(BATCH_TABLES, KINDS), strict=False))
    for key, (asset, kind) in cases.items():
        damage(store, object_path(asset, key, 30), kind)
    kept = set()

    class Counter(NoProgress):
        def update(self, status, batch):
            if status == "unchanged":
                kept.add(batch)

    resumed = config.model_copy(update={"resume": True})
    assert train(resumed, progress=Counter()).success
    assert stored(config.store) == undisturbed
    assert len(cases) == 16
    assert kept == set(keys) - set(cases)


# Disks


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_ends_the_run_and_loses_nothing(source, small_disk, undisturbed, workers):
    (small_disk / "other").write_bytes(b"x" * 200_000)
    store = small_disk / "store"
    config = TrainingConfig(**RUN | {"max_workers": workers}, source=str(source), store=str(store))
    with pytest.raises(TrainingError) as caught:
        train(config)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(str(store))
    assert "cannot be written: No space left on device: make room" in line
    whole = stored(store)
    assert 10 < len(whole) < len(undisturbed)
    assert whole.items() <= undisturbed.items()
    assert [path for path in store.rglob(".*") if path.is_file()] == []

    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    assert train(config.model_copy(update={"resume": True})).success
    assert stored(store) == undisturbed


def kill_a_writer(folder):
    """Kill a process half way in a write of `a/b`; return what it left."""
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from pulse_assets.storage.store import open_store\n"
        "Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "open_store(sys.argv[1]).write('a/b', b'new')\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(folder)])
    assert killed.returncode == -signal.SIGKILL
    (left,) = (folder / "a").glob(".*")
    return left


def test_a_writer_killed_half_way_leaves_nothing_that_is_listed(tmp_path):
    """The last step of a write is the renaming: whatever came before it has a hidden name."""
    store = open_store(str(tmp_path))
    store.write("a/b", b"old")
    kill_a_writer(tmp_path)
    assert list(store.versions("a/")) == ["a/b"]
    assert store.read("a/b") == b"old"


def test_the_next_run_removes_what_a_killed_writer_left(settings, options):
    """Once it is an hour old: a younger one may be of a run that lives."""
    folder = Path(settings.store)
    old, young = kill_a_writer(folder), kill_a_writer(folder / "deeper")
    theirs = folder / "a" / ".gitignore"
    theirs.write_text("*")
    for file in (old, theirs):
        os.utime(file, (time.time() - 3700,) * 2)
    check_ready(settings, options)
    assert not old.exists()
    assert young.exists()
    assert theirs.exists()


# Two runs at once


@pytest.mark.slow
def test_two_runs_over_the_same_batches_both_end_well(source, tmp_path, undisturbed):
    store = tmp_path / "store"
    config = TrainingConfig(**RUN, source=str(source), store=str(store))
    script = (
        "from pulse_assets import TrainingConfig, train\n"
        f"assert train(TrainingConfig(**{config.model_dump(mode='json')!r})).success\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            env=os.environ | {"DAGSTER_HOME": str(tmp_path / f"home-{i}")},
        )
        for i in range(2)
    ]
    assert [process.wait() for process in running] == [0, 0]
    assert stored(store) == undisturbed
