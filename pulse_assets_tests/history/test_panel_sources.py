"""Sources that hold tables of many series, in a directory and in a bucket, beside single files."""

import io
from datetime import date

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from pulse_assets.errors import ConfigurationError, HistoricalDataError
from pulse_assets.history.source import open_source
from pulse_assets.storage.s3 import S3Settings, connect
from pulse_assets.storage.store import LocalStore

ROWS = "timestamp,value\n2020-01-01,1\n2020-02-01,2\n"
PANEL = "unique_id,ds,y\na,2020-01-01,1\nb,2020-01-01,2\na,2020-02-01,3\n"
WIDE = "date,c,S&P 500\n2020-01-01,4,5\n2020-02-01,,6\n"
VALUES = {"a": [1.0, 3.0], "b": [2.0], "c": [4.0], "S_P_500": [5.0, 6.0], "single": [1.0, 2.0]}


@pytest.fixture(params=["directory", "bucket"])
def place(request, tmp_path):
    """Write files to a directory or a bucket; return its address and how to reach it."""
    if request.param == "directory":

        def put(name, content):
            file = tmp_path / "source" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

        return str(tmp_path / "source"), S3Settings(), put
    bucket, s3 = request.getfixturevalue("bucket"), request.getfixturevalue("s3")
    client = connect(s3).client

    def put(name, content):
        client.put_object(Bucket=bucket, Key=f"source/{name}", Body=content)

    return f"s3://{bucket}/source", s3, put


def loaded(uri, s3):
    source = open_source(uri, s3)
    return {name: source.load(name).values.tolist() for name in source.variables()}


def parquet_bytes(**columns):
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def test_tables_lie_beside_files_of_one_variable(place):
    uri, s3, put = place
    put("historical_single.csv", ROWS.encode())
    put("panel_x.csv", PANEL.encode())
    put("wide.csv", WIDE.encode())
    put("notes.md", b"")
    assert loaded(uri, s3) == dict(sorted(VALUES.items()))
    source = open_source(uri, s3)
    assert source.unread() == {}
    assert source.notes() == ["wide.csv: 'S&P 500' is read as S_P_500"]
    assert source.files()["a"] == "panel_x.csv"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("panel.csv", PANEL, {"a": [1.0, 3.0], "b": [2.0]}),
        ("current.csv", PANEL, {"a": [1.0, 3.0], "b": [2.0]}),
        ("2024-01.csv", WIDE, {"S_P_500": [5.0, 6.0], "c": [4.0]}),
        ("historical_gdp.csv", ROWS, {"gdp": [1.0, 2.0]}),
        ("US gdp.csv", ROWS, {"US_gdp": [1.0, 2.0]}),
        ("gdp.json", '[{"timestamp": "2020-01-01", "value": 1}]', {"gdp": [1.0]}),
    ],
)
def test_a_source_may_be_one_file(place, name, content, expected):
    uri, s3, put = place
    put(name, content.encode())
    put("historical_other.csv", ROWS.encode())
    assert loaded(f"{uri}/{name}", s3) == expected
    assert open_source(f"{uri}/{name}", s3).unread() == {}


def test_a_file_that_is_missing_is_named(place):
    uri, s3, put = place
    put("wide.csv", WIDE.encode())
    with pytest.raises(HistoricalDataError, match=rf"source {uri}/panel.csv does not exist: corr"):
        open_source(f"{uri}/panel.csv", s3).variables()


@pytest.mark.parametrize("flavor", ["hive", None])
@pytest.mark.parametrize("itself", [False, True], ids=["within", "itself"])
def test_a_folder_of_parquet_files_is_one_table(place, tmp_path, flavor, itself):
    uri, s3, put = place
    frame = pd.DataFrame(
        {"ds": [date(2019, 12, 1), date(2020, 1, 1)] * 2, "y": range(4), "unique_id": list("aabb")}
    )
    frame["year"] = [day.year for day in frame.ds]
    table = pa.Table.from_pandas(frame, preserve_index=False)
    parts = {"partitioning": ["year"], "partitioning_flavor": flavor}
    ds.write_dataset(table, tmp_path / "made", format="parquet", **parts)
    files = [*(tmp_path / "made").rglob("*.parquet")]
    assert len(files) == 2
    for file in files:
        put(f"panel_eu/{file.relative_to(tmp_path / 'made')}", file.read_bytes())
    put("panel_eu/_delta_log/0.parquet", b"not read")
    put("panel_eu/_SUCCESS", b"")
    source = open_source(f"{uri}/panel_eu" if itself else uri, s3)
    assert {name: source.load(name).values.tolist() for name in source.variables()} == {
        "a": [0.0, 1.0],
        "b": [2.0, 3.0],
    }
    series = source.load("b")
    folder = {"hive": "year=2020"}.get(flavor, "2020")
    assert series.source == f"{uri}/panel_eu, series b"
    assert series.row(1) == f"row 2 of {folder}/part-0.parquet (2020-01-01)"


