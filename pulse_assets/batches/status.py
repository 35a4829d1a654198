"""The state of each batch of a grid, read from the store alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.batches.due import Awaited, batches_with_new_outcomes, waiting_batches
from pulse_assets.batches.fingerprint import (
    FAILED_INPUT,
    INCOMPLETE_INPUT,
    VERSIONS_OF,
    configuration_fingerprint,
    input_hash,
    is_current,
    ledger_fingerprint,
)
from pulse_assets.batches.grid import batch_keys, batch_of, completed_keys
from pulse_assets.batches.states import BatchState
from pulse_assets.catalog import BATCH_TABLES, STATUS_TABLE
from pulse_assets.evaluation_records import Alarm
from pulse_assets.history.calendars import load_series
from pulse_assets.preflight import resolve_options
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.stages.decay import CoverageCollector, DecayWatch
from pulse_assets.stages.losses import LossCollector
from pulse_assets.stages.observe import observe
from pulse_assets.stages.outcome import Outcomes, OutcomeTally
from pulse_assets.stages.pooling import add_up
from pulse_assets.stages.results import RESULT_COLUMNS
from pulse_assets.storage.layout import PartitionedTables
from pulse_assets.storage.objects import StoredTable
from pulse_assets.storage.store import MissingObjectError, Store, open_store
from pulse_assets.storage.tables import fingerprint_of

#: Instead of the hash of the input, in the fingerprint of a batch that is requested again.
_AGAIN: Final = {FAILED_INPUT, INCOMPLETE_INPUT}

#: Fingerprint of each stored table of a batch, by name of the table.
Fingerprints = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class GridStatus:
    """The states of the batches of a grid in the store.

    Attributes:
        states: state by batch, in order of date.
        versions: number of batches by the package versions that computed them, such as `numba
            0.68.1, numpy 2.4.6`; other versions than today's make nothing stale.
        waiting: the values that are not public yet, of each batch that waits for some.
    """

    states: Mapping[str, BatchState]
    versions: Mapping[str, int] = field(default_factory=dict)
    waiting: Mapping[str, Sequence[Awaited]] = field(default_factory=dict)


def grid_status(
    settings: Settings, options: TrainingOptions, today: date | None = None
) -> GridStatus:
    """Return the state of each batch of the grid, and the versions that computed them.

    A skipped batch is done. A batch is done only if all four of its tables are whole and were
    computed by this configuration from the source's present content. Dagster's records do not
    count.

    Args:
        settings: where data lies and which batches exist.
        options: the configuration.
        today: the date (UTC) by which outcomes are public or awaited; default: the current one.

    Raises:
        ConfigurationError: a variable is unknown.
        HistoricalDataError: the source cannot be read.
        StoreError: the store cannot be read.
    """
    options = resolve_options(settings, options)
    keys = batch_keys(settings, today)
    fingerprints, expected = _stored_fingerprints(settings, keys), _Expected(settings, options)
    waiting = waiting_batches(settings, options, keys, today=today)
    states: dict[str, BatchState] = {}
    for key in keys:
        tables = {name: of[key] for name, of in fingerprints.items() if key in of}
        state = expected.state(key, tables)
        states[key] = "waiting" if state == "missing" and key in waiting else state
    versions = Counter(map(_in_words, fingerprints[STATUS_TABLE].values()))
    return GridStatus(states, dict(versions), waiting)


def _stored_fingerprints(
    settings: Settings, keys: Sequence[str]
) -> dict[str, dict[str, dict[str, str]]]:
    """Return the fingerprint of each stored batch by table and key; empty if it is damaged."""
    store = open_store(settings.store, settings.s3)
    return {
        name: PartitionedTables(store, name, settings.batch_length, keys).fingerprints()
        for name in BATCH_TABLES
    }


def _in_words(fingerprint: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {fingerprint.get(name, 'unknown')}" for name in VERSIONS_OF)


class StoredOutcomes(NamedTuple):
    """What the stored batches tell.

    Attributes:
        batches: what they skipped, and which rules failed in them.
        alarms: the rules that decay.
        trust_watched: whether alarms about trust are among them: not where there is no ledger, or
            one of another configuration.
    """

    batches: Outcomes
    alarms: list[Alarm]
    trust_watched: bool


def stored_outcomes(
    settings: Settings, options: TrainingOptions, states: Mapping[str, BatchState]
) -> StoredOutcomes:
    """Return what the stored batches skipped, which rules failed in them, and which rules decay.

    Args:
        settings: what fixes the batch grid.
        options: the configuration.
        states: state by batch; missing and stale batches are left out.

    Raises:
        StoreError: the store cannot be read.
    """
    options = resolve_options(settings, options)
    current = [key for key, state in states.items() if state not in ("missing", "stale")]
    store = open_store(settings.store, settings.s3)
    tables = PartitionedTables(store, STATUS_TABLE, settings.batch_length, current)
    made_of = {"configuration": configuration_fingerprint(settings, options)}
    tally, losses, horizon = OutcomeTally(), LossCollector(), min(options.horizons)
    covered = CoverageCollector(horizon)
    parts = tally.reading(tables.parts(RESULT_COLUMNS, made_of=made_of))
    sums = add_up(parts, [losses, covered])
    watch = DecayWatch(covered.watched(sums), level=options.interval_level, horizon=horizon)
    for _ in watch.reading(losses.by_variable(sums)):
        pass
    ledger = _current_ledger(store, ledger_fingerprint(settings, options))
    if ledger is not None:  # it may have later batches than a grid that ends earlier
        ledger = ledger.filter(pc.field("batch").isin(current))
    return StoredOutcomes(tally.outcomes(), watch.alarms(ledger), trust_watched=ledger is not None)


def holds_batches(settings: Settings, options: TrainingOptions) -> bool:
    """Return whether the store has a batch of this configuration.

    Raises:
        StoreError: the store cannot be read.
    """
    options = resolve_options(settings, options)
    store, keys = open_store(settings.store, settings.s3), batch_keys(settings)
    tables = PartitionedTables(store, STATUS_TABLE, settings.batch_length, keys)
    made_of = {"configuration": configuration_fingerprint(settings, options)}
    return any(part.num_rows for part in tables.parts(["batch"], made_of=made_of))


def _current_ledger(store: Store, fingerprint: Mapping[str, str]) -> pa.Table | None:
    """Return the stored trust ledger; None if there is none of this configuration."""
    try:
        ledger = StoredTable(store, "trust_ledger").load()
    except MissingObjectError:
        return None
    return ledger if fingerprint_of(ledger) == fingerprint else None


@dataclass(frozen=True)
class DueBatches:
    """The batches whose window has ended, and which of them are to be computed.

    Attributes:
        ended: all of them, in order of date.
        missing: those that the store lacks, or has damaged.
        failed: those that failed, or in which a rule failed.
        outdated: those that were computed before all of their outcomes were public.
        waiting: the values that are not public yet, of each batch that waits for some.
    """

    ended: Sequence[str]
    missing: Sequence[str]
    failed: Sequence[str]
    outdated: Sequence[str]
    waiting: Mapping[str, Sequence[Awaited]]

    @property
    def keys(self) -> list[str]:
        """The batches to compute, in order of date."""
        return sorted([*self.missing, *self.failed, *self.outdated])


def due_batches(settings: Settings, options: TrainingOptions, today: date) -> DueBatches:
    """Return which batches are due on a day and not stored as they should be.

    A batch that waits for outcomes is not due, whatever the store has of it.

    Args:
        settings: where data lies and which batches exist.
        options: the configuration.
        today: the date (UTC).

    Raises:
        HistoricalDataError: the source cannot be read.
        StoreError: the store cannot be read.
    """
    ended = completed_keys(settings, today)
    if not ended:
        return DueBatches((), (), (), (), {})
    options = resolve_options(settings, options)
    waiting = waiting_batches(settings, options, ended, today=today)
    due = [key for key in ended if key not in waiting]
    missing, failed = _missing_and_failed(settings, due)
    whole = sorted({*due} - {*missing, *failed})
    outdated = batches_with_new_outcomes(settings, options, whole)
    return DueBatches(ended, missing, failed, outdated, waiting)


def _missing_and_failed(settings: Settings, keys: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the batches that are missing in the store or damaged, and those that failed.

    A batch in which only a rule failed counts as failed too.
    """
    fingerprints = _stored_fingerprints(settings, keys)
    status = fingerprints[STATUS_TABLE]
    failed = [key for key in keys if status.get(key, {}).get("input") in _AGAIN]
    # The fingerprint of a damaged table is empty.
    whole = [key for key in keys if all(tables.get(key) for tables in fingerprints.values())]
    return sorted({*keys} - {*whole, *failed}), failed


class _Expected:
    """The fingerprint that each batch would have if it were computed now."""

    def __init__(self, settings: Settings, options: TrainingOptions) -> None:
        source = settings.open_source()
        self._settings = settings
        self._options = options
        self._series = load_series(
            source, options.variables or (), options.frequencies, options.publication_lag_days
        )
        self._configuration = configuration_fingerprint(settings, options)

    def state(self, key: str, tables: Fingerprints) -> BatchState:
        """Return the state of a batch, given the fingerprints of its stored tables."""
        status = tables.get(STATUS_TABLE)
        if status is None:
            return "missing"
        if status.get("configuration") != self._configuration:
            return "stale"
        if status.get("input") == FAILED_INPUT:
            return "failed"
        if status.get("input") == INCOMPLETE_INPUT:
            return "incomplete"
        if len(tables) < len(BATCH_TABLES):
            return "missing"
        now = {"configuration": self._configuration, "input": self._input(key)}
        return "done" if all(is_current(table, now) for table in tables.values()) else "stale"

    def _input(self, key: str) -> str:
        batch = batch_of(self._settings, key, tuple(self._series))
        return input_hash(batch, observe(batch, self._series, self._options))
