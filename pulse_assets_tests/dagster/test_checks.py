"""Asset checks: they pass on what a run stores, and tell what is wrong with what it never would."""

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pulse_assets.dagster.checks import lookahead
from pulse_assets.dagster.checks.check import Check, Finding
from pulse_assets.dagster.checks.forecasts import FORECAST_CHECKS
from pulse_assets.dagster.checks.records import RECORDS_CHECK
from pulse_assets.dagster.checks.results import ENSEMBLE_CHECK, RESULT_CHECKS
from pulse_assets.dagster.checks.step import BATCH_CHECKS
from pulse_assets.dagster.checks.stored import StoredBatches
from pulse_assets.dagster.jobs import JOB_NAME
from pulse_assets.definitions import build_definitions
from pulse_assets.preflight import resolve_options
from pulse_assets.results import RuleErrors
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.stages.lookahead_check import Recomputed
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.store import LocalStore, open_store
from pulse_assets.storage.tables import decode_table, encode_table, read_fingerprint
from pulse_assets_tests.conftest import MODELS, write_source

KEYS = ("2005-01-01", "2005-04-01")
EVERY_CHECK = (*BATCH_CHECKS, RECORDS_CHECK, *FORECAST_CHECKS, *RESULT_CHECKS)
ALL = {(check.asset, check.name) for check in EVERY_CHECK}


def run(settings, instance, **more):
    ends = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
    config = {"models": MODELS, "horizons": [1, 3], "max_partners": 0}
    return (
        build_definitions(settings)
        .resolve_job_def(JOB_NAME)
        .execute_in_process(
            run_config={"resources": {"training": {"config": config}}},
            instance=instance,
            tags=dict(zip(ends, KEYS, strict=True)),
            raise_on_error=False,
            **more,
        )
    )


