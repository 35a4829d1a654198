"""Open the Dagster instance of a directory, and create it safely on first use.

Dagster creates its SQLite files without a lock, so two processes that are the first to use a
directory can damage its records. Here one process at a time opens the SQLite storages of a home.

`python -m pulse_assets.dagster.instance` creates the records of DAGSTER_HOME, for `make ui`.
"""

import os
import re
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Final
from uuid import uuid4

import dagster as dg
import yaml
from alembic.util.exc import CommandError
from filelock import FileLock
from sqlalchemy import exc as database_errors
from sqlalchemy.exc import SQLAlchemyError

from pulse_assets.dagster.compute_logs import check_compute_logs
from pulse_assets.dagster.connections import keep_connections
from pulse_assets.dagster.internals import NO_COMPUTE_LOGS, CheckError, InstanceRef
from pulse_assets.errors import ConfigurationError, PulseError, TrainingError
from pulse_assets.settings import dagster_home

#: The Dagster instance of a directory that has none: Dagster's defaults, nothing sent home, no
#: invitation to join mailing lists when the UI is opened. A run that no process begins is failed
#: within two minutes.
_INSTANCE: Final = """\
telemetry:
  enabled: false
nux:
  enabled: false
run_monitoring:
  enabled: true
  start_timeout_seconds: 90
  poll_interval_seconds: 20
"""

#: Errors of the database of Dagster's records, and of the library that creates its tables.
_RECORD_ERRORS: Final = (SQLAlchemyError, CommandError, sqlite3.DatabaseError)

#: Their names, because events hold only the names of errors.
DATABASE_ERRORS: Final = {
    name
    for name, value in (vars(database_errors) | vars(sqlite3)).items()
    if isinstance(value, type) and issubclass(value, _RECORD_ERRORS)
} | {CommandError.__name__}

#: Messages about SQLite files that no later attempt can use.
_BROKEN: Final = re.compile(
    "more than one head|not a database|malformed|disk image|no such (table|column)|has no column"
    "|Can't locate revision|Multiple head"
)
#: Messages about SQLite files that this process may not open or write.
_CLOSED: Final = re.compile("unable to open database file|readonly database")
#: Messages while a process without our lock creates the same files.
_CREATION: Final = re.compile("table \\S+ already exists|database is locked|UNIQUE constraint")
_ATTEMPTS: Final = 8
#: Seconds to wait for another process that creates the records.
_LOCK_SECONDS: Final = 120.0

#: Names of entries of a `dagster.yaml` whose values are imported: Dagster's, and those of Python's
#: `logging`, which it passes on.
_CODE: Final = frozenset({"module", "class", "custom_instance_class", "()", "env"})

#: Dagster's message that a variable in `dagster.yaml` is not in the environment.
_NOT_SET: Final = re.compile('environment variable "(.+?)" which is not set')


@contextmanager
def open_instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """Open the Dagster instance at `home`, and create it on first use.

    Raises:
        ConfigurationError: the directory or its `dagster.yaml` cannot be used, or the bucket that
            the file names for what steps print.
        TrainingError: the database of the records cannot be reached or written, or is damaged.
    """
    with _explained_records(home), _instance_at(home) as instance:
        yield instance


@contextmanager
def _explained_records(home: Path) -> Iterator[None]:
    """Replace an error of the database of Dagster's records by one that says what to do.

    Raises:
        TrainingError: the database cannot be reached or written, or is damaged.
    """
    try:
        yield
    except Exception as error:
        reason = next((e for e in _chain(error) if isinstance(e, _RECORD_ERRORS)), None)
        if reason is None:
            raise
        raise TrainingError(lost_records(str(reason), home)) from error


