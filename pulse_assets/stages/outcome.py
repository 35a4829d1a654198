"""What a training run must report besides scores: what is missing, what failed, what was checked.

Pure functions over tables and plain values; the checks in `pulse_assets.checks` call them, and
terminal, results and report show what they return. Their sentences are made in `outcome_texts`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

#: Columns of `batch_metrics` that `collect_outcomes` reads.
OUTCOME_COLUMNS: Final = (
    *("batch", "status", "error_type", "error", "variable", "model"),
    *("skip_reason", "rule_errors", "rule_error_origin"),
)

#: Errors of rules in the order in which they are joined.
_FIRST: Final = [("rule_error_origin_min", "ascending"), ("variable", "ascending")]

Severity = Literal["ERROR", "WARN"]


@dataclass(frozen=True)
class CheckOutcome:
    """The result of one asset check.

    Attributes:
        name: of the check.
        asset: the asset that the check is shown on.
        severity: a failed check of severity ERROR makes the run unsuccessful.
        passed: None when the check was not run for these batches.
        message: what was found, in one sentence; empty when passed.
        values: what the check saw, ready for JSON.
    """

    name: str
    asset: str
    severity: Severity
    passed: bool | None
    message: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SkippedVariable:
    """Batches that do not predict a variable for one reason, with the first and the last."""

    variable: str
    reason: str
    count: int
    first: str
    last: str


@dataclass(frozen=True)
class RuleErrors:
    """Equal errors of one rule.

    Attributes:
        model: name of the rule.
        type: class of the error.
        message: what the rule raised.
        count: origins from which it failed.
        batches: batches in which it failed.
        variable: of the first origin.
        first_origin: the first of the origins, ISO 8601.
    """

    model: str
    type: str
    message: str
    count: int
    batches: int
    variable: str
    first_origin: str


@dataclass(frozen=True)
class Outcomes:
    """What became of the batches.

    Attributes:
        batches: number of stored batches by status.
        predicted: variables that at least one batch predicts.
        skipped: skipped variables by reason, the most frequent first.
        rule_errors: errors of rules, the most frequent first.
        failed: the failed batches in order: batch, type and message.
        unpredicted: the skipped batches in order: batch and reason.
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
            "errors": [dict(one) for one in self.failed],
            "skipped": [dict(one) for one in self.unpredicted],
            "skipped_variables": [asdict(one) for one in self.skipped],
            "rule_errors": [asdict(one) for one in self.rule_errors],
        }

    def never_predicted(self, variables: Iterable[str]) -> list[str]:
        """Return those of `variables`, and of the skipped ones, that no batch predicts."""
        return sorted({*variables, *(one.variable for one in self.skipped)} - self.predicted)


