"""Where historical data come from: a directory, an S3 prefix or the bundled sample."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from importlib import resources
from typing import Final

from pulse_assets.errors import (
    ConfigurationError,
    HistoricalDataError,
    StoreError,
    StoreUnavailableError,
)
from pulse_assets.history.near_misses import (
    NAME,
    PREFIX,
    is_meant,
    unread_files,
    variable_of,
)
from pulse_assets.history.readers import MAX_BYTES, SUFFIXES, read_series
from pulse_assets.history.series import Series
from pulse_assets.history.series_cache import SeriesCache
from pulse_assets.storage.s3 import S3Settings
from pulse_assets.storage.store import Store, open_store

_PATTERN: Final = f"{PREFIX}<variable>.{'|'.join(SUFFIXES)}"


def check_variable_name(name: str) -> None:
    """Refuse a name that could not be part of a file's name everywhere.

    Raises:
        ConfigurationError: it has other characters than A-Z a-z 0-9 _ . -, two dots in a row, a
            dot first or last, or more than 100 characters.
    """
    if not NAME.fullmatch(name):
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
    place = str(resources.files("pulse_assets") / "sample_data") if bundled else uri
    return Source(uri, open_store(place, s3), max_bytes)


@dataclass(frozen=True)
class Source:
    """A store with one file `historical_<variable>.csv|json|parquet` per variable.

    The files are listed once, so open a new source for each run.
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
        """Return the files that look meant as observations but are not read, and why.

        Returns:
            One sentence that says why and how to fix it, by path.

        Raises:
            HistoricalDataError: see `variables`.
            StoreUnavailableError: it cannot be listed.
        """
        read = {path: name for name, (path, _) in self._files.items()}
        return unread_files(self.store.names(), read, SUFFIXES)

    def check_variables(self, names: Sequence[str], setting: str = "variable") -> None:
        """Refuse names that the source does not have.

        Args:
            names: the names to check.
            setting: name of the setting that gives them, for messages.

        Raises:
            ConfigurationError: a name is unknown or malformed.
            HistoricalDataError, StoreUnavailableError: see `variables`.
        """
        for name in names:
            check_variable_name(name)
            if name not in self._files:
                raise ConfigurationError(
                    f"{setting} {name!r} is not in source {self.uri}{self._hint(name)}: it has "
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

    def _hint(self, name: str) -> str:
        """Say which file or variable may be meant by a name that the source does not have."""
        by_case = {variable.casefold(): variable for variable in self._files}
        unread = {} if name.casefold() in by_case else {**self._without_prefix(), **self.unread()}
        for path, reason in unread.items():
            if variable_of(path).casefold() == name.casefold():
                return f" ({path!r} lies there but is not read: {reason})"
        near = get_close_matches(name.casefold(), by_case, 1)
        return f", did you mean {by_case[near[0]]!r}?" if near else ""

    def _without_prefix(self) -> dict[str, str]:
        """Return the files that would be read if only their names began with the prefix."""
        stems = {name: name.rpartition(".") for name in self.store.names() if not is_meant(name)}
        return {
            name: f"rename it {PREFIX}{name}"
            for name, (stem, _, suffix) in stems.items()
            if suffix in SUFFIXES and NAME.fullmatch(stem)
        }

    @cached_property
    def _files(self) -> dict[str, tuple[str, str]]:
        """Path and version of each variable's file, by name."""
        by_stem: dict[str, list[tuple[str, str, str]]] = {}
        for path, version in self.store.versions(PREFIX).items():
            stem, _, suffix = path.removeprefix(PREFIX).rpartition(".")
            if suffix not in SUFFIXES or not NAME.fullmatch(stem):
                continue
            by_stem.setdefault(stem.casefold(), []).append((stem, path, version))
        for same in by_stem.values():
            if len(same) > 1:
                raise HistoricalDataError(self._explain_twice(*same[0][:2], *same[1][:2]))
        if not by_stem:
            raise HistoricalDataError(self._explain_nothing())
        every = sorted(same[0] for same in by_stem.values())
        return {stem: (path, version) for stem, path, version in every}

    def _explain_twice(self, stem: str, path: str, other: str, other_path: str) -> str:
        both = f"{path} and {other_path}"
        if stem == other:
            return f"source {self.uri} has two files of {stem}, {both}: keep one"
        return (
            f"source {self.uri} has {both}, whose variables differ in upper and lower case alone: "
            "keep or rename one"
        )

    def _explain_nothing(self) -> str:
        unread = unread_files(self.store.names(), {}, SUFFIXES) | self._without_prefix()
        named = [f"{path!r} is not read ({reason})" for path, reason in unread.items()]
        more = f"; and {len(named) - 5} more" if len(named) > 5 else ""
        files = f"; {'; '.join(named[:5])}{more}" if named else ""
        return (
            f"source {self.uri} does not exist or holds no file {_PATTERN}{files}: correct the "
            "path, or use `sample` for the bundled series"
        )


def _read(store: Store, path: str, variable: str, max_bytes: int) -> Series:
    try:
        data = store.read(path, limit=max_bytes)
    except StoreUnavailableError:
        raise
    except StoreError as error:
        raise HistoricalDataError(f"source: {error}") from error
    return read_series(data, variable, f"{store.uri}/{path}", max_bytes)


#: The series that this process has read.
_load: Final = SeriesCache(_read)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return ", ".join(names[:20]) + more
