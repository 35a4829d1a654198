"""One store of named objects, in a directory or in an S3 bucket.

Only bytes here: what an object holds is known to `tables.py` and to the readers of historical data.
Dask workers import this module, so it imports neither Dagster nor boto3 before a bucket is used.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from pulse_assets.errors import ConfigurationError, StoreError

#: The answers of S3 that a user can mend, and how.
_S3_MENDS: Final = {
    "NoSuchBucket": "the bucket does not exist: create it or correct its name",
    "AccessDenied": "access denied: grant s3:GetObject, s3:PutObject and s3:ListBucket to "
    "the credentials in use",
    "InvalidAccessKeyId": "the access key is unknown: check the AWS credentials",
    "SignatureDoesNotMatch": "the secret key is wrong: check the AWS credentials",
    "ExpiredToken": "the AWS session has expired: sign in again",
    "PermanentRedirect": "the bucket lies in another region: set the AWS region",
}


class MissingObjectError(StoreError, KeyError):
    """The store has no such object. Also a KeyError, as mappings over a store must raise one."""

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
        """Return an object whole.

        Args:
            path: name of the object.
            limit: refuse an object of more bytes than this before reading it.

        Raises:
            MissingObjectError: there is none.
            StoreError: it cannot be read or is larger than `limit`.
        """
        ...

    def write(self, path: str, data: bytes) -> None:
        """Store an object whole, in place of an older one of that name.

        Raises:
            StoreError: it cannot be written; the older one, if any, is still there.
        """
        ...

    def versions(self, prefix: str) -> dict[str, str]:
        """List the objects whose path begins with `prefix`, without those in folders below it.

        Returns:
            Path to version, in order of path; the version differs once the object is replaced.
        """
        ...

    def check_writable(self) -> None:
        """Fail now if objects cannot be written; leave no trace.

        Raises:
            StoreError: they cannot; the message says why.
        """
        ...


@dataclass(frozen=True)
class S3Settings:
    """How to reach S3; None leaves the choice to the AWS configuration of the machine."""

    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None


def open_store(uri: str, s3: S3Settings = S3Settings()) -> Store:
    """Return the store at `uri`, a directory or s3://bucket/prefix; nothing is touched yet.

    Raises:
        ConfigurationError: `uri` is neither.

    Example:
        >>> open_store("s3://bucket/a/b/").uri
        's3://bucket/a/b'
    """
    scheme, separator, rest = uri.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme == "s3" and bucket:
        return S3Store(bucket, prefix.strip("/"), s3)
    if separator or not uri.strip() or "\0" in uri:
        raise ConfigurationError(f"store {uri!r}: give a directory or s3://bucket/prefix")
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
        """Return an object whole; see `Store.read`."""
        file = self.root / _checked(path)
        try:
            with file.open("rb") as stream:
                _check_size(file, os.fstat(stream.fileno()).st_size, limit)
                return stream.read()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MissingObjectError(f"{file}: there is no such file") from error
        except OSError as error:
            raise StoreError(f"{file}: cannot be read: {error.strerror}") from error

    def write(self, path: str, data: bytes) -> None:
        """Store an object whole; see `Store.write`."""
        file = self.root / _checked(path)
        # In the same directory, so that the rename is atomic; hidden, so that it is never listed.
        temporary = file.with_name(f".{uuid4().hex}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(data)
            temporary.replace(file)
        except OSError as error:
            raise StoreError(f"{file}: cannot be written: {error.strerror}") from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()

    def versions(self, prefix: str) -> dict[str, str]:
        """List objects and their versions; see `Store.versions`."""
        folder, slash, start = prefix.rpartition("/")
        directory = self.root / _checked(folder) if folder else self.root
        try:
            entries = os.scandir(directory) if directory.exists() else ()
            found = sorted((e for e in entries if _is_object(e, start)), key=lambda e: e.name)
            return {f"{folder}{slash}{entry.name}": _file_version(entry) for entry in found}
        except OSError as error:
            raise StoreError(f"{directory}: cannot be listed: {error.strerror}") from error

    def check_writable(self) -> None:
        """Fail now if files cannot be written; see `Store.check_writable`."""
        try:
            nearest = next(p for p in (self.root, *self.root.parents) if p.exists())
            tempfile.TemporaryFile(dir=nearest).close()
        except OSError as error:
            raise StoreError(
                f"store {self.uri}: cannot be written: {error.strerror}: choose another directory "
                "or mend its permissions"
            ) from error


@dataclass(frozen=True)
class S3Store:
    """Objects in an S3 bucket, below `prefix`; credentials are found the AWS way."""

    bucket: str
    prefix: str = ""
    settings: S3Settings = S3Settings()

    @property
    def uri(self) -> str:
        """The s3:// address."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def read(self, path: str, *, limit: int | None = None) -> bytes:
        """Return an object whole; see `Store.read`."""
        with self._explained(path, "read"):
            answer = self._client.get_object(Bucket=self.bucket, Key=self._key(_checked(path)))
            _check_size(f"{self.uri}/{path}", answer["ContentLength"], limit)
            return answer["Body"].read()

    def write(self, path: str, data: bytes) -> None:
        """Store an object whole; see `Store.write`."""
        with self._explained(path, "written"):
            self._client.put_object(Bucket=self.bucket, Key=self._key(_checked(path)), Body=data)

    def versions(self, prefix: str) -> dict[str, str]:
        """List objects and their versions; see `Store.versions`."""
        with self._explained(prefix, "listed"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self._key(prefix), Delimiter="/"
            )
            found = {i["Key"]: i["ETag"] for page in pages for i in page.get("Contents", [])}
        # A key that ends in a slash is the mark that the S3 console makes for an empty folder.
        own = self._key("")
        return {k.removeprefix(own): tag for k, tag in found.items() if not k.endswith("/")}

    def check_writable(self) -> None:
        """Fail now if objects cannot be written; see `Store.check_writable`."""
        with self._explained("", "written"):
            # Needs the right to put objects but makes none, nor a version or delete marker.
            probe = {"Bucket": self.bucket, "Key": self._key(".probe")}
            upload = self._client.create_multipart_upload(**probe)
            with contextlib.suppress(ClientError):  # the right to abort is one of its own
                self._client.abort_multipart_upload(**probe, UploadId=upload["UploadId"])

    @property
    def _client(self) -> Any:  # noqa: ANN401 - botocore makes its client classes at run time
        return _s3_client(self.settings)

    def _key(self, path: str) -> str:
        return f"{self.prefix}/{path}" if self.prefix else path

    @contextlib.contextmanager
    def _explained(self, path: str, action: str) -> Iterator[None]:
        """Turn an error of S3 into one line that names the object and the mend."""
        place = f"{self.uri}/{path}"
        try:
            yield
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "NoSuchKey":
                raise MissingObjectError(f"{place}: there is no such object") from error
            cause = _S3_MENDS.get(code, error)
            raise StoreError(f"{place}: cannot be {action}: {cause}") from error
        except BotoCoreError as error:
            raise StoreError(f"{place}: cannot be {action}: {error}") from error


