"""The work of one Dask task: a block of batches from observation to score.

Only a small `BatchSummary` of each returns to the run process; the tables go to the store.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, Literal

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
from pulse_assets.execution.costs import measured_block
from pulse_assets.execution.worker_rules import check_rules
from pulse_assets.history.calendars import load_series
from pulse_assets.history.series import Series
from pulse_assets.result_records import Costs
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, resolve_rules
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.stages.columns import all_true
from pulse_assets.stages.observe import observe
from pulse_assets.stages.panel import Panel
from pulse_assets.stages.plan import plan
from pulse_assets.stages.predict import BatchForecasts, PlannedVariable, planned_variables, predict
from pulse_assets.stages.score import count_rule_errors, failed_batch, headline_scores, score
from pulse_assets.stages.variable_history import VariableHistory, histories_of
from pulse_assets.storage.layout import Partition
from pulse_assets.storage.store import open_store

_log: Final = logging.getLogger(__name__)

Status = Literal["completed", "skipped", "failed"]


@dataclass(frozen=True)
class BatchTask:
    """The arguments of one Dask task, which computes a block of batches.

    Attributes:
        batches: the batches, at least one; several have the same anchor and variables.
        settings: where data lies.
        options: the configuration.
        tables: names of the tables to compute; the others are read.
        rules: versions of the rules that are not built in, as the run has them.
    """

    batches: tuple[TrainingBatch, ...]
    settings: Settings
    options: TrainingOptions
    tables: frozenset[str] = frozenset(BATCH_TABLES)
    rules: Mapping[str, str] | None = None

    @property
    def name(self) -> str:
        """The partition key; of a block, the first and the last."""
        first, last = self.batches[0].batch_id, self.batches[-1].batch_id
        return first if len(self.batches) == 1 else f"{first}_{last}"

    def parts(self) -> "list[BatchTask]":
        """Return a task for each batch."""
        return [replace(self, batches=(batch,)) for batch in self.batches]


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
        costs: its share of what its task cost; None if the worker was lost.
        block: number of batches of its task.
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
    costs: Costs | None = None
    block: int = 1


def run_batches(batch_task: BatchTask) -> list[BatchSummary]:
    """Compute and store some batches; an error in one becomes its stored status and is not raised.

    They share a walk over their history. If anything goes wrong in it, each is computed for itself,
    so that only the batch that is at fault fails.

    Raises:
        StoreUnavailableError: the store or the source cannot be used, for any batch.
        ClusterError: this worker has other rules than the run, or none.
    """
    if batch_task.rules:
        check_rules(batch_task.rules, batch_task.options.rule_timeout_seconds)
    with measured_block(with_hosts=bool(batch_task.rules)) as block:
        summaries = _run_together_or_alone(batch_task)
    costs, batches = block.share(len(summaries)), len(summaries)
    return [replace(summary, costs=costs, block=batches) for summary in summaries]


def _run_together_or_alone(batch_task: BatchTask) -> list[BatchSummary]:
    if len(batch_task.batches) > 1:
        try:
            return _run(batch_task)
        except StoreUnavailableError:
            raise  # it ends the run: no batch would do better
        except Exception:
            _log.debug("batches %s are computed one by one", batch_task.name, exc_info=True)
    return [summary for part in batch_task.parts() for summary in _run_alone(part)]


def fail_batches(batch_task: BatchTask, error: Exception) -> list[BatchSummary]:
    """Store the failure of batches whose worker could not, such as one that kills its worker."""
    return [_BatchWork(part).fail(error) for part in batch_task.parts()]


def _run_alone(batch_task: BatchTask) -> list[BatchSummary]:
    started = time.perf_counter()
    try:
        return _run(batch_task)
    except StoreUnavailableError:
        raise
    except Exception as error:  # a rule may raise anything; the other batches go on
        (summary,) = fail_batches(batch_task, error)
        return [replace(summary, seconds=time.perf_counter() - started)]


def _run(batch_task: BatchTask) -> list[BatchSummary]:
    """Compute and store the batches together; each counts its share of the time.

    Batches that a resumed run has already are left out of the walk.
    """
    started = time.perf_counter()
    works = [_BatchWork(part) for part in batch_task.parts()]
    walk = _Walk(works)
    unchanged = {work: work.unchanged_summary(walk) for work in works}
    walk.works = [work for work in works if not unchanged[work]]
    summaries = [unchanged[work] or work.store_tables(walk) for work in works]
    seconds = (time.perf_counter() - started) / len(works)
    return [replace(summary, seconds=seconds) for summary in summaries]


class _Walk:
    """What the batches of a block share: the source, their histories, and their forecasts.

    Attributes:
        works: the batches to compute.
    """

    def __init__(self, works: "Sequence[_BatchWork]") -> None:
        self.works = works

    @cached_property
    def series(self) -> dict[str, Series]:
        """All series, read once, so that the batches see the same even while a file is replaced."""
        work = self.works[0]
        options, source = work.options, work.task.settings.open_source()
        return load_series(
            source, work.batch.variables, options.frequencies, options.publication_lag_days
        )

    @cached_property
    def histories(self) -> dict[str, VariableHistory]:
        """The history of each variable, up to the end of the last batch."""
        histories = histories_of(self._historical_data(), self.works[0].options.frequencies)
        if len(self.works) > 1:
            for history in histories.values():
                _ = history.observations  # its error may concern the last batch alone: raise it now
        return histories

    def _historical_data(self) -> pa.Table:
        """Return what the batches see together.

        Raises:
            ValueError: stored tables of several batches hold releases that are outcomes of one
                alone, so that each batch must be computed for itself.
        """
        works = sorted(self.works, key=lambda work: work.batch.end)
        first, last = works[0], works[-1]
        if len(works) > 1 and "historical_data" in last.task.tables:
            together = replace(last.batch, start=first.batch.start)
            return observe(together, self.series, last.options)
        tables = [work.table("historical_data", self) for work in works]
        later = any(not all_true(table["used"]) for table in tables)
        if len(works) > 1 and (later or last.options.score_against != "first"):
            raise ValueError("the outcomes of these batches have later releases")
        return tables[-1]

    @cached_property
    def forecasts(self) -> dict[str, BatchForecasts]:
        """The forecasts of each batch."""
        options = self.works[0].options
        seconds = options.rule_timeout_seconds
        rules = resolve_rules(options.models or DEFAULT_MODELS, seconds=seconds)
        panel = Panel({name: history.rows for name, history in self.histories.items()})
        planned = {work.batch.batch_id: work.variables(self) for work in self.works}
        return predict(planned, panel, rules, options)


class _BatchWork:
    """The tables of one batch, each computed or read when first used, and its objects."""

    def __init__(self, batch_task: BatchTask) -> None:
        (self.batch,) = batch_task.batches
        self.task, self.options = batch_task, batch_task.options
        self.store = open_store(batch_task.settings.store, batch_task.settings.s3)
        self.fingerprint: dict[str, str] = {}
        self.unchanged = False
        self.tables: dict[str, pa.Table] = {}
        self.stored_metrics: pa.Table | None = None
        self.rows: dict[str, int] = {}
        self.bytes: dict[str, int] = {}
        self._variables: list[PlannedVariable] | None = None

    def unchanged_summary(self, walk: _Walk) -> BatchSummary | None:
        """Return what is stored if a resumed run has the tables of this input already."""
        self._identify(input_hash(self.batch, self.table("historical_data", walk)))
        self.unchanged = self.options.resume and all(map(self._is_current, self.task.tables))
        summary = self._summarise(self.stored_metrics) if self.unchanged else None
        if len(walk.works) > 1:
            self.release()  # the history is cut again when the batch is stored
        return summary

    def store_tables(self, walk: _Walk) -> BatchSummary:
        """Compute and store the tables of the task."""
        for name in BATCH_TABLES:
            if name in self.task.tables:
                self._write(name, self.table(name, walk))
        summary = self._summarise(self.tables.get("batch_metrics"))
        self.release()
        return summary

    def release(self) -> None:
        """Forget all tables, so that a block needs the memory of one batch."""
        self.tables, self.stored_metrics = {}, None

    def _summarise(self, metrics: pa.Table | None) -> BatchSummary:
        """Return what was stored, or was there already."""
        if metrics is None:
            return self._summary("completed")
        row = metrics.slice(0, 1).to_pylist()[0]
        errors = count_rule_errors(metrics)
        return replace(
            self._summary(row["status"]),
            error=None if errors else row["error"],  # of a rule, which is not the batch
            scores=headline_scores(metrics),
            rule_errors=errors,
        )

    def fail(self, error: Exception) -> BatchSummary:
        """Store the failure; its fingerprint makes a resumed run try the batch again."""
        kind, message = type(error).__name__, str(error) or type(error).__name__
        self._identify(FAILED_INPUT)
        self.rows, self.bytes = {}, {}
        if "batch_metrics" in self.task.tables:
            self._write("batch_metrics", failed_batch(self.task.name, kind, message))
        return BatchSummary(self.task.name, "failed", error_type=kind, error=message)

    def variables(self, walk: _Walk) -> list[PlannedVariable]:
        """Return the variables that the batch predicts."""
        if self._variables is None:
            planned = self.table("training_batches", walk)
            self._variables = planned_variables(planned, walk.histories, self.options.horizons)
        return self._variables

    def table(self, name: str, walk: _Walk) -> pa.Table:
        """Return a table of the batch: computed if the task says so, else read."""
        if name not in self.tables:
            make = getattr(self, f"_make_{name}")
            self.tables[name] = make(walk) if name in self.task.tables else self._read(name)
            self._mark_incomplete(name)
        return self.tables[name]

    def _mark_incomplete(self, name: str) -> None:
        """Let a resumed run try the batch again if a rule failed in it."""
        error = self.tables[name]["error"] if name == "retrodictions" else None
        if error is not None and error.null_count < len(error):
            self.fingerprint["input"] = INCOMPLETE_INPUT

    def _make_historical_data(self, walk: _Walk) -> pa.Table:
        return observe(self.batch, walk.series, self.options)

    def _make_training_batches(self, walk: _Walk) -> pa.Table:
        return plan(self.batch, walk.histories, self.options.horizons)

    def _make_retrodictions(self, walk: _Walk) -> pa.Table:
        return walk.forecasts[self.batch.batch_id].table()

    def _make_batch_metrics(self, walk: _Walk) -> pa.Table:
        planned, forecasts = (
            self.table(name, walk) for name in ("training_batches", "retrodictions")
        )
        levels = self.options.quantile_levels
        return score(self.batch.batch_id, planned, self.variables(walk), forecasts, levels)

    def _identify(self, made_of: str) -> None:
        """Set the fingerprint of the tables; `made_of` is the hash of their input."""
        parts = {"configuration": self._configuration, "input": made_of}
        self.fingerprint = {**parts, **package_versions()}

    @cached_property
    def _configuration(self) -> str:
        return configuration_fingerprint(self.task.settings, self.options)

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
        self.bytes[name] = self._partition(name).write(table, self.fingerprint)
        self.rows[name] = table.num_rows

    def _is_current(self, name: str) -> bool:
        """Return whether a whole table with this fingerprint is stored already."""
        partition = self._partition(name)
        try:
            data = partition.read()
            table = partition.decode(data)  # damage is found only here
            if name == "batch_metrics":
                self.stored_metrics = table
            return is_current(partition.fingerprint(data), self.fingerprint)
        except StoreUnavailableError:
            raise
        except StoreError:  # missing or damaged: it is computed again
            return False

    def _partition(self, name: str) -> Partition:
        return Partition(self.store, name, self.task.name, self.task.settings.batch_length)

    def _summary(self, status: Status) -> BatchSummary:
        return BatchSummary(
            self.task.name, status, unchanged=self.unchanged, rows=self.rows, bytes=self.bytes
        )