def verdicts(result):
    return {
        (found.asset_key.to_user_string(), found.check_name): found
        for found in result.get_asset_check_evaluations()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What the checks of a run over four batches said, and its store."""
    folder = tmp_path_factory.mktemp("made")
    dates = {"start_date": "2005-01-01", "end_date": "2005-12-26"}
    source, store = write_source(folder / "source"), folder / "store"
    with dg.DagsterInstance.ephemeral() as instance:
        settings = Settings(source=str(source), store=str(store), **dates)
        return verdicts(run(settings, instance)), store


@pytest.fixture
def trained(settings, made):
    """A store with four batches, the test's own, and what the checks of the run said."""
    found, store = made
    shutil.copytree(store, settings.store)
    return found


@pytest.fixture
def stored(settings, options, trained):
    options = options.model_copy(update={"max_partners": 0})
    return StoredBatches(settings, resolve_options(settings, options))


def look(stored, asset, name):
    (check,) = [one for one in BATCH_CHECKS if (one.asset, one.name) == (asset, name)]
    return check.run(stored)


def rewrite(settings, asset, key, change):
    """Change a stored table behind the program's back, fingerprint and all kept."""
    store, path = open_store(settings.store), object_path(asset, key, 30)
    data = store.read(path)
    table = change(decode_table(data, asset, name=path))
    store.write(path, encode_table(table, asset, fingerprint=read_fingerprint(data, name=path)))


def test_every_check_runs_with_the_job_and_shows_what_it_saw(trained):
    assert set(trained) == ALL
    failed = {key for key, found in trained.items() if not found.passed}
    # The run makes four batches of the grid, with sixteen pairs.
    few = {("batch_metrics", "every_batch_made"), ("batch_metrics", "interval_coverage")}
    assert ("batch_metrics", "every_batch_made") in failed <= few
    assert all(found.metadata for found in trained.values())


def test_lookahead_is_looked_for_in_real_forecasts(trained):
    seen = trained["retrodictions", "no_lookahead"].metadata
    assert seen["largest_difference"].value == "0.0"
    # 3 batches that have a month, 2 series, 5 models, one forecast from each of two origins
    assert seen["forecasts"].value == 3 * 2 * 5 * 2
    assert seen["batches"].value.endswith(KEYS[1])


def test_one_check_can_be_run_alone(settings, instance, trained):
    job = dg.define_asset_job(
        "alone",
        selection=dg.AssetSelection.checks(
            dg.AssetCheckKey(dg.AssetKey("retrodictions"), "no_lookahead")
        ),
    )
    defs = dg.Definitions.merge(build_definitions(settings), dg.Definitions(jobs=[job]))
    config = {"models": MODELS, "horizons": [1, 3], "max_partners": 0}
    result = defs.resolve_job_def("alone").execute_in_process(
        run_config={"resources": {"training": {"config": config}}}, instance=instance
    )
    assert set(verdicts(result)) == {("retrodictions", "no_lookahead")}


def test_a_forecast_that_saw_its_outcome_is_found(settings, stored):
    def peek(table):
        observed = table["observed"].to_numpy()
        seen = np.where(table["model"].cast(pa.string()).to_numpy() == "drift", observed, 0)
        place = table.schema.get_field_index("predicted")
        kept = table["predicted"].to_numpy()
        return table.set_column(place, table.schema.field(place), [np.where(seen, seen, kept)])

    rewrite(settings, "retrodictions", KEYS[1], peek)
    found = look(stored, "retrodictions", "no_lookahead")
    assert not found.passed
    assert float(found.values["largest_difference"]) > 0.001


def test_a_forecast_of_an_unknown_rule_is_found(settings, stored):
    def rename(table):
        names = ["oracle" if name == "drift" else name for name in table["model"].to_pylist()]
        place = table.schema.get_field_index("model")
        column = pa.array(names).dictionary_encode()
        return table.set_column(place, table.schema.field(place), column)

    rewrite(settings, "retrodictions", KEYS[1], rename)
    assert look(stored, "retrodictions", "no_lookahead").values["largest_difference"] == "inf"


def test_a_rule_is_blamed_rather_than_an_ensemble_of_another_batch(stored, monkeypatch):
    compared = iter([Recomputed(9, 0.5, "wave", "ensemble"), Recomputed(9, 0.1, "line", "drift")])
    monkeypatch.setattr(lookahead, "recompute", lambda *_: next(compared, Recomputed(9, 0.0)))
    found = look(stored, "retrodictions", "no_lookahead")
    assert not found.passed
    assert "of rule drift for line in batch" in found.message
    assert "so do those of ensemble" in found.message


def test_the_most_frequent_error_of_a_rule_is_shown(stored):
    often = RuleErrors("own", "ValueError", "often", 9, 2, "line", "2005-01-01")
    errors = [often, replace(often, message="seldom", count=1)]
    stored.outcomes = replace(stored.outcomes, rule_errors=errors)
    found = look(stored, "retrodictions", "no_failed_rules")
    assert (found.passed, found.values["origins"]) == (False, 10)
    assert "ValueError: often" in found.values["rules"]
    assert "seldom" not in found.values["rules"]


def test_duplicates_are_counted_by_batch(settings, stored):
    rewrite(settings, "retrodictions", KEYS[0], lambda t: pa.concat_tables([t, t.slice(0, 2)]))
    found = look(stored, "retrodictions", "no_duplicates")
    assert not found.passed
    assert found.values["duplicates"] == f"{KEYS[0]}: 2"


def test_the_two_checks_of_an_object_read_it_once(stored, monkeypatch):
    read = []
    whole = LocalStore.read
    monkeypatch.setattr(LocalStore, "read", lambda *at: read.append(at[1]) or whole(*at))
    look(stored, "retrodictions", "schema_holds")
    look(stored, "retrodictions", "no_duplicates")
    forecasts = [path for path in read if path.startswith("retrodictions/")]
    assert len(forecasts) == len(set(forecasts)) == 3  # that have a month


def test_a_damaged_object_is_named(settings, stored):
    path = Path(settings.store) / object_path("training_batches", KEYS[1], 30)
    path.write_bytes(path.read_bytes()[:50])
    found = look(stored, "training_batches", "schema_holds")
    assert not found.passed
    assert str(path) in found.values["problems"]
    assert not look(stored, "training_batches", "no_duplicates").passed


def test_data_that_a_check_cannot_read_do_not_pass(settings, stored):
    path = Path(settings.store) / object_path("historical_data", KEYS[1], 30)
    path.write_bytes(b"")
    found = look(stored, "retrodictions", "no_lookahead")
    assert not found.passed
    assert str(path) in found.values["error"]


def test_failed_batches_are_named_with_their_errors(settings, stored):
    def fail(table):
        row = dict.fromkeys(table.column_names) | {"batch": KEYS[0], "status": "failed"}
        return pa.Table.from_pylist([row | {"error": "no luck"}], table.schema)

    rewrite(settings, "batch_metrics", KEYS[0], fail)
    found = look(stored, "batch_metrics", "no_failed_batches")
    assert not found.passed
    assert found.values["errors"] == f"{KEYS[0]}: no luck"
    assert found.values["batches"] == 4


def test_horizons_that_no_batch_predicts_are_named(stored):
    assert look(stored, "batch_metrics", "every_horizon_predicted").passed
    far = stored.options.model_copy(update={"horizons": [1, 3, 500]})
    stored.options = far
    stored.scores = stored.scores[stored.scores["horizon"] != 3]
    found = look(stored, "batch_metrics", "every_horizon_predicted")
    assert (found.passed, found.severity) == (False, "WARN")
    assert found.message.endswith("before a target: line (3, 500), wave (3, 500)")


def test_rules_without_any_forecast_are_named(stored):
    assert look(stored, "batch_metrics", "every_rule_predicted").passed
    model = stored.scores["model"].astype(str)
    silent = model.isin(["drift", "ses"])  # as a rule of the user, and as one of ours
    stored.scores = stored.scores.assign(
        n=stored.scores["n"].where(~silent, 0), model=model.replace("drift", "mine")
    )
    found = look(stored, "batch_metrics", "every_rule_predicted")
    assert (found.passed, found.severity) == (False, "WARN")
    assert "NaN for every forecast: mine:" in found.message


def test_intervals_that_hold_too_little_are_told(settings, stored):
    def narrow(table):
        place = table.schema.get_field_index("covered")
        field = table.schema.field(place)
        return table.set_column(place, field, [0.5 * table["n"].to_numpy()])

    for key in stored.tables("batch_metrics"):
        rewrite(settings, "batch_metrics", key, narrow)
    found = look(stored, "batch_metrics", "interval_coverage")
    assert not found.passed
    assert found.severity == "WARN"
    # 0.9 - 0.05 - 2 sqrt(0.9 * 0.1 / 16)
    assert found.values["lower"] == pytest.approx(0.7)
    assert found.values["coverage"] == 0.5
    intervals = "the 90 % intervals of ensemble hold 50.0 % of 16 observations"
    assert found.message.startswith(f"{intervals} (70.0 to 100.0 % expected)")


def with_shares(shares, n):
    """Scores of an ensemble with intervals of 90 % and these shares below its quantiles."""
    below = {f"below_{i}": [share * n] for i, share in enumerate(shares)}
    counts = {f"below_{i}_n": [n] for i in range(len(shares))}
    held = {"coverage": [0.9 * n], "coverage_n": [n], "model": ["ensemble"]}
    return pd.DataFrame(held | below | counts)


def test_each_quantile_that_too_many_outcomes_lie_below_is_named(stored):
    levels = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]
    assert list(stored.options.quantile_levels) == levels
    stored.scores = with_shares(levels, 10_000)
    assert look(stored, "batch_metrics", "interval_coverage").passed
    # The margin is 5 points and 2 sqrt(level (1 - level) / 10,000): 0.87 and 1 point
    stored.scores = with_shares([0.05, 0.1, 0.32, 0.56, 0.75, 0.9, 0.95], 10_000)
    found = look(stored, "batch_metrics", "interval_coverage")
    assert (found.passed, found.severity) == (False, "WARN")
    assert found.message == (
        "below quantiles of ensemble lie, by level, "
        "25 %: 32.0 % of 10,000 observations (19.1 to 30.9 % expected)"
    )
    assert found.values["levels_off"] == "25 %"
    assert found.values["below"].startswith("5.0 % at 5 %, 10.0 % at 10 %, 32.0 % at 25 %, 56.0 %")
    stored.scores = with_shares([0.05, 0.1, 0.32, 0.57, 0.75, 0.9, 0.95], 10_000)
    found = look(stored, "batch_metrics", "interval_coverage")
    assert found.message.endswith(
        "expected), 50 %: 57.0 % of 10,000 observations (44.0 to 56.0 % expected)"
    )
    assert found.values["levels_off"] == "25 %, 50 %"