def test_the_names_of_series_may_be_folders(place):
    uri, s3, put = place
    for name in ("gdp", "S%26P 500"):
        put(f"panel/unique_id={name}/x.parquet", parquet_bytes(ds=["2020-01-01"], y=[1.5]))
    assert loaded(uri, s3) == {"S_P_500": [1.5], "gdp": [1.5]}


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"ds": ["x"], "y": [1], "unique_id": ["a"]}, "/panel/b.parquet: row 1, series a: ds 'x'"),
        (
            {"ds": ["2020-01-01"], "y": [1], "unique_id": ["a"]},
            "/panel: row 1 of a.parquet and row 1 of b.parquet both have the date 2020-01-01",
        ),
        ({"ds": ["2020-01-01"], "y": [1]}, "/panel/b.parquet: it has no column unique_id"),
    ],
)
def test_what_is_wrong_in_a_folder_is_named_with_its_file(place, second, message):
    uri, s3, put = place
    put("panel/a.parquet", parquet_bytes(ds=["2020-01-01"], y=[1], unique_id=["a"]))
    put("panel/b.parquet", parquet_bytes(**second))
    with pytest.raises(HistoricalDataError, match=f"^{uri}{message}"):
        open_source(uri, s3).variables()


def test_other_tables_in_a_folder_are_named(place):
    uri, s3, put = place
    rows = {"ds": ["2020-01-01"], "y": [1], "unique_id": ["a"]}
    put("panel/2019/a.parquet", parquet_bytes(**rows))
    for name in ("2020/b.csv", "c.parquet.gz", "_metadata", "notes.md", "2020/d.pq"):
        put(f"panel/{name}", PANEL.encode())
    reason = "of a folder .parquet files alone are read: write it as Parquet"
    names = ("panel/2020/b.csv", "panel/2020/d.pq", "panel/c.parquet.gz")
    assert open_source(uri, s3).unread() == dict.fromkeys(names, reason)


def test_a_variable_in_two_files_is_refused(place):
    uri, s3, put = place
    put("panel.csv", PANEL.encode())
    put("historical_a.csv", ROWS.encode())
    with pytest.raises(
        HistoricalDataError, match=r"has a in two files, historical_a.csv and panel"
    ):
        open_source(uri, s3).variables()


def test_an_unknown_variable_of_a_table_is_told_the_nearest(place):
    uri, s3, put = place
    put("wide.csv", WIDE.encode())
    with pytest.raises(ConfigurationError, match="did you mean 'S_P_500'"):
        open_source(uri, s3).check_variables(["S_P_50"])


def test_the_version_of_a_series_is_that_of_its_own_rows(place):
    uri, s3, put = place
    put("panel.csv", PANEL.encode())
    before = open_source(uri, s3).versions()
    put("panel.csv", (PANEL + "b,2020-02-01,7\n").encode())
    after = open_source(uri, s3).versions()
    assert before["a"] == after["a"]
    assert before["b"] != after["b"]
    put("panel.csv", PANEL.replace("\n", "\r\n").encode())
    assert open_source(uri, s3).versions() == before


def test_a_table_is_read_once_per_process_and_version(tmp_path, monkeypatch):
    (tmp_path / "panel.csv").write_text(PANEL)
    paths, read = [], LocalStore.read
    monkeypatch.setattr(
        LocalStore, "read", lambda self, path, **of: paths.append(path) or read(self, path, **of)
    )
    for _ in range(3):
        assert loaded(str(tmp_path), S3Settings()) == {"a": [1.0, 3.0], "b": [2.0]}
    assert paths == ["panel.csv"]


def test_limits_of_size_are_those_of_a_table(tmp_path):
    (tmp_path / "panel.csv").write_text(PANEL)
    with pytest.raises(HistoricalDataError, match=f"{len(PANEL)} bytes are more than the 20 that"):
        open_source(str(tmp_path), S3Settings(), 20).variables()


def test_a_column_without_values_stops_only_those_who_use_it(tmp_path):
    (tmp_path / "wide.csv").write_text("date,a,b\n2020-01-01,1,\n")
    source = open_source(str(tmp_path), S3Settings())
    assert source.variables() == ["a", "b"]
    assert source.load("a").values.tolist() == [1.0]
    with pytest.raises(HistoricalDataError, match=r"wide.csv: column b holds no value: remove it"):
        source.load("b")
