"""`pulse-train check` on releases, days of publication and somebody else's forecasts."""

import json
from pathlib import Path

import pandas as pd
import pytest

from pulse_assets.errors import HistoricalDataError
from pulse_assets.preflight import check_ready
from pulse_assets.run_training import main
from pulse_assets.settings import Settings, TrainingConfig, TrainingOptions
from pulse_assets.source_check import check_source

MONTHS = [str(day.date()) for day in pd.date_range("2000-01-01", periods=120, freq="MS")]
DATES = {"start_date": "2005-01-01", "end_date": "2005-12-26"}


def released(day, months):
    return str((pd.Timestamp(day) + pd.DateOffset(months=months)).date())


@pytest.fixture
def folder(tmp_path):
    """A source of three series: with releases, with some days of publication, and with none."""
    folder = tmp_path / "source"
    folder.mkdir()
    rows = [f"{day},{i},{released(day, 1)}" for i, day in enumerate(MONTHS)]
    rows += [f"{day},{i + 0.5},{released(day, 2)}" for i, day in enumerate(MONTHS[:30])]
    rows += [f"{day},{i + 0.5},{released(day, 3)}" for i, day in enumerate(MONTHS[:30])]
    rows += [f"{day},{i},{released(day, 4)}" for i, day in enumerate(MONTHS[:10])]
    head = "timestamp,value,published_at"
    (folder / "historical_gdp.csv").write_text("\n".join([head, *rows]) + "\n")
    some = [f"{day},{i},{released(day, 1) if i < 100 else ''}" for i, day in enumerate(MONTHS)]
    (folder / "historical_some.csv").write_text("\n".join([head, *some]) + "\n")
    plain = [f"{day},{i}" for i, day in enumerate(MONTHS)]
    (folder / "historical_plain.csv").write_text("\n".join(["timestamp,value", *plain]) + "\n")
    return folder


FORECASTS = """variable,target_date,predicted,made_at,quantile
gdp,2005-03-01,1,2005-01-15,
gdp,2005-03-01,2,2005-01-15,0.9
plain,2004-12-01,3,2005-01-15,0.5
"""


@pytest.fixture
def check(folder, tmp_path, capsys):
    """Run the check; return its exit code, and what it prints on stdout and stderr."""

    def check(*words):
        dates = [
            text for name, day in DATES.items() for text in (f"--{name.replace('_', '-')}", day)
        ]
        places = ["--source", str(folder), "--store", str(tmp_path / "store")]
        return main(["check", *places, *dates, *words]), *capsys.readouterr()

    return check


def test_the_report_of_each_series_has_releases_and_the_rule_of_publication(check):
    code, out, _ = check("--json")
    series = {each["variable"]: each for each in json.loads(out)["series"]}
    names = ("rows", "releases", "revised", "first_published", "last_published", "publication")
    assert code == 0
    assert {name: [each[key] for key in names] for name, each in series.items()} == {
        "gdp": [120, 160, 30, "2000-02-01", "2010-01-01", "published_at in the file"],
        "plain": [120, 120, 0, None, None, "assumed: 0 days after the period"],
        "some": [
            *(120, 120, 0, "2000-02-01", "2008-05-01"),
            "published_at in the file; of 20 of 120 rows assumed: 0 days after the period",
        ],
    }


@pytest.mark.parametrize(
    ("lags", "days"),
    [
        (None, ["0 days", "0 days"]),
        (1, ["1 day", "1 day"]),
        ({"plain": 30, "*": 5}, ["30 days", "5 days"]),
        ({"plain": 30, "gdp": 5}, ["30 days", "0 days"]),
    ],
)
def test_assumed_days_follow_the_setting(folder, lags, days):
    settings = Settings(source=str(folder), **DATES)
    lags = {} if lags is None else {"publication_lag_days": lags}
    report = check_source(settings, TrainingOptions(**lags))
    rules = {each.variable: each.publication for each in report.series}
    assert rules["gdp"] == "published_at in the file"
    assert rules["plain"] == f"assumed: {days[0]} after the period"
    assert rules["some"].endswith(f"assumed: {days[1]} after the period")


def test_the_bundled_series_have_the_lags_of_their_agencies():
    report = check_source(Settings(source="sample"), TrainingOptions())
    rules = {each.variable: each.publication for each in report.series}
    assert rules["gdp_growth"] == "assumed: 30 days after the period"
    assert rules["spx_close"] == "assumed: 0 days after the period"


def test_the_report_names_forecasts_by_model(check, folder):
    assert json.loads(check("--json")[1])["forecasts"] == []
    (folder / "forecasts_boe.csv").write_text(FORECASTS)
    assert json.loads(check("--json")[1])["forecasts"] == [
        {
            "model": "boe",
            "file": "forecasts_boe.csv",
            "rows": 4,  # the median is the point of `plain`, too
            "variables": 2,
            "first_target": "2004-12-01",
            "last_target": "2005-03-01",
        }
    ]


