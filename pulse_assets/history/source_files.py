"""The files of a source that are read, and as what: one series each, tables, folders of tables."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Final, Literal

from pulse_assets.errors import HistoricalDataError, StoreError, StoreUnavailableError
from pulse_assets.history.forecast_file import read_forecasts
from pulse_assets.history.given_forecasts import ModelForecasts
from pulse_assets.history.layouts import Kind
from pulse_assets.history.names import NAME, plain_name
from pulse_assets.history.observed import FileContent
from pulse_assets.history.readers import (
    MAX_BYTES,
    MAX_TABLE_BYTES,
    SUFFIXES,
    TABLE_SUFFIXES,
    read_content,
    read_parts,
)
from pulse_assets.storage.store import Store

#: What the name of a file of one series begins with.
PREFIX: Final = "historical_"
#: What the name of a table begins with, and how it is arranged.
TABLES: Final[Mapping[str, Kind]] = {"panel": "long", "wide": "wide"}
#: What the name of a file of somebody else's forecasts begins with; the model follows.
FORECASTS: Final = "forecasts_"
#: What the name of a folder of Parquet files begins with.
FOLDER: Final = "panel"


@dataclass(frozen=True)
class SourceFile:
    """A file, or a folder of Parquet files that are one long table.

    Attributes:
        path: its path in the source; of a folder, with a slash at its end.
        version: differs once the file is replaced.
        kind: how it is arranged; `parts` for a folder; `any`: as its columns say; `forecasts`: it
            holds no observations.
        variable: the variable of a file that holds one; of a file of forecasts, its model.
        parts: paths of the files of a folder, below it.
        others: paths of other files in the folder, which are not read.
    """

    path: str
    version: str
    kind: Kind | Literal["parts", "any", "forecasts"]
    variable: str = ""
    parts: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def is_table(self) -> bool:
        """Whether it must be read to know its variables."""
        return self.kind != "single"


def named_file(store: Store, name: str) -> list[SourceFile]:
    """Return the one file that is read, whatever its name; nothing if it is not there.

    Raises:
        HistoricalDataError: it holds forecasts.
        StoreUnavailableError: the source cannot be listed.
    """
    if _model_of(name):
        raise HistoricalDataError(
            f"source {store.uri}/{name} holds forecasts, not observations: name the folder that "
            "holds both"
        )
    versions = store.versions(name)
    return [_named(name, versions[name])] if name in versions else []


def list_files(store: Store, names: Mapping[str, str]) -> list[SourceFile]:
    """Return the files of observations, in order of path.

    Args:
        store: the source.
        names: version of each file in it, see `Store.names`.

    Raises:
        StoreUnavailableError: the source cannot be listed.
    """
    files = [_by_name(path, version) for path, version in names.items() if version]
    has_folders = any(name.startswith(FOLDER) and name.endswith("/") for name in names)
    folders = _folders(store.versions(FOLDER, below=True)) if has_folders else ()
    listed = sorted([*filter(None, files), *folders], key=lambda file: file.path)
    is_folder = store.uri.rpartition("/")[2].startswith(FOLDER)
    return listed or (_whole_folder(store) if is_folder else [])


def list_forecasts(names: Mapping[str, str]) -> list[SourceFile]:
    """Return the files of somebody else's forecasts, in order of path.

    Args:
        names: version of each file in the source, see `Store.names`.
    """
    return [
        SourceFile(path, version, "forecasts", model)
        for path, version in sorted(names.items())
        if version and (model := _model_of(path))
    ]


def _model_of(path: str) -> str:
    """Return the model whose forecasts a file holds; empty if its name says something else."""
    stem, _, suffix = path.rpartition(".")
    model = stem.removeprefix(FORECASTS)
    is_forecasts = path.startswith(FORECASTS) and suffix in TABLE_SUFFIXES
    return model if is_forecasts and NAME.fullmatch(model) else ""


def read_forecast_file(store: Store, file: SourceFile, max_bytes: int | None) -> ModelForecasts:
    """Read a file of somebody else's forecasts.

    Args:
        store: the source.
        file: the file.
        max_bytes: largest file that is read; None: that of tables.

    Raises:
        HistoricalDataError: it cannot be read or a row is not sound.
        StoreUnavailableError: the source as a whole cannot be read.
    """
    limit, name = max_bytes or MAX_TABLE_BYTES, f"{store.uri}/{file.path}"
    return read_forecasts(_read(store, file.path, limit), file.variable, name, limit)


def read_file(store: Store, file: SourceFile, max_bytes: int | None) -> FileContent:
    """Read a file.

    Args:
        store: the source.
        file: the file.
        max_bytes: largest file that is read; None: the default of its kind.

    Raises:
        HistoricalDataError: it cannot be read or a row is not sound.
        StoreUnavailableError: the source as a whole cannot be read.
    """
    limit = max_bytes or (MAX_TABLE_BYTES if file.is_table else MAX_BYTES)
    name = f"{store.uri}/{file.path}".rstrip("/")
    if file.kind == "parts":
        reads = {part: partial(_read, store, file.path + part) for part in file.parts}
        return read_parts(reads, name, limit)
    kind = None if file.kind in ("any", "forecasts") else file.kind
    return read_content(_read(store, file.path, limit), name, kind, file.variable, limit)


def _read(store: Store, path: str, limit: int) -> bytes:
    try:
        return store.read(path, limit=limit)
    except StoreUnavailableError:
        raise
    except StoreError as error:
        raise HistoricalDataError(f"source: {error}") from error


def _by_name(path: str, version: str) -> SourceFile | None:
    """Return the file whose name says what it holds; None if it says nothing."""
    stem, _, suffix = path.rpartition(".")
    variable = stem.removeprefix(PREFIX)
    if path.startswith(PREFIX) and suffix in SUFFIXES and NAME.fullmatch(variable):
        return SourceFile(path, version, "single", variable)
    for prefix, kind in TABLES.items():
        if path.startswith(prefix) and suffix in TABLE_SUFFIXES:
            return SourceFile(path, version, kind)
    return None


def _named(path: str, version: str) -> SourceFile:
    """Return the file that the settings name, whatever its name."""
    stem, _, suffix = path.rpartition(".")
    variable = plain_name(stem.removeprefix(PREFIX)) or "value"
    unnamed = SourceFile(path, version, "any" if suffix in TABLE_SUFFIXES else "single", variable)
    return _by_name(path, version) or unnamed


def _folders(versions: Mapping[str, str]) -> Iterator[SourceFile]:
    """Yield the folders among files that lie in folders."""
    files: dict[str, dict[str, str]] = {}
    for path, version in versions.items():
        folder, slash, below = path.partition("/")
        if slash:
            files.setdefault(f"{folder}/", {})[below] = version
    for folder, of in files.items():
        if any(map(_is_part, of)):
            yield _folder(folder, of)


def _whole_folder(store: Store) -> list[SourceFile]:
    """Return the source itself, if it is a folder of Parquet files."""
    files = store.versions("", below=True)
    return [_folder("", files)] if any(map(_is_part, files)) else []


def _folder(path: str, versions: Mapping[str, str]) -> SourceFile:
    """Return the folder that has some files, of which at least one is a part."""
    parts = tuple(filter(_is_part, versions))
    others = tuple(name for name in versions if name not in parts and not _is_hidden(name))
    text = "\n".join(f"{part} {versions[part]}" for part in parts)
    return SourceFile(path, sha256(text.encode()).hexdigest(), "parts", parts=parts, others=others)


def _is_part(path: str) -> bool:
    """Tell whether a file below a folder is one of its parts, and not somebody's book-keeping."""
    return path.endswith(".parquet") and not _is_hidden(path)


def _is_hidden(path: str) -> bool:
    return any(part.startswith(("_", ".")) for part in path.split("/"))