def test_without_an_outcome_no_interval_is_judged(stored):
    stored.scores = with_shares([0.0] * 7, 0)
    found = look(stored, "batch_metrics", "interval_coverage")
    assert found.passed
    assert found.values == {"n": 0, "levels_off": "none"}


def test_a_series_that_ends_early_is_stale(settings, stored):
    late = Settings(**settings.model_dump() | {"end_date": date(2010, 4, 30)})
    found = look(StoredBatches(late, stored.options), "historical_data", "sources_are_fresh")
    assert not found.passed
    assert found.values["stale"] == "line; wave"
    on_time = Settings(**settings.model_dump() | {"end_date": date(2010, 4, 1)})
    assert look(
        StoredBatches(on_time, stored.options), "historical_data", "sources_are_fresh"
    ).passed


@pytest.mark.parametrize(("skill", "passed"), [(0.1, True), (0.0, True), (-0.1, False)])
def test_an_ensemble_worse_than_naive_is_told(skill, passed):
    details = {"gdp": {"skill": -0.2}, "cpi": {"skill": 0.3}, "rate": {"skill": None}}
    results = {
        "models": [{"model": "ensemble", "skill": skill}],
        "variables": {"details": details},
    }
    found = ENSEMBLE_CHECK.run(results)
    assert (found.passed, found.values["skill"]) == (passed, skill)
    assert found.values["variables_worse"] == "gdp: -0.2"


