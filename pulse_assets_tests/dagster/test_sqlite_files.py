"""SQLite files stay open between events; other processes, threads and forks use them as before."""

import multiprocessing
import os
import sqlite3
import threading
from collections import Counter
from pathlib import Path

import dagster as dg
import psutil
import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st

from pulse_assets.dagster.connections import few_rows
from pulse_assets.dagster.instance import open_instance
from pulse_assets.dagster.internals import grouped_rows, new_run_id, report_planned
from pulse_assets.dagster.sqlite_files import SqliteFiles
from pulse_assets.settings import dagster_home

KEYS = dg.StaticPartitionsDefinition(["a", "b", "c"])


@pytest.fixture
def instance():
    with open_instance(dagster_home()) as instance:
        yield instance


def report(instance, run_id, partition, asset="table"):
    """Record a materialization outside of a run's steps."""
    data = dg.AssetMaterialization(asset, partition=partition)
    instance.report_runless_asset_event(data)
    instance.report_engine_event(partition, job_name="none", run_id=run_id)


def open_files():
    """The SQLite files that this process has open."""
    files = (Path(file.path).name for file in psutil.Process().open_files())
    return sorted(name for name in files if ".db" in name)


def rows(path):
    with sqlite3.connect(path, timeout=0.1) as connection:
        return connection.execute("SELECT count(*) FROM event_logs").fetchone()[0]


def index():
    return dagster_home() / "history" / "runs" / "index.db"


def test_a_file_is_opened_once_and_closed_with_the_instance(monkeypatch):
    opened = Counter()
    connect = sqlite3.connect
    with open_instance(dagster_home()) as instance:
        run_id = new_run_id()
        report(instance, run_id, "a")

        def count(path, *arguments, **options):
            opened[Path(path).name] += 1
            return connect(path, *arguments, **options)

        monkeypatch.setattr(sqlite3, "connect", count)
        monkeypatch.setattr("sqlite3.dbapi2.connect", count)
        for _ in range(20):
            report(instance, run_id, "b")
            instance.get_run_records(limit=1)
        assert max(opened.values(), default=0) <= 1
        assert open_files() != []
    assert open_files() == []
    assert list(dagster_home().rglob("*-wal")) == []  # each file is whole by itself


def test_another_process_writes_between_two_events(instance):
    """No lock is held in between: SQLite would refuse at once."""
    run_id = new_run_id()
    report(instance, run_id, "a")
    with sqlite3.connect(index(), timeout=0) as other:
        other.execute("INSERT INTO event_logs (run_id, event, timestamp) VALUES ('x', '{}', 0)")
    before = rows(index())
    report(instance, run_id, "b")
    assert rows(index()) == before + 1


def test_rows_of_a_group_appear_together_and_of_an_asset_the_latest_counts(instance):
    run_id = new_run_id()
    report(instance, run_id, "a")
    before = rows(index())
    with grouped_rows(instance):
        for partition in ("b", "c"):
            report(instance, run_id, partition)
        report(instance, run_id, "a", asset="other")
        assert rows(index()) == before
    assert rows(index()) == before + 3
    assert set(instance.get_materialized_partitions(dg.AssetKey("table"))) == {"a", "b", "c"}
    (record,) = instance.get_asset_records([dg.AssetKey("table")])
    assert record.asset_entry.last_materialization.asset_materialization.partition == "c"
    assert instance.get_latest_materialization_event(dg.AssetKey("other")) is not None


def test_a_planned_row_does_not_hide_a_materialization_of_its_group(instance):
    run = instance.create_run_for_job(job(), tags={"dagster/partition": "a"})
    with grouped_rows(instance):
        report(instance, run.run_id, "a")
        report_planned(instance, run, "step", dg.AssetKey("table"), "b")
    (record,) = instance.get_asset_records([dg.AssetKey("table")])
    assert record.asset_entry.last_materialization.asset_materialization.partition == "a"


def test_an_error_undoes_the_rows_of_its_group_and_no_others(instance):
    run_id = new_run_id()
    report(instance, run_id, "a")
    before = rows(index())
    with pytest.raises(ValueError, match="no"), grouped_rows(instance):
        report(instance, run_id, "b")
        raise ValueError("no")
    assert rows(index()) == before
    report(instance, run_id, "c")
    assert set(instance.get_materialized_partitions(dg.AssetKey("table"))) == {"a", "c"}


