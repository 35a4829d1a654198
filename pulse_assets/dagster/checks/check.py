"""An asset check: run it, record its outcome in Dagster, and read recorded outcomes back."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

import dagster as dg

from pulse_assets.batches.fingerprint import configuration_fingerprint
from pulse_assets.dagster.internals import check_evaluations
from pulse_assets.dagster.previews import as_cell, in_words
from pulse_assets.errors import PulseError
from pulse_assets.result_records import CheckOutcome, Severity
from pulse_assets.settings import Settings, TrainingOptions

#: Evaluations of a check that are searched for one of the same configuration and store.
_SEARCHED: Final = 50

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Finding:
    """The result of a check.

    Attributes:
        passed: whether what must hold does hold.
        values: the values that the check compared, by name.
        message: one sentence for people that says what does not hold.
    """

    passed: bool
    values: Mapping[str, Any]
    message: str = ""


@dataclass(frozen=True)
class Check(Generic[Subject]):
    """A check as data.

    Attributes:
        name: of the check.
        asset: the asset that it is shown on.
        function: checks the subject; its docstring is shown in the UI.
        severity: ERROR decides whether a run succeeds; WARN is shown.
        quick: whether it reads no more than the metrics of the batches.
        by_batch: whether it checks each batch by itself, so that it can check some of them alone.
    """

    name: str
    asset: str
    function: Callable[[Subject], Finding]
    severity: Severity = "ERROR"
    quick: bool = False
    by_batch: bool = False

    @property
    def spec(self) -> dg.AssetCheckSpec:
        """The specification for Dagster."""
        return dg.AssetCheckSpec(self.name, asset=self.asset, description=self.function.__doc__)

    @property
    def key(self) -> dg.AssetCheckKey:
        """The key in Dagster."""
        return self.spec.key

    def run(self, subject: Subject) -> CheckOutcome:
        """Check the subject; a check that raises an error has not passed."""
        try:
            finding = self.function(subject)
        except (Exception, SystemExit) as error:
            kind = "" if isinstance(error, PulseError) else f"{type(error).__name__}: "
            reason = f"{kind}{error}".rstrip(": ")
            message = f"{self.asset} could not be checked for {self.name}: {reason}"
            finding = Finding(False, {"error": reason}, message)
        return CheckOutcome(
            self.name,
            self.asset,
            self.severity,
            bool(finding.passed),
            "" if finding.passed else finding.message,
            {name: _readable(value) for name, value in finding.values.items() if value is not None},
        )

    def not_run(self) -> CheckOutcome:
        """Return the outcome of a check that was not run."""
        message = "not run for these batches: run pulse-train --resume over them"
        return CheckOutcome(self.name, self.asset, self.severity, None, message)


def _readable(value: object) -> str | int | float | bool | None:
    """Return a value as the UI shows it without a click."""
    return in_words(value) if isinstance(value, Mapping | list) else as_cell(value)


class RecordedOutcomes(NamedTuple):
    """The outcomes of checks that a run recorded, and the latest of all runs, by check."""

    of_run: Mapping[dg.AssetCheckKey, CheckOutcome]
    latest: Mapping[dg.AssetCheckKey, CheckOutcome]


@dataclass(frozen=True)
class CheckedData:
    """The configuration and the store of a check; evaluations for other data are ignored."""

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
    ) -> RecordedOutcomes:
        """Return the outcomes of these data that Dagster has of some checks."""
        of_run, latest = {}, {}
        for key in keys:
            for evaluated_by, evaluation in check_evaluations(instance, key, _SEARCHED):
                if (outcome := self._outcome(evaluation)) is None:
                    continue
                latest.setdefault(key, outcome)
                if evaluated_by == run_id:
                    of_run.setdefault(key, outcome)
        return RecordedOutcomes(of_run, latest)

    def _outcome(self, evaluation: dg.AssetCheckEvaluation) -> CheckOutcome | None:
        """Return the outcome in an evaluation; None if it is of other data."""
        values = {name: value.value for name, value in evaluation.metadata.items()}
        if any(values.pop(name, None) != value for name, value in vars(self).items()):
            return None
        return CheckOutcome(
            evaluation.check_name,
            evaluation.asset_key.to_user_string(),
            evaluation.severity.value,
            evaluation.passed,
            evaluation.description or "",
            values,
        )
