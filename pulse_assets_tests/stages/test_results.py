import json
from dataclasses import asdict, fields

import jsonschema
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pulse_assets.catalog import BATCH_METRICS, SKILL_BY_HORIZON, TRUST_LEDGER
from pulse_assets.results import (
    BatchCounts,
    ModelResult,
    Performance,
    ResultsDocument,
    VariableResult,
)
from pulse_assets.results_schema import SCHEMA_FILE, schema_text
from pulse_assets.stages.outcome_texts import group_skipped
from pulse_assets_tests.report.made import (
    BATCHES,
    make_ledger,
    make_pairs,
    make_summary,
    score_pairs,
    summarise_made,
    to_metrics,
)

SCHEMA = json.loads(SCHEMA_FILE.read_text("utf-8"))
UNSCORED = pd.DataFrame(
    [
        {"batch": "2020-04-30", "status": "skipped", "error": "no observation in the window"},
        {"batch": "2020-05-30", "status": "failed", "error_type": "RuleError", "error": "nan [x]"},
        {"batch": "2020-06-29", "status": "skipped", "error": "too short"},
        {"batch": "2020-07-29", "status": "skipped", "error": "too short"},
    ]
)


def row(batch, model, n, mae, variable="gdp", horizon=1, *, coverage=0.5, **sums):
    """A row whose mase and rmsse are `mae`, unless its scales say otherwise."""
    named = {"batch": batch, "variable": variable, "model": model, "horizon": horizon}
    scored = {"status": "completed", "n": n, "missing": 0, "covered": n * coverage}
    scales = {"mase_scale": 1.0, "rmsse_scale": 1.0}
    compared = {"compared": n, "abs_error": n * mae, "naive_abs_error": n * mae, "wins": n / 2}
    return named | scored | scales | compared | sums


def summarise_rows(*rows, ledger=None):
    return summarise_made(
        to_metrics(pd.DataFrame(rows)), TRUST_LEDGER.empty_table() if ledger is None else ledger
    ).results


def by_model(rows):
    return {row["model"]: row for row in rows}


@pytest.fixture(scope="module")
def pairs():
    return make_pairs()


@pytest.fixture(scope="module")
def summary(pairs):
    scores = score_pairs(pairs)
    planned = [*BATCHES, *UNSCORED["batch"], "2020-08-28"]
    return summarise_made(to_metrics(scores, UNSCORED), make_ledger(scores), planned=planned)


@pytest.fixture(scope="module")
def results(summary):
    return summary.results


@pytest.fixture(scope="module")
def skill(summary):
    """The rows of `skill_by_horizon` by variable, model and horizon."""
    rows = summary.skill_by_horizon.to_pylist()
    return {(row["variable"], row["model"], row["horizon"]): row for row in rows}


def test_the_results_satisfy_the_schema_as_json_without_nan(results):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)  # raises
    text = json.dumps(results, allow_nan=False)
    assert list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(json.loads(text))) == []


def test_the_file_of_the_schema_is_that_of_the_model():
    """Write it with `python -m pulse_assets.results_schema` after a change of the model."""
    assert SCHEMA_FILE.read_text("utf-8") == schema_text()


def test_the_results_have_the_fields_of_the_model_in_order(results):
    assert list(results) == list(ResultsDocument.model_fields)
    for record, kind in [
        (results["models"][0], ModelResult),
        (results["variables"]["details"]["gdp"], VariableResult),
        (results["batches"], BatchCounts),
        (results["performance"], Performance),
    ]:
        assert list(record) == [field.name for field in fields(kind)]


def test_every_property_of_the_schema_is_described():
    objects = [SCHEMA, *SCHEMA["$defs"].values()]
    for properties in (each["properties"] for each in objects):
        for name, property_ in properties.items():
            assert "description" in property_ or "$ref" in property_, name


def test_the_model_reads_the_results_and_gives_them_back(results):
    document = ResultsDocument.model_validate(results)
    assert document.model_dump() == results
    assert document.batches.failed == document.batches["failed"] == 1
    with pytest.raises(KeyError, match="fail"):
        document.batches["fail"]


def test_batches_are_counted(results):
    assert results["batches"] == {
        "total": 8,
        "completed": 4,
        "skipped": 3,
        "failed": 1,
        "success_rate": 0.8,
        "not_run": 1,
    }


