"""What a failed check, a skipped variable or a failed rule does to everything a user sees."""

import json
import sys
from datetime import date
from pathlib import Path

import dagster as dg
import jsonschema
import pyarrow as pa
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run_iterator

from pulse_assets import TrainingConfig, train
from pulse_assets.catalog import AGGREGATES, BATCH_TABLES
from pulse_assets.dagster.executor import batch_dask_executor
from pulse_assets.dagster.jobs import COMPUTED_TAG, JOB_NAME, STORE_TAG
from pulse_assets.definitions import build_definitions
from pulse_assets.run_training import main
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.store import open_store
from pulse_assets.storage.tables import decode_table, encode_table, read_fingerprint
from pulse_assets_tests.conftest import MODELS

ROOT = Path(__file__).parents[1]
SCHEMA = json.loads((ROOT / "pulse_assets" / "training_results.schema.json").read_text())
KEYS = ("2005-01-01", "2005-11-27")

PEEKING = '''
import numpy as np


class Sometimes:
    """Reads the future at every origin but the middle one."""

    name = "peeker"

    def forecast(self, y, origins, horizons, season):
        out = np.repeat(y[origins][:, None], len(horizons), 1).astype(float)
        for i, o in enumerate(origins):
            if o != origins[len(origins) // 2] and o + horizons[-1] < len(y):
                out[i] = y[o + horizons]
        return out
'''


@pytest.fixture
def peeking(tmp_path, monkeypatch):
    """A rule that looks ahead, by the name that `models` takes."""
    (tmp_path / "peeking_rule.py").write_text(PEEKING)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "peeking_rule:Sometimes"
    sys.modules.pop("peeking_rule", None)


@pytest.fixture
def late(source):
    """A third series, whose values before 2005 are published after those of 2005."""
    months = [f"{2000 + i // 12}-{i % 12 + 1:02d}-01" for i in range(120)]
    days = ["2007-01-01" if month < "2005" else month for month in months]
    rows = "".join(f"{months[i]},{i % 7},{days[i]}\n" for i in range(120))
    (source / "historical_late.csv").write_text("timestamp,value,published_at\n" + rows)
    return source


@pytest.fixture
def pulse(settings, capsys):
    """Run `pulse-train` on the small source; return exit code, stdout and stderr."""
    dates = ("--start-date", "2005-01-01", "--end-date", "2005-12-26", "--horizons", "1", "3")
    where = ("--source", settings.source, "--store", settings.store, "--max-workers", "1")

    def pulse(*words, models=MODELS):
        code = main([*words, *dates, *where, "--models", *models])
        said = capsys.readouterr()
        return code, said.out, said.err

    return pulse


@pytest.fixture
def config(settings):
    def config(**changes):
        chosen = {"models": MODELS, "horizons": [1, 3], "max_workers": 1}
        fixed = {"source": settings.source, "store": settings.store}
        dates = {"start_date": "2005-01-01", "end_date": "2005-12-26"}
        return TrainingConfig(**chosen | fixed | dates | changes)

    return config


def results_of(settings):
    return json.loads(
        open_store(settings.store).read(object_path("training_results", suffix="json"))
    )


def report_of(settings):
    return open_store(settings.store).read(object_path("training_report", suffix="html")).decode()


def errors_in(err):
    return [line for line in err.splitlines() if line.startswith("error: ")]


def valid(results):
    return list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(results)) == []


# A failed check


def test_a_rule_that_looks_ahead_fails_the_training_everywhere(config, settings, peeking):
    found = train(config(variables=["wave"], models=["naive", peeking], batch_size_days=360))
    assert not found.success
    assert "rule peeker failed" in found.message
    assert {one["model"] for one in found.rule_errors} == {"peeker"}
    assert "looks ahead" in found.message
    assert "; ".join(found.data["problems"]) == found.message
    failed = [
        one
        for one in found.document.checks
        if one["passed"] is False and one["severity"] == "ERROR"
    ]
    assert {one["name"] for one in failed} == {"no_failed_rules"}
    assert [one["asset"] for one in failed] == ["retrodictions", "next_forecasts"]
    assert valid(found.data)
    page = report_of(settings)
    assert page.index("This training did not succeed") < page.index("<h1>")
    assert "rule peeker failed" in page[: page.index("<h1>")]


def test_a_failed_check_is_one_error_line_and_exit_code_1(pulse, settings, peeking):
    code, out, err = pulse(
        "--variables", "wave", "--batch-size-days", "360", "--json", models=["naive", peeking]
    )
    assert code == 1
    lines = errors_in(err)
    assert "rule peeker" in lines[0]
    assert json.loads(out)["problems"] == [line.removeprefix("error: ") for line in lines]
    assert not json.loads(out)["success"]


