"""Each benchmark from data to picture, on next to nothing."""

import json
from datetime import date

import numpy as np
import pytest

from benchmarks import accuracy, end_to_end, fred, intervals, memory, peers, speed
from pulse_assets_tests.benchmarks.made import walks, write_database


@pytest.fixture
def made(database, tmp_path, monkeypatch):
    """A database of two series, both of the sample; few windows and one fast peer."""
    write_database(database, walks(2))
    monkeypatch.setattr(fred, "sample_names", lambda: ["walk0", "walk1"])
    monkeypatch.setattr(intervals, "WINDOWS", 2)
    return tmp_path / "results"


def published(folder, name):
    assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def test_accuracy(made, monkeypatch, capsys):
    monkeypatch.setattr(peers, "SLOW", frozenset(peers.PEERS) - {"Holt"})
    accuracy.main(["--peers", "--output", str(made)])
    printed = capsys.readouterr().out
    found = published(made, "accuracy")
    assert found["machine"]["numba"]
    everything = found["parts"]["all"]
    assert everything["series"] == 2
    assert everything["models"]["naive"]["mae_to_naive"] == 1.0
    assert everything["models"]["naive"]["by_horizon"] == [1.0] * 12
    assert everything["models"]["ar_diff_3"]["mae_to_naive"] < 1.0  # the walks have a trend
    assert sum(everything["dm_naive"]["1"].values()) == 2
    beside = found["peers"]
    assert set(beside["models"]) == {"ensemble", "naive", "Holt"}
    assert beside["models"]["ensemble"]["ensemble_dm"]["undefined"] == 2
    assert sum(beside["models"]["Holt"]["ensemble_dm_by_horizon"]["12"].values()) == 2
    assert set(beside["intervals"]["Holt"]) == {"0.8", "0.95"}
    assert "ensemble" in printed
    assert "Holt" in printed


def test_naive_of_both_libraries_errs_alike():
    y = walks(1)["walk0"][1]
    found = accuracy.evaluate({"walk0": y}, ["naive"])
    theirs = peers.peer_errors(speed.PEERS["naive"], y)
    assert np.allclose(theirs, found.errors[0][0][:: peers.STEP])


def test_a_part_keeps_its_series():
    data = {name: y for name, (_, y) in walks(3).items()}
    found = accuracy.evaluate(data, ["naive", "drift"])
    part = found.of(["walk2", "walk0"])
    assert part.series == ("walk2", "walk0")
    assert np.array_equal(part.ratios(), found.ratios()[[2, 0]])


def test_speed(made, monkeypatch, capsys):
    short = speed.daily()
    few = speed.Workload(
        "daily", short.series[:2], tuple(o[-3:] for o in short.origins[:2]), short.horizons, 5
    )
    monkeypatch.setattr(speed, "daily", lambda: few)
    monkeypatch.setattr(speed, "PEERS", {"naive": speed.PEERS["naive"]})
    monkeypatch.setattr(speed, "LENGTHS", (50, 100))
    monkeypatch.setattr(speed, "COUNTS", (1, 2))
    monkeypatch.setattr(speed, "measure_memory", lambda: [[10.0, 1.0, 0.5], [20.0, 2.0, 1.0]])
    speed.main(["--budget", "0.01", "--output", str(made)])
    found = published(made, "speed")
    assert found["monthly"]["suite"] > 0
    assert found["monthly"]["peers"]["naive"] > 0
    assert [n for n, _ in found["linearity"]["series"]] == [1, 2]
    assert "suite, all of it" in capsys.readouterr().out


def test_memory_is_that_of_the_forecasts():
    rows, megabytes = memory.compute(30)
    assert rows > 0
    assert megabytes > rows * 5 * 8 / 1e6  # five columns of floats alone


@pytest.mark.slow
def test_end_to_end(tmp_path, monkeypatch, capsys):
    for name in ("SERIES", "HORIZONS"):
        monkeypatch.setattr(end_to_end, name, 1)
    monkeypatch.setattr(end_to_end, "SECONDS", 0.01)
    # Four batches, in which every series has a value.
    monkeypatch.setattr(end_to_end, "LAST", date(2022, 7, 29))
    end_to_end.main(["--batches", "4", "--workers", "--output", str(tmp_path)])
    found = published(tmp_path, "end_to_end")
    for runs in found["graph"]["runs"].values():
        assert [taken["materializations"] for taken in runs] == [4 * 4 + 4]
    assert found["stages"]["rows"] > 0
    workers = found["workers"]
    assert workers["count"] == 2
    one, two = (workers["runs"][count][0] for count in ("1", "2"))
    assert workers["efficiency"] == one["batches"] / two["batches"] / 2
    assert one["seconds"] > one["batches"] > one["computing"] > 0
    assert "ratio" in capsys.readouterr().out


def test_compiled_kernels_are_counted(tmp_path, monkeypatch):
    """What numba prints of its cache is what is counted, whatever process prints it."""
    text = (
        "[cache] data saved to 'a'\n[cache] index loaded from 'b'\n[cache] data loaded from 'b'\n"
    )
    performance = {"duration_seconds": 2.0, "estimated_sequential_time": 3.0}
    monkeypatch.setattr(end_to_end, "_materializations", lambda home: 0)
    monkeypatch.setattr(end_to_end, "_performance", lambda store: performance)
    module = tmp_path / "printing.py"
    module.write_text(f"print({text!r})")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    taken = end_to_end.run("printing", tmp_path, [])
    assert (taken.compiled, taken.loaded) == (1, 1)
    assert (taken.batches, taken.computing) == (2.0, 3.0)
