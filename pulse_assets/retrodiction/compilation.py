"""Compile all kernels, so that worker processes load them from numba's cache on disk."""

from typing import Final, get_args

import numpy as np

from pulse_assets.retrodiction.combination import Method
from pulse_assets.retrodiction.indicators import Candidates, IndicatorRule
from pulse_assets.retrodiction.retrodict import retrodict
from pulse_assets.retrodiction.rules import RULES
from pulse_assets.retrodiction.walk_forward import walk_forward

_LENGTH: Final = 30


def compile_kernels() -> None:
    """Compile every kernel, or load it from the cache, by retrodicting a short series.

    It calls the functions that a batch calls, so the kernels get the same argument types.
    """
    y = np.arange(_LENGTH) % 4 + np.linspace(0.0, 1.0, _LENGTH)
    Candidates.of({"itself": y}).select(y, limit=1)
    rules = [*RULES.values(), IndicatorRule("ar_with_itself", y)]
    walk_forward(y, [_LENGTH - 1], [1, 2], 4, rules)
    for method in get_args(Method):
        retrodict(y, [_LENGTH - 1], [1, 2], 4, rules, ensemble=method)