def test_a_training_without_problems_says_so(config, settings):
    found = train(config())
    assert (found.success, found.message, found.data["problems"]) == (True, "", [])
    assert found.warnings == [one["message"] for one in found.document.checks if not one["passed"]]
    skipped = {(one["variable"], one["reason"]) for one in found.skipped_variables}
    assert skipped == {(name, "no observation in the window") for name in ("line", "wave")}
    assert {one["passed"] for one in found.document.checks if one["severity"] == "ERROR"} == {True}
    assert (
        len({(one["name"], one["asset"]) for one in found.document.checks})
        == len(found.document.checks)
        > 15
    )
    assert found.rule_errors == []
    assert valid(found.data)
    assert "did not succeed" not in report_of(settings)


def test_a_value_that_looks_like_a_typing_error_is_named_and_fails_nothing(pulse, source, settings):
    file = source / "historical_line.csv"
    rows = file.read_text().splitlines()
    place = next(i for i, row in enumerate(rows) if row.startswith("2004-03-01"))
    rows[place] = "2004-03-01,35000"
    file.write_text("\n".join(rows) + "\n")
    code, out, _ = pulse()
    assert code == 0
    assert "line on 2004-03-01 (35000)" in " ".join(out.split())
    (check,) = (
        one for one in results_of(settings)["checks"] if one["name"] == "no_implausible_values"
    )
    assert (check["severity"], check["passed"]) == ("WARN", False)


# What is skipped


def test_a_variable_that_is_never_predicted_is_a_problem(pulse, late, settings):
    code, out, err = pulse()
    assert code == 1
    found = results_of(settings)
    assert found["variables"]["never_predicted"] == ["late"]
    (line,) = errors_in(err)
    assert line.startswith("error: late was never predicted: ")
    skipped = [one for one in found["skipped_variables"] if one["variable"] == "late"]
    assert sum(one["count"] for one in skipped) == 12
    reasons = {one["reason"] for one in skipped}
    assert reasons
    assert "late: " in out
    assert "late was never predicted" in report_of(settings)
    code, out, _ = pulse("status", "--json")
    assert json.loads(out)["skipped_variables"] == found["skipped_variables"]
    assert json.loads(out)["skipped"] == found["skipped"]
    assert "late: " in pulse("status")[1]


def test_a_trial_lists_a_variable_that_its_batches_do_not_predict_and_succeeds(pulse, source):
    short = source / "historical_short.csv"
    rows = (source / "historical_line.csv").read_text().splitlines()
    short.write_text("\n".join([rows[0], *rows[50:]]) + "\n")  # twelve values lie before 2005-04
    code, out, err = pulse("--batch-limit", "1")
    assert (code, errors_in(err)) == (0, [])
    assert "short: too few observations before the window" in " ".join(out.split())


def test_a_training_in_which_nothing_is_predicted_is_no_success(pulse, late):
    code, out, err = pulse("--variables", "late")
    assert code == 1
    assert errors_in(err) == ["error: no batch was predicted: 12 skipped"]
    assert "skipped batches" in out


# Rules that fail


def break_rule(settings, key):
    """Let the stored metrics of a batch say that `drift` failed from two origins of the line."""
    store, path = open_store(settings.store), object_path("batch_metrics", key, 30)
    data = store.read(path)
    rows = decode_table(data, "batch_metrics", name=path).to_pylist()
    for row in rows:
        if (row["variable"], row["model"]) == ("line", "drift"):
            row |= {"rule_errors": 2, "rule_error_origin": date(2004, 12, 1)}
            row |= {"error_type": "ValueError", "error": "no luck"}
    schema = decode_table(data, "batch_metrics", name=path).schema
    table = pa.Table.from_pylist(rows, schema)
    fingerprint = read_fingerprint(data, name=path)
    store.write(path, encode_table(table, "batch_metrics", fingerprint=fingerprint))


def test_a_failed_rule_is_named_by_status_and_by_rebuilt_results(pulse, settings):
    assert pulse()[0] == 0
    for key in KEYS:
        break_rule(settings, key)
    code, out, err = pulse("report", "--rebuild")
    assert (code, out.strip().endswith("training_report.html")) == (1, True)
    (line,) = errors_in(err)
    assert "rule drift failed from 4 origins in 2 batches" in line
    assert "ValueError: no luck" in line
    found = results_of(settings)
    assert not found["success"]
    (error,) = found["rule_errors"]
    assert (error["model"], error["count"], error["batches"]) == ("drift", 4, 2)
    assert json.loads(pulse("status", "--json")[1])["rule_errors"] == found["rule_errors"]
    assert "drift: 4 origins in 2 batches" in pulse("status")[1]


# Rebuilt results and their checks


