"""Results as data frames: the wanted rows of the wanted batches, of `train` and of a store."""

import sys
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pulse_assets
from pulse_assets import TrainingConfig, train
from pulse_assets.errors import ConfigurationError, StoreError
from pulse_assets.result_frames import ResultFrames
from pulse_assets.run_training import main
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.objects import EncodedObject
from pulse_assets.storage.store import LocalStore
from pulse_assets.storage.store import open_store as open_objects
from pulse_assets.storage.tables import decode_table
from pulse_assets.stored_results import TrainingResults
from pulse_assets_tests.conftest import MODELS, write_source
from pulse_assets_tests.storage.conftest import (  # noqa: F401 - fixtures
    bucket,
    credentials,
    s3,
    s3_server,
)

FOLDER = "batch_size_days=30"


def as_of_the_end(results):
    return results.as_of("2005-12-31")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The results of a training whose third batch has no observation of `late`."""
    folder = tmp_path_factory.mktemp("trained")
    source = write_source(folder / "source")
    rows = (source / "historical_wave.csv").read_text().splitlines()
    kept = [row for row in rows if not row.startswith("2005-03")]
    (source / "historical_late.csv").write_text("\n".join([rows[0], *kept[30:]]) + "\n")
    config = TrainingConfig(
        source=str(source),
        store=str(folder / "store"),
        start_date="2005-01-01",
        end_date="2005-06-29",
        models=MODELS,
        horizons=[1, 3],
        quantiles=[0.1, 0.5, 0.9],
        max_workers=1,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(folder / "home"))
        yield train(config)


@pytest.fixture
def reads(monkeypatch):
    """The paths of all objects that are read."""
    paths, read = [], LocalStore.read

    def noting(self, path, *, limit=None):
        paths.append(path)
        return read(self, path, limit=limit)

    monkeypatch.setattr(LocalStore, "read", noting)
    return paths


def raw(results, asset):
    """The stored rows, read by pandas alone."""
    files = sorted(Path(results.store.uri, asset).rglob("*.parquet"))
    return pd.concat([pq.ParquetFile(file).read().to_pandas() for file in files])


def values(frame):
    """A frame whose names are plain texts, in the order of its rows."""
    names = frame.select_dtypes("category").columns
    return frame.astype(dict.fromkeys(names, object)).reset_index(drop=True)


def test_retrodictions_are_the_stored_rows(trained):
    frame = trained.retrodictions(variable="wave", model=["naive", "ensemble"], horizon=3)
    rows = raw(trained, "retrodictions")
    rows = rows[
        (rows["variable"] == "wave")
        & rows["model"].isin(["naive", "ensemble"])
        & (rows["horizon"] == 3)
    ].sort_values(["model", "origin_date"])
    assert len(frame) == 2 * 6
    for name in ("model", "origin_date", "target_date", "predicted", "observed", "batch"):
        assert frame[name].to_list() == rows[name].to_list(), name
    quantiles = frame[["q0.05", "q0.1", "q0.5", "q0.9", "q0.95"]].to_numpy()
    assert quantiles.tolist() == [row.tolist() for row in rows["quantiles"]]
    assert frame["q0.05"].equals(frame["lower"].rename("q0.05"))


def test_dates_are_datetimes_and_names_are_categories(trained):
    frame = trained.retrodictions()
    assert {str(frame[n].dtype) for n in ("origin_date", "made_at", "target_date")} == {
        "datetime64[ms]"
    }
    assert all(frame[name].dtype == "category" for name in ("variable", "model", "batch", "error"))
    assert (frame["target_date"] - frame["origin_date"]).dt.days.min() >= 28
    only = trained.retrodictions(variable="wave")
    assert only["variable"].cat.categories.to_list() == ["wave"]
    trust = trained.trust()
    assert (str(trust["horizon"].dtype), trust["horizon"].isna().any()) == ("Int32", True)


def test_metrics_are_those_of_scored_batches(trained):
    frame, rows = trained.metrics(model="ensemble"), raw(trained, "batch_metrics")
    rows = rows[rows["model"] == "ensemble"].sort_values(["variable", "horizon", "batch"])
    assert frame["abs_error"].to_list() == rows["abs_error"].to_list()
    assert frame["below_0.5"].to_list() == [row[2] for row in rows["below"]]
    pooled = frame["abs_error"].sum() / frame["naive_abs_error"].sum()
    pairs = trained.retrodictions()
    errors = (pairs["predicted"] - pairs["observed"]).abs().groupby(pairs["model"].astype(str))
    assert pooled == pytest.approx(errors.sum()["ensemble"] / errors.sum()["naive"], rel=1e-6)
    assert trained.metrics()["model"].notna().all()


def test_trust_is_that_of_the_results(trained):
    frame = trained.trust(model="ensemble")
    last = frame[frame["horizon"].isna()].groupby("variable", observed=True)["trust"].last()
    assert last.round(6).to_dict() == pytest.approx(trained.trust_scores, rel=1e-5)
    assert set(trained.trust(batch="2005-01-01")["batch"]) == {"2005-01-01"}
    assert set(trained.trust(horizon=[3])["horizon"]) == {3}


def test_skipped_says_which_variable_of_which_batch_and_why(trained):
    frame = trained.skipped(variable="late")
    assert values(frame)[["batch", "skip_reason"]].to_numpy().tolist() == [
        ["2005-03-02", "no observation in the window"]
    ]
    assert frame["window_end"].to_list() == [pd.Timestamp("2005-04-01")]
    assert len(trained.skipped(batch=date(2005, 1, 1))) == 0
    counts = {(s.variable, s.reason): s.count for s in trained.skipped_variables}
    found = trained.skipped().groupby(["variable", "skip_reason"], observed=True).size()
    assert found.to_dict() == counts


def test_checks_are_those_of_the_results(trained):
    frame = trained.checks()
    assert frame["name"].to_list() == [check["name"] for check in trained.data["checks"]]
    assert frame["passed"].to_list() == [check["passed"] for check in trained.data["checks"]]
    assert frame.loc[frame["name"] == "no_failed_batches", "values"].item().startswith("{")


def test_a_store_gives_the_same_without_a_run(trained):
    opened = pulse_assets.open_store(trained.store.uri)
    assert (opened.success, opened.data) == (trained.success, trained.data)
    assert (opened.results_path, opened.report_path) == (trained.results_path, trained.report_path)
    for name in ("retrodictions", "metrics", "trust", "forecasts", "skipped", "checks"):
        pd.testing.assert_frame_equal(getattr(opened, name)(), getattr(trained, name)())


@pytest.mark.parametrize("name", ["retrodictions", "metrics", "trust", "forecasts", "skipped"])
def test_arrow_and_polars_have_the_same_values(trained, name):
    table, frame = (getattr(trained, name)(to=library) for library in ("arrow", "polars"))
    assert (type(table), type(frame)) == (pa.Table, pl.DataFrame)
    expected = values(getattr(trained, name)())
    for each in (table.to_pandas(date_as_object=False), frame.to_pandas()):
        pd.testing.assert_frame_equal(values(each), expected, check_dtype=False)
    days = [field.name for field in table.schema if field.type == pa.date32()]
    assert all(frame.schema[day] == pl.Date for day in days)


def test_objects_of_the_wanted_batches_alone_are_read(trained, reads):
    results = pulse_assets.open_store(trained.store.uri)
    reads.clear()
    frame = results.retrodictions(batch=["2005-01-31", "2005-04-01"], variable="line")
    assert set(frame["batch"]) == {"2005-01-31", "2005-04-01"}
    assert reads == [
        object_path("trust_ledger"),
        *(f"retrodictions/{FOLDER}/{key}.parquet" for key in ("2005-01-31", "2005-04-01")),
    ]
    reads.clear()
    assert len(results.forecasts(model="ensemble")) == 3 * 2
    assert reads == [object_path("next_forecasts")]


def test_what_does_not_occur_is_an_error_that_says_what_does(trained):
    with pytest.raises(ConfigurationError, match=r"variable 'wafe' is not .*: did you mean wave\?"):
        trained.retrodictions(variable=["line", "wafe"])
    with pytest.raises(ConfigurationError, match=r"model 'ensembel' .*did you mean ensemble"):
        trained.metrics(model="ensembel")
    with pytest.raises(ConfigurationError, match="horizon 2 is not in these results: there are 1,"):
        trained.trust(horizon=2)
    with pytest.raises(
        ConfigurationError, match=r"batch '2005-01-30' .*did you mean 2005-01-01, the"
    ):
        trained.skipped(batch="2005-01-30")
    with pytest.raises(ConfigurationError, match="to='numpy': choose pandas, arrow or polars"):
        trained.checks(to="numpy")


@pytest.mark.parametrize(
    "day", [date(2005, 1, 31), datetime(2005, 1, 31, tzinfo=UTC), pd.Timestamp("2005-01-31")]
)
def test_a_day_and_a_number_may_be_of_any_type(trained, day):
    expected = trained.retrodictions(batch="2005-01-31", horizon=3)
    for batch in (day, [day], pd.DatetimeIndex(["2005-01-31"]), np.datetime64("2005-01-31")):
        pd.testing.assert_frame_equal(trained.retrodictions(batch=batch, horizon=3), expected)
    for horizon in (np.int64(3), [3], np.array([3])):
        found = trained.retrodictions(batch=day, horizon=horizon)
        pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize("nothing", [{"variable": []}, {"model": []}, {"horizon": []}])
def test_an_empty_list_chooses_no_row(trained, nothing):
    assert len(trained.retrodictions(**nothing)) == 0
    assert len(trained.retrodictions(batch=[])) == 0


@pytest.mark.parametrize("wrong", [{"variable": 3}, {"batch": 2005}, {"horizon": 1.5}])
def test_a_value_of_another_type_is_an_error_of_one_line(trained, wrong):
    with pytest.raises(ConfigurationError) as error:
        trained.retrodictions(**wrong)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"schema_version": 1}'])
def test_a_damaged_or_older_results_object_is_one_line(trained, tmp_path, capsys, content):
    store = copied(trained, tmp_path / "store")
    (tmp_path / "store" / object_path("training_results", suffix="json")).write_text(content)
    with pytest.raises(StoreError, match=r"training_results\.json: .*pulse-train --resume"):
        pulse_assets.open_store(store)
    for words in (
        ["export", "--store", store, "--format", "csv", "--to", str(tmp_path / "to")],
        ["compare", store, store],
    ):
        assert main(words) == 1
        assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "to").exists()


READERS = {
    "retrodictions": [ResultFrames.retrodictions, TrainingResults.to_nixtla],
    "batch_metrics": [ResultFrames.metrics, TrainingResults.to_fev, as_of_the_end],
    "training_batches": [ResultFrames.skipped],
}


@pytest.mark.parametrize("asset", READERS)
@pytest.mark.parametrize("harm", ["missing", "replaced"])
def test_a_scored_batch_that_is_gone_is_an_error_and_not_a_shorter_frame(
    trained, tmp_path, asset, harm
):
    """Whoever reads it: also one that another configuration has computed since."""
    store = copied(trained, tmp_path / "store")
    file = tmp_path / "store" / object_path(asset, "2005-01-31", 30)
    if harm == "missing":
        file.unlink()
    else:
        table = decode_table(file.read_bytes(), asset, name=file.name)
        others = EncodedObject.of_table(table, asset, {"configuration": "of others"})
        file.write_bytes(others.data)
    said = {"missing": "there is no such object", "replaced": "by another configuration"}[harm]
    for read in READERS[asset]:
        with pytest.raises(StoreError, match=f"{asset} of batch 2005-01-31 .*{said}.*--resume"):
            read(pulse_assets.open_store(store))


def test_without_polars_a_frame_of_it_says_how_to_get_it(trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ConfigurationError, match="needs Polars: pip install polars"):
        trained.forecasts(to="polars")


def test_a_store_may_be_a_path_and_nothing_else(trained):
    assert pulse_assets.open_store(Path(trained.store.uri)).data == trained.data
    for wrong in (None, 3):
        with pytest.raises(ConfigurationError, match="is neither a path nor an s3:// address"):
            pulse_assets.open_store(wrong)


def test_a_store_without_results_says_so_in_one_line(tmp_path):
    with pytest.raises(StoreError, match=r"holds no results of a training: .*run pulse-train") as e:
        pulse_assets.open_store(str(tmp_path))
    assert "\n" not in str(e.value)


def config_of(results, **changes):
    fields = TrainingConfig.model_fields
    settings = {name: v for name, v in results.data["configuration"].items() if name in fields}
    return TrainingConfig(**settings | {"max_workers": 1} | changes)


def copied(results, folder):
    """The store of the training, in a folder of the test."""
    other = open_objects(str(folder))
    for path in results.store.versions("", below=True):
        other.write(path, results.store.read(path))
    return other.uri


@pytest.mark.slow
def test_batches_of_another_configuration_are_left_out(trained, tmp_path):
    store = copied(trained, tmp_path / "store")
    config = config_of(trained, store=store, models=["naive"], batch_limit=2)
    results = train(config)
    assert set(results.retrodictions()["model"]) == {"naive", "ensemble", "ensemble_median"}
    assert set(pulse_assets.open_store(store).metrics()["batch"]) == {"2005-01-01", "2005-01-31"}


def test_forecasts_made_later_have_their_own_horizons_and_levels(trained, tmp_path, capsys):
    store = copied(trained, tmp_path / "store")
    words = ["--store", store, "--source", trained.data["configuration"]["source"]]
    words += ["--start-date", "2005-01-01", "--end-date", "2005-06-29", "--models", *MODELS]
    levels = ["--quantiles", "0.2", "0.4", "0.6"]
    assert main(["forecast", *words, "--horizons", "2", *levels]) == 0
    frame = pulse_assets.open_store(store).forecasts(horizon=2, model="ensemble")
    assert set(frame["horizon"]) == {2}
    assert {"q0.05", "q0.2", "q0.4", "q0.6", "q0.95"} <= {*frame.columns}
    assert "q0.5" not in frame


def test_a_store_in_a_bucket_gives_the_same(trained, s3, bucket):  # noqa: F811
    there = open_objects(f"s3://{bucket}/results", s3)
    for path in trained.store.versions("", below=True):
        there.write(path, trained.store.read(path))
    place = {"aws_region": s3.region, "s3_endpoint_url": s3.endpoint_url}
    opened = pulse_assets.open_store(there.uri, **place)
    pd.testing.assert_frame_equal(
        opened.retrodictions(batch="2005-01-31"), trained.retrodictions(batch="2005-01-31")
    )
    pd.testing.assert_frame_equal(opened.forecasts(), trained.forecasts())
