"""What starts runs by itself, by Dagster's own evaluation helpers; all of it is off by default."""

from datetime import UTC, datetime
from itertools import pairwise

import dagster as dg
import pytest

from pulse_assets.automation import build_schedule, build_source_sensor
from pulse_assets.definitions import build_definitions, defs
from pulse_assets.jobs import JOB_NAME
from pulse_assets.settings import Settings

START, END = (f"dagster/asset_partition_range_{end}" for end in ("start", "end"))


@pytest.fixture
def monthly(settings):
    """Calendar months from 2005 on, without an end."""
    return Settings(**settings.model_dump() | {"batch_cadence": "monthly", "end_date": "today"})


def evaluate(settings, instance, *day):
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=datetime(*day, 6, tzinfo=UTC)
    )
    return build_schedule(settings)(context)


def make(instance, *keys):
    for key in keys:
        instance.report_runless_asset_event(dg.AssetMaterialization("batch_metrics", partition=key))


def test_everything_is_off_by_default():
    repository = defs().get_repository_def()
    schedules, sensors = repository.schedule_defs, repository.sensor_defs
    assert {one.name for one in schedules} == {"train_completed_batches"}
    assert {one.name for one in sensors} == {"source_changed", "aggregates_follow_batches"}
    statuses = {one.default_status.value for one in (*schedules, *sensors)}
    assert statuses == {"STOPPED"}
    assert all(one.description for one in (*schedules, *sensors))


def test_the_schedule_trains_what_has_ended_since(monthly, instance):
    make(instance, "2005-01-01", "2005-02-01")
    request = evaluate(monthly, instance, 2005, 5, 1)
    assert (request.tags[START], request.tags[END]) == ("2005-03-01", "2005-04-01")
    assert request.run_config["resources"]["training"]["config"] == {"resume": True}


def test_the_schedule_waits_for_the_end_of_a_window(monthly, instance):
    make(instance, "2005-01-01")
    skipped = evaluate(monthly, instance, 2005, 2, 28)
    assert isinstance(skipped, dg.SkipReason)
    assert "all 1 batches that ended before 2005-02-28 are made" in skipped.skip_message
    assert evaluate(monthly, instance, 2005, 3, 1).tags[START] == "2005-02-01"


def test_windows_of_days_end_too(settings, instance):
    request = evaluate(settings, instance, 2005, 3, 2)  # 2005-01-31 + 30 days
    assert (request.tags[START], request.tags[END]) == ("2005-01-01", "2005-01-31")


def test_the_request_of_the_schedule_is_a_run_that_succeeds(monthly, instance):
    request = evaluate(monthly, instance, 2005, 3, 1)
    job = build_definitions(monthly).resolve_job_def(JOB_NAME)
    config = {"resume": True, "models": ["naive"], "horizons": [1]}
    result = job.execute_in_process(
        run_config={"resources": {"training": {"config": config}}},
        tags=request.tags,
        instance=instance,
    )
    made = {event.partition for event in result.get_asset_materialization_events()} - {None}
    assert made == {"2005-01-01", "2005-02-01"}
    assert evaluate(monthly, instance, 2005, 3, 1).skip_message


def test_the_sensor_asks_for_all_batches_when_a_file_is_new_or_changed(settings, instance, source):
    sensor, cursor, found = build_source_sensor(settings), None, []
    line = source / "historical_line.csv"
    changes = [
        lambda: None,
        lambda: None,
        lambda: line.write_text(line.read_text() + "2010-01-01,70.0\n"),
        lambda: (source / "historical_new.csv").write_text(line.read_text()),
        (source / "historical_new.csv").unlink,
        lambda: None,
    ]
    for change in changes:
        change()
        with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
            found.append(list(sensor(context)))
            cursor = context.cursor
    (first,), (second,), (changed,), (new,), (gone,), (last,) = found
    assert (first.tags[START], first.tags[END]) == ("2005-01-01", "2005-11-27")
    assert first.run_config["resources"]["training"]["config"] == {"resume": True}
    assert second.skip_message == last.skip_message == "none of 2 files has changed"
    keys = [request.run_key for request in (first, changed, new, gone)]
    assert all(a != b for a, b in pairwise(keys))
    assert keys[1] == keys[3]  # the same content again: Dagster starts no second run


def test_a_source_that_cannot_be_read_fails_the_tick_in_plain_words(settings, instance, source):
    for file in source.iterdir():
        file.unlink()
    with (
        dg.build_sensor_context(instance=instance) as context,
        pytest.raises(dg.Failure, match="holds no file"),
    ):
        list(build_source_sensor(settings)(context))


AGGREGATES = ("trust_ledger", "next_forecasts", "training_results", "training_report")


def requested(settings, instance, cursor=None):
    result = dg.evaluate_automation_conditions(
        build_definitions(settings),
        instance,
        asset_selection=dg.AssetSelection.assets(*AGGREGATES),
        cursor=cursor,
    )
    asked = {name for name in AGGREGATES if result.get_num_requested(dg.AssetKey(name))}
    return asked, result.cursor


def test_the_aggregates_follow_the_batches_though_others_are_missing(settings, instance):
    _, cursor = requested(settings, instance)
    make(instance, "2005-01-01")
    asked, cursor = requested(settings, instance, cursor)
    assert asked == set(AGGREGATES)
    again, _ = requested(settings, instance, cursor)
    assert again == set()
