"""The checks of batches and forecasts, whose outcomes the results of a training report, too."""

from collections.abc import Iterable, Iterator

from pulse_assets.dagster.checks.check import RecordedOutcomes
from pulse_assets.dagster.checks.forecasts import FORECAST_CHECKS
from pulse_assets.dagster.checks.step import BATCH_CHECKS
from pulse_assets.dagster.checks.stored import StoredBatches
from pulse_assets.result_records import CheckOutcome
from pulse_assets.settings import Settings, TrainingOptions


def earlier_checks(
    run: Settings, options: TrainingOptions, recorded: RecordedOutcomes
) -> list[CheckOutcome]:
    """Return the outcomes of the checks of batches and forecasts.

    Those that this run recorded count. If it has none, because it computes aggregates alone, quick
    checks run here, and the latest recorded outcome for the same data counts for the others.
    """
    ours, latest = recorded
    batches = StoredBatches(run, options)
    outcomes = []
    for check in BATCH_CHECKS:
        if check.place in ours:
            outcomes.append(ours[check.place])
        elif check.quick:
            outcomes.append(check.run(batches))
        else:
            outcomes.append(latest.get(check.place) or check.not_run())
    for check in FORECAST_CHECKS:
        outcomes.append(ours.get(check.place) or latest.get(check.place) or check.not_run())
    return outcomes


def undecided(
    outcomes: Iterable[CheckOutcome], recorded: RecordedOutcomes
) -> Iterator[CheckOutcome]:
    """Yield the outcomes of earlier checks that have not failed a step of this run yet.

    If the checks of the batches failed in this run, their own step has failed already. The step of
    the forecasts does not fail, because the results need its output.
    """
    ours = list(recorded.of_run.values())
    for outcome in outcomes:
        if outcome not in ours or outcome.asset == "next_forecasts":
            yield outcome
