"""Everything that lies in a store, with sizes and times, and its removal: for `cleaning.py`.

A `Store` lists what readers see. Here are hidden files and unfinished uploads, too. Nothing is
removed that is seen to be replaced when its turn to be removed comes.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from pulse_assets.errors import StoreError, StoreUnavailableError
from pulse_assets.storage.s3 import CONCURRENCY, connect, error_code, explain, s3_errors
from pulse_assets.storage.store import LocalStore, S3Store, Store

T = TypeVar("T")

_REPLACED: Final = "it was replaced meanwhile"

#: The last bytes of an object that are read first, for its footer.
_END: Final = 32_768


class Listed(NamedTuple):
    """An object or a file in a store.

    Attributes:
        path: its path in the store.
        size: its bytes; of an unfinished upload, of the parts that arrived.
        modified: when it was written, or an upload begun; seconds since 1970.
        version: differs once it is replaced; empty for what is no plain file, such as a link.
        upload: id of an unfinished upload; empty for an object.
    """

    path: str
    size: int
    modified: float
    version: str
    upload: str = ""


class Removal(NamedTuple):
    """What became of a removal: `fault` says why an object is still there; empty: it is gone."""

    listed: Listed
    fault: str


def list_all(store: Store) -> list[Listed]:
    """List all objects, hidden ones included, and all unfinished uploads, in order of path.

    Raises:
        StoreUnavailableError: they cannot be listed.
    """
    if isinstance(store, LocalStore):
        try:
            return sorted(_files(store.root))
        except OSError as error:
            raise StoreUnavailableError(
                f"{error.filename}: cannot be listed: {error.strerror}: correct its permissions"
            ) from error
    if isinstance(store, S3Store):
        return sorted([*_objects(store), *_uploads(store)])
    raise TypeError(f"{type(store).__name__} is no store that can be listed")


def read_end(store: Store, path: str) -> bytes:
    """Return the end of an object, in which the footer of most Parquet files lies.

    Raises:
        StoreError: it cannot be read.
        StoreUnavailableError: neither can any other.
    """
    if isinstance(store, S3Store):
        ranged = {"Bucket": store.bucket, "Key": _key(store, path), "Range": f"bytes=-{_END}"}
        return _call(store, path, "read", lambda client: client.get_object(**ranged)["Body"].read())
    if isinstance(store, LocalStore):
        try:
            with (store.root / path).open("rb") as stream:
                stream.seek(max(0, os.fstat(stream.fileno()).st_size - _END))
                return stream.read()
        except OSError as error:
            raise StoreError(f"{store.root / path}: cannot be read: {error.strerror}") from error
    return store.read(path)


def remove_all(store: Store, listed: Sequence[Listed]) -> Iterator[Removal]:
    """Remove what was listed, and then the folders of a directory that are empty.

    Args:
        store: where it lies.
        listed: from `list_all`; what was replaced since stays.

    Raises:
        StoreUnavailableError: S3 cannot be used.
    """
    remove = _remove_object if isinstance(store, S3Store) else _remove_file
    with ThreadPoolExecutor(CONCURRENCY) as threads:
        faults = threads.map(lambda entry: remove(store, entry), listed)
        yield from map(Removal, listed, faults)
    if isinstance(store, LocalStore):
        _remove_empty(store, {str(Path(entry.path).parent) for entry in listed})


def _files(root: Path) -> Iterator[Listed]:
    """Yield all files below a directory, without following links."""

    def refuse(error: OSError) -> None:
        raise error

    if not root.exists():
        return
    for folder, names, files in os.walk(root, onerror=refuse):
        links = [name for name in names if (Path(folder) / name).is_symlink()]
        for name in (*files, *links):
            file = Path(folder) / name
            try:
                status = file.lstat()
            except FileNotFoundError:  # a writer has just renamed it
                continue
            path = file.relative_to(root).as_posix()
            yield Listed(path, status.st_size, status.st_mtime, _version(status))


def _objects(store: S3Store) -> list[Listed]:
    def exchange(client: Any) -> list[Any]:  # noqa: ANN401 - see S3Connection
        pages = client.get_paginator("list_objects_v2").paginate(**_below(store))
        return [item for page in pages for item in page.get("Contents", [])]

    own = len(_key(store, ""))
    return [
        Listed(item["Key"][own:], item["Size"], item["LastModified"].timestamp(), item["ETag"])
        for item in _call(store, "", "listed", exchange)
        if not item["Key"].endswith("/")  # the mark of an empty folder
    ]


def _uploads(store: S3Store) -> list[Listed]:
    """Return unfinished uploads."""

    def exchange(client: Any) -> list[Any]:  # noqa: ANN401 - see S3Connection
        pages = client.get_paginator("list_multipart_uploads").paginate(**_below(store))
        return [item for page in pages for item in page.get("Uploads", [])]

    own = len(_key(store, ""))
    return [
        Listed(
            item["Key"][own:],
            _arrived(store, item["Key"], item["UploadId"]),
            item["Initiated"].timestamp(),
            item["UploadId"],
            item["UploadId"],
        )
        for item in _call(store, "", "listed", exchange)
    ]


def _arrived(store: S3Store, key: str, upload: str) -> int:
    """Return the bytes of the parts of an upload that arrived."""
    which = {"Bucket": store.bucket, "Key": key, "UploadId": upload}

    def exchange(client: Any) -> int:  # noqa: ANN401 - see S3Connection
        pages = client.get_paginator("list_parts").paginate(**which)
        return sum(part["Size"] for page in pages for part in page.get("Parts", []))

    try:
        return _call(store, key.removeprefix(_key(store, "")), "listed", exchange)
    except StoreUnavailableError as error:
        if error_code(error.__cause__) == "NoSuchUpload":  # it has ended since it was listed
            return 0
        raise


def _version(status: os.stat_result) -> str:
    """Return what changes when a file is replaced; nothing for what is no file, such as a link."""
    if not stat.S_ISREG(status.st_mode):
        return ""
    return f"{status.st_mtime_ns}-{status.st_size}-{status.st_ino}"


def _remove_file(store: Store, entry: Listed) -> str:
    """Remove a file unless it was replaced; return why it is still there."""
    file = Path(store.uri) / entry.path
    try:
        if _version(file.lstat()) != entry.version:
            return _REPLACED
        file.unlink()
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"it cannot be removed: {error.strerror}"
    return ""


def _remove_object(store: Store, entry: Listed) -> str:
    """Remove an object, unless it was replaced, or an upload; return why it is still there."""
    if not isinstance(store, S3Store):
        raise TypeError(f"{store.uri} is not in S3")
    which = {"Bucket": store.bucket, "Key": _key(store, entry.path)}

    def remove(client: Any) -> str:  # noqa: ANN401 - see S3Connection
        if entry.upload:
            client.abort_multipart_upload(**which, UploadId=entry.upload)
            return ""
        # An inquiry of its own: not every server knows the condition If-Match of a removal.
        listed = client.list_objects_v2(Bucket=store.bucket, Prefix=which["Key"], MaxKeys=1)
        versions = {item["Key"]: item["ETag"] for item in listed.get("Contents", [])}
        if versions.get(which["Key"], entry.version) != entry.version:
            return _REPLACED
        client.delete_object(**which)
        return ""

    try:
        return connect(store.settings).call(remove)
    except s3_errors() as error:
        gone = error_code(error) == "NoSuchUpload"
        return "" if gone else f"it cannot be removed: {explain(error, store.settings)}"


def _remove_empty(store: LocalStore, folders: Iterable[str]) -> None:
    """Remove the folders that are empty now; the store itself stays."""
    for folder in sorted(folders, reverse=True):
        path = store.root / folder
        while path != store.root and path.is_dir() and not any(path.iterdir()):
            path.rmdir()
            path = path.parent


def _below(store: S3Store) -> dict[str, str]:
    return {"Bucket": store.bucket, "Prefix": _key(store, "")}


def _key(store: S3Store, path: str) -> str:
    return f"{store.prefix}/{path}" if store.prefix else path


def _call(store: S3Store, path: str, action: str, exchange: Callable[[Any], T]) -> T:
    """Turn an error of S3 into one line that names the object and the fix."""
    try:
        return connect(store.settings).call(exchange)
    except s3_errors() as error:
        cause = explain(error, store.settings)
        place = f"{store.uri}/{path}".rstrip("/")
        raise StoreUnavailableError(f"{place}: cannot be {action}: {cause}") from error
