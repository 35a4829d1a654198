"""The work of one batch from observation to score: what one Dask task does.

Nothing but the small `BatchSummary` returns to the run process; the tables go to the store.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import pyarrow as pa

from pulse_assets.batches import TrainingBatch
from pulse_assets.errors import StoreError
from pulse_assets.history.source import open_source
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, Rule, resolve_rules
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.stages.observe import observe
from pulse_assets.stages.plan import plan
from pulse_assets.stages.predict import planned_variables, predict
from pulse_assets.stages.score import headline_scores, outcome, score
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.store import open_store
from pulse_assets.storage.tables import decode_table, encode_table, read_fingerprint

Status = Literal["completed", "skipped", "failed"]

#: The four tables of a batch, in the order in which one is made of the others.
BATCH_TABLES: Final = ("historical_data", "training_batches", "retrodictions", "batch_metrics")

#: Raised when the same input and configuration would give other numbers than before.
CODE_VERSION: Final = "1"

#: Options that change no number in a batch's tables.
_WITHOUT_EFFECT: Final = {"max_failed_batches", "resume", "trust_discount"}


@dataclass(frozen=True)
class BatchTask:
    """What a worker needs to compute one batch; `tables` are made, the others read."""

    batch: TrainingBatch
    settings: Settings
    options: TrainingOptions
    tables: frozenset[str] = frozenset(BATCH_TABLES)

    @property
    def name(self) -> str:
        """The partition key."""
        return self.batch.batch_id


@dataclass(frozen=True)
class BatchSummary:
    """What the run process learns of a batch: small, whatever the batch's size."""

    batch_id: str
    status: Status
    seconds: float = 0.0
    kept: bool = False
    error_type: str | None = None
    error: str | None = None
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    bytes: Mapping[str, int] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)


def run_batch(task: BatchTask) -> BatchSummary:
    """Compute and store one batch; an error in it becomes its stored status and is not raised.

    Raises:
        StoreError: not even the failure could be stored.
    """
    started = time.perf_counter()
    objects = _BatchObjects(task)
    try:
        summary = _compute(task, objects)
    except Exception as error:
        summary = _fail(error, objects)
    return replace(summary, seconds=time.perf_counter() - started)


def fail_batch(task: BatchTask, error: Exception) -> BatchSummary:
    """Store the failure of a batch whose worker could not, such as one that kills its worker."""
    return _fail(error, _BatchObjects(task))


def configuration_fingerprint(settings: Settings, options: TrainingOptions) -> str:
    """Hash all that decides which numbers a batch's tables hold, except input and window.

    Batches of one configuration may be aggregated together, others may not.
    """
    chosen = options.model_dump(mode="json", exclude=_WITHOUT_EFFECT)
    decisive = {**chosen, "batch_size_days": settings.batch_size_days, "code": CODE_VERSION}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _compute(task: BatchTask, objects: "_BatchObjects") -> BatchSummary:
    options, batch = task.options, task.batch
    history = (
        _observe(task) if objects.makes("historical_data") else objects.read("historical_data")
    )
    objects.fingerprint["input"] = _input_hash(batch, history)
    if options.resume and objects.kept():
        return _summarise(objects, objects.read("batch_metrics"), kept=True)
    objects.write("historical_data", history)
    planned = objects.made(
        "training_batches", lambda: plan(batch, history, options.horizons, options.frequencies)
    )
    variables = planned_variables(planned, history, options.horizons)
    made = objects.made(
        "retrodictions",
        lambda: predict(batch.batch_id, variables, history, _rules(options), options),
    )
    metrics = objects.made(
        "batch_metrics",
        lambda: score(batch.batch_id, planned, variables, made, options.interval_level),
    )
    return _summarise(objects, metrics)


def _observe(task: BatchTask) -> pa.Table:
    source = open_source(task.settings.source, task.settings.s3)
    series = {name: source.load(name) for name in task.batch.variables}
    return observe(task.batch, series, task.options.history_days)


def _rules(options: TrainingOptions) -> list[Rule]:
    return resolve_rules(options.models or DEFAULT_MODELS)


def _summarise(objects: "_BatchObjects", metrics: pa.Table, *, kept: bool = False) -> BatchSummary:
    row = metrics.slice(0, 1).to_pylist()[0]
    return BatchSummary(
        batch_id=objects.batch_id,
        status=row["status"],
        kept=kept,
        error_type=row["error_type"],
        error=row["error"],
        fingerprint=objects.fingerprint,
        rows=objects.rows,
        bytes=objects.bytes,
        scores=headline_scores(metrics),
    )


def _fail(error: Exception, objects: "_BatchObjects") -> BatchSummary:
    """Store the failure under a fingerprint that no input has: a resumed run tries again."""
    objects.fingerprint["input"] = "failed"
    message = str(error) or type(error).__name__
    metrics = outcome(objects.batch_id, "failed", type(error).__name__, message)
    objects.write("batch_metrics", metrics)
    return replace(_summarise(objects, metrics), rows={}, bytes={})


def _input_hash(batch: TrainingBatch, history: pa.Table) -> str:
    """Hash the window and every observation that the batch may see."""
    digest = hashlib.sha256(f"{batch.start}/{batch.end}".encode())
    digest.update(encode_table(history, "historical_data", fingerprint={}))
    return digest.hexdigest()


class _BatchObjects:
    """The stored objects of one batch: those the task makes are written, the others read."""

    def __init__(self, task: BatchTask) -> None:
        self.batch_id = task.batch.batch_id
        self._task = task
        self._store = open_store(task.settings.store, task.settings.s3)
        self.fingerprint = {"configuration": configuration_fingerprint(task.settings, task.options)}
        self.rows: dict[str, int] = {}
        self.bytes: dict[str, int] = {}

    def makes(self, name: str) -> bool:
        """Whether the task makes the table of this name."""
        return name in self._task.tables

    def read(self, name: str) -> pa.Table:
        """Load a table of the batch."""
        path = self._path(name)
        return decode_table(self._store.read(path), name, name=f"{self._store.uri}/{path}")

    def write(self, name: str, table: pa.Table) -> None:
        """Store a table, if the task makes it."""
        if not self.makes(name):
            return
        data = encode_table(table, name, fingerprint=self.fingerprint)
        self._store.write(self._path(name), data)
        self.rows[name], self.bytes[name] = table.num_rows, len(data)

    def made(self, name: str, make: Callable[[], pa.Table]) -> pa.Table:
        """Make and store a table, or load it where the task does not make it."""
        if not self.makes(name):
            return self.read(name)
        table = make()
        self.write(name, table)
        return table

    def kept(self) -> bool:
        """Whether everything that the task makes is stored already, made of the same."""
        return all(self._is_current(name) for name in self._task.tables)

    def _is_current(self, name: str) -> bool:
        try:
            data = self._store.read(self._path(name))
            return read_fingerprint(data, name=name) == self.fingerprint
        except StoreError:  # missing or damaged: made again
            return False

    def _path(self, name: str) -> str:
        days = self._task.settings.batch_size_days
        return object_path(name, self.batch_id, days)
