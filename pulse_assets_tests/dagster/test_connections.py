"""A run's connections to its database: few on PostgreSQL, replaced when the server restarts.

What a run writes there at once is one transaction.
"""

import json
import logging
import threading
import time

import dagster as dg
import pytest
import sqlalchemy
import yaml
from dagster._core.utils import make_new_run_id

from pulse_assets.dagster.connections import keep_connections
from pulse_assets.dagster.instance import open_instance
from pulse_assets.dagster.internals import grouped_rows, report_planned
from pulse_assets.settings import dagster_home
from pulse_assets_tests.postgres import postgres


def test_other_databases_are_left_as_they_are(tmp_path):
    for instance in (dg.DagsterInstance.ephemeral(), dg.DagsterInstance.local_temp(str(tmp_path))):
        with instance:
            keep_connections(instance)
            assert instance.get_runs() == []


@pytest.fixture(scope="module")
def server():
    with postgres() as server:
        yield server


@pytest.fixture
def instance(server):
    """An instance whose records are in PostgreSQL, with those of other tests."""
    dagster_home().mkdir()
    storage = {"storage": {"postgres": {"postgres_url": server.url}}}
    (dagster_home() / "dagster.yaml").write_text(yaml.safe_dump(storage))
    with open_instance(dagster_home()) as instance:
        keep_connections(instance)  # again, as the executor does
        yield instance


@pytest.mark.slow
def test_connections_to_postgresql_are_kept_and_replaced(server, instance):
    before = sessions(server)
    runs = instance.run_storage
    for _ in range(100):
        runs.add_run(dg.DagsterRun(job_name="none", run_id=make_new_run_id()))
    assert sessions(server) - before < 10
    server.control("restart")
    assert len(instance.get_runs()) == 100


@pytest.fixture
def events(server, instance):
    """Write events of a run of one job to PostgreSQL, and read what is in the database."""
    return Events(server, instance)


class Events:
    def __init__(self, server, instance):
        self.asset, self.run_id = dg.AssetKey(make_new_run_id()), make_new_run_id()
        self.instance, self._engine = instance, sqlalchemy.create_engine(server.url)

    def report(self, partition):
        """Record a materialization, and a line of the log."""
        materialization = dg.AssetMaterialization(self.asset, partition=partition)
        self.instance.report_runless_asset_event(materialization)
        record = dg.EventLogEntry(None, logging.INFO, partition, self.run_id, time.time())
        self.instance.store_event(record)

    @property
    def stored(self):
        """What another session of the database sees: partitions of the asset, lines of the log."""
        queries = (
            "SELECT partition FROM event_logs WHERE asset_key = :what ORDER BY id",
            "SELECT event FROM event_logs WHERE run_id = :what ORDER BY id",
        )
        with self._engine.connect() as connection:
            partitions, lines = (
                connection.execute(sqlalchemy.text(query), {"what": what}).scalars().all()
                for query, what in zip(queries, (self.asset.to_string(), self.run_id), strict=True)
            )
        return partitions, [json.loads(line)["user_message"] for line in lines]

    @property
    def latest(self):
        (record,) = self.instance.get_asset_records([self.asset])
        return record.asset_entry.last_materialization.asset_materialization.partition


@pytest.mark.slow
def test_rows_of_a_group_appear_in_postgresql_together(events):
    events.report("a")
    with grouped_rows(events.instance):
        for partition in "bc":
            events.report(partition)
        with grouped_rows(events.instance):  # part of the one around it
            events.report("d")
        assert events.stored == (["a"], ["a"])
    assert events.stored == ([*"abcd"], [*"abcd"])
    assert events.latest == "d"
    assert events.instance.get_materialized_partitions(events.asset) == {*"abcd"}


@pytest.mark.slow
def test_what_comes_before_another_event_is_written_before_it(events):
    run = events.instance.create_run_for_job(quiet())
    with grouped_rows(events.instance):
        events.report("a")
        report_planned(events.instance, run, "step", events.asset, "b")
        assert events.stored == ([], [])
        events.instance.report_engine_event("other", run)
        assert events.stored == ([*"ab"], ["a"])
        events.report("c")
    assert events.stored == ([*"abc"], [*"ac"])
    assert events.latest == "c"


@pytest.mark.slow
def test_an_error_drops_the_rows_of_its_group_and_no_others(events):
    events.report("a")
    with pytest.raises(ValueError, match="no"), grouped_rows(events.instance):
        events.report("b")
        raise ValueError("no")
    events.report("c")
    assert events.stored == ([*"ac"], [*"ac"])


@pytest.mark.slow
def test_a_thread_does_not_wait_for_the_group_of_another(events):
    with grouped_rows(events.instance):
        events.report("a")
        thread = threading.Thread(target=events.report, args=("b",))
        thread.start()
        thread.join()
        assert events.stored == (["b"], ["b"])
    assert events.stored == ([*"ba"], [*"ba"])
    assert events.latest == "a"


def quiet():
    """A job that does nothing."""

    @dg.job
    def quiet():
        pass

    return quiet


def sessions(server):
    """Connections that the server has taken since its start, this one included."""
    engine = sqlalchemy.create_engine(server.url)
    with engine.connect() as connection:
        query = "SELECT sum(sessions) FROM pg_stat_database"
        return int(connection.execute(sqlalchemy.text(query)).scalar_one())
