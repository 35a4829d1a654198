"""Runs whose process died are told from those that live, here or on another host."""

import multiprocessing
import os
import socket
import subprocess
import sys

import dagster as dg
import psutil
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.utils import make_new_run_id

from pulse_assets.dagster import run_process
from pulse_assets.dagster.run_process import PROCESS_TAG, fail_dead_runs, process_tags
from pulse_assets.execution.interrupts import uninterrupted


def tag_of(pid, host=None):
    return f"{host or socket.gethostname()} {pid} {psutil.Process(pid).create_time():.0f}"


@pytest.fixture
def dead():
    """The tag of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    tag = tag_of(process.pid)
    process.communicate(b"\n")
    return tag


def status_after(instance, tag, status=dg.DagsterRunStatus.STARTED, run_id=None):
    own = make_new_run_id()
    tags = {PROCESS_TAG: f"{tag} {run_id or own}"} if tag else {}
    run = instance.create_run_for_job(empty, run_id=own, status=status, tags=tags)
    fail_dead_runs(instance)
    return instance.get_run_by_id(run.run_id).status


@dg.job
def empty():
    pass


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED])
def test_a_run_of_a_dead_process_is_failed(instance, dead, status):
    assert status_after(instance, dead, status) == dg.DagsterRunStatus.FAILURE


def test_a_run_of_another_process_with_the_same_id_is_dead(instance):
    before = f"{tag_of(os.getpid()).rpartition(' ')[0]} 1"  # it began in 1970
    assert status_after(instance, before) == dg.DagsterRunStatus.FAILURE


def test_a_process_that_nobody_has_waited_for_is_dead(instance):
    process = multiprocessing.get_context("spawn").Process(target=os.getpid)
    process.start()
    tag = tag_of(process.pid)
    psutil.Process(process.pid).kill()
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    assert status_after(instance, tag) == dg.DagsterRunStatus.FAILURE
    process.join()


@pytest.mark.parametrize("whose", ["ours", "elsewhere", "unknown"])
def test_other_runs_are_left_alone(instance, whose):
    tags = {
        "ours": tag_of(os.getpid()),
        "elsewhere": tag_of(os.getpid(), host="elsewhere") + "0",
        "unknown": None,
    }
    assert status_after(instance, tags[whose]) == dg.DagsterRunStatus.STARTED


def test_a_re_execution_of_a_dead_run_is_not_dead(instance, dead):
    """Dagster gives it the tags of the run that it repeats."""
    assert status_after(instance, dead, run_id="another") == dg.DagsterRunStatus.STARTED


def own_tag():
    return process_tags("some-run")[PROCESS_TAG].rpartition(" ")[0]


def test_a_run_names_the_process_that_it_lives_in(instance):
    host, pid, _, run = process_tags("some-run")[PROCESS_TAG].split(" ")
    assert (host, int(pid), run) == (socket.gethostname(), os.getpid(), "some-run")
    assert status_after(instance, own_tag()) == dg.DagsterRunStatus.STARTED


def test_a_process_that_started_at_another_tick_or_boot_is_another(instance):
    place, _, ticks = own_tag().rpartition(":")
    host, pid, _ = place.split(" ")
    for other in (f"{place}:{int(ticks) + 1}", f"{host} {pid} another-boot:{ticks}"):
        assert status_after(instance, other) == dg.DagsterRunStatus.FAILURE


def test_a_clock_that_is_set_kills_no_run(instance, monkeypatch):
    tag, created = own_tag(), psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: created(self) + 3600)
    assert status_after(instance, tag) == dg.DagsterRunStatus.STARTED


def test_without_proc_the_time_of_day_tells(instance, monkeypatch):
    def read_text(_):
        raise FileNotFoundError

    monkeypatch.setattr(run_process.Path, "read_text", read_text)
    assert own_tag() == tag_of(os.getpid())


def test_a_finished_run_keeps_its_status(instance, dead):
    ended = dg.DagsterRunStatus.SUCCESS
    assert status_after(instance, dead, ended) == ended


def test_an_interrupt_waits_for_the_end_of_the_block():
    done = []
    with pytest.raises(DagsterExecutionInterruptedError), uninterrupted():
        os.kill(os.getpid(), 2)
        done.append("recorded")
    assert done == ["recorded"]
