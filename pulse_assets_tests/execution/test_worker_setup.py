"""What worker processes report when a run ends before they do."""

import inspect
import logging
import threading

import pytest
from distributed import Worker

from pulse_assets.execution import worker_setup


@pytest.fixture
def ready(monkeypatch):
    """A worker process after its setup, without the thread that compiles."""
    loggers = [logging.getLogger(f"distributed.worker{name}") for name in ("", ".state_machine")]
    monkeypatch.setattr(loggers[0], "filters", [])
    monkeypatch.setattr(loggers[1], "level", loggers[1].level)
    monkeypatch.setattr(threading.Thread, "start", lambda _self: None)
    worker_setup.dask_setup(None)
    return loggers[0]


def test_the_end_of_the_scheduler_is_not_an_error_of_the_worker(ready, caplog):
    ready.error(worker_setup._SCHEDULER_ENDED + ".")
    ready.error("Could not find data: %s", ["x"])
    assert caplog.messages == ["Could not find data: ['x']"]


def test_dask_says_it_in_these_words():
    assert f'"{worker_setup._SCHEDULER_ENDED}' in inspect.getsource(Worker.heartbeat)
