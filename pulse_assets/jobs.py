"""The jobs of the graph."""

from typing import Final

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition,
)

JOB_NAME: Final = "retrodiction_training"

#: Tag of a run: the store of its deployment, unless the run's configuration names one.
STORE_TAG: Final = "pulse/store"


def retrodiction_training(
    executor: dg.ExecutorDefinition, store: str
) -> UnresolvedAssetJobDefinition:
    """Materialize the whole graph over a range of batches; its runs are tagged with the store."""
    return dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.all(),
        executor_def=executor,
        tags={STORE_TAG: store},
        description="Retrodict a range of batches and aggregate all of them.",
    )
