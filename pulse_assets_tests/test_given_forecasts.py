"""A training on a source with somebody else's forecasts: results, report, next forecasts, names."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pulse_assets import TrainingConfig, train
from pulse_assets.run_training import main
from pulse_assets.storage.layout import object_path
from pulse_assets_tests.execution.test_given_forecasts import (
    MONTHS,
    PUBLISHED,
    WALK,
    perfect,
    row,
    silent,
    write,
)

OPTIONS = {
    "start_date": "2005-01-01",
    "end_date": "2006-06-30",
    "batch_cadence": "monthly",
    "models": ["naive", "holt"],
    "horizons": [1, 2, 3],
    "max_workers": 1,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The results of a training, and its store."""
    folder = tmp_path_factory.mktemp("training")
    after = row(MONTHS[-1] + 31, 123.0, PUBLISHED[-1] + 10)  # newer than all observations
    source = write(folder / "source", perfect=[*perfect(), after], silent=silent())
    config = TrainingConfig(source=str(source), store=str(folder / "store"), **OPTIONS)
    return train(config), folder / "store"


def boards(results):
    return {row.model: row for row in results.document.models}


def test_a_perfect_forecaster_leads_and_is_trusted(trained):
    results, _ = trained
    assert results.success, results.document.problems
    rows = boards(results)
    best, ours = rows["perfect"], rows["ensemble"]
    assert (best.skill, best.n, best.missing) == (0.99, 54, 0)  # 0.99 is the largest skill
    assert best.trust > 0.8
    assert best.weight > 0.9
    assert ours.skill > 0.9


def test_silence_is_missing_and_ranks_last(trained):
    last = trained[0].document.models[-1]
    assert (last.model, last.n, last.missing, last.partial) == ("silent", 1, 53, True)


def test_results_and_report_say_whose_forecasts_they_are(trained):
    results, store = trained
    first, second = results.document.given_forecasts
    assert (first.model, first.file, first.variables) == ("perfect", "forecasts_perfect.csv", 1)
    assert (second.model, second.rows, second.first_target) == ("silent", 2, "2000-01-01")
    page = (store / object_path("training_report", suffix="html")).read_text("utf-8")
    assert "<code>perfect</code> is no rule: somebody else made its forecasts" in page


def test_next_forecasts_take_the_newest_forecast(trained):
    """Also one that is newer than all observations."""
    _, store = trained
    rows = pd.read_parquet(store / object_path("next_forecasts"))
    mine = rows[rows["model"].astype(str) == "perfect"].set_index("horizon")
    assert mine["predicted"].tolist()[0] == 123.0
    assert mine["predicted"].isna().tolist() == [False, True, True]
    assert mine["weight"].tolist()[1:] == [0.0, 0.0]
    assert str(mine["made_at"].iloc[0].date()) == str(PUBLISHED[-1] + 10)


def test_the_look_ahead_check_covers_them(trained):
    check = next(c for c in trained[0].document.checks if c.name == "no_lookahead")
    assert check.passed
    assert check.values["largest_difference"] == "0.0"


@pytest.mark.parametrize(
    ("name", "why"), [("plain", "name of one of the rules"), ("naive", "rule")]
)
def test_a_model_with_the_name_of_a_rule_is_refused(tmp_path, capsys, name, why):
    source = write(tmp_path / "source", **{name: perfect()})
    words = ["--source", str(source), "--store", str(tmp_path / "store")]
    code = main([*words, "--models", "naive", "pulse_assets_tests.own_rules:Plain"])
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert (code, why in error, name in error) == (1, True, True)
    assert not (tmp_path / "store").exists()


def test_a_forecast_made_in_the_far_future_is_a_typing_error(tmp_path, capsys):
    source = write(tmp_path / "source", bank=[*perfect()[:3], row(MONTHS[5], 1.0, "2202-01-01")])
    code = main(["--source", str(source), "--store", str(tmp_path / "store")])
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert code == 1
    assert "forecasts_bank.csv: line 5, walk: made_at 2202-01-01 lies more than a year" in error
    assert not (tmp_path / "store").exists()
    assert main(["check", "--source", str(source)]) == 1
    assert capsys.readouterr().err.strip() == error


def test_two_forecasts_of_one_period_under_two_dates_are_refused(tmp_path, capsys):
    """2005-06-01 and 2005-06-30 are one month: only one of the two could count."""
    rows = [row(day, 1.0, "2005-05-20") for day in ("2005-06-01", "2005-07-01", "2005-06-30")]
    source = write(tmp_path / "source", bank=rows)
    for words in (["check"], ["--store", str(tmp_path / "store")]):
        assert main([*words, "--source", str(source)]) == 1
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert (
            "forecasts_bank.csv: line 2 and 4, walk: 2005-06-01 and 2005-06-30 are one period of a "
            "monthly series, forecast on one day: keep one"
        ) in error
    assert not (tmp_path / "store").exists()


def test_one_period_may_be_forecast_under_two_dates_on_two_days(tmp_path):
    rows = [row("2005-06-01", 1.0, "2005-05-20"), row("2005-06-30", 1.0, "2005-05-21")]
    assert main(["check", "--source", str(write(tmp_path / "source", bank=rows))]) == 0


def test_the_first_lines_name_the_models(tmp_path, capsys):
    source = write(tmp_path / "source", silent=silent())
    words = ["--source", str(source), "--store", str(tmp_path / "store"), "--models", "naive"]
    days = ["--start-date", "2005-01-01", "--end-date", "2005-03-31", "--max-workers", "1"]
    assert main([*words, *days, "--batch-cadence", "monthly"]) == 0
    printed, errors = capsys.readouterr()
    line = "silent (1 variable, 2000-01-01 to 2006-01-01)"
    assert f"forecasts of others: {line}" in errors
    assert line in printed


@pytest.mark.parametrize(("days", "told"), [("walk=3", 1), ("0", 0)])
def test_a_lag_that_changes_nothing_is_told(tmp_path, capsys, days, told):
    """Each value of the series says when it was published."""
    source = write(tmp_path / "source")
    words = ["--source", str(source), "--store", str(tmp_path / "store"), "--models", "naive"]
    dates = ["--start-date", "2005-01-01", "--end-date", "2005-01-31", "--max-workers", "1"]
    assert main([*words, *dates, "--publication-lag-days", days]) == 0
    line = "publication_lag_days has no effect on walk: published_at gives the day of each value"
    assert capsys.readouterr().err.count(line) == told


def test_a_forecast_of_another_variable_changes_nothing(tmp_path):
    """A source with forecasts of one variable stores the same of the others."""
    tables = []
    for name, models in (("without", {}), ("with", {"perfect": perfect()})):
        source = write(tmp_path / name, **models)
        values = (WALK[::-1] * 2.0).tolist()
        rows = [f"{day},{value!r}" for day, value in zip(MONTHS, values, strict=True)]
        (source / "historical_other.csv").write_text("\n".join(["timestamp,value", *rows]) + "\n")
        store = tmp_path / f"store_{name}"
        train(TrainingConfig(source=str(source), store=str(store), **OPTIONS))
        parts = sorted(Path(store).glob("retrodictions/**/*.parquet"))
        table = pd.concat(map(pd.read_parquet, parts)).astype({"variable": str, "model": str})
        tables.append(table[table["variable"] == "other"].reset_index(drop=True))
    pd.testing.assert_frame_equal(*tables)
    assert np.isfinite(tables[0]["predicted"]).any()
