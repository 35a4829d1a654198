"""The step `check_batches`, which runs the checks of the batches after `batch_metrics`.

It runs after `batch_metrics`, whichever asset a check is shown on: a step that depends on an asset
which failed batches lack would be skipped. The checks read a sample of the batches, spread evenly
over those that are stored, so that their cost does not grow with the grid.

The step fails when a check of severity ERROR fails, so the run that computed the batches is red.
Nothing depends on the step, so the run computes the aggregates all the same; for a backfill, whose
aggregates are another run, `backfill_sensor` requests them.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

import dagster as dg

from pulse_assets.batches.grid import batches_of_run
from pulse_assets.catalog import STATUS_TABLE
from pulse_assets.dagster.checks.check import Check, CheckedData, Place
from pulse_assets.dagster.checks.lookahead import LOOKAHEAD_CHECKS
from pulse_assets.dagster.checks.outcomes import OUTCOME_CHECKS, SCORE_CHECKS
from pulse_assets.dagster.checks.records import RECORDS_CHECK, RecordedBatches
from pulse_assets.dagster.checks.sources import SOURCE_CHECKS
from pulse_assets.dagster.checks.stored import StoredBatches
from pulse_assets.dagster.checks.tables import TABLE_CHECKS
from pulse_assets.dagster.deployment import Deployment, Names
from pulse_assets.dagster.failures import plain_failures
from pulse_assets.execution.separate_process import run_step
from pulse_assets.preflight import resolve_options
from pulse_assets.result_records import CheckOutcome
from pulse_assets.retrodiction.rule_process import fresh_hosts
from pulse_assets.settings import Settings, TrainingOptions

#: All checks of the batches, in the order in which they run.
BATCH_CHECKS: Final[tuple[Check[StoredBatches], ...]] = (
    *OUTCOME_CHECKS,
    *LOOKAHEAD_CHECKS,
    *TABLE_CHECKS,
    *SOURCE_CHECKS,
    *SCORE_CHECKS,
)


def build_checks(deployment: Deployment) -> list[dg.AssetChecksDefinition]:
    """Define the checks of the batches; those of aggregates run in the steps that compute them."""
    settings, names = deployment.settings, deployment.names
    shown = (*BATCH_CHECKS, RECORDS_CHECK)
    specs = {f"{check.asset}_{check.name}": check.spec(names) for check in shown}

    @dg.op(
        name=names.definition("check_batches"),
        ins={STATUS_TABLE: dg.In(dg.Nothing)},
        out={name: dg.Out(None, is_required=False) for name in specs},
        required_resource_keys=deployment.resource_keys("training", "data"),
        tags={"dagster/priority": "1"},  # before the aggregates, which report the outcomes
    )
    def check_batches(context: dg.OpExecutionContext) -> Iterator[dg.AssetCheckResult]:
        among = None
        if not _computes_aggregates(context, names):
            among = batches_of_run(context.run.tags, settings)
        keys = context.selected_asset_check_keys
        selected = [check.place for check in BATCH_CHECKS if check.key(names) in keys]
        with plain_failures(), fresh_hosts():
            run = deployment.settings_of(context.resources)
            options = resolve_options(run, deployment.options_of(context.resources))
            outcomes, decisive = run_step(
                "check_batches", options, run_checks, run, options, selected, among
            )
            checked = CheckedData.of(run, options, names)
            if RECORDS_CHECK.key(names) in keys:
                recorded = RecordedBatches.of(context.instance, names, run)
                outcomes = [*outcomes, RECORDS_CHECK.run(recorded)]
        yield from map(checked.evaluation, outcomes)
        fail_on_errors(decisive)

    # Not @multi_asset_check, which would make the step depend on every asset that it looks at.
    definition = dg.AssetChecksDefinition.create(
        keys_by_input_name={STATUS_TABLE: names.key(STATUS_TABLE)},
        node_def=check_batches,
        check_specs_by_output_name=specs,
        can_subset=True,
    )
    return [definition]


def _computes_aggregates(context: dg.OpExecutionContext, names: Names) -> bool:
    # Not the selection of the run, which has none if it takes all of a job that somebody defined.
    return names.key("training_results") in context.job_def.asset_layer.selected_asset_keys


def run_checks(
    run: Settings,
    options: TrainingOptions,
    selected: Collection[Place],
    among: Sequence[str] | None = None,
) -> tuple[list[CheckOutcome], list[CheckOutcome]]:
    """Return the outcomes of checks, and those that decide whether the step succeeds.

    Args:
        run: where data lies.
        options: the resolved configuration.
        selected: the checks to run.
        among: batches of a run that computes batches alone; None: a run of aggregates, too.
    """
    batches = StoredBatches(run, options)
    outcomes = {check: check.run(batches) for check in BATCH_CHECKS if check.place in selected}
    if among is None:
        return [*outcomes.values()], [*outcomes.values()]
    own = _of_these_batches(outcomes, StoredBatches(run, options, among))
    return [*outcomes.values()], [*own.values()]


def _of_these_batches(
    outcomes: Mapping[Check[StoredBatches], CheckOutcome], own: StoredBatches
) -> dict[Check[StoredBatches], CheckOutcome]:
    """Return the outcomes that decide whether a run that computes batches alone succeeds.

    Batches of other runs, such as the others of a backfill, may have failed or may be missing: the
    run that computes the aggregates checks all of them.
    """
    reread = {check: check.run(own) for check in outcomes if check.by_batch}
    return reread | {check: outcome for check, outcome in outcomes.items() if not check.quick}


def fail_on_errors(outcomes: Iterable[CheckOutcome]) -> None:
    """Fail the step if a check of severity ERROR has not passed; the failure names each."""
    errors = [check for check in outcomes if check.passed is False and check.severity == "ERROR"]
    if errors:
        named = [f"{check.message} ({check.name})" for check in errors]
        raise dg.Failure("; ".join(named), allow_retries=False)
