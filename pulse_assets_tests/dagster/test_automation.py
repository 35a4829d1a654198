"""What starts runs by itself, by Dagster's own evaluation helpers; all of it is off by default."""

import json
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dagster._core.test_utils import create_run_for_test

from pulse_assets.batches.fingerprint import FAILED_INPUT, INCOMPLETE_INPUT
from pulse_assets.catalog import AGGREGATES, BATCH_TABLES, SCHEMAS
from pulse_assets.dagster.automation import build_schedule, build_source_sensor
from pulse_assets.dagster.deployment import Deployment
from pulse_assets.dagster.jobs import JOB_NAME, STORE_TAG
from pulse_assets.definitions import build_definitions, defs
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.store import open_store
from pulse_assets.storage.tables import encode_table
from pulse_assets_tests.storage.conftest import credentials  # noqa: F401 - fixture

START, END = (f"dagster/asset_partition_range_{end}" for end in ("start", "end"))


@pytest.fixture(scope="module")
def no_records(tmp_path_factory):
    """The folder of an instance that has its tables, and nothing in them."""
    folder = tmp_path_factory.mktemp("no_records")
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        instance.all_instigator_state()  # makes the last of them
    return folder


@pytest.fixture
def instance(no_records, tmp_path):
    """An instance on disk: the context of a tick opens it anew."""
    folder = shutil.copytree(no_records, tmp_path / "instance")
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        yield instance


@pytest.fixture
def monthly(settings):
    """Calendar months from 2005 on, without an end."""
    return Settings(**settings.model_dump() | {"batch_cadence": "monthly", "end_date": "today"})


def evaluate(settings, instance, *day, options=None):
    at = datetime(*day, 6, tzinfo=UTC)
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=at) as context:
        return build_schedule(Deployment(settings, options or TrainingOptions()))(context)


def make(instance, *keys):
    for key in keys:
        instance.report_runless_asset_event(dg.AssetMaterialization("batch_metrics", partition=key))


def store_batches(settings, *keys, made="made"):
    """Write whole objects of these batches, without training them."""
    store = open_store(settings.store, settings.s3)
    fingerprint = {"configuration": "c", "input": made}
    for name in BATCH_TABLES:
        for key in keys:
            data = encode_table(SCHEMAS[name].empty_table(), name, fingerprint=fingerprint)
            store.write(object_path(name, key, settings.batch_length), data)


def test_all_is_off_by_default_but_what_completes_a_backfill_that_a_person_launched():
    repository = defs().get_repository_def()
    found = [*repository.schedule_defs, *repository.sensor_defs]
    assert {one.name: one.default_status.value for one in found} == {
        "train_completed_batches": "STOPPED",
        "source_changed": "STOPPED",
        "aggregates_follow_batches": "STOPPED",
        "aggregates_of_failed_backfills": "RUNNING",
    }
    assert all(one.description for one in found)


def test_the_schedule_trains_what_has_ended_since(monthly, instance):
    store_batches(monthly, "2005-01-01", "2005-02-01")
    request = evaluate(monthly, instance, 2005, 5, 1)
    assert (request.tags[START], request.tags[END]) == ("2005-03-01", "2005-04-01")
    assert (request.tags["pulse/missing"], request.tags["pulse/failed"]) == ("2", "0")
    assert request.run_config["resources"]["training"]["config"] == {"resume": True}


def test_the_schedule_waits_for_the_end_of_a_window(monthly, instance):
    store_batches(monthly, "2005-01-01")
    skipped = evaluate(monthly, instance, 2005, 2, 28)
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == (
        f"all 1 batches that ended before 2005-02-28 are in {monthly.store}, and none failed"
    )
    assert evaluate(monthly, instance, 2005, 3, 1).tags[START] == "2005-02-01"


def test_the_schedule_waits_as_long_as_the_lags_of_its_deployment(monthly, instance):
    """The series end in December 2009; a value is awaited until the next one is expected."""
    assert evaluate(monthly, instance, 2010, 3, 2).tags[END] == "2010-02-01"
    slow = TrainingOptions(publication_lag_days=40)
    assert evaluate(monthly, instance, 2010, 3, 2, options=slow).tags[END] == "2009-12-01"


