"""Interrupts (Ctrl-C, SIGTERM, the UI's *Terminate*) at places where they do no harm."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.resource_tracker import ensure_running

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


@contextmanager
def starting_processes() -> Iterator[None]:
    """Hold an interrupt back until what a `with` block starts is there and can be closed.

    A terminal sends Ctrl-C to all processes of a command. Threads and processes that are started in
    the block never hear of it: the run closes its cluster in answer, and workers that were
    interrupted as well would print tracebacks over its message, or not start at all.

    Raises:
        KeyboardInterrupt: an interrupt was held back.
    """
    ensure_running()  # multiprocessing's helper; the thread that starts it hears signals again
    with capture_interrupts():
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        interrupted = check_captured_interrupt()
    if interrupted:
        raise KeyboardInterrupt
