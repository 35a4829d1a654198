"""The job of the graph, and the tags of its runs."""

from typing import Any, Final

import dagster as dg

from pulse_assets.catalog import ASSETS
from pulse_assets.dagster.deployment import Deployment, Names

JOB_NAME: Final = "retrodiction_training"

#: The concurrency pool of the step that computes batches, of every deployment: a limit of it is how
#: many runs of an instance may use its Dask cluster at once. Without a limit, any number may.
POOL: Final = "retrodiction_batches"

#: Tag of a run: the store of its deployment, unless the run's configuration names one.
STORE_TAG: Final = "pulse/store"

#: Tag of a run that has computed each of its batches, whether they failed or not.
COMPUTED_TAG: Final = "pulse/batches_computed"


def retrodiction_training(deployment: Deployment, executor: dg.ExecutorDefinition | None) -> Any:  # noqa: ANN401 - Dagster exports no name for it
    """Materialize the whole graph over a range of batches; its runs are tagged with the store.

    Args:
        deployment: whose graph.
        executor: of the job; None: the one of its code location.
    """
    return dg.define_asset_job(
        deployment.names.definition(JOB_NAME),
        selection=graph_assets(deployment.names),
        executor_def=executor,
        tags={STORE_TAG: deployment.settings.store},
        description="Retrodict a range of batches and aggregate all of them.",
    )


def graph_assets(names: Names) -> dg.AssetSelection:
    """Return the assets of a deployment with their checks, and none of others beside them."""
    return dg.AssetSelection.assets(*names.keys(ASSETS))


def store_of(run: dg.DagsterRun, names: Names) -> str:
    """Return the store that a run writes: the one in its configuration, or its deployment's."""
    value: Any = run.run_config
    for name in ("resources", names.resource("data"), "config", "store"):
        value = value.get(name) if isinstance(value, dict) else None
    return str(value or run.tags.get(STORE_TAG, "")).rstrip("/")
