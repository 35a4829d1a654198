"""Errors that a user can fix, as Dagster shows them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import dagster as dg

from pulse_assets.errors import ClusterError, PulseError, StoreUnavailableError

#: Errors whose cause may pass, so that the retry policy of a job counts.
_PASSING: Final = (StoreUnavailableError, ClusterError)


@contextmanager
def plain_failures() -> Iterator[None]:
    """Turn a `PulseError` into a failure with the same text, without traceback.

    A job may have a retry policy: it counts where the store or the cluster was lost, not where the
    input is wrong.
    """
    try:
        yield
    except PulseError as error:
        raise dg.Failure(str(error), allow_retries=isinstance(error, _PASSING)) from None
