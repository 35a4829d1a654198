"""The private names of Dagster: few, all in one module, and as this release of Dagster has them."""

import ast
import importlib
import inspect
from pathlib import Path

import dagster as dg
import pytest

import pulse_assets

PACKAGE = Path(pulse_assets.__file__).parent
INTERNALS = PACKAGE / "dagster" / "internals.py"
MOST_NAMES = 13


def private_names(module):
    """Module and name of each import of a private part of Dagster."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            if (node.module or "").startswith(("dagster._", "dagster_shared")):
                yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith(("dagster._", "dagster_shared")):
                    yield alias.name, ""


def test_private_names_are_few_and_imported_in_one_module():
    names = {module: sorted(private_names(module)) for module in PACKAGE.rglob("*.py")}
    assert 0 < len(names.pop(INTERNALS)) <= MOST_NAMES
    assert {str(module): found for module, found in names.items() if found} == {}


def private(name):
    """The object of a private name that the package imports."""
    homes = {imported: home for home, imported in private_names(INTERNALS)}
    return getattr(importlib.import_module(homes[name]), name)


def parameters(function):
    return [*inspect.signature(function).parameters]


def webserver():
    """The module of the command `dagster-webserver`."""
    return importlib.import_module("dagster_webserver.cli")


def postgres():
    """The package of Dagster's records in PostgreSQL, an extra that the test tools contain."""
    return importlib.import_module("dagster_postgres")


#: By name, whether this release still has a part of Dagster as `internals.py` uses it.
CONTRACT = {
    "InstanceRef": lambda _: (
        {"base_dir", "overrides"} <= {*parameters(private("InstanceRef").from_dir)}
        and "compute_logs_data" in parameters(private("InstanceRef"))
    ),
    "CheckError": lambda _: issubclass(private("CheckError"), Exception),
    "InMemoryJob": lambda _: "job_def" in parameters(private("InMemoryJob")),
    "execute_run_iterator": lambda _: (
        parameters(private("execute_run_iterator"))[:3] == ["job", "dagster_run", "instance"]
    ),
    "EngineEventData": lambda _: private("EngineEventData")({}).metadata == {},
    "NoOpComputeLogManager": lambda _: inspect.isclass(private("NoOpComputeLogManager")),
    "AssetMaterializationPlannedData": lambda _: (
        parameters(private("AssetMaterializationPlannedData"))[:2] == ["asset_key", "partition"]
    ),
    "DagsterEvent.build_asset_materialization_planned_event": lambda _: (
        parameters(dg.DagsterEvent.build_asset_materialization_planned_event)
        == ["job_name", "step_key", "asset_materialization_planned_data"]
    ),
    "DagsterInstance.report_dagster_event": lambda instance: (
        parameters(instance.report_dagster_event)[:3] == ["dagster_event", "run_id", "log_level"]
    ),
    "SqliteEventLogStorage": lambda _: (
        [
            parameters(getattr(private("SqliteEventLogStorage"), name))[1:]
            for name in (
                *("_connect", "_initdb", "path_for_shard", "has_table", "index_connection"),
                *("_has_asset_key_col_on_connection", "_store_asset_event", "store_event_batch"),
            )
        ]
        == [
            *(["shard"], ["engine", "for_index_shard"], ["run_id"], ["table_name"], []),
            *(["conn", "column_name"], ["conn", "event", "event_id"], ["events"]),
        ]
    ),
    "SqliteEventLogStorage._initialized_dbs": lambda instance: (
        instance.event_log_storage._initialized_dbs >= set()
    ),
    "PostgresEventLogStorage": lambda _: (
        [
            parameters(getattr(postgres().PostgresEventLogStorage, name))[1:]
            for name in (
                *("store_event", "prepare_insert_event_batch", "index_transaction"),
                *("_store_asset_event_tags", "_store_asset_event"),
            )
        ]
        == [
            *(["event"], ["events"], []),
            *(["conn", "events", "event_ids"], ["conn", "event", "event_id"]),
        ]
    ),
    "cli": lambda _: "dev" in private("cli").commands,
    "dev": lambda _: parameters(private("dev").open_ipc_subprocess)[:1] == ["parts"],
    "dagster_webserver.cli": lambda _: (
        parameters(webserver().create_app_from_workspace_process_context)[:1]
        == ["workspace_process_context"]
        and {"host", "port", "workspace"} <= {option.name for option in webserver().cli.params}
    ),
    "SqliteRunStorage": lambda _: parameters(private("SqliteRunStorage").connect) == ["self"],
    "SqliteRunStorage._conn_string": lambda instance: instance.run_storage._conn_string.startswith(
        "sqlite:///"
    ),
    "BulkActionsFilter": lambda _: (
        private("BulkActionsFilter")(statuses=[], created_after=None).statuses == []
    ),
    "BulkActionStatus": lambda _: (
        {"COMPLETED_FAILED", "COMPLETED_SUCCESS"}
        <= {status.name for status in private("BulkActionStatus")}
    ),
    "DagsterInstance.from_ref": lambda instance: "instance_ref" in parameters(instance.from_ref),
    "DagsterInstance.create_run_for_job": lambda instance: (
        {"run_id", "run_config", "tags"} <= {*parameters(instance.create_run_for_job)}
    ),
    "DagsterInstance.get_backfills": lambda instance: (
        "filters" in parameters(instance.get_backfills)
    ),
    "DagsterInstance.optimize_for_webserver": lambda instance: (
        {"statement_timeout", "pool_recycle", "max_overflow"}
        <= {*parameters(instance.optimize_for_webserver)}
    ),
    "EventLogStorage.get_asset_check_execution_history": lambda instance: (
        parameters(instance.event_log_storage.get_asset_check_execution_history)[:2]
        == ["check_key", "limit"]
    ),
    "EventLogStorage.index_connection": lambda instance: callable(
        instance.event_log_storage.index_connection
    ),
    "RunStorage.connect": lambda instance: callable(instance.run_storage.connect),
    "in_process_executor.executor_creation_fn": lambda _: (
        parameters(dg.in_process_executor.executor_creation_fn) == ["init_context"]
    ),
    "DagsterRunStatus": lambda _: (
        {"NOT_STARTED", "STARTING", "STARTED", "CANCELING", "SUSPENDED"}
        <= {status.name for status in dg.DagsterRunStatus}
    ),
}


def test_the_contract_has_every_private_name():
    assert {name for _, name in private_names(INTERNALS)} <= CONTRACT.keys()


@pytest.mark.parametrize("name", CONTRACT)
def test_dagster_has_what_the_package_uses(name):
    changed = f"Dagster {dg.__version__} has changed {name}: adapt pulse_assets/dagster"
    with dg.instance_for_test() as instance:
        try:
            unchanged = CONTRACT[name](instance)
        except (AttributeError, ImportError, KeyError, TypeError) as error:
            pytest.fail(f"{changed} ({error})")
    assert unchanged, changed
