"""The decorators of compiled functions, and numeric helpers that every module shares."""

import math
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

import numba
import numpy as np

from pulse_assets.array_types import Floats, Ints
from pulse_assets.retrodiction.kernel_cache import can_keep_kernels, remove_outdated_kernels

_P = ParamSpec("_P")
_R = TypeVar("_R")

_OPTIONS: Final = {
    "cache": can_keep_kernels(),
    "nogil": True,
    "error_model": "numpy",
    "forceinline": True,
}

LARGEST_EXPONENT: Final = 500
LARGEST: Final = float(np.finfo(np.float64).max)


def kernel(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile `function` to machine code at its first call, and cache that on disk if possible.

    Division by zero follows IEEE 754, as in NumPy. The interpreter lock is released. The code of a
    kernel is copied into the kernels that call it, because a call passes seven numbers per array.
    """
    return _compiled(function, **_OPTIONS)


def shared_kernel(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile `function` as `kernel` does, but let the kernels that call it share its code.

    For long functions with several callers: every copy is loaded by every process.
    """
    return _compiled(function, **_OPTIONS | {"forceinline": False})


def summing_kernel(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile `function` as `kernel` does, but let the compiler reorder its sums.

    Only then does the machine add several numbers at once. The order depends on the kind of
    processor, so the last digit may, too.
    """
    return _compiled(function, **_OPTIONS, fastmath={"reassoc", "nsz"})


def _compiled(function: Callable[_P, _R], **options: Any) -> Callable[_P, _R]:  # noqa: ANN401 - of numba
    dispatcher = numba.njit(**options)(function)
    if dispatcher is not function:  # as it is where NUMBA_DISABLE_JIT is set
        remove_outdated_kernels(dispatcher.stats.cache_path)
    return dispatcher


@kernel  # pragma: no cover
def carry_forward(y: Floats) -> Floats:
    """Replace each missing value by the last known one; leading ones stay missing.

    Example:
        >>> carry_forward(np.array([np.nan, 1.0, np.nan, 3.0]))
        array([nan,  1.,  1.,  3.])
    """
    filled = y.copy()
    for t in range(1, len(y)):
        if not np.isfinite(y[t]):
            filled[t] = filled[t - 1]
    return filled


@kernel  # pragma: no cover
def first_known(y: Floats) -> int:
    """Return the index of the first finite value; the length where there is none.

    Example:
        >>> first_known(np.array([np.nan, 1.0]))
        1
    """
    for t in range(len(y)):
        if np.isfinite(y[t]):
            return t
    return len(y)


@kernel  # pragma: no cover
def unit_of(y: Floats) -> float:
    """Return the power of two next to the first known value of `y` that is not 0; 1.0 without one.

    Divided by it a series is near 1, so squares neither overflow nor vanish. Division by a power
    of two is exact. The first value is known at every origin, so the unit does not look ahead.

    Example:
        >>> unit_of(np.array([0.0, 5.0, 1e9]))
        4.0
    """
    for t in range(len(y)):
        if y[t] != 0.0 and np.isfinite(y[t]):
            _, exponent = math.frexp(y[t])
            return math.ldexp(1.0, max(-LARGEST_EXPONENT, min(exponent - 1, LARGEST_EXPONENT)))
    return 1.0


@kernel  # pragma: no cover
def ascending(values: Ints) -> bool:
    """Return whether each value is larger than the one before.

    Example:
        >>> ascending(np.array([1, 2, 2]))
        False
    """
    falls = 0
    for i in range(1, len(values)):
        falls += values[i] <= values[i - 1]
    return falls == 0


@kernel  # pragma: no cover
def end_of(series_offsets: Ints, s: int, length: int) -> int:
    """Return the exclusive end index of series s.

    Args:
        series_offsets: index of the first value of each series `[S]`.
        s: number of the series.
        length: length of the array that holds all series.

    Example:
        >>> end_of(np.array([0, 3]), 0, 5), end_of(np.array([0, 3]), 1, 5)
        (3, 5)
    """
    return series_offsets[s + 1] if s + 1 < len(series_offsets) else length


def scaled(values: Floats, firsts: Ints, factors: Floats) -> Floats:
    """Return values `[N]` or `[N, H]` times factors; see `rescale`.

    Example:
        >>> scaled(np.array([1.0, 1e308, np.nan, 2.0]), np.array([0, 3]), np.array([4.0, 1.0]))
        array([4.00000000e+000, 1.79769313e+308,             nan, 2.00000000e+000])
    """
    product = values.copy()
    rescale(product.reshape(len(values), -1), firsts, factors)
    return product


@kernel  # pragma: no cover
def rescale(values: Floats, firsts: Ints, factors: Floats) -> None:
    """Multiply values by factors, in place; the results are limited to the largest number.

    NaN stays; infinite values become NaN.

    Args:
        values: the values `[N, H]`.
        firsts: first row of each factor `[S]`, or more; it applies until the next one's first row.
        factors: the factors `[S]`.
    """
    for s in range(len(factors)):
        own = values[firsts[s] : end_of(firsts, s, len(values))].reshape(-1)
        for i in range(len(own)):
            value = own[i] * factors[s] if abs(own[i]) <= LARGEST else np.nan
            # Comparisons with NaN are false.
            value = LARGEST if value > LARGEST else value
            own[i] = -LARGEST if value < -LARGEST else value
