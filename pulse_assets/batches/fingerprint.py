"""The fingerprint of a batch: hashes of its configuration, input and code.

A stored batch is up to date while its fingerprint is the one that it would have if it were computed
now. Versions of numba and numpy are stored beside the fingerprint: they are shown, but they make
nothing stale.
"""

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

import pyarrow as pa

from pulse_assets.batches.windows import TrainingBatch
from pulse_assets.catalog import SCHEMAS, SORT_KEYS
from pulse_assets.history.frequency_names import calendar_in
from pulse_assets.history.holiday_calendars import holidays_of
from pulse_assets.retrodiction.hosted_rules import rule_versions
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.settings.setting import settings_without_effect
from pulse_assets.storage.tables import (
    content_hash,
    fingerprint_of,
    sorted_table,
    stored_schema,
)

#: Instead of the hash of a failed batch's input: no input has it, so a resumed run tries again.
FAILED_INPUT: Final = "failed"
#: The same for a batch in which a rule failed: it is scored, but without that rule.
INCOMPLETE_INPUT: Final = "incomplete"

#: The parts of the package that decide a batch's numbers: files, and folders with all their files.
NUMERICAL_CODE: Final = (
    "batches/windows.py",
    *(
        f"history/{name}.py"
        for name in (
            "bounds",
            "forecast_days",
            "frequency",
            "frequency_names",
            "holiday_calendars",
            "label_grids",
            "publication",
            "same_period",
        )
    ),
    "history/step_calendars.py",
    "retrodiction",
    *(
        f"stages/{name}.py"
        for name in (
            "columns",
            "given_rows",
            "observations",
            "observe",
            "panel",
            "plan",
            "predict",
            "score",
            "variable_history",
        )
    ),
)

#: Packages whose versions are stored with each batch.
VERSIONS_OF: Final = ("numba", "numpy")

#: The parts of a stored fingerprint that tell whether a batch is up to date.
_DECISIVE: Final = ("configuration", "input")


def configuration_fingerprint(settings: Settings, options: TrainingOptions) -> str:
    """Hash everything that decides the numbers in a batch's tables, except input and window.

    These are the options, whatever the order of the models; the length of the batches; the columns
    of the stored tables; the versions of the user's rules; the days of the holiday calendars; and
    the source of our numerical code. Batches of one configuration may be aggregated together,
    others may not.

    Raises:
        ConfigurationError: a holiday calendar cannot be read.
        RuleError: a user's rule cannot be imported.
    """
    chosen = options.model_dump(mode="json", exclude=settings_without_effect(TrainingOptions))
    models = sorted(options.models or ())
    decisive = {
        **chosen,
        "models": models,
        "publication_lag_days": {n: lag for n, lag in options.publication_lag_days.items() if lag},
        "rules": rule_versions(models, options.rule_timeout_seconds),
        "holidays": {name: _days_of(name) for name in used_calendars(options)},
        "batch_size_days": settings.batch_length,
        "schemas": schema_fingerprint(SCHEMAS),
        "code": code_fingerprint(),
    }
    return _sha256(json.dumps(decisive, sort_keys=True).encode())


def used_calendars(options: TrainingOptions) -> list[str]:
    """Return the names of the holiday calendars that a run uses, in order.

    Example:
        >>> used_calendars(TrainingOptions(frequencies={"gdp": "monthly", "spx": "B@NYSE"}))
        ['NYSE']
    """
    named = {calendar_in(frequency) for frequency in options.frequencies.values()}
    return sorted({*named, *options.calendar.values()} - {""})


def ledger_fingerprint(settings: Settings, options: TrainingOptions) -> dict[str, str]:
    """Return what decides the trust ledger, given the batches: configuration and discount.

    Raises:
        RuleError: a user's rule cannot be imported.
    """
    return {
        "configuration": configuration_fingerprint(settings, options),
        "trust_discount": repr(options.trust_discount),
    }


def made_by(ledger: pa.Table, settings: Settings, options: TrainingOptions) -> bool:
    """Return whether a configuration computed a trust ledger, perhaps with further horizons.

    Raises:
        RuleError: a user's rule cannot be imported.
    """
    horizons = {*ledger["horizon"].unique().to_pylist()} - {None}  # over all
    if {*options.horizons} <= horizons:
        options = options.model_copy(update={"horizons": sorted(horizons)})
    return fingerprint_of(ledger) == ledger_fingerprint(settings, options)


def input_hash(batch: TrainingBatch, history: pa.Table) -> str:
    """Hash the window and every release on which forecasts or scores of the batch depend.

    Args:
        batch: the window.
        history: the `historical_data` of the batch.
    """
    used = history.filter(history["used"]).drop_columns("used")
    whole = sorted_table(used, SORT_KEYS["historical_data"])
    return _sha256(f"{batch.start}/{batch.end}/{content_hash(whole)}".encode())


def schema_fingerprint(schemas: Mapping[str, pa.Schema]) -> str:
    """Hash names, stored types and order of all columns, and the order of rows.

    Example:
        >>> one, two = ({"t": pa.schema([("x", kind)])} for kind in (pa.int32(), pa.int64()))
        >>> schema_fingerprint(one) == schema_fingerprint(two)
        False
    """
    columns = {
        name: [[field.name, str(field.type)] for field in stored_schema(schema)]
        for name, schema in schemas.items()
    }
    return _sha256(json.dumps([columns, SORT_KEYS], sort_keys=True).encode())


@cache
def code_fingerprint() -> str:
    """Hash the source of `NUMERICAL_CODE`; any edit, even of a comment, gives another hash."""
    digest = hashlib.sha256()
    root = files("pulse_assets")
    for name in NUMERICAL_CODE:
        for path, source in _sources(root / name, name):
            digest.update(f"{path}\0{_sha256(source)}\n".encode())
    return digest.hexdigest()


@cache
def package_versions() -> dict[str, str]:
    """Return the versions that are stored with each batch, by package."""
    return {name: importlib.metadata.version(name) for name in VERSIONS_OF}


def is_current(actual: Mapping[str, str], expected: Mapping[str, str]) -> bool:
    """Return whether a stored fingerprint is the expected one, whatever the package versions.

    Example:
        >>> made = {"configuration": "a", "input": "b", "numpy": "2.0"}
        >>> is_current(made, {"configuration": "a", "input": "b", "numpy": "2.4"})
        True
        >>> is_current(made, {"configuration": "a", "input": "c"})
        False
    """
    return all(actual.get(part) == expected.get(part) for part in _DECISIVE)


def _sources(place: Traversable, name: str) -> list[tuple[str, bytes]]:
    """Return name and content of a file, or of each Python file below a folder, in order."""
    if place.is_file():
        return [(name, place.read_bytes())]
    files = sorted(place.iterdir(), key=lambda file: file.name)
    parts = [_sources(file, f"{name}/{file.name}") for file in files if _is_source(file)]
    return [source for part in parts for source in part]


def _is_source(place: Traversable) -> bool:
    return place.name.endswith(".py") or (place.is_dir() and place.name != "__pycache__")


def _days_of(calendar: str) -> str:
    """Hash the holidays of a calendar, which another version of its package may change."""
    return _sha256(holidays_of(calendar).tobytes())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
