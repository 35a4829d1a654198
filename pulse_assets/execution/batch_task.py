"""The work of one Dask task: one batch from observation to score.

Only the small `BatchSummary` returns to the run process; the tables go to the store.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import pyarrow as pa

from pulse_assets.batches.fingerprint import (
    FAILED_INPUT,
    INCOMPLETE_INPUT,
    configuration_fingerprint,
    input_hash,
    is_current,
    package_versions,
)
from pulse_assets.batches.windows import TrainingBatch
from pulse_assets.catalog import BATCH_TABLES
from pulse_assets.errors import StoreError, StoreUnavailableError
from pulse_assets.execution.worker_rules import check_rules
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, resolve_rules
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.stages.observe import observe
from pulse_assets.stages.plan import plan
from pulse_assets.stages.predict import PlannedVariable, planned_variables, predict
from pulse_assets.stages.score import count_rule_errors, failed_batch, headline_scores, score
from pulse_assets.storage.layout import Partition
from pulse_assets.storage.store import open_store
from pulse_assets.storage.tables import encode_table

Status = Literal["completed", "skipped", "failed"]


@dataclass(frozen=True)
class BatchTask:
    """The arguments of one Dask task, which computes one batch.

    Attributes:
        batch: the batch.
        settings: where data lies.
        options: the configuration.
        tables: names of the tables to compute; the others are read.
        rules: versions of the rules that are not built in, as the run has them.
    """

    batch: TrainingBatch
    settings: Settings
    options: TrainingOptions
    tables: frozenset[str] = frozenset(BATCH_TABLES)
    rules: Mapping[str, str] | None = None

    @property
    def name(self) -> str:
        """The partition key."""
        return self.batch.batch_id


@dataclass(frozen=True)
class BatchSummary:
    """The result of a Dask task, small whatever the size of the batch.

    Attributes:
        batch_id: key of the batch.
        status: completed, skipped or failed.
        seconds: time that the worker took.
        unchanged: whether an earlier run computed it from the same input.
        error_type: class of the error of a failed batch.
        error: its message, or why the batch was skipped.
        rows: number of rows by table.
        bytes: size of the object by table.
        scores: scores of the ensemble by name.
        rule_errors: origins from which rules failed.
    """

    batch_id: str
    status: Status
    seconds: float = 0.0
    unchanged: bool = False
    error_type: str | None = None
    error: str | None = None
    rows: Mapping[str, int] = field(default_factory=dict)
    bytes: Mapping[str, int] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    rule_errors: int = 0


def run_batch(batch_task: BatchTask) -> BatchSummary:
    """Compute and store one batch; an error in it becomes its stored status and is not raised.

    Raises:
        StoreUnavailableError: the store or the source cannot be used, for any batch.
        ClusterError: this worker has other rules than the run, or none.
    """
    started = time.perf_counter()
    if batch_task.rules:
        check_rules(batch_task.rules, batch_task.options.rule_timeout_seconds)
    work = _BatchWork(batch_task)
    try:
        summary = work.run()
    except StoreUnavailableError:
        raise  # it ends the run: no other batch would do better
    except Exception as error:  # a rule may raise anything; the other batches go on
        summary = work.fail(error)
    return replace(summary, seconds=time.perf_counter() - started)


def fail_batch(batch_task: BatchTask, error: Exception) -> BatchSummary:
    """Store the failure of a batch whose worker could not, such as one that kills its worker."""
    return _BatchWork(batch_task).fail(error)


class _BatchWork:
    """The tables of one batch, each computed or read when first used, and its objects."""

    def __init__(self, batch_task: BatchTask) -> None:
        self.task = batch_task
        self.store = open_store(batch_task.settings.store, batch_task.settings.s3)
        self.fingerprint: dict[str, str] = {}
        self.current: dict[str, pa.Table] = {}
        self.rows: dict[str, int] = {}
        self.bytes: dict[str, int] = {}

    def run(self) -> BatchSummary:
        """Store the tables of the task, unless a resumed run has them already."""
        self._identify(input_hash(self.task.batch, self.historical_data))
        if self.task.options.resume and all(map(self._is_current, self.task.tables)):
            return self._summarise(self.current.__getitem__, unchanged=True)
        for name in BATCH_TABLES:
            if name in self.task.tables:
                self._write(name, getattr(self, name))
        return self._summarise(lambda name: getattr(self, name))

    def fail(self, error: Exception) -> BatchSummary:
        """Store the failure; its fingerprint makes a resumed run try the batch again."""
        kind, message = type(error).__name__, str(error) or type(error).__name__
        self._identify(FAILED_INPUT)
        self.rows, self.bytes = {}, {}
        if "batch_metrics" in self.task.tables:
            self._write("batch_metrics", failed_batch(self.task.name, kind, message))
        return BatchSummary(self.task.name, "failed", error_type=kind, error=message)

    @cached_property
    def historical_data(self) -> pa.Table:
        """The observations that the batch may use."""
        return self._computed_or_read("historical_data", self._observe)

    @cached_property
    def training_batches(self) -> pa.Table:
        """The targets of the batch."""
        batch, options = self.task.batch, self.task.options
        return self._computed_or_read(
            "training_batches",
            lambda: plan(batch, self.historical_data, options.horizons, options.frequencies),
        )

    @cached_property
    def retrodictions(self) -> pa.Table:
        """The forecasts; where a rule failed, the batch is tried again by a resumed run."""
        table = self._computed_or_read("retrodictions", self._predict)
        if table["error"].null_count < table.num_rows:
            self.fingerprint["input"] = INCOMPLETE_INPUT
        return table

    @cached_property
    def batch_metrics(self) -> pa.Table:
        """The scores."""
        name = self.task.name
        return self._computed_or_read(
            "batch_metrics",
            lambda: score(name, self.training_batches, self._variables, self.retrodictions),
        )

    @cached_property
    def _variables(self) -> list[PlannedVariable]:
        horizons = self.task.options.horizons
        return planned_variables(self.training_batches, self.historical_data, horizons)

    def _observe(self) -> pa.Table:
        source = self.task.settings.open_source()
        series = {name: source.load(name) for name in self.task.batch.variables}
        return observe(self.task.batch, series, self.task.options.history_days)

    def _predict(self) -> pa.Table:
        options = self.task.options
        seconds = options.rule_timeout_seconds
        rules = resolve_rules(options.models or DEFAULT_MODELS, seconds=seconds)
        return predict(self.task.name, self._variables, self.historical_data, rules, options)

    def _identify(self, made_of: str) -> None:
        """Set the fingerprint of the tables; `made_of` is the hash of their input."""
        parts = {"configuration": self._configuration, "input": made_of}
        self.fingerprint = {**parts, **package_versions()}

    @cached_property
    def _configuration(self) -> str:
        return configuration_fingerprint(self.task.settings, self.task.options)

    def _computed_or_read(self, name: str, make: Callable[[], pa.Table]) -> pa.Table:
        return make() if name in self.task.tables else self._read(name)

    def _read(self, name: str) -> pa.Table:
        """Read a table that the task does not compute; one of another configuration is refused.

        Tables computed from it would have this task's fingerprint, but other numbers.
        """
        partition = self._partition(name)
        data = partition.read()
        if partition.fingerprint(data).get("configuration") != self._configuration:
            raise partition.replaced()
        return partition.decode(data)

    def _write(self, name: str, table: pa.Table) -> None:
        data = encode_table(table, name, fingerprint=self.fingerprint)
        self.store.write(self._partition(name).path, data)
        self.rows[name], self.bytes[name] = table.num_rows, len(data)

    def _is_current(self, name: str) -> bool:
        """Return whether a whole table with this fingerprint is stored already."""
        partition = self._partition(name)
        try:
            data = partition.read()
            self.current[name] = partition.decode(data)
            return is_current(partition.fingerprint(data), self.fingerprint)
        except StoreUnavailableError:
            raise
        except StoreError:  # missing or damaged: it is computed again
            return False

    def _partition(self, name: str) -> Partition:
        return Partition(self.store, name, self.task.name, self.task.settings.batch_length)

    def _summarise(
        self, table: Callable[[str], pa.Table], *, unchanged: bool = False
    ) -> BatchSummary:
        if "batch_metrics" not in self.task.tables:
            return self._summary("completed", unchanged=unchanged)
        metrics = table("batch_metrics")
        row = metrics.slice(0, 1).to_pylist()[0]
        summary = self._summary(row["status"], unchanged=unchanged)
        scores, errors = headline_scores(metrics), count_rule_errors(metrics)
        error = None if errors else row["error"]  # of a rule, which is not the batch
        return replace(summary, error=error, scores=scores, rule_errors=errors)

    def _summary(self, status: Status, *, unchanged: bool) -> BatchSummary:
        return BatchSummary(
            self.task.name, status, unchanged=unchanged, rows=self.rows, bytes=self.bytes
        )
