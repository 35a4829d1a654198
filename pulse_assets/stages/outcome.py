"""Outcomes of a training besides scores: skipped and failed batches, failed rules, checks.

Pure functions over tables and plain values. The asset checks call them, and terminal, results and
report show what they return. `outcome_texts` turns it into sentences.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, cast

import numpy as np
import pyarrow as pa

from pulse_assets.result_records import CheckOutcome, RuleErrors, SkippedVariable
from pulse_assets.storage.tables import rows_with

#: Columns of `batch_metrics` that `collect_outcomes` reads.
OUTCOME_COLUMNS: Final = (
    *("batch", "status", "error_type", "error", "variable", "model"),
    *("skip_reason", "rule_errors", "rule_error_origin"),
)

#: Errors of rules in the order in which they are joined.
_FIRST: Final = [("rule_error_origin_min", "ascending"), ("variable", "ascending")]


@dataclass(frozen=True)
class Outcomes:
    """The outcomes of the batches of one configuration.

    Attributes:
        batches: number of stored batches by status.
        predicted: variables that at least one batch predicts.
        skipped: skipped variables by reason, the most frequent first.
        rule_errors: errors of rules, the most frequent first.
        failed: the failed batches in order, each with batch, type and message.
        unpredicted: the skipped batches in order, each with batch and reason.
    """

    batches: Mapping[str, int]
    predicted: frozenset[str]
    skipped: Sequence[SkippedVariable]
    rule_errors: Sequence[RuleErrors]
    failed: Sequence[Mapping[str, str]]
    unpredicted: Sequence[Mapping[str, str]]

    def to_json(self) -> dict[str, Any]:
        """Return the lists as `training_results` has them."""
        return {
            "errors": [dict(entry) for entry in self.failed],
            "skipped": [dict(entry) for entry in self.unpredicted],
            "skipped_variables": [asdict(entry) for entry in self.skipped],
            "rule_errors": [asdict(entry) for entry in self.rule_errors],
        }

    def never_predicted(self, variables: Iterable[str]) -> list[str]:
        """Return those of `variables`, and of the skipped ones, that no batch predicts."""
        return sorted({*variables, *(entry.variable for entry in self.skipped)} - self.predicted)


class OutcomeTally:
    """Collects `Outcomes` table by table, so that memory does not grow with the batches."""

    def __init__(self) -> None:
        """Start with no batch."""
        self.batches: dict[str, str] = {}  #: status by batch
        self._predicted: set[str] = set()
        self._skipped: dict[tuple[str, str], SkippedVariable] = {}
        self._errors: dict[tuple[str, str, str], RuleErrors] = {}
        self._failed: list[dict[str, str]] = []
        self._unpredicted: dict[str, dict[str, str]] = {}

    def add(self, metrics: pa.Table) -> None:
        """Add batches: `OUTCOME_COLUMNS` of schema `BATCH_METRICS`, with all rows of each batch."""
        self.batches |= _status_of_batches(metrics)
        scored = metrics["model"].is_valid()
        self._predicted.update(metrics["variable"].filter(scored).unique().to_pylist())
        # Few rows: text only of those.
        table = _plain(metrics.filter(_is_notable(metrics)))
        self._add_skipped(table.filter(table["skip_reason"].is_valid()))
        self._add_rule_errors(table.filter(table["model"].is_valid()))
        for row in rows_with(table, "status", "failed").to_pylist():
            error = {"type": row["error_type"] or "", "message": row["error"] or ""}
            self._failed.append({"batch": row["batch"], **error})
        for row in rows_with(table, "status", "skipped").to_pylist():
            self._unpredicted[row["batch"]] = {"batch": row["batch"], "reason": row["error"] or ""}

    def reading(self, metrics: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Yield tables, and add each before."""
        for table in metrics:
            self.add(table)
            yield table
            del table  # before the next one is read

    def outcomes(self) -> Outcomes:
        """Return the outcomes of all batches that were added."""
        skipped = sorted(self._skipped.values(), key=lambda s: (-s.count, s.variable))
        errors = sorted(self._errors.values(), key=lambda e: (-e.count, e.model, e.message))
        failed = sorted(self._failed, key=lambda error: error["batch"])
        unpredicted = [self._unpredicted[batch] for batch in sorted(self._unpredicted)]
        predicted = frozenset(self._predicted)
        return Outcomes(
            Counter(self.batches.values()), predicted, skipped, errors, failed, unpredicted
        )

    def _add_skipped(self, table: pa.Table) -> None:
        key = ["variable", "skip_reason"]
        groups = table.group_by(key).aggregate([("batch", "count"), ("batch", "min_max")])
        for row in groups.to_pylist():
            span = row["batch_min_max"]
            name, reason = row["variable"], row["skip_reason"]
            skipped = SkippedVariable(name, reason, row["batch_count"], span["min"], span["max"])
            before = self._skipped.get((name, reason))
            self._skipped[name, reason] = _joined(before, skipped) if before else skipped

    def _add_rule_errors(self, table: pa.Table) -> None:
        # All horizons of a rule repeat its count.
        key = ["batch", "variable", "model", "error_type", "error"]
        numbers = [("rule_errors", "max"), ("rule_error_origin", "min")]
        counted: set[tuple[str, str, str, str]] = set()
        for row in table.group_by(key).aggregate(numbers).sort_by(_FIRST).to_pylist():
            origin = str(row["rule_error_origin_min"])
            group = row["model"], row["error_type"] or "", row["error"] or ""
            batches = int((*group, row["batch"]) not in counted)
            counted.add((*group, row["batch"]))
            errors = RuleErrors(*group, row["rule_errors_max"], batches, row["variable"], origin)
            before = self._errors.get(group)
            self._errors[group] = _added(before, errors) if before else errors


