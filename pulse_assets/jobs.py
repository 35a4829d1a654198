"""The jobs of the graph."""

from typing import Final

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition,
)

JOB_NAME: Final = "retrodiction_training"


def retrodiction_training(executor: dg.ExecutorDefinition) -> UnresolvedAssetJobDefinition:
    """Materialize the whole graph over a range of batches."""
    return dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.all(),
        executor_def=executor,
        description="Retrodict a range of batches and aggregate all of them.",
    )
