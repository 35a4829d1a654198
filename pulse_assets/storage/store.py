"""One store of named objects, in a directory or in an S3 bucket.

Only bytes here: `tables.py` and the readers of historical data decode what an object holds.
Dask workers import this module, so it imports neither Dagster nor boto3 before a bucket is used.
"""

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from uuid import uuid4

from pulse_assets.errors import ConfigurationError, StoreError, StoreUnavailableError
from pulse_assets.storage.address import address_fault
from pulse_assets.storage.s3 import (
    AWS,
    S3Connection,
    S3Settings,
    connect,
    error_code,
    explain,
    refuse_credentials,
    s3_errors,
)
from pulse_assets.storage.usage import count

T = TypeVar("T")

#: The name of an object that is being written.
TEMPORARY: Final = re.compile(r"\.[0-9a-f]{32}")
#: Seconds after which its writer counts as killed.
ABANDONED_AFTER: Final = 3600.0


class MissingObjectError(StoreError, KeyError):
    """The store has no such object. Also a KeyError, as mappings over a store must raise one.

    Correct the address, or run `pulse-train`, which computes the object.
    """

    __str__ = Exception.__str__  # KeyError would print the message in quotation marks


class Store(Protocol):
    """Objects by path; paths are relative, with `/` between their parts.

    A reader never sees half an object, and nothing in a store is ever run as code.
    """

    @property
    def uri(self) -> str:
        """The directory or s3:// address, for messages and metadata."""
        ...

    def read(self, path: str, *, limit: int | None = None) -> bytes:
        """Return a whole object.

        Args:
            path: name of the object.
            limit: refuse an object of more bytes than this before reading it.

        Raises:
            MissingObjectError: there is none.
            StoreError: it cannot be read or is larger than `limit`.
            StoreUnavailableError: neither can any other.
        """
        ...

    def write(self, path: str, data: bytes) -> None:
        """Store a whole object; it replaces an older one of that name.

        Raises:
            StoreUnavailableError: it cannot be written; the older one, if any, is still there.
        """
        ...

    def versions(self, prefix: str, *, below: bool = False) -> dict[str, str]:
        """List the objects whose path begins with `prefix`.

        Args:
            prefix: beginning of the paths; everything before its last slash is a folder.
            below: list those in folders below that one, too.

        Returns:
            Path to version, in order of path; the version differs once the object is replaced.

        Raises:
            StoreUnavailableError: they cannot be listed.
        """
        ...

    def names(self) -> dict[str, str]:
        """Return the names of objects, and of folders with a slash after them, in order.

        Broken links and the like are included; hidden names are left out.

        Returns:
            Name to version; it is empty for folders and what else is no object.

        Raises:
            StoreUnavailableError: they cannot be listed.
        """
        ...

    def check_writable(self) -> None:
        """Fail now if objects cannot be written; leave no trace.

        Raises:
            StoreUnavailableError: they cannot; the message says why.
        """
        ...

    def check_usable(self) -> None:
        """Fail now if objects cannot be listed, read and written; leave no trace.

        Raises:
            StoreUnavailableError: they cannot; the message names what is refused.
        """
        ...

    def clear_abandoned(self) -> None:
        """Remove the temporary files of killed writers, but not those of a writer that runs."""
        ...


def open_store(uri: str, s3: S3Settings = AWS) -> Store:
    """Return the store at `uri`, a directory or s3://bucket/prefix; nothing is touched yet.

    Raises:
        ConfigurationError: `uri` is neither, or holds credentials; the message says what may have
            been meant.

    Example:
        >>> open_store("s3://bucket/a/b/").uri
        's3://bucket/a/b'
    """
    refuse_credentials("store", uri)
    if "\0" in uri:
        raise ConfigurationError(f"store {uri!r}: give a directory or s3://bucket/prefix")
    if fault := address_fault(uri):
        raise ConfigurationError(f"store {uri!r} {fault}")
    if uri.startswith("s3://"):
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        return S3Store(bucket, prefix.removesuffix("/"), s3)
    return LocalStore(Path(uri).expanduser().absolute())


