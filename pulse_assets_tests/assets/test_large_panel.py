"""The steps of a large panel, each in a process of its own, store and report the same as in one."""

import json
import os
import re
import signal

import dagster as dg
import pytest

from pulse_assets.assets import trust_ledger
from pulse_assets.catalog import AGGREGATES
from pulse_assets.definitions import build_definitions
from pulse_assets.errors import StoreError
from pulse_assets.execution import separate_process
from pulse_assets.execution.worker_server import worker_server
from pulse_assets_tests.assets.test_graph import execute, failure
from pulse_assets_tests.conftest import twelve_batches, write_source

SVG = re.compile(rb"<svg.*?</svg>", re.DOTALL)
OWN = "pulse_assets_tests.own_rules:Unhurried"


def be_killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def be_refused(*_):
    raise StoreError("the ledger cannot be read: look at it")


@pytest.fixture
def train(tmp_path):
    """Train with a user's rule into a store; return the run, and what the store has."""

    def train(name, *assets):
        source = tmp_path / "source"
        if not source.exists():
            write_source(source)
        store = tmp_path / name
        with dg.DagsterInstance.ephemeral() as instance:
            graph = build_definitions(twelve_batches(source, store))
            result = execute(graph, instance, *assets, models=["naive", "drift", OWN])
        return result, {
            str(path.relative_to(store)): path.read_bytes()
            for path in sorted(store.rglob("*.*"))
            if path.is_file()
        }

    return train


def shown(result):
    """What the UI shows: the outcomes of the checks, and the metadata of the aggregates."""
    checks = [
        (check.asset_key, check.check_name, check.passed, check.severity, check.description)
        for check in result.get_asset_check_evaluations()
    ]
    values = {
        event.asset_key.to_user_string(): {
            name: value.value
            for name, value in event.materialization.metadata.items()
            if name not in OF_THE_RUN
        }
        for event in result.all_events
        if event.is_step_materialization and event.partition is None
    }
    return checks, {name: values[name] for name in AGGREGATES}


#: Metadata that hold where the store is, or how long the command took.
OF_THE_RUN = ("dagster/uri", "open", "bytes")


def without_durations(objects):
    """The objects; of the results and the page what does not depend on the time they took."""
    results = json.loads(objects.pop("training_results/training_results.json"))
    page = objects.pop("training_report/training_report.html")
    seconds = results.pop("performance")
    results["configuration"].pop("store")
    return objects | {"results": results, "seconds": seconds.keys(), "pictures": SVG.findall(page)}


@pytest.mark.slow
def test_a_large_panel_is_stored_and_shown_as_a_small_one(train, monkeypatch):
    together, expected = train("together")
    monkeypatch.setattr(separate_process, "LARGE_PANEL", 0)
    steps, call = [], separate_process.call_in_process
    monkeypatch.setattr(
        separate_process, "call_in_process", lambda *of: steps.append(of[0]) or call(*of)
    )
    with worker_server():
        separate, objects = train("separate")
    assert (together.success, separate.success) == (True, True)
    assert steps == ["check_batches", "trust_ledger", "next_forecasts", "publish_results"]
    assert without_durations(objects) == without_durations(expected)
    assert shown(separate) == shown(together)


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (
            be_killed,
            "the process of trust_ledger was killed (SIGKILL), probably for lack of memory",
        ),
        (be_refused, "the ledger cannot be read: look at it"),
    ],
)
def test_a_step_fails_with_one_line(train, monkeypatch, compute, message):
    monkeypatch.setattr(separate_process, "LARGE_PANEL", 0)
    monkeypatch.setattr(trust_ledger, "compute_ledger", compute)
    result, objects = train("store", "trust_ledger")
    assert failure(result).startswith(message)
    assert "\n" not in failure(result)
    assert objects == {}
