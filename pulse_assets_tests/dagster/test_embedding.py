"""The graph in somebody else's code location: beside other assets, twice, with other executors."""

from pathlib import Path

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest

import pulse_assets
from pulse_assets.catalog import ASSETS, BATCH_TABLES
from pulse_assets.dagster.definitions import build_definitions
from pulse_assets.errors import ConfigurationError
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets_tests.conftest import MODELS, stored, write_source

RANGE = {
    "dagster/asset_partition_range_start": "2005-01-01",
    "dagster/asset_partition_range_end": "2005-01-31",
}
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
