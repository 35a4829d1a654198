"""The Dagster arguments of assets, from the catalogue: text, columns, group, kinds and owner."""

from typing import Any, Final, TypedDict

import dagster as dg
import pyarrow as pa

from pulse_assets.catalog import ASSETS
from pulse_assets.dagster.deployment import Deployment
from pulse_assets.storage.tables import STORED_SCHEMAS

OWNERS: Final = ("team:pulse",)

#: Recompute the aggregates once batches are, but not because some batches of the grid are missing.
AGGREGATE_CONDITION: Final = dg.AutomationCondition.eager().without(
    ~dg.AutomationCondition.any_deps_missing()
)


class Described(TypedDict):
    """Keywords that an `AssetSpec`, an `AssetOut` and `@asset` share."""

    description: str
    group_name: str
    kinds: set[str]
    owners: list[str]
    metadata: dict[str, Any]


class Aggregate(Described):
    """Keywords that an `AssetOut` and `@asset` share."""

    io_manager_key: str
    automation_condition: dg.AutomationCondition
    backfill_policy: dg.BackfillPolicy


def described(name: str, deployment: Deployment) -> Described:
    """Return the arguments of an `AssetSpec`, an `AssetOut` or `@asset` that describe an asset."""
    asset = ASSETS[name]
    columns = _columns(STORED_SCHEMAS[name]) if asset.schema else {}
    return {
        "description": asset.description,
        "group_name": deployment.names.group or asset.group,
        "kinds": asset.kinds,
        "owners": list(OWNERS),
        "metadata": {"store": deployment.settings.store, **columns},
    }


def aggregate(name: str, deployment: Deployment) -> Aggregate:
    """Return the arguments of an `AssetOut` or `@asset` without partitions."""
    return {
        **described(name, deployment),
        "io_manager_key": deployment.names.resource(ASSETS[name].io_manager_key),
        "automation_condition": AGGREGATE_CONDITION,
        "backfill_policy": dg.BackfillPolicy.single_run(),
    }


def _columns(schema: pa.Schema) -> dict[str, Any]:
    """Return the columns of a stored table as metadata."""
    columns = [
        dg.TableColumn(
            field.name, _type_name(field.type), (field.metadata or {})[b"description"].decode()
        )
        for field in schema
    ]
    return {"dagster/column_schema": dg.TableSchema(columns)}


def _type_name(kind: pa.DataType) -> str:
    return str(kind.value_type if pa.types.is_dictionary(kind) else kind)
