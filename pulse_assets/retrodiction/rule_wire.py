"""Messages between a run and its rule host: a JSON header and the bytes of arrays.

Neither side unpickles anything.
"""

import json
import math
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

#: Lengths of the header and of all arrays, in bytes.
_FRAME: Final = struct.Struct("<QQ")
#: The largest valid length, in bytes.
_LONGEST: Final = 2**32
#: The number types of arrays.
_KINDS: Final = ("<f8", "<i8")


class Message(NamedTuple):
    """A header and arrays of `float64` or `int64`."""

    header: dict[str, Any]
    arrays: list[np.ndarray]


class BadMessageError(ValueError):
    """The bytes are not a message."""


def pack(header: dict[str, Any], arrays: Sequence[np.ndarray] = ()) -> bytes:
    """Return the bytes of a message."""
    parts = [np.ascontiguousarray(a, "<i8" if a.dtype.kind == "i" else "<f8") for a in arrays]
    described = [[part.dtype.str, part.shape] for part in parts]
    head = json.dumps({"header": header, "arrays": described}).encode()
    body = b"".join(part.tobytes() for part in parts)
    return _FRAME.pack(len(head), len(body)) + head + body


def receive(read: Callable[[int], bytes]) -> Message:
    """Read one message.

    Args:
        read: returns the next bytes, given their number.

    Raises:
        BadMessageError: the bytes are not a message.
    """
    sizes = _FRAME.unpack(read(_FRAME.size))
    if max(sizes) > _LONGEST:
        raise BadMessageError(f"a message of {max(sizes)} bytes")
    try:
        described = json.loads(read(sizes[0]))
        return Message(described["header"], _arrays(described["arrays"], read(sizes[1])))
    except (ValueError, KeyError, TypeError) as error:
        raise BadMessageError(str(error)) from error


def _arrays(described: Sequence[tuple[str, list[int]]], body: bytes) -> list[np.ndarray]:
    arrays, at = [], 0
    for kind, shape in described:
        if kind not in _KINDS:
            raise BadMessageError(f"an array of {kind}")
        count = math.prod(shape)
        flat = np.frombuffer(body, kind, count, at)
        arrays.append(flat.reshape(shape).copy())
        at += count * 8
    return arrays
