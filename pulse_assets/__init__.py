"""Retrodiction training as a Dagster asset graph.

`TrainingConfig`, `TrainingResults` and `train` are all that most programs need. They are imported
when first used, because Dask workers import this package too and need no Dagster.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pulse_assets.settings import TrainingConfig
    from pulse_assets.training import TrainingResults, train

__all__ = ["TrainingConfig", "TrainingResults", "train"]

_HOMES = {"TrainingConfig": "settings", "TrainingResults": "training", "train": "training"}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class or a function
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
