"""The executor opens the configured cluster round a run and leaves the rest to Dagster."""

import dataclasses

import dagster as dg
import pytest
from dagster._core.utils import make_new_run_id

from pulse_assets.dagster import executor
from pulse_assets.dagster.executor import batch_dask_executor
from pulse_assets.dagster.run_process import PROCESS_TAG
from pulse_assets.execution import cluster
from pulse_assets.execution.cluster import active_client, describe_cluster
from pulse_assets.execution.process_identity import ProcessIdentity


@dg.op
def where():
    """Return where batches would compute."""
    return describe_cluster(active_client())


@dg.op(retry_policy=dg.RetryPolicy(max_retries=1))
def fail_once(context: dg.OpExecutionContext):
    if not context.retry_number:
        raise ValueError("the first time")


@dg.op
def fail():
    raise ValueError("always")


@dg.op(ins={"before": dg.In(dg.Nothing)})
def follow():
    return None


@dg.job(executor_def=batch_dask_executor)
def look():
    where()


@dg.job(executor_def=batch_dask_executor)
def retry():
    fail_once()


@dg.job(executor_def=batch_dask_executor)
def break_off():
    follow(fail())


IN_PROCESS = {"local": {"n_workers": 1}}


#: What is not said of a local cluster.
LOCAL = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}


def run(job, instance, chosen):
    config = {"execution": {"config": {"cluster": chosen}}}
    return dg.execute_job(
        dg.reconstructable(job), instance=instance, run_config=config, raise_on_error=False
    )


def test_the_default_is_a_local_cluster():
    found = dg.validate_run_config(look, {})
    assert found["execution"]["dask"]["cluster"] == {"local": LOCAL}


@pytest.mark.parametrize(
    "chosen",
    [
        IN_PROCESS,
        {"existing": {"address": "tcp://a:8786"}},
        {"local": {"n_workers": 4, "threads_per_worker": 2}},
        {"yarn": {"n_workers": 3}},
    ],
)
def test_the_cluster_types_of_dagster_dask_are_accepted(chosen):
    found = dg.validate_run_config(look, {"execution": {"config": {"cluster": chosen}}})
    ((kind, options),) = chosen.items()
    defaults = LOCAL if kind == "local" else {}
    assert found["execution"]["dask"]["cluster"] == {kind: defaults | options}


@pytest.mark.parametrize(
    "chosen",
    [
        {"remote": {}},
        {"local": {}, "yarn": {}},
        {"existing": {}},
        {"local": {"n_workers": "two"}},
        {"local": {"n_workers": 0}},
        {"local": {"threads_per_worker": -1}},
    ],
    ids=str,
)
def test_other_configuration_is_refused_before_the_run(chosen):
    with pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(look, {"execution": {"config": {"cluster": chosen}}})


def test_one_local_worker_is_this_process(instance):
    with run(look, instance, IN_PROCESS) as result:
        assert result.output_for_node("where")["kind"] == "in_process"


def test_with_one_processor_the_default_is_this_process(instance, monkeypatch):
    monkeypatch.setattr(executor, "usable_processors", lambda: 1)
    with run(look, instance, {"local": {}}) as result:
        assert result.output_for_node("where")["kind"] == "in_process"


def test_a_run_joins_an_existing_cluster(instance, scheduler):
    with run(look, instance, {"existing": {"address": scheduler}}) as result:
        found = result.output_for_node("where")
    assert (found["scheduler"], found["workers"]) == (scheduler, 2)
    assert active_client() is None


def test_the_address_may_come_from_the_environment(instance, scheduler, monkeypatch):
    monkeypatch.setenv("PULSE_SCHEDULER", scheduler)
    with run(look, instance, {"existing": {"address": {"env": "PULSE_SCHEDULER"}}}) as result:
        assert result.output_for_node("where")["scheduler"] == scheduler


def test_an_unreachable_scheduler_fails_the_run_and_is_named(instance, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    address = "tcp://127.0.0.1:9"
    with run(look, instance, {"existing": {"address": address}}) as result:
        assert not result.success
        run_id = result.run_id
    assert instance.get_run_by_id(run_id).status == dg.DagsterRunStatus.FAILURE
    records = instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert f"no Dask scheduler answers at {address}" in str(records[-1].dagster_event)


def test_a_step_is_retried_by_its_policy(instance):
    with run(retry, instance, IN_PROCESS) as result:
        assert result.success
        assert result.retry_attempts_for_node("fail_once") == 1


def test_a_step_after_a_failed_one_is_not_run(instance):
    with run(break_off, instance, IN_PROCESS) as result:
        assert not result.success
        assert result.is_node_failed("fail")
        assert result.is_node_untouched("follow")


def test_the_log_of_a_run_says_which_runs_it_marks_and_which_it_cannot_judge(instance):
    own = ProcessIdentity.own()
    states = {
        "was marked as failed": dataclasses.replace(own, started="1"),
        "it is in another PID namespace": dataclasses.replace(own, namespace="1"),
    }
    for identity in states.values():
        run_id = make_new_run_id()
        tags = {PROCESS_TAG: f"{identity} {run_id}"}
        instance.create_run_for_job(
            look, run_id=run_id, status=dg.DagsterRunStatus.STARTED, tags=tags
        )
    with run(look, instance, IN_PROCESS) as result:
        lines = [entry.user_message for entry in instance.all_logs(result.run_id)]
    for text in states:
        assert len([line for line in lines if text in line]) == 1
