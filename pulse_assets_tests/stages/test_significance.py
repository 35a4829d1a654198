"""Tests of significance from stored metrics: beside raw errors, in tables, terminal and report."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from benchmarks.comparison import diebold_mariano
from pulse_assets.catalog import SIGNIFICANCE, TRUST_LEDGER
from pulse_assets.cli.terminal import print_summary
from pulse_assets.evaluation.comparison import adjust_probabilities
from pulse_assets.report import build_report
from pulse_assets_tests.report.made import (
    KEY,
    make_ledger,
    make_pairs,
    make_tables,
    score_pairs,
    summarise_made,
    to_metrics,
)

BATCHES = tuple(str(day.date()) for day in pd.date_range("2010-01-01", periods=60, freq="MS"))
MODELS = ("naive", "better", "worse", "ensemble", "ensemble_median")


def one_target_a_batch(variables=("gdp", "cpi"), batches=BATCHES, **sizes):
    """Pairs whose errors have a size by model; each batch has one target."""
    pairs = make_pairs(variables, MODELS, batches=batches, days=1)
    pairs = pairs.drop(columns=["error", "predicted"])
    rng = np.random.default_rng(11)
    size = pairs["model"].map({"better": 0.5, "worse": 2.0, "ensemble": 0.9, **sizes}).fillna(1.0)
    pairs["error"] = rng.normal(size=len(pairs)) * size * pairs["horizon"]
    pairs["predicted"] = pairs["observed"] + pairs["error"]
    pairs["lower"], pairs["upper"] = pairs["predicted"] - 1.5, pairs["predicted"] + 1.5
    return pairs


def summarised(pairs):
    scores = score_pairs(pairs)
    return summarise_made(to_metrics(scores), make_ledger(scores), planned=BATCHES)


def rows_of(summary):
    return summary.significance.to_pandas().set_index(["variable", "model", "horizon"])


@pytest.fixture(scope="module")
def pairs():
    return one_target_a_batch()


@pytest.fixture(scope="module")
def summary(pairs):
    return summarised(pairs)


def losses_of(pairs, variable, model, horizon):
    chosen = pairs[(pairs["variable"] == variable) & (pairs["model"] == model)]
    chosen = chosen[chosen["horizon"] == horizon].sort_values("target_date")
    return chosen["error"].abs().to_numpy()


@pytest.mark.parametrize("model", ["better", "worse", "ensemble"])
@pytest.mark.parametrize("horizon", [1, 3])
def test_a_test_is_that_of_the_raw_errors(pairs, summary, model, horizon):
    ours = losses_of(pairs, "gdp", model, horizon)
    row = rows_of(summary).loc[("gdp", model, horizon)]
    for name, other in (("naive", "naive"), ("median", "ensemble_median")):
        expected = diebold_mariano(ours, losses_of(pairs, "gdp", other, horizon), horizon)
        got = row[f"dm_{name}"], row[f"p_{name}"]
        assert got == pytest.approx(expected, rel=1e-4, abs=1e-7)
    assert (row["n"], row["n_median"]) == (60, 60)


def test_over_all_horizons_each_counts_by_the_error_of_naive(pairs, summary):
    total = np.zeros(60)
    for horizon in (1, 3):
        naive = losses_of(pairs, "cpi", "naive", horizon)
        total += (losses_of(pairs, "cpi", "worse", horizon) - naive) / naive.mean() / 2
    row = rows_of(summary).loc[("cpi", "worse", np.nan)]
    expected = diebold_mariano(total, np.zeros(60), 3)
    assert (row["dm_naive"], row["p_naive"]) == pytest.approx(expected, rel=1e-4, abs=1e-9)


def test_probabilities_are_adjusted_over_variables_for_each_rule_and_horizon(summary):
    table = summary.significance.to_pandas().fillna({"horizon": 0})
    for _, group in table.groupby(["model", "horizon"], observed=True):
        for name in ("naive", "median"):
            expected = adjust_probabilities(group[f"p_{name}"].to_numpy(np.float64))
            got = group[f"adjusted_{name}"].to_numpy()
            assert got == pytest.approx(expected, rel=1e-5, nan_ok=True)


def test_rules_on_leading_indicators_are_one_family():
    renamed = {"gdp": "ar_with_cpi", "cpi": "ar_with_gdp"}
    pairs = one_target_a_batch(better=0.9)
    ours = pairs["model"] == "better"
    pairs.loc[ours, "model"] = pairs.loc[ours, "variable"].map(renamed)
    summary = summarised(pairs)
    rows = rows_of(summary)
    p = [rows.loc[(name, model, np.nan), "p_naive"] for name, model in renamed.items()]
    got = [rows.loc[(name, model, np.nan), "adjusted_naive"] for name, model in renamed.items()]
    assert got == pytest.approx(adjust_probabilities(np.array(p, float)).tolist(), rel=1e-5)
    assert summary.results["significance"]["models"]["ar_with_*"]["tested"] == 2


def test_the_results_count_what_is_more_than_chance(summary):
    entry = summary.results["significance"]
    better, worse = (entry["models"][name] for name in ("better", "worse"))
    assert (better["better_than_naive"], better["worse_than_naive"]) == (2, 0)
    assert (worse["better_than_naive"], worse["worse_than_naive"]) == (0, 2)
    assert (better["better_than_median"], worse["worse_than_median"]) == (2, 2)
    assert (better["in_confidence_set"], worse["in_confidence_set"]) == (2, 0)
    assert entry["models"]["naive"]["tested"] == 0
    assert entry["variables"]["gdp"]["confidence_set"] == ["better"]
    assert entry["variables"]["gdp"]["against_naive"] is None
    assert 0.05 < entry["variables"]["gdp"]["p_naive"] < 1


def test_a_win_rate_has_an_interval_over_variables_and_over_batches(summary):
    rows = rows_of(summary)
    boards = summary.results["models_by_variable"]["gdp"]
    for row in boards:
        ours = rows.loc[("gdp", row["model"], np.nan)]
        assert ours["win_rate"] == row["win_rate"]
        assert ours["win_rate_lower"] <= ours["win_rate"] <= ours["win_rate_upper"]
    ensemble = summary.results["significance"]["models"]["better"]
    assert (ensemble["win_rate_lower"], ensemble["win_rate_upper"]) == (1.0, 1.0)
    single = summarised(one_target_a_batch(("gdp",), ensemble=1.0))
    row = rows_of(single).loc[("gdp", "ensemble", np.nan)]
    bounds = single.results["significance"]["models"]["ensemble"]
    assert bounds["win_rate_lower"] == row["win_rate_lower"] < row["win_rate_upper"]


def test_a_rule_with_gaps_is_compared_where_it_speaks(pairs):
    silent = pairs.copy()
    gone = (silent["model"] == "better") & (silent["batch"] < BATCHES[20])
    silent.loc[gone, ["error", "predicted"]] = np.nan
    row = rows_of(summarised(silent)).loc[("gdp", "better", 3)]
    assert (row["n"], row["n_median"]) == (40, 40)
    ours, naive = (losses_of(silent, "gdp", name, 3)[20:] for name in ("better", "naive"))
    assert row["dm_naive"] == pytest.approx(diebold_mariano(ours, naive, 3)[0], rel=1e-4)
    assert np.isnan(row["set_probability"])  # it lacks a third of the pairs of the others


def test_batches_of_many_targets_are_compared_as_sums():
    """Five targets a batch: a rule that misses one of them is not compared with the median."""
    pairs = make_pairs(batches=BATCHES[:30])
    rows = rows_of(summarised(pairs))
    sums = pairs.assign(error=pairs["error"].abs()).groupby(KEY)["error"].sum()
    gaps = [
        sums.xs((name, 3), level=("model", "horizon"))["2010-01-01":]
        for name in ("ensemble", "naive")
    ]
    ours, naive = (gap[:, "gdp"].to_numpy() for gap in gaps)
    expected = diebold_mariano(ours, naive, 2)  # two steps further are half a batch: lag 1 at most
    assert rows.loc[("gdp", "ensemble", 3), "dm_naive"] == pytest.approx(expected[0], rel=1e-4)
    holes = rows.loc[("gdp", "mean", 3)]
    assert 0 < holes["n_median"] < holes["n"] == 30


def test_the_table_does_not_depend_on_units_or_on_how_tables_are_split(pairs, summary):
    scores = score_pairs(pairs)
    by_batch = [to_metrics(part) for _, part in scores.groupby("batch")]
    again = summarise_made(by_batch[0], make_ledger(scores), more=by_batch[1:])
    expected = summary.significance.to_pandas()
    pd.testing.assert_frame_equal(again.significance.to_pandas(), expected, check_exact=True)
    huge = pairs.copy()
    for name in ("observed", "predicted", "lower", "upper", "error", "scale"):
        huge[name] *= 2.0**400
    huge["squared_scale"] = huge["scale"] ** 2
    scaled = summarised(huge).significance.to_pandas()
    pd.testing.assert_frame_equal(scaled, expected, rtol=1e-4)


def test_without_a_median_or_without_naive_the_others_are_tested(pairs):
    rows = rows_of(summarised(pairs[pairs["model"] != "ensemble_median"]))
    assert rows["p_median"].isna().all()
    assert rows["p_naive"].notna().any()


def test_nothing_scored_is_an_empty_table():
    summary = summarise_made(to_metrics(pd.DataFrame(columns=KEY)), TRUST_LEDGER.empty_table())
    assert summary.significance.schema.equals(SIGNIFICANCE)
    assert summary.significance.num_rows == 0
    assert summary.results["significance"]["models"] == {}


def printed(results):
    console = Console(file=io.StringIO(), width=80)
    print_summary(results, {}, console)
    return console.file.getvalue()


def test_the_terminal_shows_a_star_and_a_line_that_explains_it():
    text = printed(summarised(one_target_a_batch(ensemble=0.4)).results)
    starred = [line for line in text.splitlines() if line.startswith(("gdp", "cpi"))]
    assert len(starred) == 2
    assert all("*" in line for line in starred)
    assert "* error significantly different from that of naive" in text
    assert "ensemble is significantly better on 2 and worse on 0 of 2 variables" in " ".join(
        text.split()
    )


def test_without_a_difference_there_is_no_star(summary):
    text = printed(summary.results)
    assert not any("*" in line for line in text.splitlines() if line.startswith(("gdp", "cpi")))
    assert "do not differ significantly on any variable" in text


def test_the_report_says_which_differences_are_more_than_chance():
    pairs = one_target_a_batch(ensemble=0.4)
    page = build_report(summarised(pairs).results, make_tables(pairs))
    assert "More than chance?" in page
    assert (
        "Of 2 variables, the errors of the ensemble are smaller on 2 and larger on 0 than" in page
    )
    assert page.count("better *") == 4
    assert '<a href="#significance" title="more than chance">*</a>' in page


def test_with_many_variables_confidence_sets_are_over_all_horizons_only(pairs, monkeypatch):
    monkeypatch.setattr("pulse_assets.stages.significance.MANY_VARIABLES", 1)
    rows = summarised(pairs).significance.to_pandas()
    overall = rows["horizon"].isna()
    assert rows.loc[~overall, "set_probability"].isna().all()
    assert rows.loc[overall, "set_probability"].notna().all()
    assert rows.loc[~overall & (rows["model"] != "naive"), "p_naive"].notna().all()
