"""Array types, the kernel decorator and the numeric preparation that every part shares."""

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_P = ParamSpec("_P")
_R = TypeVar("_R")

_LARGEST_EXPONENT: Final = 500
LARGEST: Final = float(np.finfo(np.float64).max)


def kernel(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile `function` to machine code at its first call, and keep that on disk.

    Division by zero follows IEEE 754, as in NumPy; the interpreter lock is released meanwhile. A
    kernel may call kernels and read constants of its own module only: the cache on disk takes
    notice of changes in that one file.
    """
    return numba.njit(cache=True, nogil=True, error_model="numpy")(function)


def carry_forward(y: Floats) -> Floats:
    """Replace each missing value by the last known one; leading ones stay missing.

    Example:
        >>> carry_forward(np.array([np.nan, 1.0, np.nan, 3.0]))
        array([nan,  1.,  1.,  3.])
    """
    known = np.where(np.isfinite(y), np.arange(len(y)), 0)
    return y[np.maximum.accumulate(known)]


def unit_of(y: Floats) -> float:
    """Return the power of two at the first value of `y` that is not 0; 1.0 where there is none.

    Divided by it a series is near 1, so squares neither overflow nor vanish; a power of two
    leaves every bit of the results as it was; and the first value is known at every origin.

    Example:
        >>> unit_of(np.array([0.0, 5.0, 1e9]))
        4.0
    """
    values = y[np.flatnonzero(y)[:1]]
    if not len(values):
        return 1.0
    exponent = int(np.frexp(values[0])[1]) - 1
    return 2.0 ** max(-_LARGEST_EXPONENT, min(exponent, _LARGEST_EXPONENT))


def rescale(values: Floats, factor: float) -> Floats:
    """Return the values times the factor, at most the largest number there is; NaN stays."""
    with np.errstate(over="ignore"):
        product = values * factor
    return np.clip(product, -LARGEST, LARGEST, out=product)
