"""Retrodiction training as a Dagster asset graph.

`TrainingConfig`, `TrainingResults` and `train` are all that most programs need. They are imported
when first used, because Dask workers import this package too and need no Dagster.
"""

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pulse_assets.settings import TrainingConfig
    from pulse_assets.training import TrainingResults, train

__all__ = ["TrainingConfig", "TrainingResults", "train"]

_HOMES = {"TrainingConfig": "settings", "TrainingResults": "training", "train": "training"}

# Python puts the folder of a script first in its path, where our folder `dagster` would hide
# Dagster: `python pulse_assets/run_training.py` is such a script.
sys.path[:] = [place for place in sys.path if Path(place).resolve() != Path(__file__).parent]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class or a function
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
