"""`pulse-train clean` lists what is unused, removes it when told to, and leaves the rest alone."""

import json
import os
import time
from pathlib import Path

import dagster as dg
import pytest

from pulse_assets import open_store
from pulse_assets.dagster.instance import open_instance
from pulse_assets.dagster.jobs import JOB_NAME, STORE_TAG
from pulse_assets.definitions import build_definitions
from pulse_assets.run_training import main
from pulse_assets.settings import Settings, dagster_home
from pulse_assets.storage.store import open_store as open_objects
from pulse_assets_tests.conftest import stored
from pulse_assets_tests.storage.test_cleaning import KEYS, write_batch

DATES = ("--start-date", "2005-01-01", "--end-date", "2005-03-01")


@pytest.fixture
def pulse(settings, capsys):
    """Run `pulse-train` on the small source; return exit code, stdout and stderr."""

    def pulse(*words):
        where = ("--source", settings.source, "--store", settings.store, "--max-workers", "1")
        places = where if words[0] != "clean" else where[2:4]
        code = main([*words, *places])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return pulse


@pytest.fixture
def old_store(settings):
    """A store with two configurations and a foreign file, two hours old."""
    store = open_objects(settings.store)
    write_batch(store, "old", KEYS[0], length=7, shared="a")
    write_batch(store, "new", KEYS[0], shared="b")
    (store.root / "notes.txt").write_text("somebody's")
    for path in store.root.rglob("*.*"):
        age(path)
    return store


def age(path):
    then = time.time() - 7200 - (0 if "size_days=30" in str(path) else 60)
    os.utime(path, (then, then))


def files(store):
    return {str(path.relative_to(store)): path.read_bytes() for path in Path(store).rglob("*.*")}


def test_without_delete_nothing_is_changed(pulse, settings, old_store):
    before = files(settings.store)
    code, out, _ = pulse("clean", "--keep", "1")
    assert (code, files(settings.store)) == (0, before)
    assert "to remove: 5 objects" in out
    assert (
        "(old configuration)" in out.partition("  retrodictions/batch_size_days=7: 1 object, ")[2]
    )
    assert "(rows of no batch)" in out.partition("  historical_data/_shared: 1 object, ")[2]
    assert "left alone, not ours: 1 object" in out
    assert "--delete removes it" in out
    assert "Dagster's records stay" in out


def test_what_is_listed_is_removed_and_nothing_else(pulse, settings, old_store):
    before = files(settings.store)
    listed = json.loads(pulse("clean", "--keep", "1", "--json")[1])
    code, out, _ = pulse("clean", "--keep", "1", "--delete", "--json")
    done = json.loads(out)
    assert (code, done) == (0, listed | {"deleted": True})
    gone = {entry["path"]: entry["bytes"] for entry in done["remove"]}
    assert files(settings.store) == {p: data for p, data in before.items() if p not in gone}
    assert gone == {p: len(before[p]) for p in gone}
    assert (len(gone), done["bytes"]) == (5, sum(gone.values()))
    assert [entry["path"] for entry in done["not_ours"]] == ["notes.txt"]
    assert "removed: 0 objects" in pulse("clean", "--keep", "1", "--delete")[1]


@pytest.mark.parametrize("words", [["--keep", "0"], ["--keep", "x"], []], ids=" ".join)
def test_a_number_of_configurations_is_required(pulse, words, capsys):
    try:
        code, _, err = pulse("clean", *words)
    except SystemExit as end:
        code, err = end.code, capsys.readouterr().err
    assert (code, "--keep" in err, "Traceback" in err) == (1, True, False)


@dg.job
def somebodys():
    pass


@pytest.mark.parametrize("status", ["NOT_STARTED", "STARTED", "SUCCESS"])
def test_a_training_that_runs_or_waits_is_not_disturbed(pulse, settings, old_store, status):
    before = files(settings.store)
    with open_instance(dagster_home()) as instance:
        link = Path(settings.store).with_name("link")
        link.symlink_to(settings.store)
        tags = {STORE_TAG: str(link / ".." / "link")}  # another name of the same place
        run = instance.create_run_for_job(somebodys, status=dg.DagsterRunStatus[status], tags=tags)
    code, _, err = pulse("clean", "--keep", "1", "--delete")
    if status == "SUCCESS":
        assert code == 0
    else:
        assert (code, files(settings.store)) == (1, before)
        assert f"run {run.run_id} is {status.lower()}: wait for its end" in err


