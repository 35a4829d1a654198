"""Steps of a large panel in processes of their own: results, errors, and how a process ends."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from contextlib import nullcontext

import numpy as np
import psutil
import pyarrow as pa
import pytest

from pulse_assets.errors import ClusterError, HistoricalDataError, LostProcessError
from pulse_assets.execution import separate_process
from pulse_assets.execution.separate_process import LARGE_PANEL, run_step
from pulse_assets.execution.worker_server import worker_server
from pulse_assets.retrodiction.rules import resolve_rules
from pulse_assets.settings import TrainingOptions

OWN = "pulse_assets_tests.own_rules:Unhurried"
NAMES = [f"series_{number}" for number in range(LARGE_PANEL + 1)]
LARGE = TrainingOptions(variables=NAMES)
SMALL = TrainingOptions(variables=NAMES[:-1])


class NeedsTwoError(Exception):
    """An error that cannot be sent to another process as it is."""

    def __init__(self, first, second):
        super().__init__(f"{first} {second}")


def process_ids(*, and_more=0):
    return os.getpid(), os.getppid(), and_more


def fail(error, *arguments):
    raise error(*arguments)


def unsendable():
    return threading.Lock()


def kill_itself(number):
    os.kill(os.getpid(), number)
    threading.Event().wait()


def leave():
    os._exit(3)


def signal_the_run(number):
    os.kill(os.getppid(), number)
    threading.Event().wait()


def keep_a_little():
    """Free a hundred tables and arrays of 1 MB between small ones; return megabytes still held."""
    np.ones(1 << 20)  # freed at once: from now on, malloc would keep blocks of up to 8 MB
    before, kept, large = psutil.Process().memory_info().rss, [], []
    for _ in range(100):
        large += [np.ones(1 << 17), pa.array(range(1000)).cast(pa.float64()), bytearray(1 << 20)]
        kept.append(np.ones(100))
    del large
    held = psutil.Process().memory_info().rss - before
    return held / 1e6, pa.default_memory_pool().backend_name


def name_of_rule(reference):
    (rule,) = resolve_rules([reference])
    return rule.name


@pytest.fixture
def no_process_is_left():
    """Other tests of this process may have a cluster that lives on."""
    before = set(multiprocessing.active_children())
    yield
    assert set(multiprocessing.active_children()) <= before


def test_a_small_panel_is_computed_in_this_process():
    assert run_step("x", SMALL, process_ids)[0] == os.getpid()


@pytest.mark.usefixtures("no_process_is_left")
def test_a_large_panel_is_computed_in_a_process_of_its_own():
    own, parent, more = run_step("x", LARGE, process_ids, and_more=2)
    assert (own != os.getpid(), parent, more) == (True, os.getpid(), 2)


@pytest.mark.skipif(sys.platform != "linux", reason="its malloc is asked for it")
def test_that_process_gives_back_what_a_part_of_the_step_has_freed():
    held, pool = run_step("x", LARGE, keep_a_little)
    assert held < 100  # 250 without
    assert pool == "system"


def test_that_process_is_forked_where_workers_are():
    with worker_server():
        _, server, _ = run_step("x", LARGE, process_ids)
        assert server != os.getpid()
        assert run_step("x", LARGE, process_ids)[1] == server


def test_a_process_that_may_start_none_computes_itself(monkeypatch):
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    assert run_step("x", LARGE, process_ids)[0] == os.getpid()


def test_errors_of_users_come_back_as_they_are():
    with pytest.raises(HistoricalDataError) as caught:
        run_step("x", LARGE, fail, HistoricalDataError, "gdp.csv: row 3")
    assert str(caught.value) == "gdp.csv: row 3"


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        ((fail, ZeroDivisionError, "by hand"), ZeroDivisionError, "by hand"),
        ((fail, NeedsTwoError, "one", "two"), RuntimeError, "one two"),
        ((fail, SystemExit, "bye"), SystemExit, "bye"),
        ((unsendable,), TypeError, "pickle"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_other_errors_have_the_traceback_of_their_process(call, error, text):
    with pytest.raises(error, match=text) as caught:
        run_step("x", LARGE, *call)
    assert "Traceback" in caught.value.__notes__[0]


@pytest.mark.parametrize("started", [nullcontext, worker_server], ids=["spawned", "forked"])
def test_a_process_that_runs_out_of_memory_is_named_with_the_fix(started):
    with started(), pytest.raises(LostProcessError) as caught:
        run_step("trust_ledger", LARGE, kill_itself, signal.SIGKILL)
    assert str(caught.value) == (
        "the process of trust_ledger was killed (SIGKILL), probably for lack of memory: finished "
        "batches are kept; free memory or name fewer variables, then run pulse-train --resume"
    )


def test_a_process_that_somebody_ends_is_named():
    with pytest.raises(LostProcessError, match=r"process of x was killed \(SIGTERM\): finished"):
        run_step("x", LARGE, kill_itself, signal.SIGTERM)


def test_a_process_that_ends_by_itself_is_named():
    with pytest.raises(LostProcessError, match=r"process of x ended with exit code 3 .*__main__"):
        run_step("x", LARGE, leave)


@pytest.mark.usefixtures("no_process_is_left")
def test_an_interrupt_of_the_run_ends_the_process():
    with pytest.raises(KeyboardInterrupt):
        run_step("x", LARGE, signal_the_run, signal.SIGINT)


def test_the_process_ends_when_the_run_is_killed():
    """It holds the pipe of the output open until it has ended."""
    program = (
        "import signal\n"
        "from pulse_assets_tests.execution.test_separate_process import *\n"
        "if __name__ == '__main__':\n"
        "    run_step('x', LARGE, signal_the_run, signal.SIGKILL)\n"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = run.communicate(timeout=60)
    assert (run.returncode, output) == (-signal.SIGKILL, b"")


def test_it_imports_the_rules_of_users():
    options = LARGE.model_copy(update={"models": [OWN]})
    assert run_step("x", options, name_of_rule, OWN) == "unhurried"


def test_a_rule_that_was_edited_meanwhile_is_refused(monkeypatch):
    monkeypatch.setattr(separate_process, "rule_versions", lambda *_: {OWN: "of the run"})
    with pytest.raises(ClusterError, match=r"has another version of rule .*Unhurried"):
        run_step("x", LARGE, process_ids)
