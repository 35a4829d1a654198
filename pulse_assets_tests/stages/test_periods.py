"""Scores by period: beside plain sums of pairs, causal crises, recessions, files of periods."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from pulse_assets.evaluation.volatility import FEWEST, MEMORY, RECENT, SHARE, classify
from pulse_assets.history.periods import Period, middle_days, read_periods, recessions
from pulse_assets.report import build_report
from pulse_assets_tests.report.made import (
    make_ledger,
    make_pairs,
    make_tables,
    score_pairs,
    summarise_made,
    to_metrics,
)

BATCHES = tuple(str(day.date()) for day in pd.date_range("2006-01-01", "2010-12-01", freq="MS"))
COVID = Period.parse("slump", "2008-09-15:2008-11-30, 2009-02-01:2009-02-28")


@pytest.fixture(scope="module")
def pairs():
    return make_pairs(batches=BATCHES, days=2)


def summarised(pairs, **changes):
    scores = score_pairs(pairs)
    return summarise_made(to_metrics(scores), make_ledger(scores), planned=BATCHES, **changes)


@pytest.fixture(scope="module")
def summary(pairs):
    return summarised(pairs, periods=[COVID])


@pytest.fixture(scope="module")
def table(summary):
    frame = summary.scores_by_period.to_pandas().astype({"variable": object})
    frame["variable"] = frame["variable"].where(frame["variable"].notna(), "all")
    return frame.set_index(["kind", "period", "variable", "model"]).sort_index()


def skill_of(pairs, model, variables):
    """1 - the geometric mean over variable and horizon of the ratio of absolute errors."""
    logs = []
    for name in variables:
        for horizon in (1, 3):
            rows = pairs[(pairs["variable"] == name) & (pairs["horizon"] == horizon)]
            keyed = rows.assign(error=rows["error"].abs()).pivot_table(
                index=["batch", "target_date"], columns="model", values="error"
            )
            both = keyed.dropna(subset=[model])
            logs.append(np.log(both[model].sum() / both["naive"].sum()))
    return 1 - np.exp(np.mean(logs))


def in_batches(pairs, start, end):
    return pairs[(pairs["batch"] >= start) & (pairs["batch"] <= end)]


@pytest.mark.parametrize(
    ("kind", "period", "start", "end"),
    [
        ("year", "2008", "2008-01-01", "2008-12-01"),
        ("year", "2010", "2010-01-01", "2010-12-01"),
        ("recession", "recession 2008-2009", "2008-01-01", "2009-06-01"),
        ("cycle", "recessions", "2008-01-01", "2009-06-01"),
    ],
)
@pytest.mark.parametrize("model", ["ensemble", "mean"])
def test_a_period_pools_the_pairs_of_its_batches(pairs, table, kind, period, start, end, model):
    own = in_batches(pairs, start, end)
    for variable, names in (("cpi", ["cpi"]), ("all", ["cpi", "gdp"])):
        row = table.loc[(kind, period, variable, model)]
        assert row["skill"] == pytest.approx(skill_of(own, model, names), rel=1e-4, abs=1e-6)
        mine = own[(own["model"] == model) & own["variable"].isin(names)].dropna(subset="error")
        assert row["n"] == len(mine)
        assert row["mase"] == pytest.approx((mine["error"].abs() / mine["scale"]).mean(), rel=1e-5)
        assert row["coverage"] == pytest.approx((mine["error"].abs() <= 1.5).mean(), rel=1e-5)


def test_expansions_and_recessions_add_up_to_all(pairs, table):
    n = [
        table.loc[("cycle", name, "all", "ensemble"), "n"] for name in ("recessions", "expansions")
    ]
    years = table.loc[("year", slice(None), "all", "ensemble"), "n"].sum()
    assert sum(n) == years == (pairs["model"] == "ensemble").sum()


def test_a_period_of_the_user_may_have_interruptions(pairs, table):
    """The middle of September, mid-October and mid-November 2008, and February 2009."""
    chosen = ["2008-09-01", "2008-10-01", "2008-11-01", "2009-02-01"]
    own = pairs[pairs["batch"].isin(chosen)]
    row = table.loc[("file", "slump", "gdp", "ensemble")]
    assert row["skill"] == pytest.approx(skill_of(own, "ensemble", ["gdp"]), rel=1e-4)
    assert (row["start"], row["end"]) == (date(2008, 9, 15), date(2009, 2, 28))


def test_the_results_name_the_best_rule_of_each_period(summary, table):
    entries = {(e["kind"], e["period"]): e for e in summary.results["periods"]}
    entry = entries["year", "2009"]
    row = table.loc[("year", "2009", "all", "ensemble")]
    assert entry["skill"] == pytest.approx(row["skill"], rel=1e-5)
    skills = table.loc[("year", "2009", "all")]["skill"]
    rules = skills.drop(
        ["ensemble", "ensemble_median", "mean"]
    )  # mean lacks a seventh of the pairs
    assert entry["best_model"] == rules.idxmax()
    assert (entry["start"], entry["end"]) == ("2009-01-01", "2009-12-31")
    assert ("recession", "recession 2020") not in entries


def test_a_period_without_a_batch_is_listed_without_a_score(pairs):
    later = Period.parse("later", "2030-01-01:2030-12-31")
    (entry,) = [
        e for e in summarised(pairs, periods=[later]).results["periods"] if e["kind"] == "file"
    ]
    assert (entry["n"], entry["skill"], entry["best_model"]) == (0, None, None)


def test_rules_on_leading_indicators_are_one_over_all_variables(pairs):
    names = {"gdp": "ar_with_cpi", "cpi": "ar_with_gdp"}
    renamed, ours = pairs.copy(), pairs["model"] == "drift"
    renamed.loc[ours, "model"] = renamed.loc[ours, "variable"].map(names)
    frame = summarised(renamed).scores_by_period.to_pandas()
    overall = frame[frame["variable"].isna() & (frame["period"] == "2009")]
    assert "ar_with_*" in set(overall["model"])
    expected = skill_of(in_batches(pairs, "2009-01-01", "2009-12-01"), "drift", ["gdp", "cpi"])
    got = overall.set_index("model").loc["ar_with_*", "skill"]
    assert got == pytest.approx(expected, rel=1e-4)


def test_how_tables_are_split_changes_nothing(pairs, summary):
    scores = score_pairs(pairs)
    parts = [to_metrics(part) for _, part in scores.groupby("batch")]
    ledger = make_ledger(scores)
    again = summarise_made(parts[0], ledger, BATCHES, parts[1:], periods=[COVID])
    pd.testing.assert_frame_equal(
        again.scores_by_period.to_pandas(), summary.scores_by_period.to_pandas(), check_exact=True
    )


# Calm and crisis


def in_plain_words(losses):
    states = []
    recent = [np.mean(losses[t - RECENT : t]) for t in range(RECENT, len(losses) + 1)]
    for t in range(len(losses)):
        past = recent[max(0, t - RECENT - MEMORY) : max(0, t - RECENT)]
        if len(past) < FEWEST:
            states.append(None)
        else:
            below = sum(value < recent[t - RECENT] for value in past)
            states.append("crisis" if below >= SHARE * len(past) else "calm")
    return states


def test_a_crisis_is_known_from_the_batches_before():
    losses = np.abs(np.random.default_rng(0).normal(size=400)).round(3)
    states = classify(losses)
    assert states == in_plain_words(losses)
    assert 0.1 < states.count("crisis") / 400 < 0.35
    poisoned = losses.copy()
    poisoned[200:] = 1e9  # neither its own loss nor a later one
    assert classify(poisoned)[:201] == states[:201]
    assert classify(poisoned)[201] == "crisis"


def test_a_series_that_never_moves_has_no_crisis():
    assert {*classify(np.zeros(60))} == {None, "calm"}


def test_scores_in_crises_are_those_of_the_batches_so_labelled(pairs, table):
    naive = pairs[(pairs["model"] == "naive") & (pairs["horizon"] == 1)]
    naive = naive[naive["variable"] == "gdp"]
    losses = (naive["error"].abs() / naive["scale"]).groupby(naive["batch"]).mean()
    states = pd.Series(classify(losses.to_numpy()), losses.index)
    for state in ("calm", "crisis"):
        chosen = states.index[states == state]
        own = pairs[pairs["batch"].isin(chosen)]
        row = table.loc[("volatility", state, "gdp", "ensemble")]
        assert row["skill"] == pytest.approx(skill_of(own, "ensemble", ["gdp"]), rel=1e-4)


# Recessions, windows and files


def test_recessions_are_in_order_and_begin_after_the_peak():
    all_of_them = recessions()
    assert len(all_of_them) == 34
    days = [day for period in all_of_them for day in period.ranges[0]]
    assert days == sorted(days)
    great = next(p for p in all_of_them if p.name == "recession 2008-2009")
    assert (great.start, great.end) == (date(2008, 1, 1), date(2009, 6, 30))


def test_the_middle_of_a_window_decides():
    middles = middle_days(["2020-12-15", "2021-01-14"], ["2020-12-15", "2021-01-14"])
    assert [str(day) for day in middles.values()] == ["2020-12-30", "2021-01-29"]
    assert middle_days(["2020-01-01"], []) == {"2020-01-01": date(2020, 1, 1)}


def write(path, text):
    path.write_text(text, "utf-8")
    return path


def test_a_file_of_periods_is_read(tmp_path):
    text = "\ufeffname, end, start\nA, 2020-02-01, 2020-01-01\n\nB,2021-01-01,2021-01-01\n"
    text += "A,2022-01-01,2022-01-01\n"
    assert read_periods(write(tmp_path / "p.csv", text)) == {
        "A": "2020-01-01:2020-02-01, 2022-01-01:2022-01-01",
        "B": "2021-01-01:2021-01-01",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,begin,end\n", "has the unknown column 'begin': the columns are name, start, end"),
        ("name,start\n", "lacks the column end"),
        ("name,start,end,end\n", "has a column twice"),
        ("", "lacks the column name"),
        ("name,start,end\n", "has 0 periods"),
        ("name,start,end\nA,2020-01-01\n", "has 2 fields on line 2 instead of 3"),
        ("name,start,end\n,2020-01-01,2020-01-02\n", "has no name on line 2"),
        ("name,start,end\nA,2020-13-01,2020-01-02\n", "has '2020-13-01' as a day of A"),
        ("name,start,end\nA,2020-01-02,2020-01-01\n", "before it starts (line 2)"),
    ],
)
def test_what_is_no_file_of_periods_is_an_error(tmp_path, text, message):
    with pytest.raises(ValueError, match=r"\w+") as error:
        read_periods(write(tmp_path / "p.csv", text))
    assert message in str(error.value)


# The report


def test_the_report_shows_who_was_right_in_which_year(pairs, summary):
    tables = make_tables(pairs, periods=summary.scores_by_period)
    page = build_report(summary.results, tables)
    section = page[page.index('<section id="periods">') :]
    section = section[: section.index("</section>")]
    years = [f">{year}</th>" for year in range(2006, 2011)]
    assert all(year in section for year in years)
    assert section.count('class="marked" title="recession 2008-2009"') == 2
    assert section.count('class="best"') == 5
    assert "slump" in section
    assert "in the recession 2008-2009" in section
