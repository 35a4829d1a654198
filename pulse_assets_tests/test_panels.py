"""Training on tables of many series and on data frames; `pulse-train check`; bad tables."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pulse_assets import TrainingConfig, TrainingPipeline, train
from pulse_assets.errors import ConfigurationError, HistoricalDataError
from pulse_assets.run_training import main
from pulse_assets_tests.conftest import MODELS, stored
from pulse_assets_tests.execution.clusters import standing_cluster

#: Twelve batches over 2005 of the two series of the `source` fixture.
SMALL = {
    "start_date": "2005-01-01",
    "end_date": "2005-12-26",
    "models": MODELS,
    "horizons": [1, 3],
    "max_workers": 1,
}
DATES = ("--start-date", "2005-01-01", "--end-date", "2005-12-26")


@pytest.fixture
def wide(source):
    """The two series of the `source` fixture, side by side."""
    files = {name: source / f"historical_{name}.csv" for name in ("line", "wave")}
    series = {name: pd.read_csv(file)["value"] for name, file in files.items()}
    index = pd.date_range("2000-01-01", periods=120, freq="MS")
    return pd.DataFrame({name: values.to_numpy(float) for name, values in series.items()}, index)


@pytest.fixture
def pulse(tmp_path, capsys, monkeypatch):
    """Run `pulse-train`; return its exit code, and what it prints on stdout and stderr."""
    monkeypatch.setattr("pulse_assets.cli.train.FIRST_LINE_AFTER", 600.0)

    def pulse(*words):
        code = main([*map(str, words), "--store", str(tmp_path / "store"), "--max-workers", "1"])
        return code, *capsys.readouterr()

    return pulse


def tables(store):
    """The stored tables, without the frame that they are computed from."""
    return {path: data for path, data in stored(store).items() if "source_data" not in path}


def test_a_table_a_frame_and_single_files_store_the_same_bytes(source, wide, tmp_path):
    stores = {name: str(tmp_path / name) for name in ("files", "table", "frame", "stacked")}
    train(TrainingConfig(**SMALL, source=str(source), store=stores["files"]))
    folder = tmp_path / "tables"
    folder.mkdir()
    wide.to_csv(folder / "wide.csv", index_label="date")
    train(TrainingConfig(**SMALL, source=str(folder / "wide.csv"), store=stores["table"]))
    results = train(TrainingConfig(**SMALL, store=stores["frame"]), data=wide)
    assert results.success
    stacked = wide.rename_axis("ds").reset_index().melt("ds", var_name="unique_id", value_name="y")
    TrainingPipeline().execute(TrainingConfig(**SMALL, store=stores["stacked"]), data=stacked)
    files, *others = (tables(store) for store in stores.values())
    assert len(files) > 40
    assert all(other == files for other in others)
    (frame,) = Path(stores["frame"], "source_data").iterdir()
    (again,) = Path(stores["stacked"], "source_data").iterdir()
    assert frame.name == again.name
    # The stored frame is a source like any other.
    train(TrainingConfig(**SMALL, source=str(frame), store=stores["frame"], resume=True))
    assert tables(stores["frame"]) == files


def test_a_changed_value_of_a_frame_makes_only_its_batches_stale(wide, tmp_path):
    config = TrainingConfig(**SMALL, store=str(tmp_path / "store"))
    train(config, data=wide)
    counts = []

    class Counting:
        def start(self, total):
            pass

        def update(self, status, batch):
            counts.append((batch, status))

    resumed = config.model_copy(update={"resume": True})
    train(resumed, data=wide, progress=Counting())
    assert {status for _, status in counts} == {"unchanged"}
    counts.clear()
    wide.loc["2005-07-01", "wave"] += 0.5
    train(resumed, data=wide, progress=Counting())
    computed = [batch for batch, status in counts if status != "unchanged"]
    assert computed == [batch for batch, _ in counts if batch > "2005-06-02"]
    assert 0 < len(computed) < len(counts)


def test_workers_of_an_existing_cluster_read_the_frame_from_the_store(wide, source, tmp_path):
    config = {**SMALL, "batch_limit": 3}
    train(TrainingConfig(**config, source=str(source), store=str(tmp_path / "files")))
    with standing_cluster(tmp_path, 2) as cluster:
        cluster.wait_for_workers(2)
        joined = {"use_dask": True, "dask_scheduler_address": cluster.address}
        results = train(
            TrainingConfig(**config, store=str(tmp_path / "frame"), **joined), data=wide
        )
    assert results.success
    assert tables(tmp_path / "frame") == tables(tmp_path / "files")


def test_renamed_series_of_a_frame_are_logged(wide, tmp_path, caplog):
    config = TrainingConfig(**{**SMALL, "batch_limit": 1}, store=str(tmp_path / "store"))
    results = train(config, data=wide.rename(columns={"line": "S&P 500"}))
    assert "data: 'S&P 500' is read as S_P_500" in caplog.messages
    assert set(results.data["variables"]["details"]) == {"S_P_500", "wave"}


def test_a_bad_frame_leaves_no_trace(wide, tmp_path):
    store = tmp_path / "store"
    bad = wide.copy()
    bad.iloc[5, 1] = np.inf
    short = wide.iloc[:5]
    for frame, message in ((bad, "data: row 6: wave inf"), (short, "data, column line: 5 of its")):
        with pytest.raises(HistoricalDataError, match=message):
            train(TrainingConfig(**SMALL, store=str(store)), data=frame)
        assert not store.exists()


def test_a_frame_and_a_source_are_one_too_many(wide, source, tmp_path):
    config = TrainingConfig(**SMALL, source=str(source), store=str(tmp_path / "store"))
    with pytest.raises(
        ConfigurationError, match=r"data is given, and source = .* give one of them"
    ):
        train(config, data=wide)


# The command line


def months(count, start="2000-01-01"):
    return pd.date_range(start, periods=count, freq="MS").strftime("%Y-%m-%d")


def write_wide(folder, columns, names=None, dates=None):
    """Write wide.csv of monthly dates."""
    folder.mkdir(exist_ok=True)
    rows = [",".join(["date", *(names or columns)])]
    dates = months(len(next(iter(columns.values())))) if dates is None else dates
    for day, *cells in zip(dates, *columns.values(), strict=True):
        rows.append(",".join([day, *("" if cell is None else str(cell) for cell in cells)]))
    (folder / "wide.csv").write_text("\n".join(rows) + "\n")
    return folder


LINE = list(range(120))
#: Quarterly until 2004, monthly since.
MIXED = [i if i % 3 == 0 or i >= 60 else None for i in range(120)]


@pytest.mark.parametrize(
    ("columns", "names", "message"),
    [
        ({"a": LINE, "b": LINE}, ["a", "a"], "/wide.csv: it has two columns 'a': keep or rename"),
        ({"a": LINE, "b": ["x", *LINE[1:]]}, None, "/wide.csv: line 2: b 'x' is no finite number"),
        ({"a b": LINE, "a_b": LINE}, None, "column 'a b' and column 'a_b' both would be"),
        ({"a": LINE, "b": [None] * 120}, None, "/wide.csv: column b holds no value: remove it"),
        ({"a": LINE, "b": [1.0, 2.0, *[None] * 118]}, None, "/wide.csv, column b: no frequency"),
    ],
    ids=["duplicate", "text", "collision", "empty", "short"],
)
def test_a_bad_wide_table_is_one_line_and_leaves_no_trace(tmp_path, pulse, columns, names, message):
    source = write_wide(tmp_path / "source", columns, names)
    for command in ("train", "check"):
        code, _, err = pulse(command, "--source", source, *DATES, "--models", *MODELS)
        (line,) = err.splitlines()
        assert (code, line.startswith("error: ")) == (1, True)
        assert message in line
        assert not (tmp_path / "store").exists()


def test_two_dates_of_one_month_in_a_column_are_one_line(tmp_path, pulse):
    dates = sorted([*months(120), "2003-05-15"])
    twice = dates.index("2003-05-15")
    columns = {"a": [*LINE[:twice], None, *LINE[twice:]], "b": range(121)}
    source = write_wide(tmp_path / "source", columns, dates=dates)
    code, _, err = pulse("train", "--source", source, *DATES)
    (line,) = err.splitlines()
    assert code == 1
    assert "/wide.csv, column b: line 42 (2003-05-01) and line 43 (2003-05-15)" in line
    assert not (tmp_path / "store").exists()


def test_a_column_whose_frequency_changes_is_used_from_the_change_on(tmp_path, pulse):
    source = write_wide(tmp_path / "source", {"a": LINE, "b": MIXED})
    words = ("--start-date", "2007-01-01", "--end-date", "2008-12-31", "--json")
    a, b = json.loads(pulse("check", "--source", source, *words)[1])["series"]
    assert (a["frequency"], a["note"]) == ("monthly", None)
    assert b["frequency"].startswith("monthly since 200")
    assert "rows before are not used" in b["note"]


def test_a_training_says_in_a_few_lines_what_hundreds_of_series_are(tmp_path, pulse):
    columns = {f"v{i}": LINE for i in range(300)} | {"S&P 500": LINE[:60] + [None] * 3 + LINE[63:]}
    source = write_wide(tmp_path / "source", columns)
    words = ("--batch-limit", "1", "--models", "naive", "--horizons", "1")
    code, _, err = pulse("train", "--source", source / "wide.csv", *DATES, *words)
    assert code == 0
    first, second, third, fourth, *_ = err.splitlines()
    assert first.startswith("1 batch of 301 variables;")
    assert second == (
        "source: 301 monthly series in 1 file, 2000-01-01 to 2009-12-01; 1 with gaps (pulse-train "
        "check shows which)"
    )
    assert third == "publication: 301 series assumed (0 days after the period)"
    assert fourth == "wide.csv: 'S&P 500' is read as S_P_500"


@pytest.fixture
def checked(tmp_path):
    """A source of a single file, a wide table and a file that is not read."""
    values = [float(i % 7) for i in LINE]
    values[70] = 9000.0
    source = write_wide(tmp_path / "source", {"typo": values, "hole": [*LINE[:50], *[None] * 70]})
    rows = (f"{day},{i}\n" for i, day in enumerate(months(36, "2004-06-01")))
    (source / "historical_late.csv").write_text("timestamp,value\n" + "".join(rows))
    (source / "panel.csv.gz").write_bytes(b"")
    return source


def test_check_prints_each_series_and_what_will_be_skipped(checked, pulse, tmp_path):
    code, out, err = pulse("check", "--source", checked, *DATES, "--batch-cadence", "monthly")
    text = " ".join(out.split())
    assert "late 36 2004-06-01 2007-05-01 monthly 0 0 historical_" in text
    assert "typo 120 2000-01-01 2009-12-01 monthly 0 1 wide.csv" in text
    assert "hole 50 2000-01-01 2004-02-01 monthly 0 0 wide.csv" in text
    assert "typo: 9000 on 2005-11-01" in text
    assert "panel.csv.gz: it is compressed: unpack it as panel.csv" in text
    assert max(map(len, out.splitlines()[1:])) <= 80
    assert code == 1
    assert re.search(r"wide.csv, column hole: its last value, line 51 .* lies before the f", err)
    assert not (tmp_path / "store").exists()


def test_check_names_no_file_of_a_folder_that_is_the_source(tmp_path, pulse):
    rows = {"unique_id": ["line"] * 120, "ds": months(120), "y": [float(i) for i in LINE]}
    (tmp_path / "panel").mkdir()
    pd.DataFrame(rows).to_parquet(tmp_path / "panel" / "part-0.parquet")
    words = (*DATES, "--batch-cadence", "monthly")
    code, out, _ = pulse("check", "--source", tmp_path / "panel", *words)
    assert code == 0
    assert "line 120 2000-01-01" in " ".join(out.split())
    assert "file:" not in out


def test_check_prints_json_for_machines(checked, pulse):
    words = ("--batch-cadence", "monthly", "--variables", "late", "typo", "--json")
    code, out, err = pulse("check", "--source", checked, *DATES, *words)
    report = json.loads(out)
    assert (code, err, report["problems"]) == (0, "", [])
    late, typo = report["series"]
    assert late == {
        **{"variable": "late", "file": "historical_late.csv", "rows": 36, "missing": 0},
        **{"first": "2004-06-01", "last": "2007-05-01", "frequency": "monthly", "gaps": 0},
        **{"releases": 36, "revised": 0, "first_published": None, "last_published": None},
        **{"gaps_after": [], "off_label": []},
        **{"publication": "assumed: 0 days after the period", "note": None},
        **{"implausible": [], "implausible_count": 0, "problem": None},
        "skipped": [
            {
                "reason": "too few observations before the window: 12 must be known at an origin",
                **{"count": 5, "first": "2005-01-01", "last": "2005-05-01"},
            }
        ],
    }
    assert typo["implausible"] == [["2005-11-01", 9000.0]]
    assert set(report["unread"]) == {"panel.csv.gz"}


def test_check_counts_the_batches_that_a_training_skips(checked, pulse):
    words = ("--source", checked, "--start-date", "2004-11-01", "--end-date", "2006-05-20")
    words = (*words, "--variables", "late", "typo", "--batch-size-days", "20", "--models", "naive")
    report = json.loads(pulse("check", *words, "--json")[1])
    expected = {
        (one["variable"], skipped["reason"]): [skipped[k] for k in ("count", "first", "last")]
        for one in report["series"]
        for skipped in one["skipped"]
    }
    results = json.loads(pulse("train", *words, "--horizons", "1", "--json")[1])
    found = {
        (entry["variable"], entry["reason"]): [entry[k] for k in ("count", "first", "last")]
        for entry in results["skipped_variables"]
    }
    assert expected == found
    assert len(found) > 2
