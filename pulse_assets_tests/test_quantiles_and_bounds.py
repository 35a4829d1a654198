"""Quantiles at any levels and bounds of variables, from the command line to what is stored."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pulse_assets import TrainingConfig, train
from pulse_assets.preflight import resolve_options
from pulse_assets_tests.test_run_training import (  # noqa: F401 - fixtures
    assert_refused,
    command,
    small,
)


def rows_of(store, asset):
    paths = sorted((Path(store) / asset).rglob("*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def results_of(store):
    return json.loads((Path(store) / "training_results" / "training_results.json").read_text())


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (["--bounds", "line"], ["--bounds line: write VARIABLE="]),
        (["--bounds", "line="], ["--bounds line=: write VARIABLE="]),
        (["--bounds", "0:"], ["--bounds 0:: write VARIABLE="]),
        (["--bounds", "line=5"], ["bounds = {'line': '5'}", "'5' is no pair of bounds", "0:100"]),
        (["--bounds", "line=a:b"], ["'a:b' is no pair of bounds"]),
        (["--bounds", "line=5:1"], ["'5:1' is no pair of bounds"]),
        (["--bounds", "line=:"], ["':' is no pair of bounds"]),
        (["--bounds", "line=nan:1"], ["'nan:1' is no pair of bounds"]),
        (["--bounds", "line=0:", "line=1:"], ["--bounds gives line both 0: and 1:", "keep one"]),
        (["--bounds", "lime=0:"], ["--bounds: 'lime'", "did you mean 'line'", "line, wave"]),
        (["--bounds", "../x=0:"], ["'../x'"]),
        (
            ["--bounds", "wave=0:"],
            ["historical_wave.csv: line 9 (2000-08-01) has the value -1,", "bounds 0: of wave"],
        ),
        (
            ["--bounds", "line=:60,wave=-4:"],
            ["line 103 (2008-06-01) has the value 60.5", "the bounds :60 of line", "correct"],
        ),
        (["--quantiles", ""], ["quantiles = []", "at least one"]),
        (["--quantiles", "0.5", "0.5"], ["quantiles", "twice"]),
        (["--quantiles", "0.5,0.50"], ["quantiles", "twice"]),
        (["--quantiles", "5"], ["level 5:", "between 0 and 1"]),
        (["--quantiles", "0"], ["level 0:", "between 0 and 1"]),
        (["--quantiles", "-0.1"], ["level -0.1:", "between 0 and 1"]),
        (["--quantiles", "half"], ["quantiles", "'half'", "number"]),
        (["--quantiles", *(f"{i / 1000}" for i in range(1, 101))], ["100 levels", "at most 99"]),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_what_cannot_be_used_is_one_line_and_nothing_is_written(
    command,  # noqa: F811
    small,  # noqa: F811
    tmp_path,
    words,
    texts,
):
    assert_refused(command(*small, *words), texts, tmp_path)


def test_check_names_values_outside_the_bounds_too(command, small, tmp_path):  # noqa: F811
    ran = command("check", *small[:2], "--bounds", "line=:60")
    assert ran.code == 1
    shown = " ".join((ran.out + ran.err).split())
    assert "has the value 60.5, which lies outside the bounds :60 of line" in shown
    assert not (tmp_path / "store").exists()


def test_a_later_release_outside_is_refused_with_its_own_line(command, tmp_path):  # noqa: F811
    source = tmp_path / "source"
    source.mkdir()
    months = (np.datetime64("2000-01") + np.arange(120)).astype("M8[D]")
    rows = [f"{month},{5 + i % 3},{month + 40}" for i, month in enumerate(months)]
    rows.append(f"{months[50]},-2,{months[50] + 90}")
    text = "\n".join(["timestamp,value,published_at", *rows]) + "\n"
    (source / "historical_people.csv").write_text(text)
    ran = command("--source", source, "--store", tmp_path / "store", "--bounds", "people=0:")
    assert_refused(ran, ["line 122 (2004-03-01) has the value -2", "0: of people"], tmp_path)


def config_of(source, store, **changes):
    values = {
        "source": str(source),
        "store": str(store),
        "models": ["naive", "drift", "ses"],
        "start_date": "2005-01-01",
        "end_date": "2005-12-26",
        "horizons": [1, 3],
        "max_workers": 1,
    }
    return TrainingConfig(**values | changes)


def test_bounds_from_a_file_and_from_options_hold_in_what_is_stored(
    command,  # noqa: F811
    small,  # noqa: F811
    tmp_path,
):
    file = tmp_path / "settings.yaml"
    file.write_text("bounds: {wave: '-4:11', line: '0:'}\nquantiles: [0.01, 0.5, 0.99]\n")
    assert command("--config", file, *small).code == 0
    store = tmp_path / "store"
    for asset in ("retrodictions", "next_forecasts"):
        waves = [row for row in rows_of(store, asset) if row["variable"] == "wave"]
        numbers = [x for row in waves for x in (row["predicted"], *row["quantiles"])]
        assert (min(numbers), max(numbers)) == (-4, 11)
    configuration = results_of(store)["configuration"]
    assert configuration["bounds"] == {"line": "0:", "wave": "-4:11"}
    assert configuration["quantiles"] == [0.01, 0.5, 0.99]


@pytest.mark.parametrize(
    ("quantiles", "interval_level", "levels", "has_wis"),
    [
        ([0.5], 0.9, [0.05, 0.5, 0.95], True),
        ([0.05], 0.9, [0.05, 0.95], False),  # without the median
        ([0.1, 0.5], 0.9, [0.05, 0.1, 0.5, 0.95], False),
        ([0.999, 0.5, 0.001, 0.2, 0.8], 0.6, [0.001, 0.2, 0.5, 0.8, 0.999], True),
    ],
    ids=["median", "bound", "asymmetric", "symmetric"],
)
def test_any_levels(source, tmp_path, quantiles, interval_level, levels, has_wis):
    store = tmp_path / "store"
    changes = {"quantiles": quantiles, "interval_level": interval_level}
    assert train(config_of(source, store, **changes)).success
    tail = round((1 - interval_level) / 2, 9)
    low, high = levels.index(tail), levels.index(round(1 - tail, 9))
    made = rows_of(store, "retrodictions") + rows_of(store, "next_forecasts")
    for row in made:
        assert len(row["quantiles"]) == len(levels)
        assert row["quantiles"] == sorted(row["quantiles"])
        assert (row["lower"], row["upper"]) == (row["quantiles"][low], row["quantiles"][high])
    results = results_of(store)
    assert results["calibration"]["levels"] == levels
    for counts in results["calibration"]["models"].values():
        assert len(counts["below"]) == len(levels) == len(counts["pit"]) - 1
        assert sum(counts["pit"]) == counts["n"]
    for board in results["models_by_variable"].values():
        for row in board:
            assert row["pinball"] is not None
            assert row["wis"] == (pytest.approx(2 * row["pinball"], rel=1e-5) if has_wis else None)
    assert all(row["sql"] is not None for row in results["models"])
    assert all(row["pinball"] is row["wis"] is None for row in results["models"])


def test_the_quantiles_of_a_level_do_not_depend_on_the_other_levels(source, tmp_path):
    """Apart from the rounding, whose steps are those of the outermost two."""
    stored = []
    for name, quantiles in (("a", [0.5]), ("b", [0.05, 0.25, 0.5, 0.6, 0.9, 0.95])):
        train(config_of(source, tmp_path / name, quantiles=quantiles))
        rows = rows_of(tmp_path / name, "retrodictions")
        stored.append([(r["predicted"], r["lower"], r["upper"]) for r in rows])
    assert stored[0] == stored[1]


def test_bundled_series_have_their_bounds_and_others_replace_them():
    config = TrainingConfig(source="sample", bounds={"unemployment_rate": "0:50"})
    options = resolve_options(config.settings(), config.options())
    assert options.bounds == {
        "industrial_production": "0:",
        "spx_close": "0:",
        "unemployment_rate": "0:50",
    }
    config = TrainingConfig(source="sample", variables=["gdp_growth", "spx_close"])
    assert resolve_options(config.settings(), config.options()).bounds == {"spx_close": "0:"}
    config = TrainingConfig(source="sample-uk")
    resolved = resolve_options(config.settings(), config.options())
    assert resolved.bounds == {"unemployment_rate": "0:100"}
