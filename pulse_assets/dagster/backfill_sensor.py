"""A sensor that completes the aggregates of backfills in which batches failed.

A failed batch makes the run of its backfill fail, so that Dagster shows the batch as failed.
Dagster then leaves out everything that depends on the batch: trust, results, forecasts and report,
which say what failed. *Re-execute from failure* selects the failed batches without their status
table, so Dagster computes the aggregates beside them and not after them; or not at all, if it had
requested them while the run of the batches was about to fail. The sensor requests the
aggregates in all cases once the backfill has ended. It requests nothing for a backfill if one of
its runs was killed or terminated before it had computed its batches.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

from pulse_assets.catalog import AGGREGATES, BATCH_TABLES, STATUS_TABLE
from pulse_assets.dagster.deployment import Deployment
from pulse_assets.dagster.internals import Backfill, ended_backfills, first_backfill
from pulse_assets.dagster.jobs import COMPUTED_TAG, store_of

#: Tag of a run that a backfill has launched, and of a run that the sensor requests for it.
BACKFILL_TAG: Final = "dagster/backfill"
REQUEST_TAG: Final = "pulse/aggregates_of_backfill"

#: A backfill that was launched longer ago is left alone.
_SINCE: Final = timedelta(days=30)


def build_backfill_sensor(deployment: Deployment) -> dg.SensorDefinition:
    """Request the aggregates that a backfill left out, or computed before its batches."""
    names = deployment.names

    @dg.sensor(
        name=names.definition("aggregates_of_failed_backfills"),
        target=dg.AssetSelection.assets(*names.keys(AGGREGATES)),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Dagster leaves the aggregates out of a backfill in which a batch failed, and "
        "computes them too early when it is re-executed from failure. This requests them, once per "
        "backfill, so that results and report say what failed.",
    )
    def aggregates_of_failed_backfills(
        context: dg.SensorEvaluationContext,
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        requested = False
        for backfill in ended_backfills(context.instance, datetime.now(UTC) - _SINCE):
            if missing := _left_out(context.instance, backfill, deployment):
                requested = True
                yield dg.RunRequest(
                    run_key=backfill.backfill_id,
                    asset_selection=sorted(missing),
                    run_config=backfill.run_config or {},
                    tags={REQUEST_TAG: backfill.backfill_id},
                )
        if not requested:
            yield dg.SkipReason("no backfill that has ended lacks its aggregates")

    return aggregates_of_failed_backfills


def _left_out(
    instance: dg.DagsterInstance, backfill: Backfill, deployment: Deployment
) -> set[dg.AssetKey]:
    """Return the aggregates that were selected for a backfill and that no later run computed.

    A backfill that computes batches again needs those of the first one, too.
    """
    batches, aggregates = ({*deployment.names.keys(part)} for part in (BATCH_TABLES, AGGREGATES))
    selected = {*(backfill.asset_selection or ())}
    missing = selected & aggregates
    if selected & batches:
        missing |= {*(first_backfill(instance, backfill).asset_selection or ())} & aggregates
    if not missing:
        return missing
    runs = instance.get_runs(dg.RunsFilter(tags={BACKFILL_TAG: backfill.backfill_id}))
    of_batches = [run for run in runs if batches & (run.asset_selection or set())]
    if not all(_computed_its_batches(run, deployment) for run in of_batches):
        return set()
    later = instance.get_runs(dg.RunsFilter(tags={REQUEST_TAG: backfill.backfill_id}))
    # Without the table for which the aggregates wait, batches are computed beside them.
    side_by_side = selected & batches and deployment.names.key(STATUS_TABLE) not in selected
    for run in later if side_by_side else [*runs, *later]:
        missing -= run.asset_selection or set()
    return missing


def _computed_its_batches(run: dg.DagsterRun, deployment: Deployment) -> bool:
    """Return whether a run over the store of this deployment computed all of its batches."""
    store = deployment.settings.store.rstrip("/")
    return COMPUTED_TAG in run.tags and store_of(run, deployment.names) == store