def test_the_checks_of_an_empty_store_say_that_nothing_was_seen(settings, options):
    empty = StoredBatches(settings, resolve_options(settings, options))
    found = {(one.asset, one.name): one.run(empty) for one in BATCH_CHECKS}
    failed = {name: one for (_, name), one in found.items() if not one.passed}
    assert set(failed) == {"every_variable_predicted", "every_batch_made"}
    assert failed["every_variable_predicted"].message.startswith("no batch was predicted")
    assert failed["every_batch_made"].values["missing"] > 0
    assert found["retrodictions", "no_lookahead"].values["forecasts"] == 0


def test_each_check_says_what_it_checks():
    assert len(EVERY_CHECK) > 15
    assert all(one.function.__doc__ for one in EVERY_CHECK)


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), SystemExit("3")])
def test_a_check_that_crashes_has_failed_with_the_reason(error):
    def crash(_):
        """It holds."""
        raise error

    found = Check("no_luck", "retrodictions", crash).run(None)
    assert found.passed is False
    reason = f"{type(error).__name__}: {error}"
    assert found.message == f"retrodictions could not be checked for no_luck: {reason}"
    assert found.values == {"error": reason}


def test_a_check_that_passes_has_no_message():
    found = Check("luck", "retrodictions", lambda _: Finding(True, {}, "no luck")).run(None)
    assert (found.passed, found.message) == (True, "")


def test_an_implausible_value_of_a_seasonal_series_is_named(tmp_path):
    dates = np.arange("2000-01", "2010-01", dtype="M8[M]").astype("M8[D]")
    months = np.arange(len(dates))
    values = 100 + 10 * np.sin(2 * np.pi * months / 12) + 0.01 * np.cos(months**2)
    values[60] += 2  # within the range of the seasons, but not for January
    rows = [f"{day},{value}" for day, value in zip(dates, values, strict=True)]
    text = "\n".join(["timestamp,value", *rows])
    (tmp_path / "historical_sales.csv").write_text(text)
    settings = Settings(source=str(tmp_path))
    batches = StoredBatches(settings, resolve_options(settings, TrainingOptions()))
    found = look(batches, "historical_data", "no_implausible_values")
    assert found.values == {"implausible": "sales on 2005-01-01: 102.0"}
