"""The executor of the job: steps run in the run's process, batches on its Dask cluster.

dagster-dask's own executor sends whole steps to workers under a key that two runs share, runs
steps whose upstream failed, and ignores retries. Here Dagster's in-process executor runs the steps
by its own rules for failures and retries, and only the batches inside a step go to the cluster.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import dagster as dg
from dagster_dask import dask_executor
from dask.utils import parse_bytes

from pulse_assets.dagster.connections import few_rows, keep_connections
from pulse_assets.dagster.run_process import fail_dead_runs, process_tags
from pulse_assets.errors import ConfigurationError
from pulse_assets.execution.cluster import ANY_PORT, TLS_FILES, ClusterSpec, open_cluster
from pulse_assets.execution.interrupts import lasting_interrupts
from pulse_assets.retrodiction.rule_process import fresh_hosts
from pulse_assets.settings.limits import check_limits
from pulse_assets.settings.processors import usable_processors

#: Options of a cluster that the run opens on its own machine; those of Dask's LocalCluster that
#: change nothing but its size and where its dashboard is.
LOCAL_OPTIONS: Final = ("n_workers", "threads_per_worker", "memory_limit", "dashboard_address")


class BatchDaskExecutor(dg.Executor):
    """An executor of steps with a Dask cluster open during the run."""

    def __init__(self, cluster: ClusterSpec, steps: dg.Executor) -> None:
        """Remember the cluster and the executor of steps; a run opens the cluster.

        Args:
            cluster: where batches compute.
            steps: Dagster's in-process executor.
        """
        self._cluster = cluster
        self._steps = steps

    @property
    def retries(self) -> Any:  # noqa: ANN401 - Dagster exports no name for it
        """Whether a step may be tried again."""
        return self._steps.retries

    def execute(
        self,
        plan_context: Any,  # noqa: ANN401 - Dagster exports no name for it
        execution_plan: Any,  # noqa: ANN401
    ) -> Iterator[dg.DagsterEvent]:
        """Run the plan with the cluster open, and yield its events."""
        keep_connections(plan_context.instance)
        fail_dead_runs(plan_context.instance, plan_context.log.info)
        plan_context.instance.add_run_tags(plan_context.run_id, process_tags(plan_context.run_id))
        with lasting_interrupts(), few_rows(), open_cluster(self._cluster), fresh_hosts():
            yield from self._steps.execute(plan_context, execution_plan)


def _config_schema() -> dict[str, Any]:
    """Take dagster-dask's cluster types; without any configuration the cluster is local."""
    fields: Any = dask_executor.config_schema.config_type
    kinds = fields.fields["cluster"].config_type.fields
    return {
        "cluster": dg.Field(
            dg.Selector({**kinds, "local": _local(), "existing": _existing()}),
            default_value={"local": {}},
            description="the Dask cluster that computes the batches, as dagster-dask names it; "
            "default: local",
        )
    }


def _local() -> dg.Field:
    """Describe the options of a cluster that the run opens on its own machine.

    Others of Dask's are refused: `preload` would import what it names, in the workers and here.
    """
    options = {
        "n_workers": dg.Field(
            dg.Int,
            is_required=False,
            description="worker processes, at least 1; 1 computes in the run's own process; "
            "default: one per processor this process may use",
        ),
        "threads_per_worker": dg.Field(
            dg.Int, default_value=1, description="threads in each process, at least 1"
        ),
        "memory_limit": dg.Field(
            dg.String,
            is_required=False,
            description="memory of each worker, such as 2GiB; default: its share of the machine's",
        ),
        "dashboard_address": dg.Field(
            dg.String,
            default_value=ANY_PORT,
            description="host:port of the dashboard, whose link stands in the run's log; port 0: "
            "any that is free",
        ),
    }
    return dg.Field(
        dg.Permissive(options),  # so that the message about another one is ours
        description=f"processes on the run's machine; options: {', '.join(options)}",
    )


def _existing() -> dg.Field:
    """Describe a scheduler that is there: dagster-dask takes no certificates for it."""
    certificates = {name: dg.Field(dg.StringSource, is_required=False) for name in TLS_FILES}
    return dg.Field(
        {"address": dg.StringSource, **certificates},
        description="a scheduler that is there; the certificates of a tls:// address are files",
    )


@dg.executor(name="dask", config_schema=dict)
def _executor(context: dg.InitExecutorContext) -> BatchDaskExecutor:
    configured: dict[str, Any] = dict(context.executor_config)
    ((kind, options),) = configured["cluster"].items()
    if kind == "local":
        options = {**options, "n_workers": options.get("n_workers") or usable_processors()}
    return BatchDaskExecutor(ClusterSpec(kind, options), _in_process(context))


def _in_process(context: dg.InitExecutorContext) -> dg.Executor:
    """Create Dagster's own executor of steps in the run's process."""
    create = dg.in_process_executor.executor_creation_fn
    if create is None:
        raise TypeError("dagster.in_process_executor has no executor_creation_fn")
    config = {"retries": {"enabled": {}}}
    return create(context._replace(executor_config=config))


@dg.configured(_executor, config_schema=_config_schema(), name="dask")
def batch_dask_executor(config: dict[str, Any]) -> dict[str, Any]:
    """Compute the batches of a run on Dask: `cluster: {local: {n_workers: 4}}` or `existing`.

    Raises:
        DagsterInvalidConfigError: a number is out of bounds, `local` has an option that it does not
            take, or the deployment does not allow the scheduler or type of cluster.
    """
    ((kind, options),) = config["cluster"].items()
    try:
        if kind == "local":
            _check_local(options)
        else:
            check_limits({"scheduler": options["address"] if kind == "existing" else kind})
    except ConfigurationError as error:
        raise dg.DagsterInvalidConfigError(str(error), [], config) from None
    return config


def _check_local(options: Mapping[str, Any]) -> None:
    """Check the options of a cluster that the run opens on its own machine.

    Raises:
        ConfigurationError: one is unknown, a number is out of bounds, or memory cannot be read.
    """
    if unknown := sorted(options.keys() - LOCAL_OPTIONS):
        raise ConfigurationError(
            f"cluster local has no option {unknown[0]!r}: it takes {', '.join(LOCAL_OPTIONS)}; "
            "remove it"
        )
    for name in ("n_workers", "threads_per_worker"):
        if (count := options.get(name, 1)) < 1:
            raise ConfigurationError(f"{name} = {count} must be at least 1")
    if (limit := options.get("memory_limit")) is not None:
        try:
            is_size = parse_bytes(limit) > 0
        except ValueError:
            is_size = False
        if not is_size:
            raise ConfigurationError(f"memory_limit = {limit!r} is no size: write one as 2GiB")
