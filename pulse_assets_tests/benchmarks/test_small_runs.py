"""Each benchmark that needs no peers, on next to nothing."""

from datetime import date

import numpy as np
import pytest

from benchmarks import accuracy, cost, end_to_end, large_panel, memory, sources
from pulse_assets_tests.benchmarks.made import published, walks
from pulse_assets_tests.conftest import object_count


def test_a_part_keeps_its_series():
    data = {name: y for name, (_, y) in walks(3).items()}
    found = accuracy.evaluate(data, ["naive", "drift"])
    part = found.of(["walk2", "walk0"])
    assert part.series == ("walk2", "walk0")
    assert np.array_equal(part.ratios(), found.ratios()[[2, 0]])


def test_memory_is_that_of_the_forecasts():
    rows, megabytes = memory.compute(30)
    assert rows > 0
    assert megabytes > rows * 5 * 8 / 1e6  # five columns of floats alone


@pytest.mark.slow
def test_every_kind_of_source_is_loaded(capfd):
    sources.main(["--series", "3"])
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 6
    assert all("720 rows" in line for line in lines)


@pytest.mark.slow
def test_a_large_panel_is_watched(tmp_path, capsys):
    options = ["--batch-limit", "2", "--max-workers", "1"]
    large_panel.main(["--series", "3", "--folder", str(tmp_path), *options])
    found = large_panel.measure(3, tmp_path / "3", [*options, "--resume"])
    assert "2 unchanged" in found.output
    assert found.run > 50  # no Python that has loaded Dagster takes less
    assert found.processor > 0
    assert found.store > 0
    assert "3 series: " in capsys.readouterr().out


def test_the_exponent_is_that_of_the_power_law():
    assert cost.exponent({60: 3.0, 120: 6.0, 240: 12.0}) == pytest.approx(1.0)
    assert cost.exponent({30: 9.0, 60: 1.0, 600: 100.0}) == pytest.approx(2.0)


@pytest.mark.slow
def test_end_to_end(tmp_path, monkeypatch, capsys):
    for name in ("SERIES", "HORIZONS"):
        monkeypatch.setattr(end_to_end, name, 1)
    monkeypatch.setattr(end_to_end, "SECONDS", 0.01)
    # Four batches, in which every series has a value.
    monkeypatch.setattr(end_to_end, "LAST", date(2022, 7, 29))
    end_to_end.main(["--batches", "4", "--workers", "--output", str(tmp_path)])
    found = published(tmp_path, "end_to_end")
    outputs = object_count(4) + 2  # the tables, results and report
    for runs in found["graph"]["runs"].values():
        assert [taken["materializations"] for taken in runs] == [outputs]
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