def test_rebuilt_results_have_the_recorded_checks(pulse, settings):
    pulse()
    before = {(c["name"], c["asset"]): c["passed"] for c in results_of(settings)["checks"]}
    assert pulse("report", "--rebuild")[0] == 0
    after = {(c["name"], c["asset"]): c["passed"] for c in results_of(settings)["checks"]}
    assert after == before


def test_results_rebuilt_without_records_say_which_checks_were_not_run(
    pulse, settings, tmp_path, monkeypatch
):
    pulse()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "another"))
    assert pulse("report", "--rebuild")[0] == 0
    found = results_of(settings)
    passed = {one["name"]: one["passed"] for one in found["checks"]}
    assert passed["no_lookahead"] is None
    assert passed["no_failed_batches"] is True  # read from the metrics
    assert "not checked: no_lookahead, schema_holds" in report_of(settings)
    assert valid(found)


# Dagster


@pytest.mark.parametrize("in_dask", [False, True], ids=["in process", "dask executor"])
def test_the_checks_run_before_the_aggregates_which_are_made_all_the_same(
    settings, late, instance, in_dask
):
    one_worker = {"cluster": {"local": {"n_workers": 1}}}
    dask = batch_dask_executor.configured(one_worker, name="one_worker")
    executor = dask if in_dask else dg.in_process_executor
    job = build_definitions(settings, executor=executor).resolve_job_def(JOB_NAME)
    names = [f"dagster/asset_partition_range_{end}" for end in ("start", "end")]
    run = instance.create_run_for_job(
        job,
        run_config={"resources": {"training": {"config": {"models": MODELS, "horizons": [1]}}}},
        tags=dict(zip(names, KEYS, strict=True)),
    )
    events = list(execute_run_iterator(InMemoryJob(job), run, instance))
    assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE
    (failure,) = [one for one in events if one.is_step_failure]
    assert failure.step_key == "check_batches"
    said = failure.step_failure_data.user_failure_data.description
    assert said.startswith("late was never predicted: ")
    assert said.endswith("(every_variable_predicted)")
    order = [one.step_key for one in events if one.is_step_start]
    assert order.index("check_batches") < order.index("trust_ledger")
    made = {one.asset_key.to_user_string() for one in events if one.is_step_materialization}
    assert set(AGGREGATES) <= made
    assert results_of(settings)["problems"]


def test_a_run_of_batches_alone_is_red_and_its_aggregates_can_be_made(
    settings, instance, monkeypatch
):
    monkeypatch.setenv("BROKEN_VALUES", "45")  # of the line, in October
    job = build_definitions(settings).resolve_implicit_global_asset_job_def()  # as a backfill
    rules = ["naive", "pulse_assets_tests.own_rules:Breakable"]
    training = {"variables": ["line"], "models": rules, "horizons": [1]}
    names = [f"dagster/asset_partition_range_{end}" for end in ("start", "end")]

    def run(assets, tags):
        return job.execute_in_process(
            run_config={"resources": {"training": {"config": training}}},
            instance=instance,
            asset_selection=[dg.AssetKey(name) for name in assets],
            tags=tags,
            raise_on_error=False,
        )

    batches = run(BATCH_TABLES, dict(zip(names, KEYS, strict=True)))
    assert not batches.success
    assert instance.get_run_by_id(batches.run_id).tags[STORE_TAG] == settings.store
    assert "check_batches" in {one.step_key for one in batches.all_events if one.is_step_failure}
    assert run(BATCH_TABLES, dict.fromkeys(names, KEYS[0])).success  # no batch of its own failed
    aggregates = run(AGGREGATES, {})
    made = {e.asset_key.to_user_string() for e in aggregates.get_asset_materialization_events()}
    assert made == set(AGGREGATES)
    assert not aggregates.success
    assert results_of(settings)["problems"]
    checks = {one["name"]: one["passed"] for one in results_of(settings)["checks"]}
    assert checks["schema_holds"] is not None  # recorded by the run of the batches


@pytest.mark.parametrize("tables", [BATCH_TABLES, BATCH_TABLES[:3]], ids=["all", "no status"])
@pytest.mark.parametrize("allowed", [0, 1])
def test_a_run_of_batches_alone_allows_as_many_failures_as_its_options(
    settings, instance, monkeypatch, tables, allowed
):
    """Without the status table too, as *Re-execute from failure* of a backfill selects them."""
    monkeypatch.setenv("BROKEN_VALUES", "45")
    rules = ["naive", "pulse_assets_tests.own_rules:Breakable"]
    training = {"variables": ["line"], "models": rules, "horizons": [1], "on_rule_error": "fail"}
    config = {"resources": {"training": {"config": training | {"max_failed_batches": allowed}}}}
    names = [f"dagster/asset_partition_range_{end}" for end in ("start", "end")]
    job = build_definitions(settings).resolve_implicit_global_asset_job_def()
    ran = job.execute_in_process(
        run_config=config,
        instance=instance,
        asset_selection=[dg.AssetKey(name) for name in tables],
        tags=dict(zip(names, KEYS, strict=True)),
        raise_on_error=False,
    )
    assert ran.success == bool(allowed)
    assert COMPUTED_TAG in instance.get_run_by_id(ran.run_id).tags


