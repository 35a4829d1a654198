"""The sensor that requests the aggregates of backfills in which batches failed."""

import time

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.test_utils import create_run_for_test

from pulse_assets.catalog import AGGREGATES as NAMES
from pulse_assets.catalog import BATCH_TABLES
from pulse_assets.dagster.backfill_sensor import (
    BACKFILL_TAG,
    REQUEST_TAG,
    build_backfill_sensor,
)
from pulse_assets.dagster.deployment import Deployment
from pulse_assets.dagster.internals import ROOT_TAG
from pulse_assets.dagster.jobs import COMPUTED_TAG, STORE_TAG
from pulse_assets.definitions import defs
from pulse_assets.settings import Settings

AGGREGATES = {dg.AssetKey(name) for name in NAMES}
BATCHES = [dg.AssetKey(name) for name in BATCH_TABLES]
ALL = [*BATCHES, *sorted(AGGREGATES)]
COMPUTED = {COMPUTED_TAG: "true", STORE_TAG: "/store"}
CONFIG = {"resources": {"training": {"config": {"horizons": [1]}}}}


@pytest.fixture
def instance():
    with dg.instance_for_test() as instance:
        yield instance


def backfill(
    instance,
    status=BulkActionStatus.COMPLETED_FAILED,
    assets=ALL,
    days_ago=0,
    tags=COMPUTED,
    backfill_tags=(),
):
    """Record a backfill whose first run, if it has `tags`, computed the batches."""
    one = PartitionBackfill(
        backfill_id=f"{status.value}-{days_ago}",
        status=status,
        from_failure=False,
        tags=dict(backfill_tags),
        backfill_timestamp=time.time() - 86400 * days_ago,
        asset_selection=assets,
        run_config=CONFIG,
    )
    instance.add_backfill(one)
    if tags is not None:
        made_by(instance, BACKFILL_TAG, one, BATCHES, tags)
    return one


def made_by(instance, tag, one, assets, tags=()):
    create_run_for_test(
        instance,
        tags={tag: one.backfill_id, **dict(tags)},
        asset_selection=frozenset(assets),
        status=None,
    )


def requested(instance):
    sensor = build_backfill_sensor(Deployment(Settings(store="/store")))
    found = sensor(dg.build_sensor_context(instance=instance))
    return [one for one in found if isinstance(one, dg.RunRequest)]


def assert_requested_once(instance, one):
    """All aggregates are requested for a backfill, and no longer once a run was launched."""
    (request,) = requested(instance)
    assert request.run_key == one.backfill_id
    assert {*request.asset_selection} == AGGREGATES
    made_by(instance, REQUEST_TAG, one, AGGREGATES)
    assert requested(instance) == []


def test_it_is_on_by_default():
    sensor = defs().resolve_sensor_def("aggregates_of_failed_backfills")
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING


def test_the_aggregates_that_a_failed_backfill_lacks_are_requested_with_its_config(instance):
    one = backfill(instance)
    (request,) = requested(instance)
    assert {*request.asset_selection} == AGGREGATES
    assert request.run_config == CONFIG
    assert request.run_key == request.tags[REQUEST_TAG] == one.backfill_id


@pytest.mark.parametrize("tag", [BACKFILL_TAG, REQUEST_TAG])
def test_aggregates_that_a_run_was_launched_for_are_not_requested(instance, tag):
    made_by(instance, tag, backfill(instance), AGGREGATES)
    assert requested(instance) == []


def test_those_that_were_not_selected_are_not_made(instance):
    backfill(instance, assets=[*BATCHES, dg.AssetKey("trust_ledger")])
    assert requested(instance)[0].asset_selection == [dg.AssetKey("trust_ledger")]


@pytest.mark.parametrize("status", BulkActionStatus)
def test_backfills_that_have_not_ended_and_complete_ones_are_left_alone(instance, status):
    one = backfill(instance, status)
    if status == BulkActionStatus.COMPLETED_SUCCESS:
        made_by(instance, BACKFILL_TAG, one, AGGREGATES)
    wanted = status == BulkActionStatus.COMPLETED_FAILED
    assert len(requested(instance)) == wanted


@pytest.mark.parametrize("status", ["COMPLETED_FAILED", "COMPLETED_SUCCESS"])
def test_aggregates_made_beside_the_batches_are_requested_again_once(instance, status):
    """*Re-execute from failure* selects the tables that a failed batch lacks, and aggregates."""
    lacking = [key for key in ALL if key != dg.AssetKey("batch_metrics")]
    one = backfill(instance, BulkActionStatus(status), lacking)
    made_by(instance, BACKFILL_TAG, one, AGGREGATES)
    assert_requested_once(instance, one)


def test_batches_computed_again_need_the_aggregates_of_their_first_backfill(instance):
    """Dagster may have made the aggregates before the run of the batches failed."""
    first = backfill(instance, days_ago=2)
    made_by(instance, BACKFILL_TAG, first, AGGREGATES)
    of_first = {ROOT_TAG: first.backfill_id}
    one = backfill(instance, assets=BATCHES[:3], days_ago=1, backfill_tags=of_first)
    assert_requested_once(instance, one)


def test_aggregates_computed_again_alone_need_no_others(instance):
    first = backfill(instance, days_ago=2)
    made_by(instance, BACKFILL_TAG, first, AGGREGATES)
    results, of_first = (
        dg.AssetKey("training_results"),
        {ROOT_TAG: first.backfill_id},
    )
    one = backfill(instance, assets=[results], days_ago=1, tags=None, backfill_tags=of_first)
    made_by(instance, BACKFILL_TAG, one, [results])
    assert requested(instance) == []


def test_a_backfill_of_batches_alone_and_an_old_one_are_left_alone(instance):
    backfill(instance, assets=BATCHES)
    backfill(instance, days_ago=31)
    assert requested(instance) == []


@pytest.mark.parametrize(
    "tags",
    [
        {STORE_TAG: "/store"},
        {COMPUTED_TAG: "true", STORE_TAG: "/another"},
    ],
    ids=["killed or terminated", "another deployment's"],
)
def test_no_aggregates_of_batches_that_were_not_computed_here(instance, tags):
    backfill(instance, tags=tags)
    assert requested(instance) == []


def test_no_aggregates_if_one_of_several_runs_was_killed(instance):
    made_by(instance, BACKFILL_TAG, backfill(instance), BATCHES)
    assert requested(instance) == []