def lost_records(reason: str, home: Path) -> str:
    """Say on one line why Dagster's records cannot be used, and what to do."""
    cause = next(iter(reason.splitlines()), "no reason given")
    if _BROKEN.search(reason):
        return (
            f"Dagster's records (DAGSTER_HOME {home}) are damaged ({cause}): move the folders "
            f"`history` and `schedules` out of {home} and run again; the store is not affected, "
            "--resume keeps its batches"
        )
    fix = "check that their database is running"
    if _CLOSED.search(reason):
        fix = "check that its files are no folders, and correct their permissions"
    return (
        f"Dagster's records (DAGSTER_HOME {home}) cannot be read or written ({cause}): "
        f"{fix}; finished batches are kept, --resume computes the "
        "others"
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__ or error.__context__


def _instance_at(home: Path) -> dg.DagsterInstance:
    """Open an instance as its `dagster.yaml` says.

    The output of the steps is not copied for the UI unless the file says where to: it is on the
    terminal already, and the two processes that copy it print a traceback at Ctrl-C.
    """
    file = home / "dagster.yaml"
    try:
        home.mkdir(parents=True, exist_ok=True)
        _write_default(file)
        _refuse_classes(file)
        ref = _ref_of(home)
        if ref.compute_logs_data.class_name == "LocalComputeLogManager":
            ref = InstanceRef.from_dir(str(home), overrides=NO_COMPUTE_LOGS)
        with _creation_lock(home, ref):
            instance = _open(ref)
        check_compute_logs(ref, file)
        keep_connections(instance)
        return instance
    except OSError as error:
        unset = "" if os.environ.get("DAGSTER_HOME") else ", the default as it is not set,"
        raise ConfigurationError(
            f"DAGSTER_HOME {home}{unset} cannot be used ({error}): fix it or name another directory"
        ) from error
    except (dg.DagsterInvalidConfigError, CheckError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{file} {_unusable(error)}") from error
    except ImportError as error:
        raise ConfigurationError(
            f"{file} names what is not installed ({error}): install it, or correct the file"
        ) from error


def _refuse_classes(file: Path) -> None:
    """Refuse code that a `dagster.yaml` names which was only found in the working directory.

    The directory may be somebody else's: a download, or a folder that others can write. Who sets
    DAGSTER_HOME has chosen the file.

    Raises:
        ConfigurationError: it names a class or a module, or a variable, which it could send to a
            server of somebody else's.
    """
    if os.environ.get("DAGSTER_HOME"):
        return
    try:
        named = next(_code_in(yaml.safe_load(file.read_text(encoding="utf-8"))), None)
    except RecursionError:
        named = "a value that holds itself"
    if named:
        raise ConfigurationError(
            f"{file} names code or a variable ({named}), and was found in the working directory "
            "without being asked for: remove it, or set "
            f"DAGSTER_HOME={file.parent} if you trust the file"
        )


def _code_in(value: object) -> Iterator[str]:
    """Yield the entries of a YAML file that name code to be imported, or a variable to be read.

    Example:
        >>> list(_code_in({"logs": [{"module": "a", "class": "B"}], "local": {"port": 1}}))
        ['module: a', 'class: B']
        >>> list(_code_in({"format": "ext://a.b", "password": {"env": "SECRET"}}))
        ['ext://a.b', 'env: SECRET']
    """
    if isinstance(value, dict):
        for name, part in value.items():
            if str(name) in _CODE:
                yield " ".join(f"{name}: {part}".split())[:100]
            yield from _code_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from _code_in(part)
    elif isinstance(value, str) and value.startswith(("ext://", "cfg://")):
        yield value[:100]


def _ref_of(home: Path) -> InstanceRef:
    """Read the `dagster.yaml` of a home.

    Raises:
        ConfigurationError: a value is of the wrong kind, such as `storage: 3`.
    """
    try:
        return InstanceRef.from_dir(str(home))
    except (AttributeError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{home / 'dagster.yaml'} cannot be used (a value is of the wrong kind: {error}): "
            "correct it"
        ) from error


def _write_default(file: Path) -> None:
    """Write the default `dagster.yaml` atomically, so that no other process reads half of it."""
    if not file.exists():
        new = file.with_name(f".dagster.yaml.{uuid4().hex}")
        new.write_text(_INSTANCE, encoding="utf-8")
        new.replace(file)


def _creation_lock(home: Path, ref: InstanceRef) -> AbstractContextManager[object]:
    """Let one process at a time open SQLite files, which Dagster creates when they are opened.

    A home whose records are in a server may be read-only, so it gets no lock file.
    """
    stored_in = (ref.run_storage_data, ref.event_storage_data, ref.schedule_storage_data)
    if any(data is not None and "sqlite" in data.class_name.lower() for data in stored_in):
        return FileLock(home / ".records.lock", timeout=_LOCK_SECONDS)
    return nullcontext()


def _open(ref: InstanceRef) -> dg.DagsterInstance:
    """Open the run, event and schedule storages.

    A process that does not take our lock, such as `dagster dev`, may be creating the same tables:
    then wait for it and open them again.
    """
    for attempt in range(_ATTEMPTS):
        try:
            instance = dg.DagsterInstance.from_ref(ref)
            _ = instance.run_storage, instance.event_log_storage, instance.schedule_storage
            return instance
        except _RECORD_ERRORS as error:
            if attempt == _ATTEMPTS - 1 or not _CREATION.search(str(error)):
                raise
            time.sleep(0.1 * 2**attempt)
    raise AssertionError("the last attempt returns or raises")


def _unusable(error: Exception) -> str:
    """Say on one line why Dagster cannot use a `dagster.yaml`, and how to fix it."""
    invalid = isinstance(error, dg.DagsterInvalidConfigError)
    text = error.errors[0].message if invalid else str(error)
    if unset := _NOT_SET.search(text):
        return f"needs the environment variable {unset[1]}, which is not set: set it"
    # Dagster goes on with pages about what it expects.
    reason = " ".join(text.partition(" Expected: ")[0].split()).rstrip(".")
    return f"cannot be used ({reason}): correct it"


def prepare_home() -> int:
    """Create the records of DAGSTER_HOME if there are none; return the exit code."""
    try:
        with open_instance(dagster_home()):
            return 0
    except PulseError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(prepare_home())
