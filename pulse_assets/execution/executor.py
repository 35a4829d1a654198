"""The executor of the job: steps run in the run's process, batches on its Dask cluster.

dagster-dask's own executor sends whole steps to workers under a key that two runs share, runs
steps whose upstream failed, and ignores retries. Here Dagster's in-process executor keeps its own
failure and retry rules, and only the batches inside a step go to the cluster.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.in_process import InProcessExecutor
from dagster_dask import dask_executor

from pulse_assets.execution.cluster import TLS_FILES, ClusterSpec, open_cluster
from pulse_assets.execution.run_process import fail_dead_runs, process_tags


class BatchDaskExecutor(InProcessExecutor):
    """Dagster's in-process executor with a Dask cluster open round the run."""

    def __init__(self, cluster: ClusterSpec) -> None:
        """Remember the cluster; it is opened when the run starts."""
        super().__init__(RetryMode.ENABLED)
        self._cluster = cluster

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        """Run the plan with the cluster open, and yield its events."""
        fail_dead_runs(plan_context.instance)
        plan_context.instance.add_run_tags(plan_context.run_id, process_tags(plan_context.run_id))
        with open_cluster(self._cluster):
            yield from super().execute(plan_context, execution_plan)


def _config_schema() -> dict[str, Any]:
    """Take dagster-dask's cluster types; without any configuration the cluster is local."""
    fields: Any = dask_executor.config_schema.config_type
    kinds = fields.fields["cluster"].config_type.fields
    return {
        "cluster": dg.Field(
            dg.Selector({**kinds, "existing": _existing()}),
            default_value={"local": {}},
            description="the Dask cluster that computes the batches, as dagster-dask names it; "
            "local: with n_workers 1 the run's own process computes them",
        )
    }


def _existing() -> dg.Field:
    """Describe a scheduler that is there: dagster-dask takes no certificates for it."""
    certificates = {name: dg.Field(dg.StringSource, is_required=False) for name in TLS_FILES}
    return dg.Field(
        {"address": dg.StringSource, **certificates},
        description="a scheduler that is there; the certificates of a tls:// address are files",
    )


@dg.executor(name="dask", config_schema=_config_schema())
def batch_dask_executor(context: dg.InitExecutorContext) -> BatchDaskExecutor:
    """Compute the batches of a run on Dask: `cluster: {local: {n_workers: 4}}` or `existing`."""
    configured: dict[str, Any] = dict(context.executor_config)
    ((kind, options),) = configured["cluster"].items()
    return BatchDaskExecutor(ClusterSpec(kind, options))
