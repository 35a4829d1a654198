"""Where historical data come from: files in a directory, an S3 prefix or the bundled sample."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Final

from pulse_assets.errors import ConfigurationError, HistoricalDataError
from pulse_assets.history.given_forecasts import GivenForecasts, ModelForecasts
from pulse_assets.history.model_names import check_model_name
from pulse_assets.history.names import NAME, check_variable_name
from pulse_assets.history.near_misses import is_meant, unread_files, unread_parts, variable_of
from pulse_assets.history.observed import FileContent
from pulse_assets.history.readers import SUFFIXES, TABLE_SUFFIXES
from pulse_assets.history.samples import bundled_bounds, bundled_folder, bundled_lags
from pulse_assets.history.series import Series
from pulse_assets.history.series_cache import SeriesCache
from pulse_assets.history.source_files import (
    PREFIX,
    SourceFile,
    list_files,
    list_forecasts,
    named_file,
    read_file,
    read_forecast_file,
)
from pulse_assets.storage.s3 import S3Settings
from pulse_assets.storage.store import LocalStore, Store, open_store

__all__ = ["Source", "check_variable_name", "open_source"]

_PATTERN: Final = f"{PREFIX}<variable>.{'|'.join(SUFFIXES)}, panel*.csv or wide*.csv"


def open_source(uri: str, s3: S3Settings, max_bytes: int | None = None) -> "Source":
    """Return the source at `uri`; nothing is read yet.

    Args:
        uri: `sample` or `sample-uk` for bundled series, a directory, a file, or s3://bucket/ with
            a prefix or the key of an object.
        s3: how to reach S3.
        max_bytes: largest file that is read; None: the default of its kind.

    Raises:
        ConfigurationError: `uri` is none of these.
    """
    place = bundled_folder(uri) or uri
    store = open_store(place, s3)
    folder, _, name = store.uri.rpartition("/")
    is_folder = store.root.is_dir() if isinstance(store, LocalStore) else place.endswith("/")
    if name.rpartition(".")[2] not in SUFFIXES or is_folder or folder == "s3:/":
        return Source(uri, store, max_bytes)
    return Source(uri, open_store(folder or "/", s3), max_bytes, only=name)


@dataclass(frozen=True)
class Source:
    """A store with a file per variable, with tables of many variables, or with both.

    The files are listed once, so open a new source for each run.

    Attributes:
        uri: its address.
        store: where the files are.
        max_bytes: largest file that is read; None: the default of its kind.
        only: name of the one file that is read; empty: all whose names say what they hold.
    """

    uri: str
    store: Store
    max_bytes: int | None = None
    only: str = ""

    def variables(self) -> list[str]:
        """Name all variables, sorted.

        Raises:
            HistoricalDataError: the source holds none, holds one twice, or a table cannot be read.
            StoreUnavailableError: it cannot be listed.
        """
        return list(self._places)

    def versions(self) -> dict[str, str]:
        """Return the version of each variable: it differs once its observations do.

        Of a file of one variable it is the version of the file, which need not be read. Of a table
        it is a hash of the variable's own rows, whatever becomes of the others. The forecasts of a
        variable that the source holds are part of its version.

        Raises:
            HistoricalDataError: see `variables` and `forecasts`.
        """
        own = {
            name: _hash(self.load(name)) if file.is_table else file.version
            for name, file in self._places.items()
        }
        given = {name: self._forecasts_of(name) for name in own} if self.forecasts() else {}
        return own | {name: _hash_forecasts(own[name], of) for name, of in given.items() if of}

    def forecasts(self) -> Mapping[str, ModelForecasts]:
        """Return the forecasts that somebody else has made, by model and variable.

        Raises:
            HistoricalDataError: a file of forecasts cannot be read, a row is not sound, a variable
                is not in the source, or the name of a model cannot be used.
            StoreUnavailableError: the source cannot be listed.
        """
        return self._forecasts

    def files(self) -> dict[str, str]:
        """Return the path of the file of each variable, in the source.

        Raises:
            HistoricalDataError: see `variables`.
        """
        return {name: file.path for name, file in self._places.items()}

    def usual_lag_days(self) -> dict[str, int]:
        """Return the usual days from the end of a period to its publication, of bundled series."""
        return dict(bundled_lags(self.uri))

    def usual_bounds(self) -> dict[str, str]:
        """Return the least and the largest possible value of bundled series that have such."""
        return dict(bundled_bounds(self.uri))

    def notes(self) -> list[str]:
        """Return what was skipped or renamed in tables, one sentence each.

        Raises:
            HistoricalDataError: see `variables`.
        """
        tables = (file for file in self._files if file.is_table)
        return [
            f"{file.path or self.uri}: {note}"
            for file in tables
            for note in self._content(file).notes
        ]

    def unread(self) -> Mapping[str, str]:
        """Return the files that look meant as observations but are not read, and why.

        Returns:
            One sentence that says why and how to fix it, by path.

        Raises:
            HistoricalDataError: see `variables`.
            StoreUnavailableError: it cannot be listed.
        """
        if self.only:
            return {}
        files = [*self._files, *self._forecast_files]
        unread = unread_files(self._names, [file.path for file in files], SUFFIXES)
        for file in files:
            unread |= unread_parts(file.path, file.others)
        return unread

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
            if name not in self._places:
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
        content = self._content(self._places[variable])
        if variable in content.empty:
            raise HistoricalDataError(content.empty[variable])
        return content.series[variable]

    def _hint(self, name: str) -> str:
        """Say which file or variable may be meant by a name that the source does not have."""
        by_case = {variable.casefold(): variable for variable in self._places}
        unread = {} if name.casefold() in by_case else {**self.without_prefix(), **self.unread()}
        for path, reason in unread.items():
            if variable_of(path).casefold() == name.casefold():
                return f" ({path!r} lies there but is not read: {reason})"
        near = get_close_matches(name.casefold(), by_case, 1)
        return f", did you mean {by_case[near[0]]!r}?" if near else ""

    def without_prefix(self) -> dict[str, str]:
        """Return how to rename the files that would be read if their names said what they are."""
        if self.only:
            return {}
        stems = {name: name.rpartition(".") for name in self._names if not is_meant(name)}
        wide = {
            name: f", or wide_{name} if it has a column per variable"
            for name in stems
            if name.endswith(tuple(f".{suffix}" for suffix in TABLE_SUFFIXES))
        }
        return {
            name: f"rename it {PREFIX}{name}{wide.get(name, '')}"
            for name, (stem, _, suffix) in stems.items()
            if suffix in SUFFIXES and NAME.fullmatch(stem)
        }

    @cached_property
    def _names(self) -> dict[str, str]:
        return self.store.names()

    @cached_property
    def _files(self) -> list[SourceFile]:
        """The files that are read, in order of path."""
        only = self.only
        files = named_file(self.store, only) if only else list_files(self.store, self._names)
        if not files:
            raise HistoricalDataError(self._explain_nothing())
        by_name: dict[str, SourceFile] = {}
        for file in files:
            other = by_name.setdefault(file.variable.casefold() or file.path, file)
            if other is not file:
                raise HistoricalDataError(self._explain_twice(other, file))
        return files

    @cached_property
    def _places(self) -> dict[str, SourceFile]:
        """The file of each variable, in order of name; tables are read."""
        places: dict[str, SourceFile] = {}
        for file in self._files:
            content = self._content(file) if file.is_table else None
            for name in [*content.series, *content.empty] if content else [file.variable]:
                if name in places:
                    both = f"{places[name].path} and {file.path}"
                    raise HistoricalDataError(
                        f"source {self.uri} has {name} in two files, {both}: keep one"
                    )
                places[name] = file
        return dict(sorted(places.items()))

    def _content(self, file: SourceFile) -> FileContent:
        return _load(self.store, file, self.max_bytes)

    @cached_property
    def _forecast_files(self) -> list[SourceFile]:
        """The files of forecasts, in order of path."""
        return [] if self.only else list_forecasts(self._names)

    @cached_property
    def _forecasts(self) -> Mapping[str, ModelForecasts]:
        files: dict[str, SourceFile] = {}
        for file in self._forecast_files:
            other = files.setdefault(file.variable.casefold(), file)
            if other is not file:
                raise HistoricalDataError(
                    f"source {self.uri} has two files of forecasts of {file.variable}, "
                    f"{other.path} and {file.path}: keep or rename one"
                )
            check_model_name(file.variable, f"{self.store.uri}/{file.path}")
        forecasts = {
            file.variable: _load_forecasts(self.store, file, self.max_bytes)
            for file in self._forecast_files
        }
        for given in (each for of in forecasts.values() for each in of.values()):
            self._check_forecast_variable(given)
        return forecasts

    def _forecasts_of(self, variable: str) -> list[GivenForecasts]:
        return [of[variable] for of in self.forecasts().values() if variable in of]

    def _check_forecast_variable(self, given: GivenForecasts) -> None:
        if given.variable not in self._places:
            raise HistoricalDataError(
                f"{given.file}: {given.first_place}: variable {given.variable!r} is not in the "
                f"source{self._hint(given.variable)}: correct its name, remove its rows, or add "
                "its observations"
            )

    def _explain_twice(self, file: SourceFile, other: SourceFile) -> str:
        both = f"{file.path} and {other.path}"
        if file.variable == other.variable:
            return f"source {self.uri} has two files of {file.variable}, {both}: keep one"
        return (
            f"source {self.uri} has {both}, whose variables differ in upper and lower case alone: "
            "keep or rename one"
        )

    def _explain_nothing(self) -> str:
        if self.only:
            return f"source {self.uri} does not exist: correct the path"
        read = [file.path for file in self._forecast_files]
        unread = unread_files(self._names, read, SUFFIXES) | self.without_prefix()
        named = [f"{path!r} is not read ({reason})" for path, reason in unread.items()]
        more = f"; and {len(named) - 5} more" if len(named) > 5 else ""
        files = f"; {'; '.join(named[:5])}{more}" if named else ""
        return (
            f"source {self.uri} does not exist or holds no file {_PATTERN}{files}: correct the "
            "path, name one file, or use `sample` or `sample-uk` for bundled series"
        )


def _hash(series: Series) -> str:
    """Hash the observations of a series."""
    digest = hashlib.sha256(series.timestamps.tobytes())
    digest.update(series.values.tobytes())
    if series.published_at is not None:
        digest.update(series.published_at.tobytes())
    if series.revisions is not None:
        later = series.revisions
        for column in (later.rows, later.values, later.published_at):
            digest.update(column.tobytes())
    return digest.hexdigest()[:16]


def _hash_forecasts(version: str, given: Sequence[GivenForecasts]) -> str:
    """Hash the version of a variable's observations with the forecasts of it."""
    digest = hashlib.sha256(version.encode())
    for each in given:
        digest.update(f"{each.model} {len(each.predicted)} ".encode())
        days = (each.target_dates, each.made_at, each.origin_dates)
        for column in (*days, each.predicted, each.quantiles):
            digest.update(column.tobytes())
    return digest.hexdigest()[:16]


#: The files that this process has read.
_load: Final = SeriesCache(read_file)
_load_forecasts: Final = SeriesCache(read_forecast_file)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return ", ".join(names[:20]) + more
