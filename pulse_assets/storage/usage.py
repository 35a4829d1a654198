"""Counts of what the objects of stores and sources cost: requests and bytes.

A caller opens `counted_usage` around its work; what its thread reads and writes is added up.
Nothing is counted outside of such a block, nor in threads that the block starts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass
class Usage:
    """What was read and written.

    Attributes:
        requests: HTTP requests to S3, repeated ones included; in a directory the files that were
            opened and the folders that were listed.
        bytes_read: bytes of whole objects that were read.
        bytes_written: bytes of objects that were written.
    """

    requests: int = 0
    bytes_read: int = 0
    bytes_written: int = 0


_usage: Final[ContextVar[Usage | None]] = ContextVar("pulse_usage", default=None)


@contextmanager
def counted_usage() -> Iterator[Usage]:
    """Count what this thread reads and writes in a `with` block.

    Example:
        >>> with counted_usage() as usage:
        ...     count(requests=1, bytes_read=10)
        >>> usage
        Usage(requests=1, bytes_read=10, bytes_written=0)
    """
    usage = Usage()
    token = _usage.set(usage)
    try:
        yield usage
    finally:
        _usage.reset(token)


def count(requests: int = 0, bytes_read: int = 0, bytes_written: int = 0) -> None:
    """Add to what is being counted, if anything is."""
    if usage := _usage.get():
        usage.requests += requests
        usage.bytes_read += bytes_read
        usage.bytes_written += bytes_written


def count_request(**_: object) -> None:
    """Count a request that botocore is about to send; the argument of its `before-send` event."""
    count(requests=1)
