"""How batches are grouped into tasks changes no byte, and a fault stays in its batch."""

import tempfile
from datetime import date
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from pulse_assets.batches.blocks import BLOCK_BYTES, group_batches
from pulse_assets.batches.grid import batch_keys, batch_of
from pulse_assets.batches.windows import history_starts
from pulse_assets.execution.batch_task import BatchTask, run_batches
from pulse_assets.history.source import Source
from pulse_assets.preflight import resolve_options
from pulse_assets.retrodiction.rule_process import close_hosts
from pulse_assets.settings import TrainingConfig
from pulse_assets.stages import columns
from pulse_assets.storage.layout import object_path
from pulse_assets_tests.conftest import stored
from pulse_assets_tests.properties import holds_for_all

HOSTILE = "pulse_assets_tests.hostile_rules:"
MONTHS = (np.datetime64("1990-01") + np.arange(216)).astype("M8[D]")
CALENDARS = {
    "monthly": MONTHS,
    "month_end": (MONTHS.astype("M8[M]") + 1).astype("M8[D]") - 1,
    "quarterly": MONTHS[::3],
    "weekly": np.datetime64("1990-01-01") + 7 * np.arange(930),
    "business": np.busday_offset("1999-06-01", np.arange(2050), roll="forward"),
}


def write_panel(folder, seed):
    """Write series that lead each other, with gaps, typing errors, late starts and delays."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    common = rng.standard_normal(len(MONTHS) + 6)
    for name, dates in CALENDARS.items():
        at = np.searchsorted(MONTHS, dates, side="right") - 1
        lag = int(rng.integers(0, 4))
        changes = common[at + lag] + rng.choice([0.1, 1.0]) * rng.standard_normal(len(dates))
        values = 100.0 + np.cumsum(changes)
        values[rng.random(len(dates)) < 0.01] *= 1e4  # typing errors
        present = rng.random(len(dates)) >= rng.choice([0.0, 0.05])
        present[: int(rng.integers(0, len(dates) // 2))] = False
        delays = rng.integers(0, 60, len(dates)) if rng.random() < 0.3 else None
        rows = ["timestamp,value" + (",published_at" if delays is not None else "")]
        for i in np.flatnonzero(present):
            late = "" if delays is None else f",{dates[i] + delays[i]}"
            value = "" if rng.random() < 0.03 else values[i]
            rows.append(f"{dates[i]},{value}{late}")
            if value and late and rng.random() < 0.5:  # a later release
                rows.append(f"{dates[i]},{value + 0.5},{dates[i] + 60 + rng.integers(1, 400)}")
        (folder / f"historical_{name}.csv").write_text("\n".join(rows) + "\n")


def config_of(source, store, **changes):
    values = {
        "source": str(source),
        "store": str(store),
        "start_date": "2004-03-01",
        "end_date": "2007-01-31",
        "batch_cadence": "monthly",
        "history_days": 2000,
        "models": ["naive", "holt", "ar_diff_3"],
        "horizons": [1, 3],
    }
    return TrainingConfig(**values | changes)


def batches_of(config):
    settings, options = config.settings(), resolve_options(config.settings(), config.options())
    keys = batch_keys(settings)
    return [batch_of(settings, key, options.variables) for key in keys], settings, options


def run_in_blocks(config, size):
    """Run blocks of `size` batches, each of one anchor; return summaries and objects."""
    batches, settings, options = batches_of(config)
    starts = np.array([batch.start for batch in batches], "M8[D]")
    anchors = history_starts(starts, options.history_days)
    summaries = []
    for anchor in np.unique(anchors):
        members = [b for b, own in zip(batches, anchors, strict=True) if own == anchor]
        for first in range(0, len(members), size):
            block = BatchTask(tuple(members[first : first + size]), settings, options)
            summaries += run_batches(block)
    return summaries, stored(config.store)


@holds_for_all(
    2,
    4,
    seed=st.integers(0, 2**32 - 1),
    sizes=st.sampled_from([(3, 7), (2, 60)]),
    score_against=st.sampled_from(["first", "latest", "2"]),
    rows=st.sampled_from([1, 100]),
)
def test_grouping_changes_no_byte(seed, sizes, score_against, rows):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_panel(folder / "source", seed)
        source, scored = folder / "source", {"score_against": score_against}
        one_by_one, objects = run_in_blocks(config_of(source, folder / "single", **scored), 1)
        assert {summary.status for summary in one_by_one} <= {"completed", "skipped"}
        own = [path for path in objects if "/_shared/" not in path]
        assert len(own) == 4 * len(one_by_one)
        for size in sizes:
            config = config_of(source, folder / str(size), **scored)
            with patch.object(columns, "ROWS_TOGETHER", rows):  # few variables of a batch at a time
                summaries, grouped = run_in_blocks(config, size)
            assert grouped == objects
            assert [s.batch_id for s in summaries] == [s.batch_id for s in one_by_one]
            assert [dict(s.scores) for s in summaries] == [dict(s.scores) for s in one_by_one]


@pytest.fixture
def few(source, tmp_path):
    """Twelve monthly batches of two series, with the store of a name."""

    def config(name, **changes):
        dates = {"start_date": "2005-01-01", "end_date": "2005-12-31", "history_days": 1500}
        return config_of(source, tmp_path / name, **dates | changes)

    return config


def test_a_rule_that_fails_at_some_origins_fails_in_the_same_batches(few, monkeypatch):
    monkeypatch.setenv("HOSTILE_VALUE", "43.0")  # of July 2005, in the middle of a block
    models = ["naive", HOSTILE + "Raises"]
    alone, objects = run_in_blocks(few("alone", models=models), 1)
    together, grouped = run_in_blocks(few("together", models=models), 12)
    assert grouped == objects
    failed = {summary.batch_id: summary.rule_errors for summary in together}
    assert failed == {summary.batch_id: summary.rule_errors for summary in alone}
    assert failed["2005-06-01"] == 0
    assert failed["2005-08-01"] > 0


def test_a_rule_whose_forecasts_depend_on_the_path_gets_the_path_of_its_batch(few, source):
    """A missing value makes the targets of some batches one step further away."""
    line = source / "historical_line.csv"
    line.write_text(line.read_text().replace("2005-06-01,42.5", "2005-06-01,"))
    models = ["naive", "pulse_assets_tests.execution.test_blocks:WholePath"]
    _, objects = run_in_blocks(few("alone", models=models), 1)
    _, grouped = run_in_blocks(few("together", models=models), 12)
    assert grouped == objects


class WholePath:
    """A rule whose every forecast depends on how far the path goes."""

    name = "whole_path"
    history_origins = 3

    def fit_predict(self, y_past, horizons):
        return [y_past[-1] + len(horizons) + 0.1 * max(horizons)] * len(horizons)


@pytest.fixture(autouse=True)
def own_rule_processes():
    """A process of an earlier test would have its environment."""
    close_hosts()
    yield
    close_hosts()


def test_a_batch_that_fails_leaves_its_neighbours(few, monkeypatch):
    monkeypatch.setenv("HOSTILE_VALUE", "43.0")
    models = ["naive", HOSTILE + "Raises"]
    strict = {"models": models, "on_rule_error": "fail"}
    alone, _ = run_in_blocks(few("alone", **strict), 1)
    together, _ = run_in_blocks(few("together", **strict), 12)
    status = {summary.batch_id: summary.status for summary in together}
    assert status == {summary.batch_id: summary.status for summary in alone}
    assert {*status.values()} == {"completed", "failed"}


def test_a_series_that_breaks_the_walk_of_a_block_leaves_the_earlier_batches(few, source):
    """Two dates of one month, written after the run began, are an error of the later batches."""
    config = few("store")
    batches, settings, options = batches_of(config)
    wave = source / "historical_wave.csv"
    wave.write_text(wave.read_text().replace("2005-09-01,", "2005-09-01,1\n2005-09-20,"))
    summaries = run_batches(BatchTask(tuple(batches), settings, options))
    assert {summary.status for summary in summaries} == {"completed"}
    planned = {b.batch_id: planned_of(config, b.batch_id)["wave"] for b in batches}
    assert [key for key, reason in planned.items() if reason] == [
        f"2005-{month:02d}-01" for month in range(9, 13)
    ]
    assert "2005-09-20 lie in one period" in planned["2005-09-01"]


def planned_of(config, key):
    path = Path(config.store) / object_path("training_batches", key, "monthly")
    return {row["variable"]: row["skip_reason"] for row in pq.read_table(path).to_pylist()}


def test_a_resumed_block_computes_only_what_is_missing(few):
    config = few("store")
    _, objects = run_in_blocks(config, 12)
    gone = Path(config.store) / object_path("retrodictions", "2005-05-01", "monthly")
    gone.unlink()
    summaries, again = run_in_blocks(few("store", resume=True), 12)
    assert [s.batch_id for s in summaries if not s.unchanged] == ["2005-05-01"]
    assert again == objects


def test_a_block_reads_each_series_once(few, monkeypatch):
    batches, settings, options = batches_of(few("store"))
    reads, load = [], Source.load
    monkeypatch.setattr(Source, "load", lambda self, name: reads.append(name) or load(self, name))
    run_batches(BatchTask(tuple(batches), settings, options))
    assert sorted(reads) == ["line", "wave"]


# Grouping


@holds_for_all(
    60,
    400,
    count=st.integers(1, 400),
    threads=st.integers(1, 40),
    days=st.integers(1, 9000),
)
def test_blocks_hold_every_batch_once_in_order_and_one_anchor_each(count, threads, days):
    months = (np.datetime64("1980-01") + np.arange(count)).astype("M8[D]")
    batches = [batch_of_month(month) for month in months]
    options = TrainingConfig(history_days=days, frequencies={"x": "monthly"}).options()
    blocks = group_batches(batches, options, threads)
    assert [batch for block in blocks for batch in block] == batches
    for block in blocks:
        starts = np.array([batch.start for batch in block], "M8[D]")
        assert len(np.unique(history_starts(starts, days))) == 1


def batch_of_month(month):
    config = TrainingConfig(
        start_date=str(month), end_date=str(month + 31), batch_cadence="monthly"
    )
    return batch_of(config.settings(), str(month), ("x",))


def test_each_thread_gets_at_least_four_blocks_if_the_walk_is_short():
    months = (np.datetime64("2000-01") + np.arange(60)).astype("M8[D]")
    batches = [batch_of_month(month) for month in months]
    options = TrainingConfig(models=["naive"], frequencies={"x": "yearly"}).options()
    assert len(group_batches(batches, options, 2)) in (8, 9)
    assert len(group_batches(batches, options, 4)) >= 16


@pytest.mark.parametrize(("frequency", "most"), [("monthly", 24), ("quarterly", 24), ("daily", 1)])
def test_with_a_rule_of_the_user_a_block_is_soon_done(frequency, most):
    """An interrupted block is lost, and such a rule may take any time."""
    months = (np.datetime64("2000-01") + np.arange(60)).astype("M8[D]")
    batches = [batch_of_month(month) for month in months]
    frequencies = {f"v{i}": frequency for i in range(500)}  # the walk alone asks for long blocks
    options = TrainingConfig(models=["naive", HOSTILE + "Raises"], frequencies=frequencies)
    blocks = group_batches(batches, options.options(), 1)
    assert max(map(len, blocks)) <= most
    assert len(blocks) < 60 or most == 1


@pytest.mark.parametrize("variables", [3_000, 10_000])
@pytest.mark.parametrize("quantiles", [[0.1, 0.9], [i / 20 for i in range(1, 20)]])
def test_the_forecasts_of_a_block_fit_into_memory(variables, quantiles):
    months = (np.datetime64("2000-01") + np.arange(60)).astype("M8[D]")
    batches = [batch_of_month(month) for month in months]
    config = TrainingConfig(
        frequencies={f"v{i}": "monthly" for i in range(variables)},
        models=["naive", "holt"],
        horizons=[1, 2, 3, 6, 12],
        max_partners=3,
        quantiles=quantiles,
        interval_level=0.8,
    )
    blocks = group_batches(batches, config.options(), 1)
    # Two rules, three on leading indicators, two ensembles; a weight and a forecast of each.
    held = variables * 5 * (2 + 3 + 2) * 8 * (2 + len(quantiles))
    assert max(map(len, blocks)) * held <= BLOCK_BYTES
    assert len(blocks) < 60


def test_a_panel_that_takes_long_to_walk_gets_long_blocks():
    """Blocks of one batch would walk the same history sixty times."""
    months = (np.datetime64("2000-01") + np.arange(60)).astype("M8[D]")
    batches = [batch_of_month(month) for month in months]
    frequencies = {f"v{i}": "monthly" for i in range(500)}
    options = TrainingConfig(frequencies=frequencies).options()
    assert len(group_batches(batches, options, 16)) < 30


@pytest.mark.parametrize(
    ("start", "days", "anchor"),
    [
        (date(2020, 1, 31), 7305, "2000-01-01"),
        (date(2019, 12, 31), 7305, "1995-01-01"),
        (date(2020, 1, 1), 1, "2015-01-01"),
        (date(1, 1, 2), 182_625, "-500-01-01"),
    ],
)
def test_anchors_are_first_days_of_five_calendar_years(start, days, anchor):
    assert str(history_starts(np.array([start], "M8[D]"), days)[0]) == anchor
