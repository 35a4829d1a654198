"""The unit of a series, and series that no one should have, through the whole graph."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pulse_assets import TrainingConfig, train
from pulse_assets.retrodiction.rules import DEFAULT_MODELS

MONTHS = [f"{2000 + i // 12}-{i % 12 + 1:02d}-01" for i in range(120)]
RANDOM = np.random.default_rng(3)
WALK = 50 + np.cumsum(RANDOM.standard_normal(120))

UNUSUAL = {
    "constant": np.full(120, 5.0),
    "zero": np.zeros(120),
    "huge": 1e300 * WALK,
    "largest": 1.7e308 * RANDOM.choice([-1.0, 1.0], 120),
    "tiny": 1e-300 * WALK,
    "smallest": 5e-324 * RANDOM.integers(0, 4, 120),
    "negative": -WALK,
    "step": np.repeat([0.0, 1e6], 60),
    "gaps": np.where(RANDOM.random(120) < 0.5, np.nan, WALK),
    "late": np.append(np.full(70, np.nan), WALK[70:]),
    "walk": WALK,
}


def write(folder, **series):
    folder.mkdir()
    for name, values in series.items():
        rows = [
            f"{month},{'' if np.isnan(value) else repr(float(value))}"
            for month, value in zip(MONTHS, values, strict=False)
        ]
        (folder / f"historical_{name}.csv").write_text("\n".join(["timestamp,value", *rows]))
    return folder


def trained(source, store, **more):
    return train(
        TrainingConfig(
            source=str(source),
            store=str(store),
            start_date="2005-01-01",
            end_date="2005-12-26",
            horizons=[1, 3],
            max_workers=1,
            **more,
        )
    )


def tables(store, asset):
    files = sorted((Path(store) / asset).rglob("*.parquet"))
    return pd.concat([pq.read_table(file).to_pandas() for file in files])


@pytest.mark.slow
def test_unusual_series_raise_nothing_and_store_no_infinity(tmp_path):
    results = trained(write(tmp_path / "in", **UNUSUAL), tmp_path / "out")
    assert results.success, results.message
    for file in (tmp_path / "out").rglob("*.parquet"):
        table = pq.read_table(file)
        for name in table.column_names:
            if pa.types.is_floating(table.schema.field(name).type):
                found = table[name].to_numpy()
                assert not np.isinf(found).any(), (file, name)
    made = tables(tmp_path / "out", "retrodictions")
    scores = tables(tmp_path / "out", "batch_metrics")
    assert (scores["n"] + scores["missing"]).sum() == len(made)
    assert scores["missing"].sum() == made["predicted"].isna().sum()
    assert set(made["variable"]) == set(UNUSUAL)
    assert set(DEFAULT_MODELS) <= set(made["model"])
    planned = tables(tmp_path / "out", "training_batches").set_index("variable")
    gaps = planned.loc["gaps"]
    assert gaps["missing"].max() > 20


def boards(source, store, **more):
    results = trained(source, store, **more)
    board = results.models.set_index("model")
    return board[["mase", "rmsse", "skill", "win_rate", "coverage", "trust", "weight"]]


SCALES = {"level": WALK, "wave": WALK + 7 * np.sin(np.arange(120) * np.pi / 6)}


@pytest.mark.slow
@pytest.mark.parametrize("factor", [3.7, 1e-12])
def test_the_unit_changes_no_leaderboard(tmp_path, factor):
    scaled = {name: factor * values for name, values in SCALES.items()}
    board = boards(write(tmp_path / "one", **SCALES), tmp_path / "a")
    other = boards(write(tmp_path / "other", **scaled), tmp_path / "b")
    assert list(board.index) == list(other.index)
    # Bounds are rounded to 1/256 of the radius: an observation on a bound may count differently.
    np.testing.assert_allclose(board.pop("coverage"), other.pop("coverage"), atol=0.03)
    pd.testing.assert_frame_equal(board, other, rtol=1e-5)
    one, many = (tables(tmp_path / store, "retrodictions") for store in ("a", "b"))
    np.testing.assert_allclose(many["predicted"], factor * one["predicted"], rtol=1e-6)
    one, many = (tables(tmp_path / store, "batch_metrics") for store in ("a", "b"))
    for name in ("abs_error", "naive_abs_error", "mase_scale", "rmsse_scale"):
        np.testing.assert_allclose(many[name], factor * one[name], rtol=1e-5, atol=1e-9 * factor)


#: Rules that a constant added to the series only shifts; logarithms and ratios are not among them.
RATIOS = {"ces", "theta_adjusted"}
SHIFTED = [name for name in DEFAULT_MODELS if "log" not in name and name not in RATIOS]


@pytest.mark.slow
def test_an_added_constant_shifts_every_rule_without_logarithms(tmp_path):
    moved = {name: values + 1000 for name, values in SCALES.items()}
    board = boards(write(tmp_path / "one", **SCALES), tmp_path / "a", models=SHIFTED)
    other = boards(write(tmp_path / "other", **moved), tmp_path / "b", models=SHIFTED)
    other = other.loc[board.index]
    # Errors of a series of one sign are skewed relative to its level: quantiles do not just shift.
    np.testing.assert_allclose(board.pop("coverage"), other.pop("coverage"), atol=0.05)
    pd.testing.assert_frame_equal(board, other, rtol=1e-4)
    one, many = (tables(tmp_path / store, "retrodictions") for store in ("a", "b"))
    np.testing.assert_allclose(many["predicted"], one["predicted"] + 1000, rtol=1e-6)