def test_errors_and_skipped_batches_are_listed_in_order(results):
    assert results["errors"] == [{"batch": "2020-05-30", "type": "RuleError", "message": "nan [x]"}]
    assert [entry["batch"] for entry in results["skipped"]] == [
        "2020-04-30",
        "2020-06-29",
        "2020-07-29",
    ]
    assert results["skipped"][0]["reason"] == "no observation in the window"


@pytest.mark.parametrize("model", ["naive", "mean", "drift"])
def test_pooled_scores_equal_those_of_the_raw_pairs(pairs, results, model):
    rows = pairs[pairs["model"] == model]
    found = by_model(results["models"])[model]
    errors = rows["error"].dropna()
    assert found["n"] == len(errors)
    assert found["missing"] == rows["error"].isna().sum()
    assert found["mase"] == pytest.approx((rows["error"].abs() / rows["scale"]).mean(), rel=1e-5)
    assert found["rmsse"] == pytest.approx(
        np.sqrt((rows["error"] ** 2 / rows["squared_scale"]).mean()), rel=1e-5
    )
    assert found["coverage"] == pytest.approx((errors.abs() <= 1.5).mean(), rel=1e-5)
    assert found["weight"] == 0.25


def test_skill_of_the_raw_pairs(pairs, results):
    mae = pairs["error"].abs().groupby([pairs[k] for k in ("model", "variable", "horizon")]).mean()
    ratio = mae["ensemble"] / mae["naive"]
    expected = 1 - np.exp(np.log(ratio).mean())
    assert by_model(results["models"])["ensemble"]["skill"] == pytest.approx(expected, rel=1e-5)
    gdp = by_model(results["models_by_variable"]["gdp"])["ensemble"]
    assert gdp["skill"] == pytest.approx(1 - np.exp(np.log(ratio["gdp"]).mean()), rel=1e-5)
    assert gdp["win_rate"] == (ratio["gdp"] < 1).mean()
    assert results["variables"]["details"]["gdp"]["skill"] == gdp["skill"]


def test_skill_by_horizon_for_each_variable_and_over_all(pairs, summary, skill):
    table = summary.skill_by_horizon
    assert table.schema.equals(SKILL_BY_HORIZON)
    assert table["variable"].to_pylist() == ["cpi"] * 10 + ["gdp"] * 10 + [None] * 10
    mae = pairs.assign(error=pairs["error"].abs()).groupby(["variable", "horizon", "model"])
    mae = mae["error"].mean()
    ratio = mae["gdp", 3, "ensemble"] / mae["gdp", 3, "naive"]
    assert skill["gdp", "ensemble", 3]["skill"] == pytest.approx(1 - ratio, rel=1e-12)
    assert skill["gdp", "naive", 1]["skill"] == 0
    assert skill[None, "ensemble", 3]["n"] == 40


def test_naive_has_no_skill_and_the_best_stands_first(results):
    ranks = [(entry["partial"], -entry["skill"]) for entry in results["models"]]
    assert ranks == sorted(ranks)
    assert [entry["model"] for entry in results["models"] if entry["partial"]] == ["mean", "drift"]
    assert by_model(results["models"])["naive"]["skill"] == 0
    assert by_model(results["models"])["naive"]["win_rate"] == 0.5


def test_trust_is_that_after_the_last_batch(pairs, results):
    ensemble = pairs[(pairs["model"] == "ensemble") & (pairs["variable"] == "gdp")]
    naive = pairs[(pairs["model"] == "naive") & (pairs["variable"] == "gdp")]
    wins = (ensemble["error"].abs().to_numpy() < naive["error"].abs().to_numpy()).sum()
    expected = (wins + 1) / (len(ensemble) + 2)
    assert results["variables"]["trust_scores"]["gdp"] == pytest.approx(expected)
    details = results["variables"]["details"]["gdp"]
    assert (details["trust_lower"], details["trust_upper"]) == pytest.approx(
        (expected - 0.1, expected + 0.1), rel=1e-5
    )
    trusts = [
        by_model(results["models_by_variable"][v])["ensemble"]["trust"] for v in ("gdp", "cpi")
    ]
    ours = by_model(results["models"])["ensemble"]
    assert ours["trust"] == pytest.approx(np.mean(trusts))
    assert ours["trust_lower"] == pytest.approx(np.mean(trusts) - 0.1)
    assert ours["trust_upper"] == pytest.approx(np.mean(trusts) + 0.1)