@pytest.mark.parametrize("cadence", [None, "monthly"])
def test_a_deployment_in_which_no_window_has_ended_yet_loads_and_waits(settings, instance, cadence):
    today = datetime.now(UTC).date()
    start = today - timedelta(days=1)
    young = Settings(
        **settings.model_dump()
        | {"start_date": start, "end_date": "today", "batch_cadence": cadence}
    )
    assert build_definitions(young).resolve_job_def(JOB_NAME).partitions_def
    skipped = evaluate(young, instance, today.year, today.month, today.day)
    assert skipped.skip_message == f"no batch from {start} on has ended yet"
    with dg.build_sensor_context(instance=instance) as context:
        (waiting,) = build_source_sensor(Deployment(young))(context)
    assert waiting == skipped


def test_windows_of_days_end_too(settings, instance):
    request = evaluate(settings, instance, 2005, 3, 2)  # 2005-01-31 + 30 days
    assert (request.tags[START], request.tags[END]) == ("2005-01-01", "2005-01-31")


@pytest.mark.parametrize(
    "kind", [FAILED_INPUT, INCOMPLETE_INPUT, "deleted", "truncated", "of another schema"]
)
@pytest.mark.parametrize("table", BATCH_TABLES)
def test_the_schedule_asks_each_morning_for_what_the_store_lacks(monthly, instance, kind, table):
    """Whatever Dagster has recorded: its records say that each of the batches was made."""
    keys = ["2005-01-01", "2005-02-01", "2005-03-01"]
    make(instance, *keys)
    store_batches(monthly, *keys)
    file = Path(monthly.store) / object_path(table, "2005-02-01", "monthly")
    failed = kind in (FAILED_INPUT, INCOMPLETE_INPUT)
    if failed:
        store_batches(monthly, "2005-02-01", made=kind)
    elif kind == "deleted":
        file.unlink()
    elif kind == "truncated":
        file.write_bytes(file.read_bytes()[:-20])
    else:
        pq.write_table(pa.table({"x": [1]}), file)
    requests = [evaluate(monthly, instance, 2005, 4, day) for day in (1, 2, 9)]
    assert [one.tags[START] for one in requests] == ["2005-02-01"] * 3
    assert [one.tags[END] for one in requests] == ["2005-02-01"] * 3
    assert {one.tags["pulse/failed"] for one in requests} == {str(int(failed))}
    assert len({one.run_key for one in requests}) == 3


@pytest.fixture
def quarters(tmp_path):
    """Quarters from 2024 on without an end, of a rate to September and a growth to June 2024."""
    folder = tmp_path / "late"
    folder.mkdir()
    write_values(folder / "historical_rate.csv", range(2010 * 12, 2024 * 12 + 9))
    write_values(folder / "historical_growth.csv", range(2010 * 12, 2024 * 12 + 6, 3), 29)
    return Settings(
        source=str(folder),
        store=str(tmp_path / "store"),
        start_date="2024-01-01",
        end_date="today",
        batch_cadence="quarterly",
    )


