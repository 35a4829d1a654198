"""Interrupts (Ctrl-C, SIGTERM, the UI's *Terminate*) at places where they do no harm."""

from collections.abc import Iterator
from contextlib import contextmanager

from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._utils.interrupts import capture_interrupts, check_captured_interrupt


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold an interrupt back until the end of a `with` block.

    Dagster raises interrupts in a step wherever it is: in the middle of a record, too.

    Raises:
        DagsterExecutionInterruptedError: an interrupt was held back.
    """
    with capture_interrupts():
        yield
        interrupted = check_captured_interrupt()
    if interrupted:
        raise DagsterExecutionInterruptedError
