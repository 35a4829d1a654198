"""Compile all kernels, so that worker processes load them from numba's cache on disk."""

from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast, get_args

import numpy as np

from pulse_assets.retrodiction.arrays import carry_forward
from pulse_assets.retrodiction.combination import Method
from pulse_assets.retrodiction.indicators import Candidates, IndicatorRule
from pulse_assets.retrodiction.kernel_cache import compiled_marker
from pulse_assets.retrodiction.retrodict import retrodict
from pulse_assets.retrodiction.rules import RULES
from pulse_assets.retrodiction.walk_forward import walk_forward

_LENGTH: Final = 30


def compile_kernels() -> None:
    """Compile every kernel, or load it from the cache, by retrodicting a short series.

    It calls the functions that a batch calls, so the kernels get the same argument types.
    """
    y = np.arange(_LENGTH) % 4 + np.linspace(0.0, 1.0, _LENGTH)
    Candidates.of({"itself": y}).select({"other": y}, limit=1)
    rules = [*RULES.values(), IndicatorRule("ar_with_itself", y)]
    walk_forward(y, [_LENGTH - 1], [1, 2], 4, rules)
    for method in get_args(Method):
        retrodict(y, [_LENGTH - 1], [1, 2], 4, rules, ensemble=method)
    if marker := _marker():
        with suppress(OSError):
            marker.touch()


def are_compiled() -> bool:
    """Return whether all kernels were compiled here before, so that processes load them fast."""
    marker = _marker()
    return marker is not None and marker.exists()


def _marker() -> Path | None:
    kernel = cast("Any", carry_forward)  # all kernels are in one directory
    folder = kernel.stats.cache_path if hasattr(kernel, "stats") else None
    return compiled_marker(folder) if folder else None