# The next forecasts


def test_forecasts_warn_of_a_series_that_ends_early(pulse, source, settings):
    line = source / "historical_line.csv"
    line.write_text(line.read_text().partition("2009-01-01")[0])
    pulse()
    code, out, _ = pulse("forecast")
    assert code == 0
    assert (
        "line ends on 2008-12-01, more than 4 monthly steps before wave (2009-12-01)"
        in " ".join(out.split())
    )
    made = json.loads(pulse("forecast", "--json")[1])
    assert [one[:4] for one in made["warnings"]] == ["line"]
    assert {row["origin_date"][:10] for row in made["forecasts"]} == {"2008-12-01", "2009-12-01"}
    assert "line ends on 2008-12-01" in report_of(settings)


def test_a_series_with_gaps_at_its_beginning_is_compared_all_the_same(pulse, source):
    line = source / "historical_line.csv"
    header, *rows = line.read_text().partition("2009-01-01")[0].split()
    oldest = [row for i, row in enumerate(rows[:30]) if i % 5 < 2]  # twelve that fit no frequency
    line.write_text("\n".join([header, *oldest, *rows[30:]]))
    pulse()
    made = json.loads(pulse("forecast", "--json")[1])
    assert [one[:4] for one in made["warnings"]] == ["line"]


def test_trust_of_another_configuration_is_said_to_be(pulse):
    pulse()
    assert json.loads(pulse("forecast", "--json")[1])["warnings"] == []
    for change in (["--interval-level", "0.8"], ["--trust-discount", "0.5"]):
        code, out, _ = pulse("forecast", "--json", *change)
        (warning,) = json.loads(out)["warnings"]
        assert code == 0
        assert warning.startswith("another configuration, or another version of pulse_assets,")


def test_a_variable_without_a_forecast_is_an_error(pulse, monkeypatch):
    monkeypatch.setenv("BROKEN_VALUES", "69.5")  # the last value of the line
    rules = ["naive", "pulse_assets_tests.own_rules:Breakable"]
    pulse(models=rules)
    code, out, err = pulse("forecast", "--json", "--on-rule-error", "fail", models=rules)
    assert code == 1
    (entry,) = json.loads(out)["left_out"]
    assert entry["variable"] == "line"
    assert any(line.startswith("error: line has no forecast: ") for line in errors_in(err))


def test_a_rule_that_fails_in_the_next_forecasts_alone_is_an_error_everywhere(
    pulse, settings, monkeypatch
):
    monkeypatch.setenv("HOSTILE_VALUE", "69.5")  # the last value of the line
    rules = ["naive", "pulse_assets_tests.hostile_rules:Segfaults"]
    code, _, err = pulse(models=rules)
    said = "rules failed in the next forecasts: Segfaults for line (ProcessEnded: its process was"
    (line,) = errors_in(err)
    assert code == 1
    assert line.startswith(f"error: {said}")
    failed = [check for check in results_of(settings)["checks"] if check["passed"] is False]
    (check,) = [check for check in failed if check["severity"] == "ERROR"]
    assert (check["name"], check["asset"]) == ("no_failed_rules", "next_forecasts")
    assert results_of(settings)["problems"] == [line.removeprefix("error: ")]
    page = report_of(settings)
    assert said in page[: page.index("<h1>")]
    code, out, err = pulse("forecast", "--json", models=rules)
    assert code == 1
    assert json.loads(out)["problems"] == [line.removeprefix("error: ")]
    assert len(json.loads(out)["forecasts"]) == 4
    assert errors_in(err) == [line]
    assert pulse("report", "--rebuild", models=rules)[0] == 1


# Batches that are not there


def test_results_of_no_batch_replace_no_others(pulse, settings):
    pulse("report", "--rebuild")
    assert not Path(settings.store).exists()
    pulse()
    before = results_of(settings)
    code, out, err = pulse("report", "--rebuild", models=["naive"])
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert f"{settings.store} has no batch of this configuration: give the options of the" in err
    assert results_of(settings) == before


def test_rebuilt_results_name_the_batches_that_are_missing(pulse, settings):
    pulse()
    (Path(settings.store) / object_path("batch_metrics", KEYS[0], 30)).unlink()
    code, _, err = pulse("report", "--rebuild")
    assert code == 0
    said = "1 of 12 batches are missing, or were computed by another configuration or version: "
    said += KEYS[0]
    assert said in " ".join(err.split())
    assert said in report_of(settings)
    assert results_of(settings)["batches"]["not_run"] == 1
