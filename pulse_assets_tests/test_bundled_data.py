"""The bundled data over the whole default range: nothing fails, and `naive` is plain arithmetic."""

import datetime as dt
from importlib.resources import files
from itertools import pairwise

import pandas as pd
import pytest

from pulse_assets import TrainingConfig, train
from pulse_assets.batches.windows import batch_starts, make_batch
from pulse_assets.report.page import best_rules

#: Lag of the differences in the scale, as M4 has it.
SCALE_LAGS = {"gdp_growth": 4, "spx_close": 1}
HORIZONS = (1, 2, 3, 6, 12)
MINIMUM_HISTORY = 12


def read(name):
    file = files("pulse_assets") / "sample_data" / f"historical_{name}.csv"
    return pd.read_csv(str(file), index_col="timestamp", parse_dates=True)["value"]


def naive_errors(y, lag, batch):
    """Return absolute and scaled errors of persistence for the targets in a batch's window."""
    year = (batch.start - dt.timedelta(days=7305)).year
    anchor = pd.Timestamp(year - year % 5, 1, 1)
    seen = y[anchor : pd.Timestamp(batch.end)]
    seen = seen[seen.index < pd.Timestamp(batch.end)]
    if (seen.index < pd.Timestamp(batch.start)).sum() < MINIMUM_HISTORY:
        return []
    scale = seen.diff(lag).abs().expanding().mean()
    known = pd.Series(range(1, len(seen) + 1), seen.index)
    parts = []
    for horizon in HORIZONS:
        error = (seen - seen.shift(horizon)).abs()
        pairs = pd.DataFrame({"error": error, "scaled": error / scale.shift(horizon)})
        pairs = pairs[(known.shift(horizon) >= MINIMUM_HISTORY) & (seen.index >= str(batch.start))]
        parts.append(pairs)
    return parts


def expected_naive(config, names):
    batches = [
        make_batch(start.isoformat(), config.end_date, config.batch_size_days, names)
        for start in batch_starts(config.start_date, config.end_date, config.batch_size_days)
    ]
    assert all(a.end == b.start for a, b in pairwise(batches))
    series = {name: (read(name), SCALE_LAGS.get(name, 12)) for name in names}
    parts = [p for b in batches for y, lag in series.values() for p in naive_errors(y, lag, b)]
    return pd.concat(parts)


@pytest.fixture
def config(tmp_path):
    return TrainingConfig(store=str(tmp_path / "store"), max_workers=1)


def assert_naive_is_plain_arithmetic(config, results):
    names = sorted(results.trust_scores)
    assert len(names) == 7
    expected = expected_naive(config, names)
    row = results.models.set_index("model").loc["naive"]
    assert row["n"] == len(expected)
    assert row["mase"] == pytest.approx(expected["scaled"].mean(), rel=1e-5)
    assert row["skill"] == 0
    assert_persistence_has_a_trust_of_one_half(results, names)


def assert_persistence_has_a_trust_of_one_half(results, names):
    rows = results.skill_by_horizon.query("model == 'naive'").to_dict("records")
    assert len(rows) == (1 + len(names)) * len(HORIZONS)
    assert {row["trust"] for row in rows} == {0.5}
    for board in results.data["models_by_variable"].values():
        assert {row["trust"] for row in board if row["model"] == "naive"} == {0.5}


@pytest.mark.slow
def test_every_batch_of_the_bundled_data_completes(config):
    results = train(config.model_copy(update={"max_workers": 2}))
    batches = results.data["batches"]
    assert results.success
    assert batches["total"] == batches["completed"] + batches["skipped"] == 402
    assert all(entry["reason"] for entry in results.data["skipped"])
    assert_naive_is_plain_arithmetic(config, results)
    skills = results.models.set_index("model")["skill"]
    assert skills["ensemble"] > 0
    assert skills["ensemble"] > skills["ensemble_median"]


def test_naive_in_yearly_batches_of_the_bundled_data(config):
    yearly = config.model_copy(
        update={"models": ["naive"], "batch_size_days": 365, "max_partners": 0}
    )
    assert_naive_is_plain_arithmetic(yearly, train(yearly))


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "partial"), [("ShyOnceIn20", True), ("ShyOnceIn100", False)])
def test_a_rule_that_repeats_naive_gains_nothing_by_silence(config, rule, partial):
    changes = {
        "variables": ["spx_close", "fed_funds_rate"],
        "models": ["naive", f"pulse_assets_tests.own_rules:{rule}"],
        "start_date": "2000-01-01",
        "end_date": "2009-12-31",
        "batch_size_days": 365,
        "horizons": [1],
        "max_partners": 0,
    }
    results = train(TrainingConfig(**{**config.model_dump(), **changes}))
    for variable, board in results.data["models_by_variable"].items():
        models = [row["model"] for row in board]
        shy = board[models.index("a_shy")]
        assert shy["missing"] > 0
        assert (shy["skill"], shy["win_rate"], shy["trust"]) == (0.0, 0.5, 0.5)
        assert models.index("naive") < models.index("a_shy")
        assert "a_shy" not in [row["model"] for row in best_rules(results.data, variable)]
        assert results.data["variables"]["details"][variable]["best_model"] != "a_shy"
    assert results.models.set_index("model").loc["a_shy", "skill"] == 0.0
    assert bool(results.models.set_index("model").loc["a_shy", "partial"]) is partial