def test_trust_by_horizon_stands_beside_skill(pairs, skill):
    rows = skill
    assert {r["trust"] for key, r in rows.items() if key[1] == "naive"} == {0.5}
    errors = pairs[(pairs["variable"] == "gdp") & (pairs["horizon"] == 3)].copy()
    errors["error"] = errors["error"].abs()
    mine, naive = (
        errors.loc[errors["model"] == m, "error"].to_numpy() for m in ("ensemble", "naive")
    )
    expected = (1 + (mine < naive).sum()) / (2 + len(mine))
    assert rows["gdp", "ensemble", 3]["trust"] == pytest.approx(expected)
    both = [rows[v, "ensemble", 3]["trust"] for v in ("gdp", "cpi")]
    assert rows[None, "ensemble", 3]["trust"] == pytest.approx(np.mean(both))


def test_a_mean_over_pairs_is_not_a_mean_of_batch_means():
    results = summarise_rows(row("2020-01-01", "naive", 3, 1.0), row("2020-01-31", "naive", 1, 2.0))
    (naive,) = results["models"]
    assert naive["mase"] == 1.25
    assert naive["rmsse"] == pytest.approx(np.sqrt(7 / 4), rel=1e-5)


def test_a_late_rule_is_set_against_naive_on_its_own_pairs():
    results = summarise_rows(
        row("2020-01-01", "naive", 1, 100.0),
        row("2020-01-31", "naive", 1, 2.0),
        row("2020-01-31", "drift", 1, 1.0, naive_abs_error=2.0),
    )
    assert by_model(results["models"])["drift"]["skill"] == 0.5


def test_a_rule_that_is_silent_where_it_is_hard_gains_nothing():
    results = summarise_rows(
        row("2020-01-01", "naive", 100, 2.0),
        row("2020-01-01", "a_shy", 96, 0.7, abs_error=0.1 + 0.2, naive_abs_error=0.1 + 0.2),
    )
    shy = by_model(results["models"])["a_shy"]
    assert (shy["skill"], shy["win_rate"], shy["partial"]) == (0.0, 0.5, False)
    assert [entry["model"] for entry in results["models"]] == ["naive", "a_shy"]
    assert by_model(results["models_by_variable"]["gdp"])["a_shy"]["skill"] == 0.0


def test_relative_errors_are_of_sums_over_batches_and_geometric_over_tasks():
    results = summarise_rows(
        row("2020-01-01", "naive", 1, 1.0),
        row("2020-01-01", "drift", 1, 1.0, abs_error=1.0, naive_abs_error=4.0),
        row("2020-01-31", "drift", 1, 1.0, abs_error=5.0, naive_abs_error=8.0),
        row("2020-01-31", "drift", 1, 1.0, horizon=3, abs_error=2.0, naive_abs_error=1.0),
    )
    drift = by_model(results["models"])["drift"]
    assert drift["skill"] == pytest.approx(1 - np.sqrt(6 / 12 * 2 / 1))
    assert drift["win_rate"] == 0.5


@pytest.mark.parametrize(("n", "partial"), [(94, True), (95, False)])
def test_a_rule_is_partial_below_95_percent_of_the_pairs_of_naive(n, partial):
    results = summarise_rows(
        row("2020-01-01", "naive", 60, 1.0),
        row("2020-01-01", "naive", 40, 1.0, horizon=3),
        row("2020-01-01", "drift", 60, 1.0),
        row("2020-01-01", "drift", n - 60, 1.0, horizon=3),
    )
    assert by_model(results["models"])["drift"]["partial"] is partial


def test_a_rule_that_is_silent_at_a_whole_horizon_is_compared_with_no_other():
    results = summarise_rows(
        row("2020-01-01", "naive", 99, 1.0),
        row("2020-01-01", "naive", 1, 1.0, horizon=3),
        row("2020-01-01", "drift", 99, 1.0),
    )
    assert by_model(results["models"])["drift"]["partial"] is True


def test_a_rule_that_was_never_scored_has_neither_trust_nor_worth():
    pairs = make_pairs()
    silent = pairs["model"] == "mean"
    pairs.loc[silent & (pairs["variable"] == "gdp"), ["predicted", "error"]] = np.nan
    results = make_summary(pairs).results
    gdp, cpi = (by_model(results["models_by_variable"][name])["mean"] for name in ("gdp", "cpi"))
    assert [gdp[name] for name in ("n", "trust", "trust_lower", "worth")] == [0, None, None, None]
    assert by_model(results["models"])["mean"]["trust"] == cpi["trust"]


