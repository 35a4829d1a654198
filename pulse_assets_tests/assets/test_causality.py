"""Poison the future in the source: what batches before it store stays, byte for byte."""

from datetime import date

import numpy as np
import pyarrow.parquet as pq
import pytest

from pulse_assets import TrainingConfig, train
from pulse_assets.batches.windows import make_batch
from pulse_assets.dagster.partitions import batch_partitions
from pulse_assets.execution.batch_task import BatchTask
from pulse_assets.preflight import check_ready
from pulse_assets_tests.conftest import stored
from pulse_assets_tests.one_batch import run_batch

MODELS = ["naive", "ses", "ar_diff_3", "seasonal_naive", "pulse_assets_tests.own_rules:Plain"]
CUT = date(2005, 7, 15)
KEY = ("variable", "model", "origin_date", "horizon")
MADE = ("predicted", "weight", "scale")


@pytest.fixture
def mixed(source):
    """Two daily series beside the monthly ones; one does what the other did two days before."""
    days = np.busday_offset("2003-01-01", np.arange(800), roll="forward").astype(str)
    moves = np.random.default_rng(0).standard_normal((2, 800))
    moves[1, 2:] = moves[0, :-2] + 0.1 * moves[1, 2:]
    for name, values in zip(("leader", "follower"), moves.cumsum(axis=1), strict=True):
        rows = [f"{day},{value}" for day, value in zip(days, values, strict=True)]
        (source / f"historical_{name}.csv").write_text("\n".join(["timestamp,value", *rows]))
    return source


def rewritten(folder, kind):
    """Change what the files of a source say of the days from `CUT` on."""
    rng = np.random.default_rng(5)
    for file in folder.iterdir():
        head, *rows = file.read_text().split()
        past = [row for row in rows if row < str(CUT)]
        months = [row.partition(",")[0] for row in rows if row >= str(CUT)]
        if kind == "changed":
            future = [f"{month},{rng.choice([-1e300, 1e300, 0, 7])}" for month in months]
        elif kind == "emptied":
            future = [f"{month}," for month in months]
        elif kind == "deleted":
            future = []
        elif kind == "thinned":
            future = [row for row in rows if row >= str(CUT)][::3]
        else:
            ahead = [f"{year}-{month:02d}-01" for year in range(2010, 2026) for month in (1, 2, 3)]
            future = [f"{day},1e9" for day in (*months, *ahead)]
        file.write_text("\n".join([head, *past, *future]) + "\n")


def made_before_the_cut(store):
    """Objects of batches that end by the cut, and forecasts from origins before it."""
    objects, forecasts = {}, {}
    for path, data in stored(store).items():
        asset, _, key = path.removesuffix(".parquet").rpartition("/")
        if "batch_size_days" not in asset:
            continue
        if np.datetime64(key) + 30 <= np.datetime64(CUT):
            objects[path] = data
        if asset.startswith("retrodictions"):
            for row in pq.read_table(f"{store}/{path}").to_pylist():
                if row["origin_date"].date() < CUT:
                    name = tuple(row[column] for column in KEY)
                    forecasts[name] = np.array(
                        [*row["quantiles"], *(row[column] for column in MADE)]
                    ).tobytes()
    return objects, forecasts


def plain_loop(config):
    settings, options = config.settings(), check_ready(config.settings(), config.options())
    for key in batch_partitions(settings).get_partition_keys():
        batch = make_batch(key, config.end_date, 30, options.variables)
        assert run_batch(BatchTask((batch,), settings, options)).status != "failed"


def config_for(source, store, **more):
    return TrainingConfig(
        **more,
        source=str(source),
        store=str(store),
        start_date="2005-01-01",
        end_date="2005-12-26",
        models=MODELS,
        horizons=[1, 3, 6],
    )


def whole_graph(workers):
    def run(config):
        train(config.model_copy(update={"max_workers": workers}))  # bad scores fail no batch

    return run


#: Months thinned to every third are quarters, unless they are said to be months of which some miss.
DECLARED = {"line": "monthly", "wave": "monthly"}
KINDS = ["changed", "emptied", "deleted", "thinned", "added"]
RUNS = [pytest.param(kind, plain_loop, id=kind) for kind in KINDS] + [
    pytest.param("changed", whole_graph(1), id="changed-graph", marks=pytest.mark.slow),
    pytest.param("thinned", whole_graph(2), id="thinned-graph-2", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("kind", "run"), RUNS)
def test_batches_before_the_poison_are_what_they_were(mixed, tmp_path, kind, run):
    run(config_for(mixed, tmp_path / "true"))
    rewritten(mixed, kind)
    run(config_for(mixed, tmp_path / "false", frequencies=DECLARED if kind == "thinned" else {}))
    objects, forecasts = made_before_the_cut(tmp_path / "true")
    again, others = made_before_the_cut(tmp_path / "false")
    assert objects == again
    assert len(objects) == 4 * 6
    assert any(model == "ar_with_leader" for _, model, *_ in forecasts)
    common = forecasts.keys() & others.keys()
    assert {key for key in common if forecasts[key] != others[key]} == set()
    assert len(common) >= 200


def test_later_dates_cannot_change_a_frequency_quietly(mixed, tmp_path):
    """Each series whose months become quarters is named in a warning, with what is done."""
    rewritten(mixed, "thinned")
    results = train(config_for(mixed, tmp_path / "false"))
    (check,) = [c for c in results.document.checks if c.name == "frequencies_are_regular"]
    assert (check.severity, check.passed) == ("WARN", False)
    assert "line is irregular (dates 28 to 92 days apart, " in check.message
    assert "wave is irregular" in check.message
