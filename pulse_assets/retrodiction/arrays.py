"""Array types, the kernel decorator and the numeric preparation that every part shares."""

import math
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

from pulse_assets.retrodiction.kernel_cache import can_keep_kernels

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Dates = NDArray[np.datetime64]

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
    """Compile `function` to machine code at its first call, and keep that on disk if possible.

    Division by zero follows IEEE 754, as in NumPy; the interpreter lock is released meanwhile. A
    kernel that calls another takes in its code, as a call would pass nine numbers an array. The
    cache on disk takes notice of changes in the kernel's own file only: constants that one tries
    values of belong into that file.
    """
    return numba.njit(**_OPTIONS)(function)


def summing_kernel(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile `function` as `kernel` does, but let its sums be added up in any order.

    Only then does the machine add several numbers at once. The order is that of the machine's
    kind: another kind of processor may give another last digit.
    """
    return numba.njit(**_OPTIONS, fastmath={"reassoc", "nsz"})(function)


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
    """Return the power of two at the first known value of `y` that is not 0; 1.0 without one.

    Divided by it a series is near 1, so squares neither overflow nor vanish; a power of two
    leaves every bit of the results as it was; and the first value is known at every origin.

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
def end_of(begins: Ints, s: int, length: int) -> int:
    """Return where series s of those that lie end to end ends: where the next begins, or at last.

    Example:
        >>> end_of(np.array([0, 3]), 0, 5), end_of(np.array([0, 3]), 1, 5)
        (3, 5)
    """
    return begins[s + 1] if s + 1 < len(begins) else length


def scaled(values: Floats, firsts: Ints, factors: Floats) -> Floats:
    """Return values `[N]` or `[N, H]` times factors, see `rescale`.

    Example:
        >>> scaled(np.array([1.0, 1e308, np.nan, 2.0]), np.array([0, 3]), np.array([4.0, 1.0]))
        array([4.00000000e+000, 1.79769313e+308,             nan, 2.00000000e+000])
    """
    product = values.copy()
    rescale(product.reshape(len(values), -1), firsts, factors)
    return product


@kernel  # pragma: no cover
def rescale(values: Floats, firsts: Ints, factors: Floats) -> None:
    """Multiply values by factors, at most to the largest number there is.

    NaN stays, infinite values become NaN.

    Args:
        values: `[N, H]`.
        firsts: row from which on each factor holds, till the next one does `[S]`, or more.
        factors: `[S]`.
    """
    for s in range(len(factors)):
        own = values[firsts[s] : end_of(firsts, s, len(values))].reshape(-1)
        for i in range(len(own)):
            value = own[i] * factors[s] if abs(own[i]) <= LARGEST else np.nan
            # Comparisons with NaN are false.
            value = LARGEST if value > LARGEST else value
            own[i] = -LARGEST if value < -LARGEST else value