@pytest.mark.parametrize(("name", "code"), [("retrodictions", 1), ("sales", 0)])
def test_a_run_that_names_no_store_yet_counts_if_it_materializes_our_assets(
    pulse, old_store, name, code
):
    asset = dg.AssetSpec(dg.AssetKey(["team", name]))

    @dg.multi_asset(specs=[asset])
    def compute():
        pass

    job = dg.Definitions([compute]).resolve_implicit_global_asset_job_def()
    with open_instance(dagster_home()) as instance:
        running = dg.DagsterRunStatus.STARTED
        instance.create_run_for_job(job, status=running, asset_selection={asset.key})
    assert pulse("clean", "--keep", "1")[0] == code


def test_a_run_whose_store_is_in_a_variable_may_be_on_this_one(pulse, old_store, monkeypatch):
    monkeypatch.setenv("MY_STORE", "/that/of/this/process")
    config = {"resources": {"data": {"config": {"store": {"env": "MY_STORE"}}}}}
    with open_instance(dagster_home()) as instance:
        running = {"status": dg.DagsterRunStatus.STARTED, "tags": {STORE_TAG: "/another/store"}}
        graph = build_definitions(Settings()).resolve_job_def(JOB_NAME)
        instance.create_run_for_job(graph, run_config=config, **running)
    assert pulse("clean", "--keep", "1")[0] == 1


def test_a_run_on_another_store_is_no_matter(pulse, old_store):
    with open_instance(dagster_home()) as instance:
        running = {"status": dg.DagsterRunStatus.STARTED, "tags": {STORE_TAG: "/another/store"}}
        instance.create_run_for_job(somebodys, **running)
        instance.create_run_for_job(somebodys, status=dg.DagsterRunStatus.STARTED)
    assert pulse("clean", "--keep", "1", "--delete")[0] == 0


def test_a_store_that_somebody_else_has_just_written_is_left_alone(pulse, settings, old_store):
    write_batch(old_store, "new", KEYS[1])
    before = files(settings.store)
    code, _, err = pulse("clean", "--keep", "1", "--delete")
    assert (code, files(settings.store)) == (1, before)
    assert "was written 0 minutes ago by no run in Dagster's records here" in err


def test_an_object_that_cannot_be_removed_is_named(pulse, settings, old_store, monkeypatch):
    def refuse(self, missing_ok=False):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    code, out, err = pulse("clean", "--keep", "1", "--delete")
    assert (code, "removed: 0 objects, 0 B" in out) == (1, True)
    assert err.count("is still there: it cannot be removed: Permission denied") == 5


@pytest.mark.slow
def test_status_report_and_frames_of_what_is_kept_are_as_before(pulse, settings):
    """Of three trainings the first is removed, also where the third has replaced some batches."""
    quick = ("--models", "naive", "drift", "--horizons", "1")
    trainings = [
        ("--batch-size-days", "15", *quick, *DATES),
        ("--batch-cadence", "monthly", *quick, *DATES),
        (*quick, *DATES),
    ]
    for words in trainings:
        assert pulse("train", *words)[0] == 0
    kept = trainings[1:]

    def seen():
        results = open_store(settings.store)
        status = [pulse("status", "--json", *words)[:2] for words in kept]
        report = Path(pulse("report", *kept[-1])[1].strip()).read_bytes()
        return status, report, results.retrodictions().to_csv(), results.trust().to_csv()

    before, objects = seen(), stored(settings.store)
    assert all(code == 0 for code, _ in before[0])
    plan = json.loads(pulse("clean", "--keep", "2", "--delete", "--json")[1])
    gone = {entry["path"] for entry in plan["remove"]}
    assert {path.split("/")[1] for path in gone} == {"batch_size_days=15"}
    assert stored(settings.store) == {p: data for p, data in objects.items() if p not in gone}
    assert seen() == before
    code, out, _ = pulse("status", "--json", *trainings[0])
    assert (code, {*json.loads(out)["batches"].values()}) == (1, {"missing"})
    assert pulse("report", "--rebuild", *kept[-1])[0] == 0
