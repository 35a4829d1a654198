"""An asset check: run it, record its outcome in Dagster, and read recorded outcomes back."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

import dagster as dg

from pulse_assets.batches.fingerprint import configuration_fingerprint
from pulse_assets.dagster.deployment import Names
from pulse_assets.dagster.internals import check_evaluations
from pulse_assets.dagster.previews import as_cell, in_words
from pulse_assets.errors import PulseError
from pulse_assets.result_records import CheckOutcome, Severity
from pulse_assets.settings import Settings, TrainingOptions

#: Evaluations of a check that are searched for one of the same configuration and store.
_SEARCHED: Final = 50

Subject = TypeVar("Subject")

#: A check by its asset and its name.
Place: TypeAlias = tuple[str, str]


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
    def place(self) -> Place:
        """Its asset and its name, which are the same in every deployment."""
        return self.asset, self.name

    @property
    def description(self) -> str:
        """What it checks, and what to do if it fails, as paragraphs."""
        return inspect.getdoc(self.function) or ""

    def spec(self, names: Names) -> dg.AssetCheckSpec:
        """Return the specification for Dagster."""
        asset = names.key(self.asset)
        return dg.AssetCheckSpec(self.name, asset=asset, description=self.description)

    def key(self, names: Names) -> dg.AssetCheckKey:
        """Return the key in Dagster."""
        return dg.AssetCheckKey(names.key(self.asset), self.name)

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

    of_run: Mapping[Place, CheckOutcome]
    latest: Mapping[Place, CheckOutcome]


@dataclass(frozen=True)
class CheckedData:
    """The configuration and the store of a check; evaluations for other data are ignored.

    Attributes:
        configuration: its fingerprint.
        store: directory or address.
        names: what the assets of the deployment are called.
    """

    configuration: str
    store: str
    names: Names

    @classmethod
    def of(cls, settings: Settings, options: TrainingOptions, names: Names) -> "CheckedData":
        """Describe the data of a run."""
        return cls(configuration_fingerprint(settings, options), settings.store, names)

    @property
    def _metadata(self) -> dict[str, str]:
        return {"configuration": self.configuration, "store": self.store}

    def evaluation(self, outcome: CheckOutcome) -> dg.AssetCheckResult:
        """Return an outcome as Dagster records it."""
        return dg.AssetCheckResult(
            asset_key=self.names.key(outcome.asset),
            check_name=outcome.name,
            passed=bool(outcome.passed),
            severity=dg.AssetCheckSeverity[outcome.severity],
            description=outcome.message or None,
            metadata={**outcome.values, **self._metadata},
        )

    def recorded(
        self, instance: dg.DagsterInstance, checks: Iterable[Check[Any]], run_id: str
    ) -> RecordedOutcomes:
        """Return the outcomes of these data that Dagster has of some checks."""
        of_run, latest = {}, {}
        for check in checks:
            evaluations = check_evaluations(instance, check.key(self.names), _SEARCHED)
            for evaluated_by, evaluation in evaluations:
                if (outcome := self._outcome(evaluation)) is None:
                    continue
                latest.setdefault(check.place, outcome)
                if evaluated_by == run_id:
                    of_run.setdefault(check.place, outcome)
        return RecordedOutcomes(of_run, latest)

    def _outcome(self, evaluation: dg.AssetCheckEvaluation) -> CheckOutcome | None:
        """Return the outcome in an evaluation; None if it is of other data."""
        values = {name: value.value for name, value in evaluation.metadata.items()}
        if any(values.pop(name, None) != value for name, value in self._metadata.items()):
            return None
        return CheckOutcome(
            evaluation.check_name,
            evaluation.asset_key.path[-1],
            evaluation.severity.value,
            evaluation.passed,
            evaluation.description or "",
            values,
        )
