"""Where historical data come from: a directory, an S3 prefix or the bundled sample."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Final

from pulse_assets.errors import (
    ConfigurationError,
    HistoricalDataError,
    StoreError,
    StoreUnavailableError,
)
from pulse_assets.history.readers import MAX_BYTES, SUFFIXES, read_series
from pulse_assets.history.series import Series
from pulse_assets.storage.s3 import S3Settings
from pulse_assets.storage.store import Store, open_store

_PREFIX: Final = "historical_"
_NAME: Final = re.compile(r"(?!\.|.*\.\.|.*\.$)[A-Za-z0-9_.-]{1,100}")
_PATTERN: Final = f"{_PREFIX}<variable>.{'|'.join(SUFFIXES)}"


def check_variable_name(name: str) -> None:
    """Refuse a name that could not be part of a file's name everywhere.

    Raises:
        ConfigurationError: it has other characters than A-Z a-z 0-9 _ . -, two dots in a row, a
            dot first or last, or more than 100 characters.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"variable {name[:120]!r}: use 1 to 100 of the characters A-Z a-z 0-9 _ . -, without "
            "'..' or a dot first or last"
        )


def open_source(uri: str, s3: S3Settings, max_bytes: int = MAX_BYTES) -> "Source":
    """Return the source at `uri`; nothing is read yet.

    Args:
        uri: `sample` for the bundled series, a directory, or s3://bucket/prefix.
        s3: how to reach S3.
        max_bytes: largest file that is read.

    Raises:
        ConfigurationError: `uri` is none of these.
    """
    bundled = uri == "sample"
    place = str(files("pulse_assets") / "sample_data") if bundled else uri
    return Source(uri, open_store(place, s3), max_bytes)


@dataclass(frozen=True)
class Source:
    """A store with one file `historical_<variable>.csv|json|parquet` a variable.

    The files are listed once, so open a source anew for each run.
    """

    uri: str
    store: Store
    max_bytes: int = MAX_BYTES

    def variables(self) -> list[str]:
        """Name all variables, sorted.

        Raises:
            HistoricalDataError: the source holds none, or holds one twice.
            StoreUnavailableError: it cannot be listed.
        """
        return list(self._files)

    def versions(self) -> dict[str, str]:
        """Return the version of each variable's file: it differs once the file is replaced.

        Raises:
            HistoricalDataError: see `variables`.
        """
        return {name: version for name, (_, version) in self._files.items()}

    def unread(self) -> Mapping[str, str]:
        """Return why files that look meant for this source are not read, by path.

        Raises:
            HistoricalDataError, StoreUnavailableError: see `variables`.
        """
        read = {path for path, _ in self._files.values()}
        reason = f"its name is not {_PATTERN}"
        return {path: reason for path in self.store.versions(_PREFIX) if path not in read}

    def check_variables(self, names: Sequence[str]) -> None:
        """Refuse names that the source does not have.

        Raises:
            ConfigurationError: a name is unknown or malformed.
            HistoricalDataError, StoreUnavailableError: see `variables`.
        """
        for name in names:
            check_variable_name(name)
            if name not in self._files:
                near = get_close_matches(name, self._files, 1)
                hint = f", did you mean {near[0]!r}?" if near else ""
                raise ConfigurationError(
                    f"variable {name!r} is not in source {self.uri}{hint}: it has "
                    f"{_listed(self.variables())}"
                )

    def load(self, variable: str) -> Series:
        """Read one variable; a process parses each version of a file once.

        Raises:
            ConfigurationError: the source does not have it.
            HistoricalDataError: its file cannot be read or a row is not sound.
            StoreUnavailableError: the source as a whole cannot be read.
        """
        self.check_variables([variable])
        path, version = self._files[variable]
        return _load(self.store, path, version, variable, self.max_bytes)

    @cached_property
    def _files(self) -> dict[str, tuple[str, str]]:
        """Path and version of each variable's file, by name."""
        found: dict[str, tuple[str, str]] = {}
        for path, version in self.store.versions(_PREFIX).items():
            stem, _, suffix = path.removeprefix(_PREFIX).rpartition(".")
            if suffix not in SUFFIXES or not _NAME.fullmatch(stem):
                continue
            if stem in found:
                both = f"{found[stem][0]} and {path}"
                raise HistoricalDataError(
                    f"source {self.uri} has two files of {stem}, {both}: keep one"
                )
            found[stem] = path, version
        if not found:
            raise HistoricalDataError(
                f"source {self.uri} does not exist or holds no file {_PATTERN}: correct the path, "
                "or use `sample` for the bundled series"
            )
        return dict(sorted(found.items()))


@lru_cache(maxsize=128)
def _load(store: Store, path: str, version: str, variable: str, max_bytes: int) -> Series:
    """Read a file; `version` is part of the cache's key, so that a new file is read anew."""
    try:
        data = store.read(path, limit=max_bytes)
    except StoreUnavailableError:
        raise
    except StoreError as error:
        raise HistoricalDataError(f"source: {error}") from error
    return read_series(data, variable, f"{store.uri}/{path}", max_bytes)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return ", ".join(names[:20]) + more
