"""`pulse-train export`: the results in the forms of other tools, as files."""

import argparse
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal
from uuid import uuid4

from pulse_assets.cli.terminal import print_json
from pulse_assets.errors import ConfigurationError, StoreUnavailableError
from pulse_assets.exports.files import ExportedFile, Selection, export_files
from pulse_assets.settings import TrainingConfig
from pulse_assets.storage.store import LocalStore, Store, open_store
from pulse_assets.stored_results import read_results


def export(args: argparse.Namespace, config: TrainingConfig) -> Literal[0, 1]:
    """Write an export, and print which files it has; return 0.

    A folder appears when all of its files are written.

    Args:
        args: from `parse_args`.
        config: names the store.

    Raises:
        ConfigurationError: there is nothing to export, or the place is not empty.
        StoreError: the store cannot be read, or the place cannot be written.
    """
    results = read_results(open_store(config.store, config.s3))
    given = vars(args).keys()
    selection = Selection(
        variable=config.variables if "variables" in given else None,
        model=config.models if "models" in given else None,
        horizon=config.horizons if "horizons" in given else None,
    )
    if args.to == "":
        raise ConfigurationError("--to is empty: give a new folder or s3://bucket/prefix")
    place = open_store(args.to or f"pulse_export_{args.format}", config.s3)
    _check_place(place, results.store)
    rows = _write(place, export_files(results, args.format, selection))
    if args.json:
        print_json({"format": args.format, "to": place.uri, "files": rows})
    else:
        for path, count in rows.items():
            shown = "" if count is None else f"  {count:,} rows"
            sys.stdout.write(f"{place.uri}/{path}{shown}\n")
    return 0


def _check_place(place: Store, store: Store) -> None:
    """Refuse a place that holds something: files of an older export would stay among the new ones.

    Raises:
        ConfigurationError: it does, or it is in the store, whose tables others read by folder.
    """
    if f"{place.uri}/".startswith(f"{store.uri}/"):
        raise ConfigurationError(f"--to {place.uri}: is in the store: choose a place beside it")
    hidden = isinstance(place, LocalStore) and place.root.is_dir() and any(place.root.iterdir())
    if hidden or place.names():
        raise ConfigurationError(
            f"--to {place.uri}: is not empty: choose another place, or remove what is there"
        )


def _write(place: Store, files: Iterable[ExportedFile]) -> dict[str, int | None]:
    """Write files; return the number of rows by path, None of what is no table.

    Raises:
        StoreUnavailableError: they cannot be written.
    """
    if not isinstance(place, LocalStore):
        complete = [*files]  # all, before the first one is written
        for count, file in enumerate(complete):
            _write_one(place, file, count)
        return {file.path: file.rows for file in complete}
    root = place.root.resolve()
    beside = LocalStore(root.with_name(f".{root.name}.{uuid4().hex}"))
    try:
        rows = {}
        for file in files:
            beside.write(file.path, file.data)
            rows[file.path] = file.rows
        _rename(beside.root, root)
        return rows
    finally:
        shutil.rmtree(beside.root, ignore_errors=True)


def _write_one(place: Store, file: ExportedFile, written: int) -> None:
    """Write a file of a bucket; after an error those that were `written` before stay there."""
    try:
        place.write(file.path, file.data)
    except StoreUnavailableError as error:
        rest = f"{written} files of the export are in {place.uri}: remove them and export again"
        raise StoreUnavailableError(f"{error}; {rest}" if written else str(error)) from error


def _rename(folder: Path, name: Path) -> None:
    try:
        if name.is_dir():
            name.rmdir()  # it is empty
        folder.rename(name)
    except OSError as error:
        raise StoreUnavailableError(
            f"--to {name}: cannot be written: {error.strerror}: choose another place"
        ) from error
