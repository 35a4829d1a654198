import errno
import os
import pickle
from pathlib import Path

import pytest

from pulse_assets.errors import ConfigurationError, StoreError
from pulse_assets.storage.s3 import S3Settings
from pulse_assets.storage.store import (
    LocalStore,
    MissingObjectError,
    S3Store,
    open_store,
)
from pulse_assets_tests.storage.buckets import new_bucket


@pytest.fixture(params=["local", "s3", pytest.param("seaweedfs", marks=pytest.mark.slow)])
def store(request, tmp_path):
    """An empty store of each kind: what holds for one must hold for the others."""
    if request.param == "local":
        return open_store(str(tmp_path / "store"))
    settings = request.getfixturevalue("s3" if request.param == "s3" else "seaweedfs")
    return open_store(f"s3://{new_bucket(settings)}/some/prefix", settings)


def test_an_object_is_read_as_it_was_written(store):
    store.write("a/b=1/c.bin", b"\0one")
    store.write("a/b=1/c.bin", b"two")
    assert store.read("a/b=1/c.bin") == b"two"


def test_objects_are_listed_in_order_without_those_of_deeper_folders(store):
    for path in ("a/2", "a/10", "a/deep/3", "other", "a/3x"):
        store.write(path, b"")
    assert list(store.versions("a/")) == ["a/10", "a/2", "a/3x"]
    assert list(store.versions("a/3")) == ["a/3x"]
    assert list(store.versions("")) == ["other"]
    assert store.versions("nothing/here/") == {}


def test_a_version_stays_until_the_object_is_replaced(store):
    store.write("a", b"1")
    first = store.versions("")
    assert store.versions("") == first
    store.write("a", b"2")
    assert store.versions("")["a"] != first["a"]


def test_a_missing_object_is_named_and_is_a_key_error(store):
    with pytest.raises(MissingObjectError, match="no such") as caught:
        store.read("a/b")
    assert str(caught.value).startswith(f"{store.uri}/a/b: ")
    assert isinstance(caught.value, KeyError)


def test_a_larger_object_than_wanted_is_refused(store):
    store.write("a", b"12345")
    assert store.read("a", limit=5) == b"12345"
    with pytest.raises(StoreError, match="a: 5 bytes are more than the 4"):
        store.read("a", limit=4)


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../a", "a/../b", "a//b", "a/", ".a", "a\0b"])
def test_a_name_that_could_leave_the_store_is_refused(store, path):
    for use in (store.read, lambda name: store.write(name, b"")):
        with pytest.raises(StoreError, match="object name"):
            use(path)


def test_a_store_survives_the_way_to_a_worker(store):
    store.write("a", b"1")
    assert pickle.loads(pickle.dumps(store)).read("a") == b"1"


def test_checking_that_a_store_can_be_written_leaves_nothing(store, tmp_path):
    store.check_writable()
    assert store.versions("") == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("uri", ["", "  ", "gs://b/c", "file:///tmp", "s3://", "s3:///a", "a\0b"])
def test_an_address_that_is_neither_directory_nor_bucket_is_refused(uri):
    with pytest.raises(ConfigurationError, match=r"give a directory or s3://|did you mean"):
        open_store(uri)


