"""Scores of quantiles and counts below them: by hand, in plain Python, and pooled over batches."""

from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import strategies as st

from pulse_assets.batches.windows import TrainingBatch
from pulse_assets.history.series import Series
from pulse_assets.retrodiction.rules import resolve_rules
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.calibration import is_symmetric
from pulse_assets_tests import rederived
from pulse_assets_tests.properties import holds_for_all
from pulse_assets_tests.report.made import (
    LEVELS,
    make_ledger,
    make_pairs,
    score_pairs,
    summarise_made,
    to_metrics,
)
from pulse_assets_tests.stages.one_batch import run_stages
from pulse_assets_tests.stages.test_predict_and_score import BATCH, MONTHS

MODELS = ["naive", "drift", "pulse_assets_tests.own_rules:Shy"]


def stages_of(values, quantiles=LEVELS, interval_level=0.8):
    options = TrainingOptions(
        models=MODELS,
        horizons=[1, 3],
        quantiles=list(quantiles),
        interval_level=interval_level,
        frequencies={"x": "monthly"},
        history_days=36500,
    )
    series = {"x": Series("x", MONTHS.copy(), np.array(values, float))}
    long = TrainingBatch("2003-01-01", BATCH.start, MONTHS[-1].astype(object), ("x",))
    return run_stages(long, series, resolve_rules(options.models or []), options)


def with_numbers(stages, observed, quantiles):
    """Return the stages as if all pairs had one outcome and the same quantiles."""
    table, count = stages.retrodictions, stages.retrodictions.num_rows
    for name, value in (("observed", observed), ("quantiles", quantiles), ("scale", 2.0)):
        place = table.schema.get_field_index(name)
        column = pa.array([value] * count, table.schema.field(name).type)
        table = table.set_column(place, table.schema.field(name), column)
    return stages._replace(retrodictions=table)


@pytest.mark.parametrize(
    ("observed", "loss", "below"),
    [
        (3.0, (0.3 + 1.0 + 0.9) / 3, [0, 0, 0]),
        (-1.0, (0.9 + 1.0 + 0.3) / 3, [1, 1, 1]),
        (1.0, (0.1 + 0.0 + 0.1) / 3, [0, 0.5, 1]),
        (0.0, (0.0 + 0.5 + 0.2) / 3, [0.1, 1, 1]),
    ],
)
def test_sums_of_a_batch_by_hand(observed, loss, below):
    """Quantiles 0, 1 and 2 at levels 0.1, 0.5 and 0.9, and a scale of 2."""
    metrics = with_numbers(stages_of(np.arange(60)), observed, [0.0, 1.0, 2.0]).score()
    rows = [row for row in metrics.to_pylist() if row["model"] in ("naive", "ensemble")]
    assert len(rows) == 4
    for row in rows:
        n = row["n"]
        assert n > 5
        assert row["quantile_loss"] == pytest.approx(n * loss, rel=1e-6)
        assert row["sql_scale"] == pytest.approx(2.0, rel=1e-6)
        assert row["below"] == pytest.approx([n * share for share in below])


def test_without_one_quantile_the_sums_are_undefined():
    stages = with_numbers(stages_of(np.arange(60)), 1.0, [0.0, np.nan, 2.0])
    for row in stages.score().to_pylist():
        assert np.isnan([row["quantile_loss"], row["sql_scale"]]).all()
        assert np.isnan(row["below"]).tolist() == [False, True, False]


@holds_for_all(
    10,
    200,
    seed=st.integers(0, 2**32 - 1),
    levels=st.lists(st.integers(1, 99), min_size=1, max_size=9, unique=True),
)
def test_every_sum_once_more_in_plain_python(seed, levels):
    rng = np.random.default_rng(seed)
    values = np.round(rng.standard_t(3, 60).cumsum(), int(rng.integers(0, 3)))  # ties, too
    stages = stages_of(values, [level / 100 for level in levels], 0.5)
    assert {round(100 * level) for level in stages.levels} == {*levels, 25, 75}
    pairs = defaultdict(list)
    for row in stages.retrodictions.to_pylist():
        pairs[row["model"], row["horizon"]].append(row | {"naive": 0.0, "square": 1.0})
    metrics = stages.score().to_pylist()
    assert len(metrics) == len(pairs)
    for row in metrics:
        own = rederived.scores(pairs[row["model"], row["horizon"]], stages.levels)
        expected = rederived.stored_scores(own)
        for name in ("quantile_loss", "sql_scale", "covered"):
            assert row[name] == pytest.approx(expected[name], rel=1e-6, abs=1e-9, nan_ok=True)
        below = rederived.stored_below(own, stages.levels)
        assert row["below"] == pytest.approx(below, abs=1e-9, nan_ok=True)


