"""The benchmarks beside statsforecast, from data to picture, on next to nothing."""

import numpy as np
import pytest

from benchmarks import accuracy, fred, intervals, peers, slow_rules, speed
from pulse_assets_tests.benchmarks.conftest import database  # noqa: F401 - a fixture
from pulse_assets_tests.benchmarks.made import published, walks, write_database


@pytest.fixture
def made(database, tmp_path, monkeypatch):  # noqa: F811
    """A database of two series, both of the sample; few windows and one fast peer."""
    write_database(database, walks(2))
    monkeypatch.setattr(fred, "sample_names", lambda: ["walk0", "walk1"])
    monkeypatch.setattr(intervals, "WINDOWS", 2)
    return tmp_path / "results"


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
    assert everything["models"]["ar_level_1"]["mae_to_naive"] < 1.0  # the walks have a trend
    assert sum(everything["dm_naive"]["1"].values()) == 2
    ensemble = everything["models"]["ensemble"]
    below = ensemble["below"]
    inside = [below["0.9"] - below["0.1"], below["0.975"] - below["0.025"]]
    assert ensemble["coverage"] == pytest.approx(inside, abs=2e-4)  # both are rounded
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


def test_slow_rules(made, monkeypatch, capsys):
    commands = []

    def command(*options):
        commands.append(options)
        return {"wall": 1.5, "processor": 2.0}

    monkeypatch.setattr(slow_rules, "whole_command", command)
    monkeypatch.setattr(slow_rules, "LENGTHS", (24,))
    slow_rules.main(
        ["--output", str(made), "--series", "2", "--models", "AutoETS", "--max-workers", "1"]
    )
    found = published(made, "slow_rules")
    assert [options[-3:] for options in commands] == [
        ("naive", "--max-workers", "1"),
        ("statsforecast:AutoETS", "--max-workers", "1"),
    ]
    assert found["commands"]["AutoETS"] == {"wall": 1.5, "processor": 2.0}
    assert found["fits"]["24"]["equal"]
    assert found["fits"]["24"]["together"] > 0.0
    assert "  AutoETS: 1.5, 2.0" in capsys.readouterr().out