def test_addresses_are_made_whole(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert open_store("here").uri == str(tmp_path / "here")
    assert open_store("~/x").uri == str(Path.home() / "x")
    assert open_store("s3://b").uri == "s3://b"
    assert open_store("s3://b/c/d/") == S3Store("b", "c/d", S3Settings())


class TestLocalStore:
    def test_a_failed_write_leaves_the_older_object_and_nothing_else(self, tmp_path, monkeypatch):
        store = LocalStore(tmp_path)
        store.write("a", b"old")

        def full(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(Path, "replace", full)
        with pytest.raises(StoreError, match=r"a: cannot be written: No space left"):
            store.write("a", b"new")
        assert store.read("a") == b"old"
        assert [path.name for path in tmp_path.iterdir()] == ["a"]

    def test_a_file_in_place_of_a_directory_is_named(self, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        store = LocalStore(tmp_path / "file")
        for fails in (
            store.check_writable,
            lambda: store.write("a", b""),
            lambda: store.versions(""),
        ):
            with pytest.raises(StoreError, match=r"file.*: (Not a directory|File exists)"):
                fails()
        with pytest.raises(MissingObjectError):
            store.read("a")
        deeper = LocalStore(tmp_path / "file" / "deeper")
        for fails in (deeper.check_writable, deeper.names, lambda: deeper.versions("x/")):
            with pytest.raises(StoreError, match="Not a directory"):
                fails()
        assert LocalStore(tmp_path / "absent" / "deeper").versions("x/") == {}

    def test_a_broken_link_in_place_of_a_directory_is_named(self, tmp_path):
        (tmp_path / "link").symlink_to(tmp_path / "nowhere")
        for store in (LocalStore(tmp_path / "link"), LocalStore(tmp_path / "link" / "deeper")):
            with pytest.raises(StoreError, match="cannot be written: No such file or directory"):
                store.check_writable()
        assert not (tmp_path / "nowhere").exists()

    def test_a_directory_is_no_object(self, tmp_path):
        store = LocalStore(tmp_path)
        store.write("folder/a", b"")
        assert store.versions("") == {}
        with pytest.raises(StoreError, match="folder: cannot be read: Is a directory"):
            store.read("folder")

    def test_a_directory_without_the_right_to_write_is_named(self, tmp_path, monkeypatch):
        def forbidden(**_):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr("tempfile.TemporaryFile", forbidden)
        with pytest.raises(StoreError, match="cannot be written: Permission denied: choose"):
            LocalStore(tmp_path / "new").check_writable()
        assert not (tmp_path / "new").exists()


class TestS3Store:
    def test_a_bucket_that_does_not_exist_is_one_clear_line(self, s3):
        store = open_store("s3://no-such-bucket/p", s3)
        for fails in (
            store.check_writable,
            lambda: store.read("a"),
            lambda: store.write("a", b""),
            lambda: store.versions(""),
        ):
            with pytest.raises(StoreError, match=r"^s3://no-such-bucket/p/.*create it") as caught:
                fails()
            assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(("prefix", "key"), [("", "a/b"), ("/p/q/", "p/q/a/b")])
    def test_objects_lie_below_the_prefix(self, bucket, s3, prefix, key):
        store = open_store(f"s3://{bucket}{prefix}", s3)
        store.write("a/b", b"1")
        (listed,) = store._connection.client.list_objects_v2(Bucket=bucket)["Contents"]
        assert listed["Key"] == key
        assert list(store.versions("a/")) == ["a/b"]

    def test_checking_leaves_no_upload_open(self, bucket, s3):
        store = open_store(f"s3://{bucket}/p", s3)
        store.check_writable()
        assert "Uploads" not in store._connection.client.list_multipart_uploads(Bucket=bucket)

    def test_the_mark_of_an_empty_folder_is_no_object(self, bucket, s3):
        store = open_store(f"s3://{bucket}/p", s3)
        store._connection.client.put_object(Bucket=bucket, Key="p/")
        assert store.versions("") == {}

    def test_a_profile_that_does_not_exist_is_named(self, s3_server):
        store = open_store("s3://b/p", S3Settings(profile="nobody", endpoint_url=s3_server.url))
        with pytest.raises(StoreError, match=r"s3://b/p/a: cannot be read: .*nobody"):
            store.read("a")

    def test_an_endpoint_that_is_no_address_is_named(self, s3):
        store = open_store("s3://b/p", S3Settings(region="us-east-1", endpoint_url="nowhere"))
        with pytest.raises(ConfigurationError, match="S3 endpoint 'nowhere'"):
            store.read("a")


@pytest.mark.parametrize(
    "opened",
    [
        lambda: open_store("s3://someone:planted@bucket/prefix"),
        lambda: S3Settings(endpoint_url="https://someone:planted@minio.example.com"),
    ],
    ids=["store", "endpoint"],
)
def test_an_address_with_credentials_is_refused_without_repeating_them(opened):
    with pytest.raises(ConfigurationError, match="holds credentials: remove the part") as refused:
        opened()
    assert "planted" not in str(refused.value)