@dataclass(frozen=True)
class LocalStore:
    """Objects as files below the directory `root`, which the first write creates."""

    root: Path

    @property
    def uri(self) -> str:
        """The directory."""
        return str(self.root)

    def read(self, path: str, *, limit: int | None = None) -> bytes:
        """Return a whole object; see `Store.read`."""
        file = self.root / _checked(path)
        try:
            with file.open("rb") as stream:
                _check_size(file, os.fstat(stream.fileno()).st_size, limit)
                data = stream.read()
                count(requests=1, bytes_read=len(data))
                return data
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MissingObjectError(f"{file}: there is no such file") from error
        except OSError as error:
            raise StoreError(f"{file}: cannot be read: {error.strerror}") from error

    def write(self, path: str, data: bytes) -> None:
        """Store a whole object; see `Store.write`."""
        file = self.root / _checked(path)
        # In the same directory, so that the rename is atomic; hidden, so that it is never listed.
        temporary = file.with_name(f".{uuid4().hex}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as stream:
                stream.write(data)
                # A power cut must not leave the name without the bytes; measured at 0.4 ms.
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(file)
            count(requests=1, bytes_written=len(data))
        except OSError as error:
            raise StoreUnavailableError(
                f"{file}: cannot be written: {error.strerror}: make room or correct its permissions"
            ) from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()

    def versions(self, prefix: str, *, below: bool = False) -> dict[str, str]:
        """List objects and their versions; see `Store.versions`."""
        folder, _, start = prefix.rpartition("/")
        directory = self.root / _checked(folder) if folder else self.root
        try:
            entries = [e for e in _entries(directory) if _is_listed(e, start)]
            versions = {e.name: _file_version(e) for e in entries if e.is_file()}
            for name in (e.name for e in entries if below and e.is_dir()):
                deeper = LocalStore(directory / name).versions("", below=True)
                versions |= {f"{name}/{path}": version for path, version in deeper.items()}
            within = f"{folder}/" if folder else ""
            return {within + path: versions[path] for path in sorted(versions)}
        except OSError as error:
            raise StoreUnavailableError(_unlistable(directory, error)) from error

    def names(self) -> dict[str, str]:
        """Name files and folders; see `Store.names`."""
        try:
            entries = [e for e in _entries(self.root) if _is_listed(e, "")]
            names = {
                f"{e.name}/" if e.is_dir() else e.name: _file_version(e) if e.is_file() else ""
                for e in entries
            }
        except OSError as error:
            raise StoreUnavailableError(_unlistable(self.root, error)) from error
        return dict(sorted(names.items()))

    def remove(self, path: str) -> None:
        """Remove an object, if it is there and may be removed."""
        with contextlib.suppress(OSError):
            (self.root / _checked(path)).unlink()

    def check_writable(self) -> None:
        """Fail now if files cannot be written; see `Store.check_writable`."""
        try:
            # A directory cannot replace a broken link.
            places = (self.root, *self.root.parents)
            nearest = next(p for p in places if p.exists() or p.is_symlink())
            tempfile.TemporaryFile(dir=nearest).close()
        except OSError as error:
            raise StoreUnavailableError(
                f"store {self.uri}: cannot be written: {error.strerror}: choose another directory "
                "(--store, or DAGSTER_HOME for the default) or correct its permissions"
            ) from error

    def check_usable(self) -> None:
        """Fail now if files cannot be listed or written; see `Store.check_usable`."""
        self.check_writable()
        self.names()

    def clear_abandoned(self) -> None:
        """Remove temporary files of killed writers; see `Store.clear_abandoned`.

        A writer may run on another machine, so only the age of the file decides: a write takes
        seconds. If a writer is stopped for longer, its renaming fails, and no object is wrong.
        """
        before = time.time() - ABANDONED_AFTER
        for file in (*self.root.glob("*/.*"), *self.root.glob("*/*/.*")):
            if TEMPORARY.fullmatch(file.name):
                with contextlib.suppress(OSError):  # another run may have been quicker
                    if file.stat().st_mtime < before:
                        file.unlink()


@dataclass(frozen=True)
class S3Store:
    """Objects in an S3 bucket, below `prefix`; credentials are found the AWS way."""

    bucket: str
    prefix: str = ""
    settings: S3Settings = AWS

    @property
    def uri(self) -> str:
        """The s3:// address."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def read(self, path: str, *, limit: int | None = None) -> bytes:
        """Return a whole object; see `Store.read`."""
        key = self._key(_checked(path))

        def get(client: Any) -> bytes:  # noqa: ANN401 - see S3Connection
            answer = client.get_object(Bucket=self.bucket, Key=key)
            _check_size(f"{self.uri}/{path}", answer["ContentLength"], limit)
            return answer["Body"].read()

        data = self._call(path, "read", get)
        count(bytes_read=len(data))
        return data

    def write(self, path: str, data: bytes) -> None:
        """Store a whole object; see `Store.write`."""
        put = {"Bucket": self.bucket, "Key": self._key(_checked(path)), "Body": data}
        self._call(path, "written", lambda client: client.put_object(**put))
        count(bytes_written=len(data))

    def versions(self, prefix: str, *, below: bool = False) -> dict[str, str]:
        """List objects and their versions; see `Store.versions`."""
        wanted = {"Bucket": self.bucket, "Prefix": self._key(prefix)}
        wanted |= {} if below else {"Delimiter": "/"}

        def list_all(client: Any) -> dict[str, str]:  # noqa: ANN401 - see S3Connection
            pages = client.get_paginator("list_objects_v2").paginate(**wanted)
            return {i["Key"]: i["ETag"] for page in pages for i in page.get("Contents", [])}

        tags = self._call(prefix, "listed", list_all)
        # A key that ends in a slash is the mark that the S3 console makes for an empty folder.
        own = self._key("")
        return {k.removeprefix(own): tag for k, tag in tags.items() if not k.endswith("/")}

    def names(self) -> dict[str, str]:
        """Name objects and the folders that keys make; see `Store.names`."""
        wanted = {"Bucket": self.bucket, "Prefix": self._key(""), "Delimiter": "/"}

        def list_all(client: Any) -> dict[str, str]:  # noqa: ANN401 - see S3Connection
            pages = list(client.get_paginator("list_objects_v2").paginate(**wanted))
            tags = {i["Key"]: i["ETag"] for page in pages for i in page.get("Contents", [])}
            return tags | {
                i["Prefix"]: "" for page in pages for i in page.get("CommonPrefixes", [])
            }

        tags = self._call("", "listed", list_all)
        names = {key.removeprefix(wanted["Prefix"]): tag for key, tag in tags.items()}
        shown = (name for name in names if name and not name.startswith("."))
        return {name: names[name] for name in sorted(shown)}

    def check_writable(self) -> None:
        """Fail now if objects cannot be written; see `Store.check_writable`."""
        # Needs the right to put objects but makes none, nor a version or delete marker.
        probe = {"Bucket": self.bucket, "Key": self._key(".probe")}
        upload = self._call("", "written", lambda client: client.create_multipart_upload(**probe))
        with contextlib.suppress(*s3_errors()):  # the right to abort is one of its own
            self._connection.client.abort_multipart_upload(**probe, UploadId=upload["UploadId"])

    def check_usable(self) -> None:
        """Fail now if a right is missing; see `Store.check_usable`."""
        page = {"Bucket": self.bucket, "Prefix": self._key(""), "MaxKeys": 1}
        self._call("", "listed", lambda client: client.list_objects_v2(**page))
        # Without the right to list, S3 denies access to an object that does not exist.
        probe = {"Bucket": self.bucket, "Key": self._key(".probe")}
        with contextlib.suppress(MissingObjectError):
            self._call("", "read", lambda client: client.get_object(**probe))
        self.check_writable()

    def clear_abandoned(self) -> None:
        """Do nothing: S3 itself drops an upload that was broken off."""

    @property
    def _connection(self) -> S3Connection:
        return connect(self.settings)

    def _key(self, path: str) -> str:
        return f"{self.prefix}/{path}" if self.prefix else path

    def _call(self, path: str, action: str, exchange: Callable[[Any], T]) -> T:
        """Turn an error of S3 into one line that names the object and the fix."""
        place = f"{self.uri}/{path}"
        try:
            return self._connection.call(exchange)
        except s3_errors() as error:
            if error_code(error) == "NoSuchKey":
                raise MissingObjectError(f"{place}: there is no such object") from error
            cause = explain(error, self.settings)
            raise StoreUnavailableError(f"{place}: cannot be {action}: {cause}") from error


def _checked(path: str) -> str:
    """Refuse a path that could lead out of the store or to a hidden file."""
    if "\0" in path or any(not part or part.startswith(".") for part in path.split("/")):
        raise StoreError(f"object name {path!r}: parts must not be empty or begin with a dot")
    return path


def _check_size(place: object, size: int, limit: int | None) -> None:
    if limit is not None and size > limit:
        raise StoreError(f"{place}: {size} bytes are more than the {limit} that are read")


def _unlistable(directory: Path, error: OSError) -> str:
    return f"{directory}: cannot be listed: {error.strerror}: correct the path or its permissions"


def _entries(directory: Path) -> Iterable[os.DirEntry[str]]:
    """List a directory; none if it does not exist.

    Raises:
        OSError: it cannot be listed, or cannot exist because one of its parents is a file.
    """
    if directory.exists():
        count(requests=1)
        return os.scandir(directory)
    nearest = next(parent for parent in directory.parents if parent.exists())
    return () if nearest.is_dir() else os.scandir(nearest)


def _is_listed(entry: os.DirEntry[str], start: str) -> bool:
    return entry.name.startswith(start) and not entry.name.startswith(".")


def _file_version(entry: os.DirEntry[str]) -> str:
    status = entry.stat()
    # The inode too, because two writes may have the same time.
    return f"{status.st_mtime_ns}-{status.st_size}-{status.st_ino}"
