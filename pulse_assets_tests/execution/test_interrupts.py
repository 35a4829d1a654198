"""An interrupt ends what runs, wherever Python was when it came."""

import gc
import os
import signal
import sys
import threading
import weakref

import pytest

from pulse_assets.execution.interrupts import lasting_interrupts


@pytest.fixture(autouse=True)
def no_other_callbacks():
    """Take away what Dask, once imported, hooks into the collector: it must not be interrupted."""
    others = gc.callbacks[:]
    gc.callbacks.clear()
    yield
    gc.callbacks[:] = others


class Thing:
    """Something that weak references can point to."""


def interrupt(*_):
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):  # the handler runs between two of Python's instructions: here
        pass


def in_the_callback_of_a_weak_reference():
    thing = Thing()
    _ref = weakref.ref(thing, interrupt)
    del thing


def in_a_finalizer():
    class Dying:
        __del__ = interrupt

    Dying()


def in_the_callback_of_the_garbage_collector():
    sent = []

    def interrupt_once(phase, _info):
        if phase == "stop" and not sent:  # the hook may be collected in, too
            sent.append(phase)
            interrupt()

    gc.callbacks.append(interrupt_once)
    try:
        gc.collect()
    finally:
        gc.callbacks.remove(interrupt_once)


@pytest.mark.parametrize(
    "send",
    [
        in_the_callback_of_a_weak_reference,
        in_a_finalizer,
        in_the_callback_of_the_garbage_collector,
    ],
)
def test_an_interrupt_that_python_loses_comes_again(send, capfd):
    hook = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), lasting_interrupts():
        send()
        threading.Event().wait(60)  # which the interrupt ends
        pytest.fail("no interrupt came")
    assert sys.unraisablehook is hook
    assert capfd.readouterr().err == ""


def test_it_does_not_come_after_the_end(monkeypatch):
    timers, timer = [], threading.Timer

    def noted(*arguments):
        timers.append(timer(*arguments))
        return timers[-1]

    monkeypatch.setattr(threading, "Timer", noted)
    with lasting_interrupts():
        in_a_finalizer()
    (again,) = timers
    again.join()  # its thread is over: it was cancelled, or has sent an interrupt to this test
    assert again.finished.is_set()


def test_other_lost_errors_are_told_as_ever(monkeypatch):
    class Broken:
        def __del__(self):
            raise ValueError("broken")

    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: told.append(str(lost.exc_value)))
    with lasting_interrupts():
        Broken()
    assert told == ["broken"]
