"""The work of one batch from observation to score: what one Dask task does.

Nothing but the small `BatchSummary` returns to the run process; the tables go to the store.
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
    """What a worker needs to compute one batch; `tables` are made, the others read.

    `rules` are the versions of the run's own copies of rules that are not built in.
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
    """What the run process learns of a batch: small, whatever the batch's size."""

    batch_id: str
    status: Status
    seconds: float = 0.0
    kept: bool = False
    error_type: str | None = None
    error: str | None = None
    rows: Mapping[str, int] = field(default_factory=dict)
    bytes: Mapping[str, int] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    rule_errors: int = 0


def run_batch(task: BatchTask) -> BatchSummary:
    """Compute and store one batch; an error in it becomes its stored status and is not raised.

    Raises:
        StoreUnavailableError: the store or the source cannot be used, for any batch.
        ClusterError: this worker has other rules than the run, or none.
    """
    started = time.perf_counter()
    if task.rules:
        check_rules(task.rules, task.options.rule_timeout_seconds)
    work = _BatchWork(task)
    try:
        summary = work.run()
    except StoreUnavailableError:
        raise  # it ends the run: no other batch would do better
    except Exception as error:  # a rule may raise anything; the other batches go on
        summary = work.fail(error)
    return replace(summary, seconds=time.perf_counter() - started)


def fail_batch(task: BatchTask, error: Exception) -> BatchSummary:
    """Store the failure of a batch whose worker could not, such as one that kills its worker."""
    return _BatchWork(task).fail(error)


class _BatchWork:
    """One batch under way: its tables, each made or read when first asked for, and its objects."""

    def __init__(self, task: BatchTask) -> None:
        self.task = task
        self.store = open_store(task.settings.store, task.settings.s3)
        self.fingerprint: dict[str, str] = {}
        self.kept: dict[str, pa.Table] = {}
        self.rows: dict[str, int] = {}
        self.bytes: dict[str, int] = {}

    def run(self) -> BatchSummary:
        """Store the tables that the task makes, unless they are there and to be kept."""
        self._identify(input_hash(self.task.batch, self.historical_data))
        if self.task.options.resume and all(map(self._is_current, self.task.tables)):
            return self._summarise(self.kept.__getitem__, kept=True)
        for name in BATCH_TABLES:
            if name in self.task.tables:
                self._write(name, getattr(self, name))
        return self._summarise(lambda name: getattr(self, name))

    def fail(self, error: Exception) -> BatchSummary:
        """Store the failure, under a fingerprint that no input has: a resumed run tries again."""
        kind, message = type(error).__name__, str(error) or type(error).__name__
        self._identify(FAILED_INPUT)
        self.rows, self.bytes = {}, {}
        if "batch_metrics" in self.task.tables:
            self._write("batch_metrics", failed_batch(self.task.name, kind, message))
        return BatchSummary(self.task.name, "failed", error_type=kind, error=message)

    @cached_property
    def historical_data(self) -> pa.Table:
        """What the batch may see."""
        return self._made("historical_data", self._observe)

    @cached_property
    def training_batches(self) -> pa.Table:
        """What is predicted."""
        task, options = self.task, self.task.options
        return self._made(
            "training_batches",
            lambda: plan(task.batch, self.historical_data, options.horizons, options.frequencies),
        )

    @cached_property
    def retrodictions(self) -> pa.Table:
        """The forecasts; where a rule failed, the batch is tried again by a resumed run."""
        table = self._made("retrodictions", self._predict)
        if table["error"].null_count < table.num_rows:
            self.fingerprint["input"] = INCOMPLETE_INPUT
        return table

    @cached_property
    def batch_metrics(self) -> pa.Table:
        """The scores."""
        name, level = self.task.name, self.task.options.interval_level
        return self._made(
            "batch_metrics",
            lambda: score(name, self.training_batches, self._variables, self.retrodictions, level),
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
        """Set the fingerprint of the tables, by what they are made of."""
        made = {"configuration": self._configuration, "input": made_of}
        self.fingerprint = {**made, **package_versions()}

    @cached_property
    def _configuration(self) -> str:
        return configuration_fingerprint(self.task.settings, self.task.options)

    def _made(self, name: str, make: Callable[[], pa.Table]) -> pa.Table:
        return make() if name in self.task.tables else self._read(name)

    def _read(self, name: str) -> pa.Table:
        """Read a table that the task does not make; one of another configuration is refused.

        What is made of it would bear this task's fingerprint, but not this configuration's numbers.
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
        """Whether a table is stored already, made of the same and whole."""
        partition = self._partition(name)
        try:
            data = partition.read()
            self.kept[name] = partition.decode(data)
            return is_current(partition.fingerprint(data), self.fingerprint)
        except StoreUnavailableError:
            raise
        except StoreError:  # missing or damaged: made again
            return False

    def _partition(self, name: str) -> Partition:
        return Partition(self.store, name, self.task.name, self.task.settings.batch_length)

    def _summarise(self, table: Callable[[str], pa.Table], *, kept: bool = False) -> BatchSummary:
        if "batch_metrics" not in self.task.tables:
            return self._summary("completed", kept=kept)
        metrics = table("batch_metrics")
        row = metrics.slice(0, 1).to_pylist()[0]
        summary = self._summary(row["status"], kept=kept)
        scores, errors = headline_scores(metrics), count_rule_errors(metrics)
        error = None if errors else row["error"]  # of a rule, which is not the batch
        return replace(summary, error=error, scores=scores, rule_errors=errors)

    def _summary(self, status: Status, *, kept: bool) -> BatchSummary:
        return BatchSummary(self.task.name, status, kept=kept, rows=self.rows, bytes=self.bytes)
