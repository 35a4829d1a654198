"""Requests and bytes are counted where they are spent."""

import threading

import pytest

from pulse_assets.storage.store import MissingObjectError, open_store
from pulse_assets.storage.usage import Usage, counted_usage
from pulse_assets_tests.storage.buckets import new_bucket
from pulse_assets_tests.storage.s3_server import overloaded


@pytest.fixture(params=["local", "s3"])
def store(request, tmp_path):
    """An empty store of each kind."""
    if request.param == "local":
        return open_store(str(tmp_path / "store"))
    settings = request.getfixturevalue("s3")
    return open_store(f"s3://{new_bucket(settings)}/some/prefix", settings)


def test_each_object_and_each_listing_is_a_request(store):
    with counted_usage() as usage:
        store.write("a/b", b"12345")
        assert store.read("a/b") == b"12345"
        assert list(store.versions("a/")) == ["a/b"]
    assert usage == Usage(requests=3, bytes_read=5, bytes_written=5)


def test_an_object_that_is_not_there_takes_a_request_to_s3_only(store):
    with counted_usage() as usage, pytest.raises(MissingObjectError):
        store.read("a")
    assert usage == Usage(requests=1 if store.uri.startswith("s3://") else 0)


def test_requests_are_counted_again_when_they_are_repeated(s3, s3_server):
    store = open_store(f"s3://{new_bucket(s3)}/x", s3)
    store.write("a", b"1")
    fault = s3_server.failing(overloaded(0.5))
    with fault, s3_server.counting() as requests, counted_usage() as usage:
        assert {store.read("a") for _ in range(4)} == {b"1"}
    assert requests["read"] > 4
    assert usage == Usage(requests=requests["read"], bytes_read=4)


def test_what_other_threads_do_is_not_counted(store):
    with counted_usage() as usage:
        thread = threading.Thread(target=store.write, args=("a", b"1"))
        thread.start()
        thread.join()
    assert usage == Usage()
