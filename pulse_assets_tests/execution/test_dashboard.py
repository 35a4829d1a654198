"""The link to the Dask dashboard stands in the log of a run while it goes."""

import urllib.request

import dagster as dg
import pytest

from pulse_assets.dagster.jobs import JOB_NAME
from pulse_assets.definitions import build_definitions
from pulse_assets.execution.cluster import ANY_PORT, ClusterSpec, open_cluster
from pulse_assets.execution.tally import NoProgress

FIRST = "2005-01-01"
ONE_BATCH = {"resources": {"training": {"config": {"models": ["naive"], "horizons": [1]}}}}


class Visitor(NoProgress):
    """Follows the links in the log of the run as its first batch is handed out."""

    def __init__(self, instance):
        self.instance = instance
        self.seen = []

    def start(self, total):
        (run,) = self.instance.get_runs()
        for record in self.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
            event = record.dagster_event
            if link := event.engine_event_data.metadata.get("dashboard"):
                with urllib.request.urlopen(link.value, timeout=60) as answer:
                    self.seen.append((link.value in event.message, answer.status))


def visit(settings, instance, spec):
    visitor = Visitor(instance)
    job = build_definitions(settings, resources={"progress": visitor}).resolve_job_def(JOB_NAME)
    with open_cluster(spec):
        assert job.execute_in_process(
            run_config=ONE_BATCH, instance=instance, partition_key=FIRST
        ).success
    return visitor.seen


@pytest.mark.slow
def test_the_dashboard_of_a_cluster_opens_from_the_log_of_its_run(settings, instance):
    spec = ClusterSpec("local", {"n_workers": 1, "dashboard_address": ANY_PORT}, forced=True)
    assert visit(settings, instance, spec) == [(True, 200)]


def test_where_there_is_no_dashboard_there_is_no_link(settings, instance):
    assert visit(settings, instance, ClusterSpec("local", {"n_workers": 1})) == []
