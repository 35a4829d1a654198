"""Exports, read by the libraries that they are for: utilsforecast, hubdata and fev."""

import dataclasses
import importlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from utilsforecast.evaluation import evaluate
from utilsforecast.losses import coverage, mae, quantile_loss

import pulse_assets
from pulse_assets import TrainingConfig, train
from pulse_assets.errors import StoreUnavailableError
from pulse_assets.exports.fev import fev_summaries
from pulse_assets.run_training import main
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.store import LocalStore, S3Store
from pulse_assets.storage.store import open_store as open_objects
from pulse_assets_tests.conftest import write_source
from pulse_assets_tests.storage.conftest import (  # noqa: F401 - fixtures
    bucket,
    credentials,
    s3,
    s3_server,
)

MODELS = ["naive", "ses", "mean", "seasonal_naive"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The results of a training of two monthly series."""
    folder = tmp_path_factory.mktemp("exported")
    config = TrainingConfig(
        source=str(write_source(folder / "source")),
        store=str(folder / "store"),
        start_date="2005-01-01",
        end_date="2005-12-31",
        batch_cadence="quarterly",
        models=MODELS,
        horizons=[1, 3],
        quantiles=[0.1, 0.5, 0.9],
        max_workers=1,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(folder / "home"))
        yield train(config)


def pooled(results, numerator, **wanted):
    """A mean over all pairs, by variable, from the stored sums."""
    sums = results.metrics(**wanted).groupby("variable", observed=True)[[numerator, "n"]].sum()
    return (sums[numerator] / sums["n"]).to_dict()


def test_nixtla_evaluates_to_our_scores(trained):
    frame = trained.to_nixtla()
    assert [*frame.columns[:4]] == ["unique_id", "ds", "cutoff", "y"]
    assert {"ensemble", "ensemble-lo-90", "ensemble-hi-90", "naive-lo-80"} <= {*frame.columns}
    assert len(frame) == 2 * 2 * 12
    assert not frame.duplicated(["unique_id", "ds", "cutoff"]).any()
    scores = evaluate(frame.drop(columns="cutoff"), metrics=[mae, coverage], level=[90])
    by_metric = {name: part.set_index("unique_id") for name, part in scores.groupby("metric")}
    for model in (*MODELS, "ensemble", "ensemble_median"):
        errors = pooled(trained, "abs_error", model=model)
        assert by_metric["mae"][model].to_dict() == pytest.approx(errors, rel=1e-6), model
        covered = pooled(trained, "covered", model=model)
        assert by_metric["coverage_level90"][model].to_dict() == pytest.approx(covered), model


def test_nixtla_has_our_quantile_losses(trained):
    frame = trained.to_nixtla(model="ensemble").drop(columns="cutoff")
    columns = {0.05: "ensemble-lo-90", 0.1: "ensemble-lo-80", 0.9: "ensemble-hi-80"}
    columns |= {0.95: "ensemble-hi-90"}
    losses = [
        quantile_loss(frame, models={column: column}, q=level).set_index("unique_id")[column]
        for level, column in columns.items()
    ]
    pairs = trained.retrodictions(model="ensemble")
    median = (pairs["observed"] - pairs["q0.5"]).abs() / 2
    losses.append(median.groupby(pairs["variable"], observed=True).mean())
    ours = pooled(trained, "quantile_loss", model="ensemble")
    assert (sum(losses) / 5).to_dict() == pytest.approx(ours, rel=1e-6)


@pytest.fixture
def fev():
    """The library, which takes seconds to import: only where it is used."""
    return importlib.import_module("fev")


def test_fev_makes_our_leaderboard(trained, fev):
    board = fev.leaderboard(trained.to_fev(), baseline_model="naive")
    ours = trained.models.set_index("model")
    assert {*board.index} == {*MODELS, "ensemble", "ensemble_median"}
    assert board["skill_score"].to_dict() == pytest.approx(ours["skill"].to_dict(), abs=1e-5)
    pairs = fev.pairwise_comparison(trained.to_fev(), n_resamples=None).reset_index()
    against = pairs[pairs["model_2"] == "naive"].set_index("model_1")["win_rate"]
    for model in board.index:
        assert against[model] == pytest.approx(ours["win_rate"][model]), model
    by_sql = fev.pivot_table(trained.to_fev(), metric_column="SQL")
    assert len(by_sql) == 2 * 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:A future version of pandas will return a BaseOffset")
def test_fev_computes_our_errors_from_our_forecasts(trained, tmp_path, monkeypatch, fev):
    """As a task of fev, whose windows are our origins and which reads the same series."""
    datasets = importlib.import_module("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rows = trained.retrodictions(variable="wave", model="ensemble", horizon=1)
    source = Path(trained.data["configuration"]["source"]) / "historical_wave.csv"
    history = pd.read_csv(source, parse_dates=["timestamp"]).assign(id="wave")
    history.to_parquet(tmp_path / "wave.parquet")
    levels = [*trained.tables.levels]
    task = fev.Task(
        dataset_path=str(tmp_path / "wave.parquet"),
        horizon=1,
        num_windows=len(rows),
        initial_cutoff=str(rows["origin_date"].min().date()),
        window_step_size=1,
        seasonality=12,
        eval_metric="MAE",
        extra_metrics=["MASE", "RMSSE", "SQL"],
        quantile_levels=levels,
        target="value",
    )
    windows = []
    for row in rows.sort_values("origin_date").to_dict("records"):
        quantiles = {str(level): [[row[f"q{level:g}"]]] for level in levels}
        predictions = datasets.Dataset.from_dict({"predictions": [[row["predicted"]]], **quantiles})
        windows.append(datasets.DatasetDict({"value": predictions}))
    theirs = task.evaluation_summary(windows, model_name="ensemble")
    ours = trained.to_fev(variable="wave", model="ensemble", horizon=1).iloc[0]
    for name in ("test_error", "MAE", "MASE", "SQL"):
        assert ours[name] == pytest.approx(theirs[name], rel=1e-5), name
    assert ours["num_forecasts"] == theirs["num_forecasts"] == 12
    assert {*theirs} <= {*ours.index}


def test_a_model_that_never_fails_at_the_chosen_tasks_is_there():
    sums = dict.fromkeys(("abs_error", "mase", "mase_n", "rmsse", "rmsse_n", "sql", "sql_n"), 1.0)
    pooled = pd.DataFrame(
        [
            {"variable": variable, "model": model, "horizon": 1, "n": n, "compared": n} | sums
            for variable, model, n in [
                ("gdp", "naive", 9),
                ("gdp", "late", 9),
                ("cpi", "naive", 9),
                ("cpi", "late", 5),
            ]
        ]
    )
    others = {"levels": (0.5,), "seasons": {"gdp": 4, "cpi": 12}, "least": 12}
    for variable, expected in ((None, {"naive"}), (["gdp"], {"naive", "late"})):
        wanted = {"variable": variable, "model": None, "horizon": None}
        assert {*fev_summaries(pooled, wanted=wanted, **others)["model_name"]} == expected
    wanted = {"variable": None, "model": ["late"], "horizon": None}
    named = fev_summaries(pooled, wanted=wanted, **others).set_index("dataset_path")
    assert named["test_error"].isna().to_dict() == {"gdp": False, "cpi": True}  # it has failed


def test_indicators_have_columns_if_they_are_named(trained, monkeypatch):
    chosen = []
    read = type(trained).retrodictions

    def noting(self, *, model, **others):
        chosen.append(model)
        return read(self, model=[name for name in model if name != "ar_with_cpi"], **others)

    monkeypatch.setattr(type(trained), "retrodictions", noting)
    several = [*trained.data["models"], trained.data["models"][0] | {"model": "ar_with_*"}]
    results = dataclasses.replace(trained, data=dict(trained.data, models=several))
    assert "naive" in results.to_nixtla()
    results.to_nixtla(model=["naive", "ar_with_cpi"])
    assert chosen == [[row["model"] for row in trained.data["models"]], ["naive", "ar_with_cpi"]]


def test_hubverse_has_our_quantiles(trained):
    frame = trained.to_hubverse(model="ensemble", variable="line")
    rows = trained.retrodictions(model="ensemble", variable="line")
    assert len(frame) == 5 * len(rows)
    assert set(frame["output_type"]) == {"quantile"}
    assert set(frame["model_id"]) == {"pulse-ensemble"}
    high = frame[frame["output_type_id"] == 0.9].sort_values(["origin_date", "horizon"])
    rows = rows.sort_values(["origin_date", "horizon"])
    assert high["value"].to_list() == rows["q0.9"].to_list()


def run(trained, capsys, *words):
    code = main(["export", "--store", trained.store.uri, *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_hub_is_read_by_hubdata_and_its_scores_are_ours(trained, tmp_path, capsys):
    hubdata = importlib.import_module("hubdata")
    kind = importlib.import_module("hubdata.create_target_data_schema").TargetType
    hub = tmp_path / "hub"
    code, out, _ = run(trained, capsys, "--format", "hubverse", "--to", str(hub))
    assert (code, f"{hub}/hub-config/tasks.json" in out) == (0, True)
    outputs = hubdata.connect_hub(hub).to_table().to_pandas()
    expected = trained.to_hubverse()
    assert len(outputs) == len(expected)
    assert set(outputs["model_id"]) == set(expected["model_id"])
    known = hubdata.connect_target_data(hub, kind.ORACLE_OUTPUT).to_table()
    scored = outputs.merge(known.to_pandas(), on=["target", "target_date"], validate="m:1")
    error, level = scored["oracle_value"] - scored["value"], scored["output_type_id"]
    scored["loss"] = np.where(error > 0, level * error, (level - 1) * error)
    ours = scored[scored["model_id"] == "pulse-ensemble"].groupby("target")["loss"].mean()
    assert ours.to_dict() == pytest.approx(
        pooled(trained, "quantile_loss", model="ensemble"), rel=1e-6
    )
    series = hubdata.connect_target_data(hub, kind.TIME_SERIES).to_table()
    assert series.num_rows == 2 * 12
    tasks = json.loads((hub / "hub-config/tasks.json").read_text())
    (task,) = tasks["rounds"][0]["model_tasks"]
    assert task["task_ids"]["horizon"]["optional"] == [1, 3]
    assert task["target_metadata"][0]["time_unit"] == "month"


def test_csv_and_parquet_hold_the_frames(trained, tmp_path, capsys):
    names = ["retrodictions", "metrics", "trust", "forecasts", "skipped", "checks", "leaderboard"]
    names += ["skill_by_horizon", "significance", "scores_by_period"]
    for form in ("csv", "parquet"):
        words = ("--format", form, "--to", str(tmp_path / form), "--json")
        code, out, _ = run(trained, capsys, *words)
        assert code == 0
        assert [*json.loads(out)["files"]] == [f"{name}.{form}" for name in names]
    expected = trained.retrodictions()
    dates = ["origin_date", "made_at", "target_date"]
    text = pd.read_csv(tmp_path / "csv/retrodictions.csv", parse_dates=dates)
    table = pd.read_parquet(tmp_path / "parquet/retrodictions.parquet")
    for frame in (text, table):
        assert (frame[dates].to_numpy() == expected[dates].to_numpy()).all()
        assert frame["model"].to_list() == expected["model"].to_list()
        assert frame["q0.05"].to_list() == expected["q0.05"].to_list()
        assert frame["weight"].isna().sum() == expected["weight"].isna().sum() > 0
    assert "nan" not in (tmp_path / "csv/retrodictions.csv").read_text()
    board = pd.read_csv(tmp_path / "csv/leaderboard.csv")
    assert (
        board.loc[board["variable"].isna(), "model"].to_list() == trained.models["model"].tolist()
    )
    tests = pd.read_csv(tmp_path / "csv/significance.csv")
    assert tests["horizon"].isna().to_list() == trained.significance["horizon"].isna().to_list()
    assert len(pd.read_csv(tmp_path / "csv/scores_by_period.csv")) == len(trained.scores_by_period)


def test_tables_of_scores_have_the_chosen_rows(trained, tmp_path, capsys):
    chosen = ("--variables", "wave", "--models", "ensemble", "--horizons", "3")
    run(trained, capsys, "--format", "csv", "--to", str(tmp_path / "csv"), *chosen)
    tests = pd.read_csv(tmp_path / "csv/significance.csv")
    assert {*tests["variable"]} == {"wave"}
    assert {*tests["model"]} == {"ensemble"}
    assert tests["horizon"].fillna(0).to_list() == [3, 0]
    assert {*pd.read_csv(tmp_path / "csv/scores_by_period.csv")["model"]} == {"ensemble"}


def test_an_export_has_the_chosen_rows(trained, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chosen = ("--variables", "wave", "--models", "ensemble,naive", "--horizons", "3")
    code, out, _ = run(trained, capsys, "--format", "nixtla", *chosen)
    place = tmp_path / "pulse_export_nixtla/cross_validation.parquet"
    assert (code, out) == (0, f"{place}  12 rows\n")
    frame = pd.read_parquet(place)
    wanted = trained.to_nixtla(variable="wave", model=["ensemble", "naive"], horizon=3)
    pd.testing.assert_frame_equal(frame, wanted, check_dtype=False)
    code, _, err = run(trained, capsys, "--format", "fev", "--to", "f", "--models", "ensembel")
    assert (code, err.count("\n")) == (1, 1)
    assert "did you mean ensemble?" in err
    assert not Path("f").exists()


def test_summaries_as_a_file_are_read_by_fev(trained, tmp_path, capsys, fev):
    place = tmp_path / "fev"
    assert run(trained, capsys, "--format", "fev", "--to", str(place))[0] == 0
    board = fev.leaderboard(str(place / "summaries.csv"), baseline_model="naive")
    again = fev.leaderboard(trained.to_fev(), baseline_model="naive")
    pd.testing.assert_frame_equal(board, again)


def test_an_export_of_an_empty_store_is_one_line(tmp_path, capsys):
    for form in ("nixtla", "hubverse", "fev", "csv", "parquet"):
        words = ["--store", str(tmp_path / "none"), "--format", form, "--to", str(tmp_path / "to")]
        assert main(["export", *words]) == 1
        captured = capsys.readouterr()
        assert (captured.out, captured.err.count("\n")) == ("", 1)
        assert captured.err.startswith(f"error: {tmp_path / 'none'} holds no results of a training")
        assert [*tmp_path.iterdir()] == []


def test_a_store_without_retrodictions_has_nothing_to_export(trained, tmp_path, capsys):
    store = tmp_path / "store"
    for path in trained.store.versions("", below=True):
        if not path.startswith(("retrodictions", "batch_metrics")):
            open_objects(str(store)).write(path, trained.store.read(path))
    for form in ("nixtla", "fev", "csv"):
        assert main(["export", "--store", str(store), "--format", form, "--to", "there"]) == 1
        err = capsys.readouterr().err
        assert (err.count("\n"), "there is no such object" in err) == (1, True)


def test_a_place_that_is_not_empty_is_left_alone(trained, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    code, _, err = run(trained, capsys, "--format", "csv", "--to", str(tmp_path))
    assert (code, err.count("\n"), "is not empty: choose another place" in err) == (1, 1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_export_that_fails_leaves_nothing(trained, tmp_path, capsys):
    """As when an object of the store is damaged: the first table is written already."""
    store = tmp_path / "store"
    for path in trained.store.versions("", below=True):
        open_objects(str(store)).write(path, trained.store.read(path))
    (store / object_path("next_forecasts")).write_bytes(b"damaged")
    opened = pulse_assets.open_store(str(store))
    code, out, err = run(opened, capsys, "--format", "csv", "--to", str(tmp_path / "to"))
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "not a table of pulse_assets, or damaged" in err
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_an_export_to_a_bucket_that_fails_says_what_is_there(
    trained, tmp_path, capsys, monkeypatch
):
    written = []

    def fail_at_the_third(self, path, data):
        if len(written) == 2:
            raise StoreUnavailableError(f"{path}: the server is gone")
        written.append(path)

    monkeypatch.setattr(S3Store, "names", lambda self: {})
    monkeypatch.setattr(S3Store, "write", fail_at_the_third)
    code, out, err = run(trained, capsys, "--format", "csv", "--to", "s3://results/out")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "the server is gone; 2 files of the export are in s3://results/out: remove them" in err


def test_an_export_to_a_bucket(trained, s3, bucket, capsys):  # noqa: F811
    store, place = f"s3://{bucket}/store", f"s3://{bucket}/out"
    for path in trained.store.versions("", below=True):
        open_objects(store, s3).write(path, trained.store.read(path))
    reach = ["--aws-region", s3.region, "--s3-endpoint-url", s3.endpoint_url]
    words = ["export", "--store", store, "--format", "nixtla", "--to", place, *reach]
    assert main(words) == 0
    assert capsys.readouterr().out == f"{place}/cross_validation.parquet  48 rows\n"
    assert main(words) == 1  # it is not empty now
    assert "is not empty" in capsys.readouterr().err


def test_a_format_is_needed_and_known(capsys):
    for words, said in ((["--format", "cvs"], "invalid choice: 'cvs'"), ([], "--format")):
        with pytest.raises(SystemExit) as stopped:
            main(["export", *words])
        err = capsys.readouterr().err
        assert (stopped.value.code, err.count("\n"), said in err) == (1, 1, True)


def test_models_with_one_identifier_are_refused(trained):
    from pulse_assets.errors import ConfigurationError
    from pulse_assets.exports.hubverse import model_ids

    with pytest.raises(ConfigurationError, match=r"models a:b and a\.b would both be pulse-a_b"):
        model_ids(["a:b", "a.b"])
    assert isinstance(trained.store, LocalStore)