def test_a_skipped_variable_is_no_score_and_no_batch():
    scores = row("2020-01-01", "naive", 2, 1.0)
    skipped = {"batch": "2020-01-01", "status": "completed", "variable": "cpi"}
    results = summarise_rows(scores, skipped | {"skip_reason": "no observation in the window"})
    assert results["batches"]["total"] == results["batches"]["completed"] == 1
    assert results["variables"]["total"] == 1
    assert results["skipped"] == []
    (left_out,) = results.pop("skipped_variables")
    assert (left_out["variable"], left_out["count"]) == ("cpi", 1)
    assert results["variables"].pop("never_predicted") == ["cpi"]
    without = summarise_rows(scores)
    assert without.pop("skipped_variables") == without["variables"].pop("never_predicted") == []
    assert json.dumps(results) == json.dumps(without)


def test_a_batch_whose_variables_are_all_skipped_is_one_skipped_batch():
    base = {"batch": "2020-01-01", "status": "skipped", "error": "a: x; b: y"}
    results = summarise_rows(*(base | {"variable": v, "skip_reason": "x"} for v in "ab"))
    assert results["batches"]["skipped"] == results["batches"]["total"] == 1
    assert results["skipped"] == [{"batch": "2020-01-01", "reason": "a: x; b: y"}]


def test_a_batch_with_errors_beyond_the_largest_number_is_not_compared():
    results = summarise_rows(
        row("2020-01-01", "drift", 1, 1.0, abs_error=np.nan, naive_abs_error=1.0),
        row("2020-01-31", "drift", 1, 1.0, abs_error=1.0, naive_abs_error=2.0),
    )
    assert results["models"][0]["skill"] == 0.5


def test_the_best_model_has_a_forecast_for_every_pair():
    results = summarise_rows(
        row("2020-01-01", "ensemble", 4, 3.0),
        row("2020-01-01", "naive", 4, 2.0),
        row("2020-01-01", "drift", 3, 1.0, missing=1),
    )
    details = results["variables"]["details"]["gdp"]
    assert details["best_model"] == "naive"
    assert (details["mase"], details["n"]) == (3.0, 4)


def test_undefined_scores_are_null_and_left_out_of_the_pool():
    nan = float("nan")
    scales = {"mase_scale": nan, "rmsse_scale": nan}
    results = summarise_rows(
        row("2020-01-01", "naive", 2, 0.0, **scales),
        row("2020-01-01", "ensemble", 2, 0.0, **scales),
        row("2020-01-01", "ar", 0, 0.0, coverage=nan, missing=2, **scales),
        row("2020-01-31", "drift", 2, 1.0, compared=0, naive_abs_error=0.0),
    )
    rows = by_model(results["models"])
    assert rows["ensemble"]["mase"] is None
    assert rows["ensemble"]["skill"] == 0  # as good as naive, neither ever erred
    undefined = dict.fromkeys(field.name for field in fields(ModelResult))
    assert rows["ar"] == undefined | {"model": "ar", "n": 0, "missing": 2, "partial": True}
    assert rows["drift"]["skill"] is None  # naive was not scored in that batch
    assert [entry["model"] for entry in results["models"]][2:] == ["drift", "ar"]
    details = results["variables"]["details"]["gdp"]
    assert (details["best_model"], details["trust"]) == ("drift", None)


def test_over_all_variables_the_rules_on_leading_indicators_are_one():
    results, skill, *_ = summarise_made(
        to_metrics(
            pd.DataFrame(
                [
                    row("2020-01-01", "naive", 4, 2.0),
                    row("2020-01-01", "naive", 4, 2.0, variable="cpi"),
                    row("2020-01-01", "ar_with_cpi", 4, 1.0, naive_abs_error=8.0),
                    row("2020-01-01", "ar_with_oil", 2, 2.0, naive_abs_error=4.0, missing=2),
                    row("2020-01-01", "ar_with_gdp", 4, 1.0, variable="cpi", naive_abs_error=8.0),
                ]
            )
        ),
        TRUST_LEDGER.empty_table(),
    )
    assert [entry["model"] for entry in results["models"]] == ["naive", "ar_with_*"]
    pooled = by_model(results["models"])["ar_with_*"]
    assert (pooled["n"], pooled["missing"], pooled["partial"]) == (10, 2, True)
    assert pooled["skill"] == pytest.approx(1 - np.sqrt(8 / 12 * 1 / 2))
    assert pooled["mase"] == pytest.approx((4 * 1 + 2 * 2 + 4 * 1) / 10)
    assert [*by_model(results["models_by_variable"]["gdp"])] == [
        *("ar_with_cpi", "naive", "ar_with_oil")
    ]
    models = {(r["variable"], r["model"]) for r in skill.to_pylist()}
    assert {model for variable, model in models if variable is None} == {"naive", "ar_with_*"}
    assert ("cpi", "ar_with_gdp") in models


