"""Interrupts (Ctrl-C, SIGTERM, the UI's *Terminate*) at places where they do no harm."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.resource_tracker import ensure_running
from typing import Final

#: Seconds after which an interrupt that was lost is sent again.
_AGAIN_AFTER: Final = 0.1


@contextmanager
def lasting_interrupts() -> Iterator[None]:
    """Send an interrupt again that Python lost in a `with` block, until it ends the block.

    Python raises an interrupt wherever the main thread is. In a finalizer, or in a callback of a
    weak reference or of the garbage collector, it prints the error and continues. SQLAlchemy and
    Dask have such callbacks: of 30 interrupts sent to short runs 2 were lost there.
    """
    before, main = sys.unraisablehook, threading.main_thread()
    timers: list[threading.Timer] = []

    def hook(lost: "sys.UnraisableHookArgs") -> None:
        if not issubclass(lost.exc_type, _interrupts()):
            return before(lost)
        timers.append(
            threading.Timer(_AGAIN_AFTER, signal.pthread_kill, (main.ident, signal.SIGINT))
        )
        timers[-1].start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
        for timer in timers:
            timer.cancel()


def _interrupts() -> tuple[type[BaseException], ...]:
    """Return the errors by which Python and Dagster, if it is imported yet, raise an interrupt."""
    if "dagster" not in sys.modules:
        return (KeyboardInterrupt,)
    import dagster as dg

    return KeyboardInterrupt, dg.DagsterExecutionInterruptedError


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold an interrupt back until the end of a `with` block.

    Dagster raises interrupts anywhere in a step, even in the middle of a record.

    Raises:
        DagsterExecutionInterruptedError: an interrupt was held back.
    """
    import dagster as dg  # a second that the start of a command need not wait for

    with _hold_interrupts() as held:
        yield
    if held:
        raise dg.DagsterExecutionInterruptedError


@contextmanager
def starting_processes() -> Iterator[None]:
    """Hold an interrupt back until the processes that a `with` block starts can be closed.

    A terminal sends Ctrl-C to all processes of a command. Threads and processes that are started in
    the block ignore it: the run itself closes its cluster. Workers that were interrupted too would
    print tracebacks over its message, or fail to start.

    Raises:
        KeyboardInterrupt: an interrupt was held back.
    """
    ensure_running()  # multiprocessing's helper; the thread that starts it hears signals again
    with _hold_interrupts() as held:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if held:
        raise KeyboardInterrupt


@contextmanager
def _hold_interrupts() -> Iterator[list[int]]:
    """Hold SIGINT and SIGTERM back for the length of a `with` block.

    Only the main thread can: in another one nothing is held back.

    Yields:
        A list of the signals that were held back, complete after the block.
    """
    held: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield held
        return
    before = [
        (number, signal.signal(number, lambda number, _: held.append(number)))
        for number in (signal.SIGINT, signal.SIGTERM)
    ]
    try:
        yield held
    finally:
        for number, handler in before:
            signal.signal(number, handler)
