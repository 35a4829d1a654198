"""Commands after a training continue with its options, and no default replaces its data."""

import json

import numpy as np
import pandas as pd
import pytest

import pulse_assets
from pulse_assets import TrainingConfig, train
from pulse_assets.errors import ConfigurationError, StoreError
from pulse_assets.run_training import main
from pulse_assets.settings import TrainingOptions
from pulse_assets.stored_options import continue_training

GIVEN = ["--start-date", "2010-01-01", "--batch-cadence", "yearly", "--horizons", "1", "2"]


def write(folder, name):
    days = pd.date_range("2000-01-01", "2013-12-01", freq="MS")
    values = 100 + np.arange(len(days)) + 3 * np.sin(np.arange(len(days)))
    frame = pd.DataFrame({"timestamp": days, "value": values.round(2)})
    frame.to_csv(folder / f"historical_{name}.csv", index=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a source of one series and the store of its training."""
    folder = tmp_path_factory.mktemp("continued")
    (folder / "data").mkdir()
    write(folder / "data", "sales")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(folder / "home"))
        patch.chdir(folder)
        words = ["--source", "data", "--store", "results", "--models", "naive", "drift"]
        end = ["--end-date", "2013-12-31"]
        assert main([*words, *GIVEN, *end, "--max-workers", "1", "--max-partners", "0"]) == 0
    return folder


@pytest.fixture(autouse=True)
def there(trained, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(trained / "home"))
    monkeypatch.chdir(trained)


def test_status_counts_the_batches_of_the_training(capsys):
    assert main(["status", "--store", "results", "--json"]) == 0
    out, err = capsys.readouterr()
    assert {*json.loads(out)["batches"].values()} == {"done"}
    assert "options of the training in the store: " in err
    for words in ("--source", "--start-date 2010-01-01", "--batch-cadence yearly", "drift"):
        assert words in err


def test_forecasts_are_of_the_training(capsys):
    assert main(["forecast", "--store", "results"]) == 0
    forecasts = pulse_assets.open_store("results").forecasts()
    assert {*forecasts["variable"]} == {"sales"}
    assert {*forecasts["horizon"].dropna()} == {1, 2}
    assert main(["forecast", "--store", "results", "--as-of", "2012-06-15"]) == 0
    assert "trust from 2 batches known then" in capsys.readouterr().out


def test_options_that_are_given_win():
    config = TrainingConfig(store="results", horizons=[4], batch_size_days=90)
    continued, filled = continue_training(config)
    assert (continued.horizons, continued.batch_cadence) == ([4], None)
    assert continued.batch_size_days == 90
    assert str(continued.start_date) == "2010-01-01"
    assert not filled.keys() & {"horizons", "batch_size_days", "batch_cadence"}


def test_everything_that_was_computed_is_continued():
    continued, _ = continue_training(TrainingConfig(store="results"))
    stored = pulse_assets.open_store("results").data["configuration"]
    for name in TrainingOptions.model_fields.keys() - {"resume", "variables"}:
        assert json.loads(continued.model_dump_json())[name] == stored[name], name


def test_a_series_that_was_added_is_continued_too(trained):
    write(trained / "data", "visits")
    try:
        continued, _ = continue_training(TrainingConfig(store="results"))
        assert continued.variables is None
    finally:
        (trained / "data" / "historical_visits.csv").unlink()


def test_another_source_says_nothing():
    config = TrainingConfig(store="results", source="sample")
    assert continue_training(config) == (config, {})


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"configuration": 1}', '{"configuration": {"horizons": "x"}}']
)
def test_results_that_cannot_be_read_ask_for_the_source(tmp_path, text):
    """Whoever names the source has chosen; nobody else's forecasts are replaced."""
    (tmp_path / "training_results").mkdir()
    (tmp_path / "training_results" / "training_results.json").write_text(text)
    for act in (continue_training, train):
        with pytest.raises(StoreError, match="give --source and all other options"):
            act(TrainingConfig(store=str(tmp_path)))
    config = TrainingConfig(store=str(tmp_path), source="sample")
    assert continue_training(config) == (config, {})


@pytest.mark.parametrize("words", [["--start-date", "2020-01-01"], ["--end-date", "2001-01-01"]])
@pytest.mark.parametrize("command", ["forecast", "status"])
def test_options_that_do_not_fit_the_training_are_an_error(trained, capsys, command, words):
    before = {path: path.read_bytes() for path in (trained / "results").rglob("*.*")}
    assert main([command, "--store", "results", *words]) == 1
    assert "does not fit the training in" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in (trained / "results").rglob("*.*")}


def test_one_source_may_be_written_in_several_ways(trained):
    (trained / "link").symlink_to(trained / "data")
    for address in ("data", "./link/../data", "link"):
        continued, _ = continue_training(TrainingConfig(store="results", source=address))
        assert continued.source == str(trained / "data")
        assert str(continued.start_date) == "2010-01-01"


def test_a_series_that_is_gone_is_not_asked_for(trained, capsys):
    write(trained / "data", "visits")
    words = ["--source", "data", "--store", "both", "--models", "naive", *GIVEN]
    end = ["--end-date", "2012-12-31", "--max-workers", "1", "--max-partners", "0"]
    assert main([*words, *end]) == 0
    (trained / "data" / "historical_visits.csv").unlink()
    capsys.readouterr()
    assert main(["forecast", "--store", "both"]) == 0
    assert {*pulse_assets.open_store("both").forecasts()["variable"]} == {"sales"}


def test_a_store_of_a_frame_can_be_moved(tmp_path, monkeypatch):
    days = pd.date_range("2000-01-01", "2006-12-01", freq="MS")
    frame = pd.DataFrame({"date": days, "sales": np.arange(len(days)) % 12 + 1.0})
    config = TrainingConfig(
        store=str(tmp_path / "old"),
        start_date="2005-01-01",
        end_date="2006-12-31",
        batch_cadence="yearly",
        models=["naive"],
        max_workers=1,
    )
    train(config, data=frame)
    (tmp_path / "old").rename(tmp_path / "new")
    assert main(["status", "--store", str(tmp_path / "new")]) == 0


@pytest.mark.parametrize("words", [[], ["--resume"], GIVEN])
def test_no_training_replaces_data_because_no_source_was_named(trained, capsys, words):
    before = {path: path.read_bytes() for path in (trained / "results").rglob("*.*")}
    assert main([*words, "--store", "results"]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"holds a training from {trained}/data, and no source is given" in error
    assert before == {path: path.read_bytes() for path in (trained / "results").rglob("*.*")}
    with pytest.raises(ConfigurationError, match="no source is given"):
        train(TrainingConfig(store="results"))


def test_values_after_the_default_end_are_named(trained, capsys, tmp_path):
    days = pd.date_range("2015-01-01", "2024-06-01", freq="MS")
    frame = pd.DataFrame({"timestamp": days, "value": np.arange(len(days)) % 7})
    frame.to_csv(tmp_path / "historical_orders.csv", index=False)
    said = "not predicted: up to 18 values of orders lie after 2022-12-31, the default --end-date"
    assert main(["check", "--source", str(tmp_path)]) == 0
    assert said in " ".join(capsys.readouterr().out.split())
    assert main(["check", "--source", str(tmp_path), "--end-date", "2022-12-31"]) == 0
    assert "lie after" not in capsys.readouterr().out
    few = ["--start-date", "2020-01-01", "--models", "naive", "--max-workers", "1"]
    store = ["--store", str(tmp_path / "results"), "--max-partners", "0"]
    assert main(["--source", str(tmp_path), *few, *store, "--batch-limit", "2"]) == 0
    assert said in capsys.readouterr().err