def test_threads_write_side_by_side(instance):
    run_id = new_run_id()
    report(instance, run_id, "first")
    before = rows(index())

    def write(number):
        for i in range(10):
            with grouped_rows(instance):
                report(instance, run_id, f"{number}-{i}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows(index()) == before + 40
    assert len(instance.get_materialized_partitions(dg.AssetKey("table"))) == 41


def test_a_forked_process_opens_its_own_connection(tmp_path):
    files, path = SqliteFiles(), tmp_path / "f.db"
    with files.transaction(path) as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE t (process INTEGER)"))

    def insert():
        with files.transaction(path) as connection:
            connection.execute(sqlalchemy.text(f"INSERT INTO t VALUES ({os.getpid()})"))

    child = multiprocessing.get_context("fork").Process(target=insert)
    child.start()
    child.join(30)
    assert child.exitcode == 0
    insert()
    with files.transaction(path) as connection:
        found = [*connection.execute(sqlalchemy.text("SELECT process FROM t")).scalars()]
    assert found == [child.pid, os.getpid()]
    files.close()


def test_a_file_that_was_replaced_is_opened_again(tmp_path):
    files, path = SqliteFiles(), tmp_path / "f.db"
    for text in ("old", "new"):
        other = tmp_path / "other.db"
        with sqlite3.connect(other) as connection:
            connection.execute(f"CREATE TABLE {text} (a)")
        connection.close()
        other.replace(path)
        with files.transaction(path) as found:
            assert sqlalchemy.inspect(found).get_table_names() == [text]
    files.close()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=8))
def test_what_is_stored_is_what_was_committed(tmp_path_factory, groups):
    """Groups of some rows, each of which ends well or with an error."""
    files, path = SqliteFiles(), tmp_path_factory.mktemp("files") / "f.db"
    with files.transaction(path) as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE t (a INTEGER)"))
    expected = 0
    for size, fails in groups:
        try:
            with files.group():
                for _ in range(size):
                    with files.transaction(path) as connection:
                        connection.execute(sqlalchemy.text("INSERT INTO t VALUES (1)"))
                if fails:
                    raise ValueError
            expected += size
        except ValueError:
            pass
    files.close()
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT count(*) FROM t").fetchone() == (expected,)
    other.close()


def job():
    @dg.asset(partitions_def=KEYS)
    def table(): ...

    jobs = [dg.define_asset_job("all_of_it", selection="*")]
    return dg.Definitions(assets=[table], jobs=jobs).resolve_job_def("all_of_it")


@pytest.mark.parametrize(("said", "planned"), [(None, 1), ("false", 3)])
def test_a_run_plans_its_partitions_in_one_row_unless_the_user_says_no(
    instance, monkeypatch, said, planned
):
    name = "DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS"
    if said:
        monkeypatch.setenv(name, said)
    ends = {
        f"dagster/asset_partition_range_{end}": key for end, key in (("start", "a"), ("end", "c"))
    }
    with few_rows():
        run = instance.create_run_for_job(job(), tags=ends)
    assert os.environ.get(name) == said
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
    assert len(instance.all_logs(run.run_id, of_type=kind)) == planned


@pytest.mark.parametrize(("fails", "status"), [(True, "FAILED"), (False, "IN_PROGRESS")])
def test_a_partition_planned_by_its_key_is_shown_as_failed_once_its_run_has_failed(
    instance, fails, status
):
    """Though an earlier run computed it."""
    for partition in ("a", "b"):
        report(instance, new_run_id(), partition)
    with few_rows():
        run = instance.create_run_for_job(job(), tags={"dagster/partition": "b"})
    report_planned(instance, run, "table", dg.AssetKey("table"), "b")
    if fails:
        instance.report_run_failed(run)
    found = instance.get_status_by_partition(dg.AssetKey("table"), ["a", "b", "c"], KEYS)
    shown = {key: value.value if value else None for key, value in found.items()}
    assert shown == {"a": "MATERIALIZED", "b": status, "c": None}
