"""The graph in somebody else's code location: beside other assets, twice, with other executors."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest

import pulse_assets
from pulse_assets.catalog import AGGREGATES, ASSETS, BATCH_TABLES
from pulse_assets.dagster.definitions import build_definitions
from pulse_assets.errors import ConfigurationError
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets_tests.conftest import MODELS, stored, write_source

RANGE = {
    "dagster/asset_partition_range_start": "2005-01-01",
    "dagster/asset_partition_range_end": "2005-01-31",
}
AT = datetime(2024, 1, 1, 6, tzinfo=UTC)
OPTIONS = TrainingOptions(models=MODELS, horizons=[1, 3], variables=["line", "wave"])


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2024-01-01"))
def orders() -> int:
    """An asset of the team, with partitions and the IO manager of its own."""
    return 3


@dg.asset(
    ins={
        "retrodictions": dg.AssetIn(
            ["us", "retrodictions"], partition_mapping=dg.AllPartitionMapping()
        )
    }
)
def errors(retrodictions: pd.DataFrame) -> float:
    """An asset of the team over the retrodictions of all batches."""
    ours = retrodictions[retrodictions["model"] == "ensemble"]
    return float((ours["predicted"] - ours["observed"]).abs().mean())


@dg.asset(ins={"ledger": dg.AssetIn(["us", "trust_ledger"])})
def rows_of_trust(ledger: pa.Table) -> int:
    return ledger.num_rows


@pytest.fixture
def settings(tmp_path):
    """Two deployments over one source, with a store each."""
    source = str(write_source(tmp_path / "source"))
    dates = {"start_date": "2005-01-01", "end_date": "2005-03-01"}
    return {
        name: Settings(source=source, store=str(tmp_path / name), **dates) for name in ("us", "uk")
    }


def location(settings, executor=None):
    """The code location of a team: its own assets and two deployments."""
    deployments = [
        build_definitions(each, options=OPTIONS, key_prefix=name, executor=dg.in_process_executor)
        for name, each in settings.items()
    ]
    own = dg.Definitions(
        assets=[orders, errors, rows_of_trust],
        resources={"io_manager": dg.mem_io_manager},
        executor=executor or dg.multiprocess_executor,
    )
    return dg.Definitions.merge(own, *deployments)


def test_two_deployments_stand_beside_other_assets(settings):
    defs = location(settings)
    dg.Definitions.validate_loadable(defs)
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert keys == {"orders", "errors", "rows_of_trust"} | {
        f"{name}/{asset}" for name in settings for asset in ASSETS
    }
    for name in settings:
        job = defs.resolve_job_def(f"{name}__retrodiction_training")
        selected = {key.to_user_string() for key in job.asset_layer.selected_asset_keys}
        assert selected == {f"{name}/{asset}" for asset in ASSETS}


def test_each_trains_into_its_own_store_and_others_read_it(settings, instance):
    defs = location(settings)
    for name in settings:
        job = defs.resolve_job_def(f"{name}__retrodiction_training")
        assert job.execute_in_process(instance=instance, tags=RANGE).success
    us, uk = (stored(each.store) for each in settings.values())
    assert us == uk  # the same source and options
    assert len(us) == len(BATCH_TABLES) * 2 + 5
    recorded = instance.get_latest_materialization_event(dg.AssetKey(["us", "batch_metrics"]))
    path = recorded.asset_materialization.metadata["dagster/uri"].value
    assert path.startswith(settings["us"].store)
    assert instance.get_latest_materialization_event(dg.AssetKey("batch_metrics")) is None

    job = defs.resolve_implicit_global_asset_job_def()
    done = job.execute_in_process(
        instance=instance, asset_selection=[dg.AssetKey("errors"), dg.AssetKey("rows_of_trust")]
    )
    results = pulse_assets.open_store(settings["us"].store)
    frame = results.retrodictions(model="ensemble")
    expected = (frame["predicted"] - frame["observed"]).abs().mean()
    assert done.output_for_node("errors") == pytest.approx(expected)
    assert done.output_for_node("rows_of_trust") == results.tables.whole("trust_ledger").num_rows


def test_a_run_without_partitions_says_how_to_name_them(settings, instance):
    job = location(settings).resolve_job_def("us__retrodiction_training")
    done = job.execute_in_process(instance=instance, raise_on_error=False)
    (failure,) = [event for event in done.all_events if event.is_step_failure]
    message = failure.step_failure_data.user_failure_data.description
    assert message.startswith("the run names no batches: select partitions in the UI")
    assert '"dagster/asset_partition_range_end": "2005-01-31"' in message
    assert not Path(settings["us"].store).exists()


def test_a_table_alone_says_what_it_is_computed_from(settings, instance):
    job = location(settings).resolve_job_def("us__retrodiction_training")
    done = job.execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(["us", "retrodictions"])],
        tags=RANGE,
        raise_on_error=False,
    )
    (failure,) = [event for event in done.all_events if event.is_step_failure]
    assert "historical_data of 2 of 2 batches, from 2005-01-01 on, is not in" in str(
        failure.step_failure_data.user_failure_data.description
    )
    assert not Path(settings["us"].store).exists()


def test_one_of_the_results_alone_is_stored_with_those_that_fit_it(settings, instance):
    job = location(settings).resolve_job_def("us__retrodiction_training")
    assert job.execute_in_process(instance=instance, tags=RANGE).success
    before = stored(settings["us"].store)
    for name in ("training_results", "skill_by_horizon"):
        shutil.rmtree(Path(settings["us"].store) / name)
    report = dg.AssetKey(["us", "training_report"])
    done = job.execute_in_process(instance=instance, asset_selection=[report])
    assert done.success
    assert stored(settings["us"].store).keys() == before.keys()
    made = {event.asset_key.path[-1] for event in done.get_asset_materialization_events()}
    assert made == {*AGGREGATES} - {"trust_ledger", "next_forecasts"}


def test_batches_of_another_store_are_noticed(settings, instance, tmp_path):
    """The UI goes on to show the batches of the store before as materialized."""
    job = location(settings).resolve_job_def("us__retrodiction_training")
    assert job.execute_in_process(instance=instance, tags=RANGE).success
    moved = {"us": settings["us"].model_copy(update={"store": str(tmp_path / "moved")})}
    job = location(moved).resolve_job_def("us__retrodiction_training")
    one = {"dagster/partition": "2005-01-31"}
    done = job.execute_in_process(instance=instance, tags=one, raise_on_error=False)
    (check,) = [
        each
        for each in done.get_asset_check_evaluations()
        if each.check_name == "recorded_batches_are_stored"
    ]
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.WARN
    assert check.description.startswith(
        "1 of 2 batches that Dagster shows as materialized, from 2005-01-01 on, are not in "
    )


def test_the_schedule_of_one_deployment_requests_its_own_batches(settings, tmp_path):
    defs = location(settings)
    job = defs.resolve_job_def("uk__retrodiction_training")
    folder = tmp_path / "instance"  # on disk: the context of a tick opens it anew
    folder.mkdir()
    requests = {}
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        assert job.execute_in_process(instance=instance, tags=RANGE).success
        for name in settings:
            schedule = defs.resolve_schedule_def(f"{name}__train_completed_batches")
            with dg.build_schedule_context(instance, AT) as context:
                requests[name] = schedule.evaluate_tick(context)
    (request,) = requests["us"].run_requests
    assert request.run_config == {"resources": {"us_training": {"config": {"resume": True}}}}
    assert request.tags["pulse/missing"] == "2"
    assert request.tags["pulse/store"] == settings["us"].store
    assert requests["uk"].skip_message.startswith("all 2 batches that ended")


def test_what_the_workers_write_cannot_be_replaced(settings):
    with pytest.raises(ConfigurationError, match="parquet_io cannot be replaced"):
        build_definitions(settings["us"], resources={"parquet_io": dg.mem_io_manager})


def test_checks_of_one_deployment_are_not_those_of_another(settings, instance):
    defs = location(settings)
    job = defs.resolve_job_def("us__retrodiction_training")
    done = job.execute_in_process(instance=instance, tags=RANGE)
    assert {check.asset_key.path[0] for check in done.get_asset_check_evaluations()} == {"us"}
    results = pulse_assets.open_store(settings["us"].store)
    assert all(check["passed"] is not None for check in results.data["checks"])
    assert not Path(settings["uk"].store).exists()


@pytest.mark.parametrize(
    ("name", "value"), [("key_prefix", "us/eu"), ("group", "a b"), ("resource_prefix", "us.")]
)
def test_a_name_that_dagster_does_not_take_is_refused(settings, name, value):
    with pytest.raises(ConfigurationError, match=f"{name} '{value}': may hold letters"):
        build_definitions(settings["us"], **{name: value})
