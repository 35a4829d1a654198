"""The job of the graph, and the tags of its runs."""

from typing import Any, Final

import dagster as dg

JOB_NAME: Final = "retrodiction_training"

#: Tag of a run: the store of its deployment, unless the run's configuration names one.
STORE_TAG: Final = "pulse/store"

#: Tag of a run that has computed each of its batches, whether they failed or not.
COMPUTED_TAG: Final = "pulse/batches_computed"


def retrodiction_training(executor: dg.ExecutorDefinition, store: str) -> Any:  # noqa: ANN401 - Dagster exports no name for it
    """Materialize the whole graph over a range of batches; its runs are tagged with the store."""
    return dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.all(),
        executor_def=executor,
        tags={STORE_TAG: store},
        description="Retrodict a range of batches and aggregate all of them.",
    )


def store_of(run: dg.DagsterRun) -> str:
    """Return the store that a run writes: the one in its configuration, or its deployment's."""
    value: Any = run.run_config
    for name in ("resources", "data", "config", "store"):
        value = value.get(name) if isinstance(value, dict) else None
    return str(value or run.tags.get(STORE_TAG, "")).rstrip("/")
