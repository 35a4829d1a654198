"""`--periods`: from the command line to the tables, the terminal and the report."""

import json

import pandas as pd
import pytest

from pulse_assets.run_training import main


@pytest.fixture
def words(source, tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    few = ["--models", "ses", "--horizons", "1", "--max-workers", "1", "--max-partners", "0"]
    dates = [
        "--start-date",
        "2008-01-01",
        "--end-date",
        "2008-12-31",
        "--batch-cadence",
        "quarterly",
    ]
    return ["--source", str(source), "--store", str(tmp_path / "store"), *few, *dates]


def write(path, text):
    path.write_text(text, "utf-8")
    return str(path)


def test_periods_of_a_file_are_in_tables_terminal_and_report(words, tmp_path, capsys):
    path = write(
        tmp_path / "p.csv",
        "name,start,end\nautumn,2008-10-01,2008-12-31\nlater,2030-01-01,2030-01-02\n",
    )
    assert main([*words, "--periods", path]) == 0
    printed = capsys.readouterr().out
    assert "skill of ensemble by period" in printed
    assert "autumn: " in printed
    assert "later: no score" in printed
    stored = tmp_path / "store" / "scores_by_period" / "scores_by_period.parquet"
    rows = pd.read_parquet(stored).query("kind == 'file' and variable.isna()")
    fourth = pd.read_parquet(stored).query("kind == 'year' and variable.isna()")
    assert rows.set_index("model").loc["ensemble", "n"] == 2 * 3
    assert fourth.set_index("model").loc["ensemble", "n"] == 2 * 12
    other = write(tmp_path / "q.csv", "name,start,end\nspring,2008-04-01,2008-06-30\n")
    assert main(["report", "--rebuild", *words, "--periods", other]) == 0
    results = json.loads((tmp_path / "store/training_results/training_results.json").read_text())
    assert [e["period"] for e in results["periods"] if e["kind"] == "file"] == ["spring"]
    assert results["configuration"]["periods"] == {"spring": "2008-04-01:2008-06-30"}
    assert "spring" in (tmp_path / "store/training_report/training_report.html").read_text()
    assert main(["status", *words]) == 0  # no batch has become stale


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,begin,end\nA,2008-01-01,2008-02-01\n", "unknown column 'begin'"),
        ("name,start,end\nA,2008-02-01,2008-01-01\n", "before it starts (line 2)"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_bad_file_is_one_line_and_nothing_is_written(words, tmp_path, capsys, text, message):
    path = write(tmp_path / "p.csv", text) if text else str(tmp_path / "none.csv")
    assert main([*words, "--periods", path]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("error: periods = ")
    assert message in line
    assert not (tmp_path / "store").exists()
