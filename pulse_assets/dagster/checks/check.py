"""One asset check: run it, record its outcome in Dagster, and read recorded outcomes back."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
    AssetCheckExecutionRecord,
)

from pulse_assets.batches.fingerprint import configuration_fingerprint
from pulse_assets.dagster.previews import as_cell, in_words
from pulse_assets.errors import PulseError
from pulse_assets.results import CheckOutcome, Severity
from pulse_assets.settings import Settings, TrainingOptions

#: Evaluations of a check that are searched for one of the same configuration and store.
_SEARCHED: Final = 50

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Verdict:
    """What a check found: the values it saw, and one sentence for people when it did not pass."""

    passed: bool
    seen: Mapping[str, Any]
    message: str = ""


@dataclass(frozen=True)
class Check(Generic[Subject]):
    """A check by name, the asset that it is shown on, and what it looks at.

    Attributes:
        name: of the check.
        asset: the asset that it is shown on.
        function: what looks; its docstring is shown in the UI.
        severity: ERROR decides whether a run succeeds; WARN is shown.
        quick: whether it reads no more than the metrics of the batches.
        by_batch: whether it judges each batch by itself, so that it can look at some alone.
    """

    name: str
    asset: str
    function: Callable[[Subject], Verdict]
    severity: Severity = "ERROR"
    quick: bool = False
    by_batch: bool = False

    @property
    def spec(self) -> dg.AssetCheckSpec:
        """How Dagster knows it."""
        return dg.AssetCheckSpec(self.name, asset=self.asset, description=self.function.__doc__)

    @property
    def key(self) -> dg.AssetCheckKey:
        """Dagster's key of it."""
        return self.spec.key

    def run(self, subject: Subject) -> CheckOutcome:
        """Look; a check that cannot finish has not passed, and does not stop the others."""
        try:
            found = self.function(subject)
        except (Exception, SystemExit) as error:
            kind = "" if isinstance(error, PulseError) else f"{type(error).__name__}: "
            reason = f"{kind}{error}".rstrip(": ")
            message = f"{self.asset} could not be checked for {self.name}: {reason}"
            found = Verdict(False, {"error": reason}, message)
        return CheckOutcome(
            self.name,
            self.asset,
            self.severity,
            bool(found.passed),
            "" if found.passed else found.message,
            {name: _readable(value) for name, value in found.seen.items() if value is not None},
        )

    def not_run(self) -> CheckOutcome:
        """Return the outcome of a check that nobody has run."""
        message = "not run for these batches: run pulse-train --resume over them"
        return CheckOutcome(self.name, self.asset, self.severity, None, message)


def _readable(value: object) -> str | int | float | bool | None:
    """Return a value that was seen as its page shows it without a click."""
    return in_words(value) if isinstance(value, Mapping | list) else as_cell(value)


@dataclass(frozen=True)
class CheckedData:
    """Configuration and store that a check looked at; other evaluations say nothing of them."""

    configuration: str
    store: str

    @classmethod
    def of(cls, settings: Settings, options: TrainingOptions) -> "CheckedData":
        """Describe the data of a run."""
        return cls(configuration_fingerprint(settings, options), settings.store)

    def evaluation(self, outcome: CheckOutcome) -> dg.AssetCheckResult:
        """Return an outcome as Dagster records it."""
        return dg.AssetCheckResult(
            asset_key=outcome.asset,
            check_name=outcome.name,
            passed=bool(outcome.passed),
            severity=dg.AssetCheckSeverity[outcome.severity],
            description=outcome.message or None,
            metadata={**outcome.values, **vars(self)},
        )

    def recorded(
        self, instance: dg.DagsterInstance, keys: Iterable[dg.AssetCheckKey], run_id: str
    ) -> tuple[dict[dg.AssetCheckKey, CheckOutcome], dict[dg.AssetCheckKey, CheckOutcome]]:
        """Return the outcomes of these data that a run recorded, and the latest of all runs."""
        of_run, latest = {}, {}
        for key in keys:
            for record in instance.event_log_storage.get_asset_check_execution_history(
                key, _SEARCHED, status=COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES
            ):
                if (found := self._outcome(record)) is None:
                    continue
                latest.setdefault(key, found)
                if record.run_id == run_id:
                    of_run.setdefault(key, found)
        return of_run, latest

    def _outcome(self, record: AssetCheckExecutionRecord) -> CheckOutcome | None:
        """Return what a record says, if it is of these data."""
        evaluation = record.evaluation
        if evaluation is None:
            return None
        values = {name: value.value for name, value in evaluation.metadata.items()}
        if any(values.pop(name, None) != value for name, value in vars(self).items()):
            return None
        return CheckOutcome(
            record.key.name,
            record.key.asset_key.to_user_string(),
            evaluation.severity.value,
            evaluation.passed,
            evaluation.description or "",
            values,
        )
