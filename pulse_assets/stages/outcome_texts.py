"""Sentences about failed and skipped batches, variables and rules, equal ones grouped."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pulse_assets.result_records import RuleErrors
from pulse_assets.retrodiction.rules import ENSEMBLE
from pulse_assets.stages.outcome import Outcomes

#: Entries of a list that one sentence names.
_NAMED: Final = 3


class _FirstToLast:
    """A group of batches with its first and its last one."""

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
        """The number of batches, the first and the last; of one batch its date."""
        return (
            f"{self.count:,} batches, {span(self.first, self.last)}"
            if self.count > 1
            else self.first
        )


def group_failed(errors: Sequence[Mapping[str, str]]) -> list[FailedBatches]:
    """Group `training_results.errors` by type and message, in order of their first batch.

    Example:
        >>> group_failed([{"batch": "2020-01-01", "type": "ValueError", "message": "no"}])[0].count
        1
    """
    batches: dict[tuple[str, str], list[str]] = {}
    for error in errors:
        batches.setdefault((error["type"], error["message"]), []).append(error["batch"])
    groups = [FailedBatches(*key, len(b), min(b), max(b)) for key, b in batches.items()]
    return sorted(groups, key=lambda group: group.first)


def group_skipped(skipped: Sequence[Mapping[str, str]]) -> list[SkippedBatches]:
    """Group the entries of `training_results.skipped` by reason, the most frequent first.

    Example:
        >>> group_skipped([{"batch": "2020-01-01", "reason": "no data"}])
        [SkippedBatches(reason='no data', count=1, first='2020-01-01', last='2020-01-01')]
    """
    batches: dict[str, list[str]] = {}
    for entry in skipped:
        batches.setdefault(entry["reason"], []).append(entry["batch"])
    groups = [SkippedBatches(reason, len(b), min(b), max(b)) for reason, b in batches.items()]
    return sorted(groups, key=lambda group: (-group.count, group.first, group.reason))


def describe_revisions(revisions: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Say what revisions do to the skill of the ensemble, one line per variable.

    Args:
        revisions: as `ResultsDocument` describes them.
    """
    return [
        f"{name}: {_percent(row['skill'])} in real time, "
        f"{_percent(row['skill_against_latest'])} against the newest values; {_promise(row)}"
        for name, board in revisions.items()
        for row in board
        if row["model"] == ENSEMBLE
    ]


def _promise(row: Mapping[str, Any]) -> str:
    """Say what a test on the newest values promises, or why there is none."""
    test = "a test on the newest values alone"
    if row["skill_on_latest"] is None:
        return f"{test} is not made with rules that are not built in"
    return f"{test} promises {_percent(row['skill_on_latest'])}"


def _percent(share: float | None) -> str:
    return "an unknown skill" if share is None else f"{100 * share:+.1f} %"


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
    """Group entries of `training_results.skipped_variables` that differ only in the variable.

    Example:
        >>> entry = {"reason": "no data", "count": 1, "first": "2020-01-01", "last": "2020-01-01"}
        >>> [group.variables for group in group_variables([{"variable": v} | entry for v in "ab"])]
        [['a', 'b']]
    """
    variables: dict[tuple[str, int, str, str], list[str]] = {}
    for entry in skipped:
        key = entry["reason"], entry["count"], entry["first"], entry["last"]
        variables.setdefault(key, []).append(entry["variable"])
    return [SkippedVariables(names, *key) for key, names in variables.items()]


def describe_failed(errors: Sequence[Mapping[str, str]]) -> str:
    """Return one sentence about the failed batches; equal errors are named once.

    Example:
        >>> describe_failed([{"batch": "2020-01-01", "type": "ValueError", "message": "no"}])
        '1 batch failed: 2020-01-01 (ValueError: no)'
    """
    named = [
        f"{group.dates} ({'' if group.count == 1 else f'{group.count:,} times '}{group.error})"
        for group in group_failed(errors)
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
    rules = list(dict.fromkeys(error.model for error in errors))
    first = errors[0]
    if len(errors) == 1:
        return f"rule {first.model} failed from {describe_rule_error(first)}"
    origins = sum(error.count for error in errors)
    noun, often = ("rule", "") if len(rules) == 1 else ("rules", f"{first.model} ")
    return (
        f"{noun} {list_some(rules)} failed from {origins:,} origins with {len(errors):,} different "
        f"errors; most often {often}from {describe_rule_error(first)}"
    )


def describe_rule_error(errors: RuleErrors) -> str:
    """Return the number of origins and batches in which a rule failed, the first, and the error."""
    origins = "1 origin" if errors.count == 1 else f"{errors.count:,} origins"
    batches = "1 batch" if errors.batches == 1 else f"{errors.batches:,} batches"
    error = _error(errors.type, errors.message)
    first = f"first of {errors.variable} from {errors.first_origin}"
    return f"{origins} in {batches}, {first}: {error}"


def _error(kind: str, message: str) -> str:
    """Return an error on one line."""
    text = " ".join(message.split())
    return f"{kind}: {text}" if kind else text


def describe_unpredicted(outcomes: Outcomes, variables: Iterable[str]) -> str:
    """Return one sentence about variables that were never predicted; empty if there are none.

    It names the most frequent reason of each variable. It is empty, too, if no batch is stored.
    """
    if not outcomes.batches:
        return ""
    if not outcomes.predicted:
        counts = [f"{n:,} {status}" for status, n in sorted(outcomes.batches.items())]
        return f"no batch was predicted: {', '.join(counts)}"
    never = outcomes.never_predicted(variables)
    reasons = {entry.variable: entry.reason for entry in reversed(outcomes.skipped)}
    if len(never) == 1:
        return f"{never[0]} was never predicted: {reasons.get(never[0], 'its batches failed')}"
    named = [f"{name} ({reasons[name]})" if name in reasons else name for name in never]
    return f"{len(never)} variables were never predicted: {list_some(named)}" if never else ""