def write_values(file, months, delay=None):
    """Write a value for the first day of each month; with days of publication after the quarter."""
    lines = ["timestamp,value" + (",published_at" if delay else "")]
    for month in months:
        label = date(month // 12, month % 12 + 1, 1)
        over = date((month + 3) // 12, (month + 3) % 12 + 1, 1)
        day = f",{over + timedelta(days=delay)}" if delay else ""
        lines.append(f"{label},{month % 7 + month * 0.1:.1f}{day}")
    file.write_text("\n".join(lines) + "\n")


def test_the_schedule_names_the_outcomes_that_it_waits_for(quarters, instance):
    reason = "1 batch waits for outcomes: growth of 2024-07-01 is expected on 2024-10-30"
    assert evaluate(quarters, instance, 2024, 10, 15).tags[END] == "2024-04-01"
    store_batches(quarters, "2024-01-01", "2024-04-01")
    assert evaluate(quarters, instance, 2024, 10, 15).skip_message == (
        f"{reason}; all 2 other batches that ended before 2024-10-15 are in {quarters.store}, and "
        "none failed"
    )
    file = Path(quarters.source) / "historical_growth.csv"
    write_values(file, range(2010 * 12, 2024 * 12 + 9, 3), 29)
    assert evaluate(quarters, instance, 2024, 10, 29).skip_message.startswith(reason)
    assert evaluate(quarters, instance, 2024, 10, 30).tags[START] == "2024-07-01"


def test_the_schedule_waits_for_no_value_longer_than_a_period(quarters, instance):
    """A month after its day the growth is still missing; in January its next value is expected."""
    store_batches(quarters, "2024-01-01", "2024-04-01")
    assert "growth of 2024-07-01" in evaluate(quarters, instance, 2024, 11, 29).skip_message
    request = evaluate(quarters, instance, 2025, 1, 30)
    assert (request.tags[START], request.tags[END]) == ("2024-07-01", "2024-10-01")


def test_a_batch_that_lacked_outcomes_is_asked_for_again_when_they_arrive(quarters, instance):
    early = {START: "2024-01-01", END: "2024-07-01"}
    assert len(execute(quarters, early, instance)) == 3
    assert "1 batch waits" in evaluate(quarters, instance, 2024, 10, 15).skip_message
    file = Path(quarters.source) / "historical_growth.csv"
    write_values(file, range(2010 * 12, 2024 * 12 + 9, 3), 29)
    request = evaluate(quarters, instance, 2024, 10, 30)
    assert (request.tags[START], request.tags[END]) == ("2024-07-01", "2024-07-01")
    names = ("missing", "failed", "outdated")
    assert [request.tags[f"pulse/{name}"] for name in names] == ["0", "0", "1"]
    execute(quarters, request.tags, instance)
    assert evaluate(quarters, instance, 2024, 10, 30).skip_message == (
        f"all 3 batches that ended before 2024-10-30 are in {quarters.store}, and none failed"
    )


def test_another_deployment_in_the_same_instance_is_not_taken_for_its_own(
    monthly, instance, tmp_path
):
    make(instance, "2005-01-01")
    store_batches(monthly, "2005-01-01")
    other = Settings(**monthly.model_dump() | {"store": str(tmp_path / "other")})
    assert evaluate(monthly, instance, 2005, 2, 1).skip_message
    assert evaluate(other, instance, 2005, 2, 1).tags[START] == "2005-01-01"
    report_run(instance, store=other.store, status=dg.DagsterRunStatus.STARTED)
    assert evaluate(monthly, instance, 2005, 3, 1).tags[START] == "2005-02-01"
    assert "is STARTED" in evaluate(other, instance, 2005, 3, 1).skip_message


def report_run(instance, *, store=None, status, tags=None):
    """Record a run as the daemon does (the store in a tag) and bring it to a status."""
    return create_run_for_test(
        instance,
        JOB_NAME,
        status=status,
        tags={**({STORE_TAG: store} if store else {}), **(tags or {})},
    )


UNFINISHED_NAMES = ("NOT_STARTED", "STARTING", "STARTED", "CANCELING")


@pytest.mark.parametrize("name", UNFINISHED_NAMES)
def test_the_schedule_waits_for_a_run_that_has_not_ended(monthly, instance, name):
    run = report_run(instance, store=monthly.store, status=dg.DagsterRunStatus[name])
    skipped = evaluate(monthly, instance, 2005, 3, 1)
    assert skipped.skip_message.startswith(f"run {run.run_id} over {monthly.store} is {name}")
    instance.report_run_failed(run)
    assert evaluate(monthly, instance, 2005, 3, 1).tags[START] == "2005-01-01"


def test_the_schedule_waits_for_a_backfill_that_makes_batches(monthly, instance):
    """Its runs are of no named job; the step that makes the batches tags them."""
    tags = {STORE_TAG: monthly.store}
    run = create_run_for_test(
        instance, "__ASSET_JOB", tags=tags, status=dg.DagsterRunStatus.STARTED
    )
    assert f"run {run.run_id}" in evaluate(monthly, instance, 2005, 3, 1).skip_message


def test_the_run_of_an_interrupted_tick_is_asked_for_again(monthly, instance):
    """Dagster launches it then: it knows the run by its key."""
    request = evaluate(monthly, instance, 2005, 3, 1)
    tags = {**request.tags, "dagster/run_key": request.run_key}
    report_run(instance, status=dg.DagsterRunStatus.NOT_STARTED, tags=tags)
    assert evaluate(monthly, instance, 2005, 3, 1).run_key == request.run_key
    assert "NOT_STARTED" in evaluate(monthly, instance, 2005, 3, 2).skip_message


def test_a_run_that_names_another_store_is_not_waited_for(monthly, instance, tmp_path):
    elsewhere = {"resources": {"data": {"config": {"store": str(tmp_path / "trial")}}}}
    create_run_for_test(
        instance,
        JOB_NAME,
        run_config=elsewhere,
        tags={STORE_TAG: monthly.store},
        status=dg.DagsterRunStatus.STARTED,
    )
    assert evaluate(monthly, instance, 2005, 3, 1).tags[START] == "2005-01-01"


def test_a_store_that_cannot_be_read_fails_the_tick_in_plain_words(monthly, instance, credentials):  # noqa: F811
    nowhere = {"store": "s3://bucket/results", "s3_endpoint_url": "http://127.0.0.1:1"}
    broken = Settings(**monthly.model_dump() | nowhere)
    with pytest.raises(dg.Failure, match="s3://bucket/results"):
        evaluate(broken, instance, 2005, 3, 1)


def test_the_request_of_the_schedule_is_a_run_that_succeeds(monthly, instance):
    request = evaluate(monthly, instance, 2005, 3, 1)
    assert execute(monthly, request.tags, instance) == {"2005-01-01", "2005-02-01"}
    assert evaluate(monthly, instance, 2005, 3, 1).skip_message


def execute(settings, tags, instance):
    """Run what was asked for with a quick rule; return the partitions that it made."""
    config = {"resume": True, "models": ["naive"], "horizons": [1]}
    result = (
        build_definitions(settings)
        .resolve_job_def(JOB_NAME)
        .execute_in_process(
            run_config={"resources": {"training": {"config": config}}}, tags=tags, instance=instance
        )
    )
    return {event.partition for event in result.get_asset_materialization_events()} - {None}


class Watch:
    """The sensor over a source, tick by tick, with the cursor that Dagster keeps."""

    def __init__(self, settings, instance, cursor=None):
        self.sensor = build_source_sensor(Deployment(settings))
        self.instance, self.cursor = instance, cursor

    def tick(self):
        with dg.build_sensor_context(instance=self.instance, cursor=self.cursor) as context:
            (found,) = self.sensor(context)
            self.cursor = context.cursor
        return found

    def start(self, request, status="STARTED"):
        """Record the run of a request as the daemon does."""
        return report_run(self.instance, status=dg.DagsterRunStatus[status], tags=request.tags)

    def end(self, request, status):
        """Record that the run of a request has ended."""
        run = self.start(request)
        if status == "SUCCESS":
            event = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, JOB_NAME)
            self.instance.report_dagster_event(event, run.run_id)
        elif status == "FAILURE":
            self.instance.report_run_failed(run)
        else:
            self.instance.report_run_canceled(run)
        return run


@pytest.fixture
def watch(settings, instance):
    return Watch(settings, instance)


@pytest.fixture
def line(source):
    return source / "historical_line.csv"


def test_the_sensor_asks_for_all_batches_when_a_file_is_new_or_changed(watch, line):
    new = line.with_name("historical_new.csv")
    changes = [
        lambda: None,
        lambda: line.write_text(line.read_text() + "2010-01-01,70.0\n"),
        lambda: new.write_text(line.read_text()),
        new.unlink,
    ]
    requests = []
    for change in changes:
        change()
        requests.append(watch.tick())
        watch.end(requests[-1], "SUCCESS")
        assert watch.tick().skip_message == f"none of {2 + new.exists()} series has changed"
    first = requests[0]
    assert (first.tags[START], first.tags[END]) == ("2005-01-01", "2005-11-27")
    assert first.run_config["resources"]["training"]["config"] == {"resume": True}
    assert len({one.run_key for one in requests}) == len(changes)


def test_the_sensor_asks_again_when_a_file_returns_to_earlier_content(watch, line):
    kept = line.with_name("kept")
    watch.end(watch.tick(), "SUCCESS")
    line.rename(kept)  # the same file is put back: same inode, size and time
    line.write_text("timestamp,value\n2000-01-01,1\n")
    watch.end(watch.tick(), "SUCCESS")
    kept.rename(line)
    assert watch.tick().run_key
    assert json.loads(watch.cursor)["count"] == 3


def test_the_sensor_asks_for_no_batch_that_waits_for_outcomes(settings, instance, line):
    """As long as it waits for all of them, it remembers no request."""
    watch = Watch(Settings(**settings.model_dump() | {"batch_cadence": "monthly"}), instance)
    rows = line.read_text().splitlines()[1:]
    soon = datetime.now(UTC).date() + timedelta(days=300)
    lines = ["timestamp,value,published_at"]
    lines += [f"{row},{soon if row > '2005-06-01' else row[:10]}" for row in rows]
    line.write_text("\n".join(lines) + "\n")
    request = watch.tick()
    assert (request.tags[START], request.tags[END]) == ("2005-01-01", "2005-05-01")
    watch.end(request, "SUCCESS")
    assert watch.tick().skip_message == "none of 2 series has changed"
    line.write_text("\n".join([lines[0], *(f"{row},{soon}" for row in rows)]) + "\n")
    before = watch.cursor
    assert "batches wait for outcomes: line of 2005-01-01 is" in watch.tick().skip_message
    assert watch.cursor == before


def test_the_sensor_does_not_ask_twice_while_its_run_is_under_way(watch, line):
    run = watch.start(watch.tick())
    assert watch.tick().skip_message == f"run {run.run_id} is under way"
    line.write_text("timestamp,value\n2000-01-01,1\n")
    assert "the source has changed since" in watch.tick().skip_message
    watch.instance.report_run_failed(run)
    assert watch.tick().run_key


def test_a_reset_of_the_cursor_asks_again(watch):
    first = watch.tick()
    watch.cursor = None
    assert watch.tick().run_key != first.run_key


@pytest.mark.parametrize("status", ["FAILURE", "CANCELED"])
def test_the_sensor_says_when_it_asks_again_for_a_run_that_failed(watch, status):
    run = watch.end(watch.tick(), status)
    for _ in range(2):  # it is counted once
        reason = watch.tick().skip_message
        assert reason.startswith(f"run {run.run_id} ended as {status} (1 in a row): requested")
    assert json.loads(watch.cursor)["trained"] == {}


def test_a_re_execution_that_succeeds_counts(watch):
    request = watch.tick()
    watch.end(request, "FAILURE")
    assert "(1 in a row)" in watch.tick().skip_message
    watch.end(request, "SUCCESS")
    assert watch.tick().skip_message == "none of 2 series has changed"
    assert json.loads(watch.cursor)["failures"] == 0


def test_a_cursor_of_an_earlier_version_is_understood(settings, instance, line):
    old = json.dumps(settings.open_source().versions())
    watch = Watch(settings, instance, old)
    assert watch.tick().skip_message == "none of 2 series has changed"
    line.unlink()
    assert watch.tick().run_key


def test_a_source_that_cannot_be_read_fails_the_tick_in_plain_words(settings, instance, source):
    for file in source.iterdir():
        file.unlink()
    with (
        dg.build_sensor_context(instance=instance) as context,
        pytest.raises(dg.Failure, match="holds no file"),
    ):
        list(build_source_sensor(Deployment(settings))(context))


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
