"""Retrodiction training as a Dagster asset graph.

`train(TrainingConfig(...))` returns `TrainingResults`, and `open_store(uri)` those of a finished
training: most programs need no more. The names below are imported when first used, because Dask
workers import this package too and need no Dagster.
"""

import os
import sys

if (
    sys.argv[:1] == ["-m"]
    and not sys.flags.safe_path
    and " ".join(sys.orig_argv).partition(" -m ")[2].startswith("pulse_assets.")
):
    # `python -m pulse_assets...`: Python has put the working directory first, where a file of
    # somebody's could hide any module. This comes before all imports that it could hide.
    _first = sys.path.pop(0)
    if __file__.startswith(os.path.join(_first, "")):  # noqa: PTH118 - pathlib imports others
        sys.path.append(_first)

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pulse_assets.batches.windows import TrainingBatch
    from pulse_assets.dagster.component import RetrodictionComponent
    from pulse_assets.dagster.definitions import build_definitions
    from pulse_assets.dagster.executor import batch_dask_executor
    from pulse_assets.errors import PulseError
    from pulse_assets.run_training import (
        create_config_from_args,
        main,
        parse_args,
        setup_logging,
    )
    from pulse_assets.settings import TrainingConfig
    from pulse_assets.stored_results import TrainingResults, open_store
    from pulse_assets.training import TrainingPipeline, train

__all__ = [
    "PulseError",
    "RetrodictionComponent",
    "TrainingBatch",
    "TrainingConfig",
    "TrainingPipeline",
    "TrainingResults",
    "batch_dask_executor",
    "build_definitions",
    "create_config_from_args",
    "main",
    "open_store",
    "parse_args",
    "setup_logging",
    "train",
]

#: The module of each exported name.
_MODULES = {
    "PulseError": "errors",
    "RetrodictionComponent": "dagster.component",
    "TrainingBatch": "batches.windows",
    "TrainingConfig": "settings",
    "TrainingPipeline": "training",
    "TrainingResults": "stored_results",
    "batch_dask_executor": "dagster.executor",
    "build_definitions": "dagster.definitions",
    "create_config_from_args": "run_training",
    "main": "run_training",
    "open_store": "stored_results",
    "parse_args": "run_training",
    "setup_logging": "run_training",
    "train": "training",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class or a function
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
