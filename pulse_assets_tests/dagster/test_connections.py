"""A run's connections to its database: few on PostgreSQL, and replaced when the server restarts."""

import dagster as dg
import pytest
import sqlalchemy
import yaml
from dagster._core.utils import make_new_run_id

from pulse_assets.dagster.connections import keep_connections
from pulse_assets.dagster.instance import open_instance
from pulse_assets.settings import dagster_home
from pulse_assets_tests.postgres import postgres


def test_other_databases_are_left_as_they_are(tmp_path):
    for instance in (dg.DagsterInstance.ephemeral(), dg.DagsterInstance.local_temp(str(tmp_path))):
        with instance:
            keep_connections(instance)
            assert instance.get_runs() == []


@pytest.mark.slow
def test_connections_to_postgresql_are_kept_and_replaced():
    with postgres() as server:
        dagster_home().mkdir()
        storage = {"storage": {"postgres": {"postgres_url": server.url}}}
        (dagster_home() / "dagster.yaml").write_text(yaml.safe_dump(storage))
        with open_instance(dagster_home()) as instance:
            keep_connections(instance)  # again, as the executor does
            before = sessions(server)
            runs = instance.run_storage
            for _ in range(100):
                runs.add_run(dg.DagsterRun(job_name="none", run_id=make_new_run_id()))
            assert sessions(server) - before < 10
            server.control("restart")
            assert len(instance.get_runs()) == 100


def sessions(server):
    """Connections that the server has taken since its start, this one included."""
    engine = sqlalchemy.create_engine(server.url)
    with engine.connect() as connection:
        query = "SELECT sum(sessions) FROM pg_stat_database"
        return int(connection.execute(sqlalchemy.text(query)).scalar_one())