class OutcomeTally:
    """Collects `Outcomes` table by table, so that memory does not grow with the batches."""

    def __init__(self) -> None:
        """Start with no batch."""
        self._batches: dict[str, int] = {}
        self._predicted: set[str] = set()
        self._skipped: dict[tuple[str, str], SkippedVariable] = {}
        self._errors: dict[tuple[str, str, str], RuleErrors] = {}
        self._failed: list[dict[str, str]] = []
        self._unpredicted: dict[str, dict[str, str]] = {}

    def add(self, metrics: pa.Table) -> None:
        """Add batches: `OUTCOME_COLUMNS` of schema `BATCH_METRICS`, each batch whole."""
        table = _plain(metrics)
        for row in table.group_by(["batch", "status"]).aggregate([]).to_pylist():
            self._batches[row["status"]] = self._batches.get(row["status"], 0) + 1
        scored = table.filter(pc.field("model").is_valid())
        self._predicted.update(scored["variable"].unique().to_pylist())
        self._add_skipped(table.filter(pc.field("skip_reason").is_valid()))
        self._add_rule_errors(scored.filter(pc.field("rule_errors") > 0))
        for row in table.filter(pc.field("status") == "failed").to_pylist():
            error = {"type": row["error_type"] or "", "message": row["error"] or ""}
            self._failed.append({"batch": row["batch"], **error})
        for row in table.filter(pc.field("status") == "skipped").to_pylist():
            self._unpredicted[row["batch"]] = {"batch": row["batch"], "reason": row["error"] or ""}

    def outcomes(self) -> Outcomes:
        """Return what became of all batches that were added."""
        skipped = sorted(self._skipped.values(), key=lambda one: (-one.count, one.variable))
        errors = sorted(self._errors.values(), key=lambda one: (-one.count, one.model, one.message))
        failed = sorted(self._failed, key=lambda one: one["batch"])
        unpredicted = [self._unpredicted[batch] for batch in sorted(self._unpredicted)]
        predicted = frozenset(self._predicted)
        return Outcomes(self._batches, predicted, skipped, errors, failed, unpredicted)

    def _add_skipped(self, table: pa.Table) -> None:
        key = ["variable", "skip_reason"]
        found = table.group_by(key).aggregate([("batch", "count"), ("batch", "min_max")])
        for row in found.to_pylist():
            span = row["batch_min_max"]
            name, reason = row["variable"], row["skip_reason"]
            one = SkippedVariable(name, reason, row["batch_count"], span["min"], span["max"])
            before = self._skipped.get((one.variable, one.reason))
            self._skipped[one.variable, one.reason] = _joined(before, one) if before else one

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
            one = RuleErrors(*group, row["rule_errors_max"], batches, row["variable"], origin)
            before = self._errors.get(group)
            self._errors[group] = _added(before, one) if before else one


def collect_outcomes(metrics: Iterable[pa.Table]) -> Outcomes:
    """Return what became of the batches of `metrics`, tables with `OUTCOME_COLUMNS`.

    Example:
        >>> collect_outcomes([]).batches
        {}
    """
    tally = OutcomeTally()
    for table in metrics:
        tally.add(table)
    return tally.outcomes()


def _plain(table: pa.Table) -> pa.Table:
    """Return the columns with text for dictionaries, by which Arrow cannot aggregate."""
    chosen = table.select(list(OUTCOME_COLUMNS))
    fields = [
        one.with_type(one.type.value_type) if pa.types.is_dictionary(one.type) else one
        for one in chosen.schema
    ]
    return chosen.cast(pa.schema(fields))


def _joined(one: SkippedVariable, other: SkippedVariable) -> SkippedVariable:
    first, last = min(one.first, other.first), max(one.last, other.last)
    return SkippedVariable(one.variable, one.reason, one.count + other.count, first, last)


def _added(one: RuleErrors, other: RuleErrors) -> RuleErrors:
    first = min(one, other, key=lambda each: (each.first_origin, each.variable))
    return replace(first, count=one.count + other.count, batches=one.batches + other.batches)


def conclude(results: Mapping[str, Any], checks: Sequence[CheckOutcome]) -> dict[str, Any]:
    """Return the results with their checks, problems and success.

    Args:
        results: a `training_results` object.
        checks: what was checked.

    Example:
        >>> conclude({}, [CheckOutcome("fresh", "data", "ERROR", False, "old")])["problems"]
        ['old']
    """
    failed = [one for one in checks if one.passed is False and one.severity == "ERROR"]
    problems = list(dict.fromkeys(one.message or f"{one.name} failed" for one in failed))
    return {
        **results,
        "success": not problems,
        "problems": problems,
        "checks": [asdict(one) | {"values": dict(one.values)} for one in checks],
    }


def warnings_of(results: Mapping[str, Any]) -> list[str]:
    """Return what failed checks of severity WARN found, and the names of checks not run."""
    checks = results["checks"]
    failed = [one for one in checks if one["passed"] is False and one["severity"] == "WARN"]
    missing = list(dict.fromkeys(one["name"] for one in checks if one["passed"] is None))
    not_run = [f"not checked: {', '.join(missing)}"] if missing else []
    return [one["message"] or one["name"] for one in failed] + not_run
