"""Errors that a user can fix, as Dagster shows them."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from pulse_assets.errors import PulseError


@contextmanager
def plain_failures() -> Iterator[None]:
    """Turn a `PulseError` into a failure with the same text, without traceback or retry."""
    try:
        yield
    except PulseError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
