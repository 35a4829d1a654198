"""The steps of a large panel, each in a process of its own, store and report the same as in one."""

import os
import signal
from pathlib import Path

import dagster as dg
import pytest

from pulse_assets.assets import trust_ledger
from pulse_assets.dagster.checks import step as checks_step
from pulse_assets.definitions import build_definitions
from pulse_assets.errors import StoreError
from pulse_assets.execution import separate_process
from pulse_assets_tests.assets.test_graph import execute, failure
from pulse_assets_tests.conftest import twelve_batches, write_source

OWN = "pulse_assets_tests.own_rules:Unhurried"


def be_killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def be_refused(*_):
    raise StoreError("the ledger cannot be read: look at it")


@pytest.fixture
def large(monkeypatch):
    """Let every panel count as a large one."""
    monkeypatch.setattr(separate_process, "LARGE_PANEL", 0)


@pytest.fixture
def train(tmp_path):
    """Train with a user's rule into a store; return the run, and what the store has."""

    def train(name):
        source = tmp_path / "source"
        if not source.exists():
            write_source(source)
        store = tmp_path / name
        with dg.DagsterInstance.ephemeral() as instance:
            graph = build_definitions(twelve_batches(source, store))
            result = execute(graph, instance, models=["naive", "drift", OWN])
        return result, {
            str(path.relative_to(store)): path.read_bytes()
            for path in sorted(store.rglob("*.*"))
            if path.is_file()
        }

    return train


def shown(result, store):
    """What the UI shows: the checks, and the metadata of the assets without partitions."""
    checks = [
        (check.asset_key, check.check_name, check.passed, check.severity, check.description)
        for check in result.get_asset_check_evaluations()
    ]
    values = {
        event.asset_key: {
            name: str(value.value).replace(store, "")
            for name, value in event.materialization.metadata.items()
        }
        for event in result.all_events
        if event.is_step_materialization and event.partition is None
    }
    return checks, values


#: The results and the page hold how long the batches took, and where the store is.
DIFFERENT = ("training_results/", "training_report/")


def same(objects):
    return {path: data for path, data in objects.items() if not path.startswith(DIFFERENT)}


def test_a_large_panel_is_stored_and_shown_as_a_small_one(train, tmp_path, monkeypatch):
    alone, expected = train("alone")
    monkeypatch.setattr(separate_process, "LARGE_PANEL", 0)
    calls, call = [], separate_process._call
    monkeypatch.setattr(separate_process, "_call", lambda *of: calls.append(of[0]) or call(*of))
    apart, found = train("apart")
    assert (alone.success, apart.success) == (True, True)
    assert calls == ["check_batches", "trust_ledger", "next_forecasts", "publish_results"]
    assert found.keys() == expected.keys()
    assert same(found) == same(expected)
    assert sorted({path.partition("/")[0] for path in same(found)})[-2:] == [
        "training_batches",
        "trust_ledger",
    ]


def test_a_killed_step_fails_with_one_line(large, train, monkeypatch):
    monkeypatch.setattr(trust_ledger, "compute_ledger", be_killed)
    result, objects = train("store")
    message = failure(result)
    assert message.startswith("the process of trust_ledger was killed (SIGKILL), probably for lack")
    assert not any(path.startswith("trust_ledger") for path in objects)


def test_an_error_of_a_step_is_its_own(large, train, monkeypatch):
    monkeypatch.setattr(checks_step, "run_checks", be_refused)
    assert failure(train("store")[0]) == "the ledger cannot be read: look at it"
