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
from pulse_assets.dagster.internals import Backfill, ended_backfills, first_backfill
from pulse_assets.dagster.jobs import COMPUTED_TAG, store_of
from pulse_assets.settings import Settings

#: Tag of a run that a backfill has launched, and of a run that the sensor requests for it.
BACKFILL_TAG: Final = "dagster/backfill"
REQUEST_TAG: Final = "pulse/aggregates_of_backfill"

_BATCHES: Final = frozenset(dg.AssetKey(name) for name in BATCH_TABLES)
_AGGREGATES: Final = frozenset(dg.AssetKey(name) for name in AGGREGATES)

#: A backfill that was launched longer ago is left alone.
_SINCE: Final = timedelta(days=30)


def build_backfill_sensor(settings: Settings) -> dg.SensorDefinition:
    """Request the aggregates that a backfill left out, or computed before its batches."""

    @dg.sensor(
        name="aggregates_of_failed_backfills",
        target=dg.AssetSelection.assets(*_AGGREGATES),
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
            if missing := _left_out(context.instance, backfill, settings.store):
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


def _left_out(instance: dg.DagsterInstance, backfill: Backfill, store: str) -> set[dg.AssetKey]:
    """Return the aggregates that were selected for a backfill and that no later run computed.

    A backfill that computes batches again needs those of the first one, too.
    """
    selected = {*(backfill.asset_selection or ())}
    missing = selected & _AGGREGATES
    if selected & _BATCHES:
        missing |= {*(first_backfill(instance, backfill).asset_selection or ())} & _AGGREGATES
    if not missing:
        return missing
    runs = instance.get_runs(dg.RunsFilter(tags={BACKFILL_TAG: backfill.backfill_id}))
    if not all(_computed_its_batches(run, store) for run in runs if _has_batches(run)):
        return set()
    later = instance.get_runs(dg.RunsFilter(tags={REQUEST_TAG: backfill.backfill_id}))
    for run in later if _side_by_side(selected) else [*runs, *later]:
        missing -= run.asset_selection or set()
    return missing


def _has_batches(run: dg.DagsterRun) -> bool:
    return bool(_BATCHES & (run.asset_selection or set()))


def _computed_its_batches(run: dg.DagsterRun, store: str) -> bool:
    """Return whether a run over the store of this deployment computed all of its batches."""
    return COMPUTED_TAG in run.tags and store_of(run) == store.rstrip("/")


def _side_by_side(selected: set[dg.AssetKey]) -> bool:
    """Return whether batches are computed without the table for which the aggregates wait."""
    return bool(selected & _BATCHES) and dg.AssetKey(STATUS_TABLE) not in selected