@lru_cache(maxsize=4)
def _s3_client(settings: S3Settings) -> Any:  # noqa: ANN401 - see S3Store._client
    """Return this process's client; botocore retries throttling and dropped connections."""
    from dagster_aws.s3 import S3Resource  # a second of imports that local stores need not pay

    try:
        return S3Resource(
            region_name=settings.region,
            profile_name=settings.profile,
            endpoint_url=settings.endpoint_url,
        ).get_client()
    except ValueError as error:  # botocore's answer to an address that is none
        raise ConfigurationError(f"S3 endpoint {settings.endpoint_url!r}: {error}") from error


def _checked(path: str) -> str:
    """Refuse a path that could lead out of the store or to a hidden file."""
    if "\0" in path or any(not part or part.startswith(".") for part in path.split("/")):
        raise StoreError(f"object name {path!r}: parts must not be empty or begin with a dot")
    return path


def _check_size(place: object, size: int, limit: int | None) -> None:
    if limit is not None and size > limit:
        raise StoreError(f"{place}: {size} bytes are more than the {limit} that are read")


def _is_object(entry: os.DirEntry[str], start: str) -> bool:
    return entry.name.startswith(start) and not entry.name.startswith(".") and entry.is_file()


def _file_version(entry: os.DirEntry[str]) -> str:
    status = entry.stat()
    # The inode as well: two writes may fall into one tick of the clock.
    return f"{status.st_mtime_ns}-{status.st_size}-{status.st_ino}"
