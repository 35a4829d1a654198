"""What a training run must report besides scores: what is missing, what failed, what was checked.

Pure functions over tables and plain values; the checks in `pulse_assets.checks` call them, and
terminal, results and report show what they return.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.errors import HistoricalDataError
from pulse_assets.history.frequency import Frequency, dates_ahead
from pulse_assets.history.series import Series
from pulse_assets.stages.plan import decide_frequency
from pulse_assets.stages.window import Observations

#: Steps of its own frequency that a series may end before the date that it is compared with.
STALE_AFTER: Final = 4

#: Columns of `batch_metrics` that `collect_outcomes` reads.
OUTCOME_COLUMNS: Final = (
    *("batch", "status", "error_type", "error", "variable", "model"),
    *("skip_reason", "rule_errors", "rule_error_origin"),
)

#: Entries of a list that one sentence names.
_NAMED: Final = 3

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


class _FirstToLast:
    """What groups of batches share: the first and the last of them."""

    first: str
    last: str

    @property
    def dates(self) -> str:
        """The first batch, and the last where there are several."""
        return span(self.first, self.last)


@dataclass(frozen=True)
class FailedBatches(_FirstToLast):
    """Batches that failed with equal errors, with the first and the last."""

    type: str
    message: str
    count: int
    first: str
    last: str

    @property
    def error(self) -> str:
        """The error on one line."""
        return _error(self.type, self.message)


@dataclass(frozen=True)
class SkippedBatches(_FirstToLast):
    """Batches that were skipped for one reason, with the first and the last."""

    reason: str
    count: int
    first: str
    last: str


@dataclass(frozen=True)
class SkippedVariables:
    """Variables that the same number of batches skips for one reason, and the batches."""

    variables: Sequence[str]
    reason: str
    count: int
    first: str
    last: str

    @property
    def dates(self) -> str:
        """How many batches there are, and from which to which."""
        return (
            f"{self.count:,} batches, {span(self.first, self.last)}"
            if self.count > 1
            else self.first
        )


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


def group_failed(errors: Sequence[Mapping[str, str]]) -> list[FailedBatches]:
    """Group `training_results.errors` by type and message, in order of their first batch.

    Example:
        >>> group_failed([{"batch": "2020-01-01", "type": "ValueError", "message": "no"}])[0].count
        1
    """
    found: dict[tuple[str, str], list[str]] = {}
    for error in errors:
        found.setdefault((error["type"], error["message"]), []).append(error["batch"])
    groups = [FailedBatches(*key, len(b), min(b), max(b)) for key, b in found.items()]
    return sorted(groups, key=lambda group: group.first)


def group_skipped(skipped: Sequence[Mapping[str, str]]) -> list[SkippedBatches]:
    """Group the entries of `training_results.skipped` by reason, the most frequent first.

    Example:
        >>> group_skipped([{"batch": "2020-01-01", "reason": "no data"}])
        [SkippedBatches(reason='no data', count=1, first='2020-01-01', last='2020-01-01')]
    """
    found: dict[str, list[str]] = {}
    for entry in skipped:
        found.setdefault(entry["reason"], []).append(entry["batch"])
    groups = [SkippedBatches(why, len(b), min(b), max(b)) for why, b in found.items()]
    return sorted(groups, key=lambda group: (-group.count, group.first, group.reason))


def list_some(names: Sequence[str], limit: int = _NAMED, separator: str = ", ") -> str:
    """Return the first names of a list, and how many more there are.

    Example:
        >>> list_some(["a", "b", "c", "d"], 2)
        'a, b and 2 more'
    """
    more = len(names) - limit
    return separator.join(names[:limit]) + (f" and {more} more" if more > 0 else "")


def span(first: str, last: str) -> str:
    """Return two dates as one text, or one where they are equal.

    Example:
        >>> span("2020-01-01", "2020-01-31")
        '2020-01-01 to 2020-01-31'
    """
    return first if first == last else f"{first} to {last}"


def group_variables(skipped: Sequence[Mapping[str, Any]]) -> list[SkippedVariables]:
    """Group entries of `training_results.skipped_variables` that differ in the variable alone.

    Example:
        >>> entry = {"reason": "no data", "count": 1, "first": "2020-01-01", "last": "2020-01-01"}
        >>> [one.variables for one in group_variables([{"variable": v} | entry for v in "ab"])]
        [['a', 'b']]
    """
    found: dict[tuple[str, int, str, str], list[str]] = {}
    for one in skipped:
        key = one["reason"], one["count"], one["first"], one["last"]
        found.setdefault(key, []).append(one["variable"])
    return [SkippedVariables(names, *key) for key, names in found.items()]


def describe_failed(errors: Sequence[Mapping[str, str]]) -> str:
    """Return one sentence about the failed batches; equal errors are named once.

    Example:
        >>> describe_failed([{"batch": "2020-01-01", "type": "ValueError", "message": "no"}])
        '1 batch failed: 2020-01-01 (ValueError: no)'
    """
    named = [
        f"{one.dates} ({'' if one.count == 1 else f'{one.count:,} times '}{one.error})"
        for one in group_failed(errors)
    ]
    noun = "batch" if len(errors) == 1 else "batches"
    return f"{len(errors):,} {noun} failed: {list_some(named, separator='; ')}"


def describe_rule_errors(errors: Sequence[RuleErrors]) -> str:
    """Return one sentence about the rules that failed; the first error is quoted.

    Example:
        >>> describe_rule_errors([RuleErrors("own", "E", "no", 24, 2, "gdp", "2020-01-01")])
        'rule own failed from 24 origins in 2 batches, first of gdp from 2020-01-01: E: no'
    """
    if not errors:
        return ""
    rules = list(dict.fromkeys(one.model for one in errors))
    first = errors[0]
    if len(errors) == 1:
        return f"rule {first.model} failed from {describe_rule_error(first)}"
    origins = sum(one.count for one in errors)
    noun, often = ("rule", "") if len(rules) == 1 else ("rules", f"{first.model} ")
    return (
        f"{noun} {list_some(rules)} failed from {origins:,} origins with {len(errors):,} different "
        f"errors; most often {often}from {describe_rule_error(first)}"
    )


def describe_rule_error(one: RuleErrors) -> str:
    """Return where a rule failed, how often, and what it raised."""
    origins = "1 origin" if one.count == 1 else f"{one.count:,} origins"
    batches = "1 batch" if one.batches == 1 else f"{one.batches:,} batches"
    error = _error(one.type, one.message)
    return f"{origins} in {batches}, first of {one.variable} from {one.first_origin}: {error}"


def _error(kind: str, message: str) -> str:
    """Return an error on one line."""
    text = " ".join(message.split())
    return f"{kind}: {text}" if kind else text


def describe_unpredicted(outcomes: Outcomes, variables: Iterable[str]) -> str:
    """Return one sentence about what was never predicted; empty when all was, or none is stored.

    A variable's most frequent reason is named.
    """
    if not outcomes.batches:
        return ""
    if not outcomes.predicted:
        counts = [f"{n:,} {status}" for status, n in sorted(outcomes.batches.items())]
        return f"no batch was predicted: {', '.join(counts)}"
    never = outcomes.never_predicted(variables)
    reasons = {one.variable: one.reason for one in reversed(outcomes.skipped)}
    if len(never) == 1:
        return f"{never[0]} was never predicted: {reasons.get(never[0], 'its batches failed')}"
    named = [f"{name} ({reasons[name]})" if name in reasons else name for name in never]
    return f"{len(never)} variables were never predicted: {list_some(named)}" if never else ""


def series_frequencies(
    series: Mapping[str, Series], declared: Mapping[str, str]
) -> dict[str, Frequency]:
    """Return the frequency of each series; one that fits none is left out."""
    found = {}
    for name, one in series.items():
        known = Observations(one.timestamps, one.values, one.timestamps)
        try:
            found[name] = decide_frequency(name, known, declared.get(name))
        except HistoricalDataError:  # it is not predicted, which is reported with its reason
            continue
    return found


def ends_before(
    last: Mapping[str, date], frequencies: Mapping[str, Frequency], until: date
) -> list[str]:
    """Return the series that end more than `STALE_AFTER` of their own steps before a date.

    Args:
        last: date of the last observation of each series.
        frequencies: frequency by series; a series without one is not compared.
        until: the date to compare with.
    """
    found = []
    for name in sorted(set(last) & set(frequencies)):
        steps = np.array([STALE_AFTER])
        (reached,) = dates_ahead(np.datetime64(last[name], "D"), steps, frequencies[name])
        if reached < np.datetime64(until, "D"):
            found.append(name)
    return found


def early_ends(last: Mapping[str, date], frequencies: Mapping[str, Frequency]) -> dict[str, str]:
    """Return a sentence for each series that ends much earlier than the latest of all series.

    Its forecasts start so much earlier, and mostly lie before today.

    Args:
        last: date of the last observation of each series.
        frequencies: frequency by series.
    """
    if not last:
        return {}
    latest = max(sorted(last), key=lambda name: last[name])
    early = ends_before(last, frequencies, last[latest])
    return {
        name: f"{name} ends on {last[name]}, more than {STALE_AFTER} {frequencies[name].name} "
        f"steps before {latest} ({last[latest]}): its forecasts start that much earlier"
        for name in early
    }


def last_observations(forecasts: pa.Table) -> dict[str, date]:
    """Return the date from which the forecasts of each variable start.

    Args:
        forecasts: rows of schema `NEXT_FORECASTS`.
    """
    made = forecasts.filter(pc.field("model").is_valid()).select(["variable", "origin_date"])
    return {row["variable"]: row["origin_date"] for row in made.to_pylist()}


def left_out(forecasts: pa.Table) -> dict[str, str]:
    """Return why variables have no next forecast, by variable.

    Args:
        forecasts: rows of schema `NEXT_FORECASTS`.
    """
    rows = forecasts.filter(pc.field("model").is_null()).select(["variable", "error"]).to_pylist()
    return {row["variable"]: row["error"] or "" for row in rows}


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