def collect_outcomes(metrics: Iterable[pa.Table]) -> Outcomes:
    """Return the outcomes of the batches of `metrics`, tables with `OUTCOME_COLUMNS`.

    Example:
        >>> len(collect_outcomes([]).batches)
        0
    """
    tally = OutcomeTally()
    for table in metrics:
        tally.add(table)
    return tally.outcomes()


def _status_of_batches(metrics: pa.Table) -> dict[str, str]:
    """Return the status by batch."""
    names = [metrics[name].unify_dictionaries().combine_chunks() for name in ("batch", "status")]
    batch, status = (cast("pa.DictionaryArray", column) for column in names)
    batches, first = np.unique(batch.indices.to_numpy(), return_index=True)
    statuses = status.indices.to_numpy()[first].tolist()
    return {
        batch.dictionary[code].as_py(): status.dictionary[at].as_py()
        for code, at in zip(batches.tolist(), statuses, strict=True)
    }


def _is_notable(metrics: pa.Table) -> pa.Array:
    """Return which rows are without scores, or of a rule that failed."""
    failed = metrics["rule_errors"].fill_null(0).to_numpy() > 0
    return pa.array(failed | metrics["model"].is_null().to_numpy())


def _plain(table: pa.Table) -> pa.Table:
    """Return the columns; dictionaries, by which Arrow cannot aggregate, become text."""
    chosen = table.select(list(OUTCOME_COLUMNS))
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in chosen.schema
    ]
    return chosen.cast(pa.schema(fields))


def _joined(left: SkippedVariable, right: SkippedVariable) -> SkippedVariable:
    first, last = min(left.first, right.first), max(left.last, right.last)
    return replace(left, count=left.count + right.count, first=first, last=last)


def _added(left: RuleErrors, right: RuleErrors) -> RuleErrors:
    first = min(left, right, key=lambda errors: (errors.first_origin, errors.variable))
    return replace(first, count=left.count + right.count, batches=left.batches + right.batches)


def conclude(results: Mapping[str, Any], checks: Sequence[CheckOutcome]) -> dict[str, Any]:
    """Return the results with their checks, problems and success.

    Args:
        results: a `training_results` object.
        checks: the results of the asset checks.

    Example:
        >>> conclude({}, [CheckOutcome("fresh", "data", "ERROR", False, "old")])["problems"]
        ['old']
    """
    failed = [check for check in checks if check.passed is False and check.severity == "ERROR"]
    problems = list(dict.fromkeys(check.message or f"{check.name} failed" for check in failed))
    return {
        **results,
        "success": not problems,
        "problems": problems,
        "checks": [asdict(check) | {"values": dict(check.values)} for check in checks],
    }


def warnings_of(results: Mapping[str, Any]) -> list[str]:
    """Return the messages of failed checks of severity WARN, and the names of checks not run.

    Args:
        results: a `training_results` object.
    """
    checks = results["checks"]
    failed = [c for c in checks if c["passed"] is False and c["severity"] == "WARN"]
    missing = list(dict.fromkeys(check["name"] for check in checks if check["passed"] is None))
    not_run = [f"not checked: {', '.join(missing)}"] if missing else []
    return [check["message"] or check["name"] for check in failed] + not_run
