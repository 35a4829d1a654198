"""Many processes write and read the same objects: each read is one whole write."""

import hashlib
import multiprocessing
import random

import pytest

from pulse_assets.storage.s3 import S3Settings
from pulse_assets.storage.store import MissingObjectError, open_store

KEYS = [f"asset/batch_size_days=30/{number}.parquet" for number in range(5)]
PROCESSES = 8


def content(random_bytes):
    return hashlib.sha256(random_bytes).digest() + random_bytes


def work(place, s3, seed, turns, torn):
    """Write and read by turns; count reads that are no whole object."""
    store, rng = open_store(place, s3), random.Random(seed)
    for _ in range(turns):
        store.write(rng.choice(KEYS), content(rng.randbytes(rng.randrange(1, 200_000))))
        try:
            read = store.read(rng.choice(KEYS))
        except MissingObjectError:
            continue
        if hashlib.sha256(read[32:]).digest() != read[:32]:
            with torn.get_lock():
                torn.value += 1


def soak(place, s3, turns):
    """Let all processes work on one store: how each ended, and how many reads were torn."""
    context = multiprocessing.get_context("spawn")
    torn = context.Value("i", 0)
    workers = [
        context.Process(target=work, args=(place, s3, seed, turns, torn))
        for seed in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return [worker.exitcode for worker in workers], torn.value


@pytest.mark.slow
def test_2000_writes_and_reads_by_8_processes_tear_nothing(tmp_path):
    assert soak(str(tmp_path), S3Settings(), 2000 // PROCESSES) == ([0] * PROCESSES, 0)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) == len(KEYS)


@pytest.mark.slow
def test_200_on_s3_tear_nothing(s3, bucket):
    place = f"s3://{bucket}/prefix"
    assert soak(place, s3, 200 // PROCESSES) == ([0] * PROCESSES, 0)
    assert list(open_store(place, s3).versions("asset/batch_size_days=30/")) == sorted(KEYS)
