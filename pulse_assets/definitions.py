"""What Dagster loads: `dagster dev`, `dagster job execute`, `workspace.yaml` and `pulse-train`."""

import logging
from collections.abc import Mapping
from typing import Any

import dagster as dg

from pulse_assets.assets.train_batches import build_train_batches
from pulse_assets.assets.training_results import build_training_results
from pulse_assets.assets.trust_ledger import build_trust_ledger
from pulse_assets.execution.executor import batch_dask_executor
from pulse_assets.execution.tally import NoProgress
from pulse_assets.jobs import retrodiction_training
from pulse_assets.resources import TrainingResource
from pulse_assets.settings import Settings
from pulse_assets.storage.io_managers import HtmlIOManager, JsonIOManager, ParquetIOManager


def build_definitions(
    settings: Settings,
    *,
    resources: Mapping[str, Any] | None = None,
    executor: dg.ExecutorDefinition = batch_dask_executor,
) -> dg.Definitions:
    """Wire the graph for one deployment.

    Args:
        settings: where data lies and which batches exist.
        resources: resources that replace or join the standard ones.
        executor: default of the job and of materializations from the UI.
    """
    place = {
        "store": settings.store,
        "batch_size_days": settings.batch_size_days,
        "region": settings.aws_region,
        "profile": settings.aws_profile,
        "endpoint_url": settings.s3_endpoint_url,
    }
    standard = {
        "training": TrainingResource(),
        "progress": NoProgress(),
        "io_manager": ParquetIOManager(**place),
        "parquet_io": ParquetIOManager(**place),
        "json_io": JsonIOManager(**place),
        "html_io": HtmlIOManager(**place),
    }
    return dg.Definitions(
        assets=[
            build_train_batches(settings),
            build_trust_ledger(settings),
            build_training_results(settings),
        ],
        jobs=[retrodiction_training(executor)],
        resources={**standard, **(resources or {})},
        executor=executor,
        loggers={
            "console": dg.colored_console_logger,
            "python": dg.LoggerDefinition(_python_logger),
        },
    )


def _python_logger(_context: dg.InitLoggerContext) -> logging.Logger:
    """Return the logger that `pulse-train` sends to the terminal and to a file."""
    return logging.getLogger("pulse_assets.run")


defs = build_definitions(Settings.from_environment())