def test_releases_and_forecasts_are_printed(check, folder):
    (folder / "forecasts_boe.csv").write_text(FORECASTS)
    code, out, err = check()
    words = [line.split() for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert ["gdp", "160", "30", "2000-02-01", "2010-01-01"] in words
    assert ["some", "120", "0", "2000-02-01", "2008-05-01"] in words
    assert ["boe", "4", "2", "2004-12-01", "2005-03-01"] in words
    assert "  0 days after the period: plain\n" in out
    assert max(map(len, out.splitlines()[1:])) <= 80


def test_forecasts_that_cannot_be_used_are_a_problem_in_one_line(check, folder, tmp_path):
    (folder / "forecasts_boe.csv").write_text(FORECASTS.replace("plain", "flat"))
    code, out, err = check("--json")
    problem = f"{folder}/forecasts_boe.csv: line 4: variable 'flat' is not in the source: "
    assert code == 1
    assert json.loads(out)["problems"][0].startswith(problem)
    assert len(json.loads(out)["series"]) == 3
    assert err.count("\n") == 1
    assert not (tmp_path / "store").exists()


def ready(folder, tmp_path, **options):
    config = TrainingConfig(source=str(folder), store=str(tmp_path / "store"), **DATES, **options)
    return check_ready(config.settings(), config.options())


def test_a_training_is_refused_before_it_writes_if_forecasts_are_wrong(folder, tmp_path):
    text = FORECASTS.replace("plain,2004-12-01,3", "plain,2004-12-01,inf")
    (folder / "forecasts_boe.csv").write_text(text)
    with pytest.raises(HistoricalDataError, match=r"forecasts_boe\.csv: line 4, variable plain: "):
        ready(folder, tmp_path)
    assert not (tmp_path / "store").exists()
    (folder / "forecasts_boe.csv").write_text(FORECASTS)
    assert ready(folder, tmp_path, models=["naive"]).frequencies["gdp"] == "monthly"


def test_a_model_may_not_have_the_name_of_an_own_rule(folder, tmp_path):
    (folder / "forecasts_unhurried.csv").write_text(FORECASTS)
    rule = "pulse_assets_tests.own_rules:Unhurried"
    with pytest.raises(HistoricalDataError, match="has forecasts of unhurried, which is the name"):
        ready(folder, tmp_path, models=["naive", rule])


def test_a_day_of_publication_before_the_period_is_refused(folder, tmp_path, check):
    path = folder / "historical_gdp.csv"
    path.write_text(path.read_text().replace("2000-02-01,1,2000-03-01", "2000-02-01,1,1999-03-01"))
    expected = (
        f"{path}: line 3 (2000-02-01) has published_at 1999-03-01, before its period begins, on "
        "2000-02-01 at the earliest: correct published_at"
    )
    assert check("--json")[0] == 1
    with pytest.raises(HistoricalDataError) as caught:
        ready(folder, tmp_path)
    assert str(caught.value) == expected
    assert not Path(tmp_path / "store").exists()


WRONG = {
    "two releases on one day": (
        *("historical_gdp.csv", "2000-01-01,0,2000-02-01", "2000-01-01,0,2000-03-01"),
        "line 2 and line 122 are two releases of 2000-01-01 on 2000-03-01: keep one",
    ),
    "published before its period": (
        *("historical_some.csv", "2000-05-01,4,2000-06-01", "2000-05-01,4,2000-04-30"),
        "line 6 (2000-05-01) has published_at 2000-04-30, before its period begins",
    ),
    "forecasts of an unknown variable": (
        *("forecasts_boe.csv", "plain,", "plane,"),
        "line 4: variable 'plane' is not in the source, did you mean 'plain'?",
    ),
    "a quantile of 90": ("forecasts_boe.csv", "0.9", "90", "quantile 90 does not lie between 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_training_on_wrong_input_ends_with_one_line_and_writes_nothing(
    folder, tmp_path, capsys, case
):
    name, before, after, message = WRONG[case]
    (folder / "forecasts_boe.csv").write_text(FORECASTS)
    text = (folder / name).read_text()
    assert before in text
    (folder / name).write_text(text.replace(before, after, 1))
    places = ["--source", str(folder), "--store", str(tmp_path / "store")]
    words = ["--start-date", "2005-01-01", "--end-date", "2005-12-26", "--max-workers", "1"]
    code, (out, err) = main(["train", *places, *words]), capsys.readouterr()
    assert (code, out) == (1, "")
    (line,) = [line for line in err.splitlines() if line.startswith("error")]
    assert f"{folder}/{name}: " in line
    assert message in line
    assert "Traceback" not in err
    assert not (tmp_path / "store").exists()
