"""Runs whose process died are told from those that live, here or on another host."""

import dataclasses
import multiprocessing
import os
import socket
import subprocess
import sys
import time

import dagster as dg
import psutil
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.utils import make_new_run_id

from pulse_assets.dagster.jobs import STORE_TAG
from pulse_assets.dagster.run_process import PROCESS_TAG, fail_dead_runs, process_tags
from pulse_assets.execution import process_identity
from pulse_assets.execution.interrupts import uninterrupted
from pulse_assets.execution.process_identity import ProcessIdentity

FAILURE, STARTED = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED


def identity_of(pid):
    """The identity of another process of this namespace."""
    own, boot = ProcessIdentity.own(), process_identity._boot()
    return dataclasses.replace(own, pid=pid, started=process_identity._started(pid, boot))


def changed(**fields):
    """The identity of this process, but for some fields."""
    return dataclasses.replace(ProcessIdentity.own(), **fields)


@pytest.fixture
def dead():
    """The identity of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = identity_of(process.pid)
    process.communicate(b"\n")
    return identity


def outcome(instance, identity, status=STARTED, run_id=None, **tags):
    """The status of a run after runs of dead processes are failed, and what is said of it."""
    own, lines = make_new_run_id(), []
    tags |= {PROCESS_TAG: f"{identity} {run_id or own}"} if identity else {}
    run = instance.create_run_for_job(empty, run_id=own, status=status, tags=tags)
    fail_dead_runs(instance, lines.append)
    assert all(line.startswith(f"run {own[:8]} ") and "\n" not in line for line in lines)
    return instance.get_run_by_id(run.run_id).status, "".join(lines)


@dg.job
def empty():
    pass


@pytest.mark.parametrize("status", [STARTED, dg.DagsterRunStatus.NOT_STARTED])
def test_a_run_of_a_dead_process_is_failed(instance, dead, status):
    found, line = outcome(instance, dead, status)
    assert found == FAILURE
    assert f"was marked as failed: its process {dead.pid} on {socket.gethostname()}" in line


def test_a_run_of_another_process_with_the_same_id_is_dead(instance):
    ticks = int(ProcessIdentity.own().started)
    assert outcome(instance, changed(started=str(ticks + 1)))[0] == FAILURE


def test_a_process_that_nobody_has_waited_for_is_dead(instance):
    process = multiprocessing.get_context("spawn").Process(target=os.getpid)
    process.start()
    identity = identity_of(process.pid)
    psutil.Process(process.pid).kill()
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    assert outcome(instance, identity)[0] == FAILURE
    process.join()


@pytest.mark.parametrize("identity", ["own", None, "no process", "host pid 1:2 3"])
def test_a_run_that_lives_or_names_no_process_is_left_alone(instance, identity):
    identity = ProcessIdentity.own() if identity == "own" else identity
    assert outcome(instance, identity) == (STARTED, "")


#: What another process may have that this one cannot see.
ELSEWHERE = {
    "another PID namespace": {"namespace": "1"},
    "namespace is not known": {"namespace": "?"},
    "another machine, or on an earlier boot": {"boot": "another", "machine": "another"},
    "another machine, or on an earlier boot ": {"boot": "another"},  # it wrote just now
}


@pytest.mark.parametrize("reason", ELSEWHERE)
@pytest.mark.parametrize("pid", [os.getpid(), 4_000_000], ids=["ours", "nobody's"])
def test_a_run_that_cannot_be_seen_from_here_is_left_and_named(instance, reason, pid):
    """Whether a process here has its id or not."""
    monkey = changed(pid=pid, **ELSEWHERE[reason])
    run_id = make_new_run_id()
    instance.create_run_for_job(empty, run_id=run_id, status=STARTED, tags={})
    instance.report_engine_event("a sign of life", instance.get_run_by_id(run_id))
    instance.add_run_tags(run_id, {PROCESS_TAG: f"{monkey} {run_id}"})
    lines = []
    fail_dead_runs(instance, lines.append)
    assert instance.get_run_by_id(run_id).status == STARTED
    (line,) = lines
    assert reason.strip() in line
    assert f"its process {pid} on {socket.gethostname()} lives cannot be seen" in line
    assert "record is 0 seconds old" in line or "record is 1 seconds old" in line
    assert "terminate it in the UI" in line


def test_a_run_of_before_this_machine_was_booted_is_dead(instance, monkeypatch):
    """It has recorded nothing since. Where the machine has no id, it may be another machine."""
    before = changed(boot="another", machine="the-same")
    monkeypatch.setattr(process_identity, "_machine", lambda: "the-same")
    assert outcome(instance, before)[0] == FAILURE
    monkeypatch.setattr(process_identity, "_machine", lambda: process_identity.UNKNOWN)
    unnamed = changed(boot="another", machine=process_identity.UNKNOWN)
    assert outcome(instance, unnamed)[0] == STARTED


def test_a_tag_of_an_older_version_is_read(instance):
    """It named no namespace."""
    own = ProcessIdentity.own()
    found, line = outcome(instance, f"{own.host} {own.pid} {own.boot}:{own.started}")
    assert (found, "namespace is not known" in line) == (STARTED, True)


def test_a_re_execution_of_a_dead_run_is_not_dead(instance, dead):
    """Dagster gives it the tags of the run that it repeats."""
    assert outcome(instance, dead, run_id="another") == (STARTED, "")


def test_a_run_names_the_process_that_it_lives_in():
    words, _, run = process_tags("some-run")[PROCESS_TAG].rpartition(" ")
    assert run == "some-run"
    assert ProcessIdentity.parse(words) == ProcessIdentity.own()
    assert ProcessIdentity.own().lives() is True


def test_a_clock_that_is_set_kills_no_run(instance, monkeypatch):
    own, created = ProcessIdentity.own(), psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: created(self) + 3600)
    assert outcome(instance, own) == (STARTED, "")


def test_without_proc_the_time_of_day_tells(instance, monkeypatch, tmp_path, dead):
    monkeypatch.setattr(process_identity, "_BOOT", tmp_path / "none")
    own = ProcessIdentity.own()
    assert (own.boot, own.namespace) == ("-", "-")
    assert int(own.started) == round(psutil.Process().create_time())
    assert outcome(instance, own) == (STARTED, "")
    assert outcome(instance, dataclasses.replace(own, pid=dead.pid))[0] == FAILURE
    elsewhere = dataclasses.replace(own, host="elsewhere")
    assert "on another machine" in outcome(instance, elsewhere)[1]


# Runs that no process has begun


STARTING = dg.DagsterRunStatus.STARTING
MONITORED = {"enabled": True, "start_timeout_seconds": 60}


@pytest.mark.parametrize(
    ("monitoring", "age", "tags", "status", "text"),
    [
        (MONITORED, 61, {STORE_TAG: "x"}, FAILURE, "no process has begun it in 60 seconds"),
        (MONITORED, 50, {STORE_TAG: "x"}, STARTING, ""),
        (MONITORED, 61, {}, STARTING, ""),  # of somebody else's job
        ({}, 400, {STORE_TAG: "x"}, STARTING, "since 6 minutes, and no process has begun it"),
    ],
)
def test_a_run_that_its_launcher_lost(tmp_path, monkeypatch, monitoring, age, tags, status, text):
    """As Dagster's own monitoring: where that is on, after its time limit."""
    overrides = {"run_monitoring": monitoring}
    with dg.instance_for_test(temp_dir=str(tmp_path), overrides=overrides) as instance:
        run = instance.create_run_for_job(empty, tags=tags)
        event = dg.DagsterEvent(dg.DagsterEventType.RUN_STARTING.value, run.job_name)
        instance.report_dagster_event(event, run.run_id)
        now = time.time
        monkeypatch.setattr(time, "time", lambda: now() + age)
        lines = []
        fail_dead_runs(instance, lines.append)
        found = instance.get_run_by_id(run.run_id)
    assert found.status == status
    assert text in "".join(lines)
    assert bool(lines) == bool(text)


# The rest


def test_a_finished_run_keeps_its_status(instance, dead):
    ended = dg.DagsterRunStatus.SUCCESS
    assert outcome(instance, dead, ended) == (ended, "")


def test_an_interrupt_waits_for_the_end_of_the_block():
    done = []
    with pytest.raises(DagsterExecutionInterruptedError), uninterrupted():
        os.kill(os.getpid(), 2)
        done.append("recorded")
    assert done == ["recorded"]