@pytest.fixture(scope="module")
def pairs():
    """Made pairs, of which each quantile is the forecast, or 1.5 below or above it."""
    made = make_pairs()
    made["quantiles"] = [[value - 1.5, value, value + 1.5] for value in made["predicted"]]
    return made.assign(naive=0.0, square=1.0, weight=0.25)


@pytest.fixture(scope="module")
def scores(pairs):
    return score_pairs(pairs)


@pytest.fixture(scope="module")
def results(scores):
    return summarise_made(to_metrics(scores), make_ledger(scores)).results


def scored(pairs, **values):
    """Return what plain Python finds of the pairs with these values."""
    for name, value in values.items():
        pairs = pairs[pairs[name] == value]
    return rederived.scores(pairs.to_dict("records"), LEVELS)


def row_of(board, model):
    (row,) = [row for row in board if row["model"] == model]
    return row


@pytest.mark.parametrize("model", ["naive", "mean", "drift", "ensemble"])
def test_scores_are_pooled_over_all_pairs(pairs, results, model):
    for variable, board in results["models_by_variable"].items():
        row, expected = row_of(board, model), scored(pairs, model=model, variable=variable)
        for name in ("pinball", "wis", "sql"):
            assert row[name] == pytest.approx(expected[name], rel=1e-5)
    overall = row_of(results["models"], model)
    assert overall["sql"] == pytest.approx(scored(pairs, model=model)["sql"], rel=1e-5)
    assert overall["pinball"] is overall["wis"] is None  # of several variables, in several units


def test_calibration_counts_all_pairs(pairs, results):
    found = results["calibration"]
    assert found["levels"] == list(LEVELS)
    assert found["models"].keys() == {*pairs["model"]}
    assert found["variables"].keys() == {*pairs["variable"]}
    groups = [(counts, scored(pairs, model=name)) for name, counts in found["models"].items()]
    groups += [
        (counts, scored(pairs, model="ensemble", variable=name))
        for name, counts in found["variables"].items()
    ]
    for counts, own in groups:
        expected = rederived.calibration([own], LEVELS)
        assert expected is not None
        assert (counts["n"], counts["pit"]) == (expected["n"], expected["pit"])
        assert counts["below"] == pytest.approx(expected["below"], rel=1e-5)


@pytest.mark.parametrize("levels", [(0.1, 0.6, 0.9), (0.2, 0.5, 0.9), (0.1, 0.5, 0.91)])
def test_wis_needs_symmetric_levels_with_the_median(scores, levels):
    changed = summarise_made(to_metrics(scores), make_ledger(scores), levels=levels).results
    for board in changed["models_by_variable"].values():
        assert all(row["wis"] is None and row["pinball"] is not None for row in board)
    assert changed["calibration"]["levels"] == list(levels)


@pytest.mark.parametrize(
    ("levels", "symmetric"),
    [
        ([0.5], True),
        ([0.05, 0.95], False),
        ([0.05, 0.5, 0.95], True),
        ([0.05, 0.1, 0.5, 0.95], False),
        ([i / 100 for i in range(1, 100)], True),
    ],
)
def test_symmetric_levels(levels, symmetric):
    assert is_symmetric(levels) is symmetric


def test_a_batch_without_a_quantile_is_left_out_of_the_counts(scores, results):
    """And of the scores; the others count as before."""
    batch, silent = scores["batch"].max(), scores.copy()
    gone = silent["batch"] == batch
    silent.loc[gone, ["quantile_loss", "sql_scale"]] = np.nan
    silent["below"] = [
        [np.nan] * 3 if out else below for out, below in zip(gone, silent["below"], strict=True)
    ]
    found = summarise_made(to_metrics(silent), make_ledger(scores)).results
    others = scores[~gone]
    again = summarise_made(to_metrics(others), make_ledger(others)).results
    assert found["calibration"] == again["calibration"] != results["calibration"]
    for variable, board in found["models_by_variable"].items():
        for row in board:
            other = row_of(again["models_by_variable"][variable], row["model"])
            assert [row["wis"], row["sql"]] == [other["wis"], other["sql"]]