def test_without_naive_there_is_no_skill():
    alone = row("2020-01-01", "ensemble", 2, 1.0, compared=0, naive_abs_error=0.0)
    results = summarise_rows(alone)
    assert results["models"][0]["skill"] is None
    jsonschema.validate(results, SCHEMA)


def test_order_of_rows_and_dictionaries_changes_nothing(pairs, results, summary):
    scores = score_pairs(pairs)
    planned = [*BATCHES, *UNSCORED["batch"], "2020-08-28"]
    mixed = scores.sample(frac=1, random_state=3)
    parts = pa.concat_tables([to_metrics(mixed[:17]), to_metrics(mixed[17:]), to_metrics(UNSCORED)])
    again = summarise_made(parts, make_ledger(scores), planned=planned)
    assert json.dumps(again.results) == json.dumps(results)
    assert again.skill_by_horizon.equals(summary.skill_by_horizon)


@pytest.mark.parametrize("unscored", [UNSCORED, UNSCORED[:0]], ids=["none completed", "none ran"])
def test_without_a_completed_batch_the_lists_are_empty(unscored):
    results, skill, *_ = summarise_made(to_metrics(unscored), TRUST_LEDGER.empty_table())
    jsonschema.validate(results, SCHEMA)
    assert (results["models"], skill.num_rows) == ([], 0)
    nothing = {"total": 0, "never_predicted": [], "trust_scores": {}, "details": {}}
    assert results["variables"] == nothing
    assert results["batches"]["success_rate"] == (0.0 if len(unscored) else None)
    assert results["batches"]["not_run"] == len(BATCHES)


def test_metrics_may_be_an_empty_table():
    summary = summarise_made(BATCH_METRICS.empty_table(), TRUST_LEDGER.empty_table())
    assert summary.results["errors"] == []


@pytest.mark.parametrize(("seconds", "speedup"), [(2.0, 3.0), (0.0, None)])
def test_speedup_is_sequential_time_over_duration(seconds, speedup):
    assert asdict(Performance.of(seconds, 6.0)) == {
        "duration_seconds": seconds,
        "estimated_sequential_time": 6.0,
        "speedup_factor": speedup,
        "command_seconds": None,
        "phases": {},
        "processor_phases": {},
        "costs": None,
    }


def test_skipped_batches_are_grouped_by_reason(results):
    groups = group_skipped(results["skipped"])
    assert [(g.reason, g.count, g.first, g.last) for g in groups] == [
        ("too short", 2, "2020-06-29", "2020-07-29"),
        ("no observation in the window", 1, "2020-04-30", "2020-04-30"),
    ]


def test_worth_is_what_the_ensemble_would_lose_without_the_rule():
    rows = [
        row("2020-01-01", "naive", 2, 1.0),
        row("2020-01-01", "ensemble", 2, 2.0),
        row("2020-01-01", "drift", 2, 1.0, error_saved=1.0),
        row("2020-01-31", "naive", 2, 1.0),
        row("2020-01-31", "ensemble", 2, 2.0),  # drift has no weight here
        row("2020-01-01", "naive", 1, 1.0, horizon=3),
        row("2020-01-01", "ensemble", 1, 4.0, horizon=3),
        row("2020-01-01", "drift", 1, 1.0, horizon=3, error_saved=-2.0),
    ]
    boards = summarise_rows(*rows)
    for board in (boards["models"], boards["models_by_variable"]["gdp"]):
        # 8 becomes 9 at horizon 1, and 4 becomes 2 at horizon 3.
        assert by_model(board)["drift"]["worth"] == pytest.approx((9 / 8 * 2 / 4) ** 0.5 - 1)
        assert by_model(board)["naive"]["worth"] == 0.0
        assert by_model(board)["ensemble"]["worth"] is None
