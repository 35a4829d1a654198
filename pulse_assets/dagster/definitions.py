"""The Dagster definitions of one deployment: assets, checks, jobs, sensors and resources."""

import logging
import pkgutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import dagster as dg

from pulse_assets import assets
from pulse_assets.dagster.automation import (
    build_condition_sensor,
    build_schedule,
    build_source_sensor,
)
from pulse_assets.dagster.backfill_sensor import build_backfill_sensor
from pulse_assets.dagster.checks.step import build_checks
from pulse_assets.dagster.deployment import Deployment, Names
from pulse_assets.dagster.io_managers import (
    HtmlIOManager,
    JsonIOManager,
    ParquetIOManager,
    StoreIOManager,
)
from pulse_assets.dagster.jobs import retrodiction_training
from pulse_assets.dagster.partitions import show_batches
from pulse_assets.dagster.resources import data_resource, training_resource
from pulse_assets.errors import ConfigurationError
from pulse_assets.execution.tally import NoProgress
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.settings.config_file import deployment_of

_IO_MANAGERS: Final[dict[str, type[StoreIOManager]]] = {
    "parquet_io": ParquetIOManager,
    "json_io": JsonIOManager,
    "html_io": HtmlIOManager,
}


def build_definitions(
    settings: Settings,
    *,
    options: TrainingOptions | None = None,
    key_prefix: str | Sequence[str] = (),
    group: str | None = None,
    resource_prefix: str = "",
    resources: Mapping[str, Any] | None = None,
    executor: dg.ExecutorDefinition | None = None,
) -> dg.Definitions:
    """Wire the graph for one deployment.

    With a `key_prefix` it stands beside other assets, and other deployments, in one code location:
    `dg.Definitions.merge` joins them. Executor and loggers are then those of the location. Batches
    compute on Dask in the job `<prefix>__retrodiction_training`, and one after another in a step of
    any other job or backfill, unless its executor is `pulse_assets.batch_dask_executor`.

    Args:
        settings: where data lies and which batches exist.
        options: what its runs predict unless their configuration says otherwise, such as
            publication lags; the schedule and the sensors count on it. None: the usual defaults.
        key_prefix: parts of the keys of all assets before their own name; job, steps, schedule and
            sensors have it in their names, too.
        group: the group of all assets; None: history, training, trust and results.
        resource_prefix: what the names of the resources begin with; by default the key prefix.
        resources: resources that replace or join the standard ones, by their name without prefix.
        executor: default of the job and of materializations from the UI; None means the one that
            opens a Dask cluster for the run.

    Raises:
        ConfigurationError: a prefix or the group holds a character that Dagster does not take, or
            an IO manager is to be replaced.
    """
    prefix = (key_prefix,) if isinstance(key_prefix, str) else tuple(key_prefix)
    names = Names(prefix, group, resource_prefix or "".join(f"{part}_" for part in prefix))
    if fixed := sorted({*_IO_MANAGERS} & {*(resources or ())}):
        raise ConfigurationError(
            f"resources: {fixed[0]} cannot be replaced, as the workers of the batches and the "
            "readers of results do without it: give the place as the setting `store`"
        )
    deployment = Deployment(settings, options or TrainingOptions(), names)
    executor = executor or _dask_executor()
    standard = {
        "training": training_resource(deployment.options),
        "data": data_resource(settings),
        "progress": NoProgress(),
        **{name: _over_store(deployment, manager) for name, manager in _IO_MANAGERS.items()},
    }
    whole = {**standard, **(resources or {})}
    return dg.Definitions(
        assets=_linked_assets(deployment),
        asset_checks=build_checks(deployment),
        jobs=[retrodiction_training(deployment, executor)],
        schedules=[build_schedule(deployment)],
        sensors=[
            build_source_sensor(deployment),
            build_condition_sensor(names),
            build_backfill_sensor(deployment),
        ],
        resources={names.resource(name): resource for name, resource in whole.items()},
        **({} if prefix else _of_the_location(executor)),
    )


def _of_the_location(executor: dg.ExecutorDefinition) -> dict[str, Any]:
    """Return what a code location has once: its default executor, and its loggers."""
    return {
        "executor": executor,
        "loggers": {
            "console": dg.colored_console_logger,
            "python": dg.LoggerDefinition(_python_logger),
        },
    }


def _build_assets(deployment: Deployment) -> Iterator[dg.AssetsDefinition]:
    """Build the assets of each module of `pulse_assets.assets` that has a builder.

    The builder bears the name of its module, as `build_trust_ledger` in `trust_ledger`.
    """
    for module in pkgutil.iter_modules(assets.__path__):
        code = import_module(f"{assets.__name__}.{module.name}")
        if build := getattr(code, f"build_{module.name}", None):
            yield build(deployment)


def _over_store(deployment: Deployment, manager: type[StoreIOManager]) -> dg.IOManagerDefinition:
    """Define an IO manager over the store of the run, which the resource `data` names."""
    settings = deployment.settings

    @dg.io_manager(required_resource_keys=deployment.resource_keys("data"))
    def over_store(context: dg.InitResourceContext) -> StoreIOManager:
        data = deployment.resource(context.resources, "data")
        return manager(
            store=data.store,
            batch_size_days=settings.batch_size_days,
            batch_cadence=settings.batch_cadence,
            region=data.aws_region,
            profile=data.aws_profile,
            endpoint_url=data.s3_endpoint_url,
            requester_pays=data.s3_requester_pays,
        )

    return over_store


def _dask_executor() -> dg.ExecutorDefinition:
    # dagster-dask imports dask.dataframe: half a second that `pulse-train` need not pay, for it
    # opens its cluster itself.
    from pulse_assets.dagster.executor import batch_dask_executor

    return batch_dask_executor


def _linked_assets(deployment: Deployment) -> Sequence[Any]:
    """Return the assets with links to their source: the file on this machine, or on the web."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # of links, and of policies of backfills
        linked = dg.with_source_code_references([*_build_assets(deployment)])
        code_url = deployment.settings.code_url
        if code_url is None:
            return linked
        here = dg.AnchorBasedFilePathMapping(Path(__file__), "pulse_assets/dagster/definitions.py")
        return dg.link_code_references_to_git(linked, code_url, "main", here)


def _python_logger(_context: dg.InitLoggerContext) -> logging.Logger:
    """Return the logger that `pulse-train` sends to the terminal and to a file."""
    return logging.getLogger("pulse_assets.run")


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of the deployment that the environment describes."""
    settings, options = deployment_of()
    show_batches(settings)
    return build_definitions(settings, options=options)
