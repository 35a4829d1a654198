"""Files that look meant as observations are named, with what to do, and no others are."""

import pytest

from pulse_assets.errors import ConfigurationError, HistoricalDataError
from pulse_assets.history.near_misses import is_meant, unread_files, variable_of
from pulse_assets.history.readers import SUFFIXES
from pulse_assets.history.source import open_source
from pulse_assets.storage.s3 import S3Settings, connect
from pulse_assets.storage.store import open_store

ROWS = "timestamp,value\n2020-01-01,1\n2020-02-01,2\n"
RENAME = {
    "historical_cpi.CSV": "historical_cpi.csv",
    "Historical_cpi.csv": "historical_cpi.csv",
    "HISTORICAL_CPI.PARQUET": "historical_CPI.parquet",
    "historical_retail sales.csv": "historical_retail_sales.csv",
    " historical_cpi.csv": "historical_cpi.csv",
    "historical_cpi.csv ": "historical_cpi.csv",
    "historical_cpi .csv": "historical_cpi.csv",
    "historical cpi.csv": "historical_cpi.csv",
    "historical-cpi.csv": "historical_cpi.csv",
    "historical_zölle.csv": "historical_zolle.csv",
    "historical_ß.csv": "historical_ss.csv",
    "historical_cpi (1).csv": "historical_cpi_1.csv",
    "historical_a..b.csv": "historical_a.b.csv",
    "historical_cpi.jsonl": "historical_cpi.json",
    "historical_cpi.pq": "historical_cpi.parquet",
    "historic_cpi.csv": "historical_cpi.csv",
    "history_cpi.csv": "historical_cpi.csv",
    "histroical_cpi.json": "historical_cpi.json",
    "historical_us.cpi-1.JSON": "historical_us.cpi-1.json",
}
OTHERWISE = {
    "historical_cpi.csv.gz": "it is compressed: unpack it as historical_cpi.csv",
    "historical_cpi.parquet.ZST": "it is compressed: unpack it as historical_cpi.parquet",
    "historical_cpi.parquet.gzip": "it is compressed: unpack it as historical_cpi.parquet",
    "historical_cpi.zip": "it is compressed: unpack it as historical_cpi.csv",
    "historical_cpi.tar.gz": "it is compressed: unpack it as historical_cpi.csv",
    "historical_cpi.txt": "its ending .txt is not read: save it as CSV with commas, named",
    "historical_cpi.tsv": "save it as CSV with commas, named historical_cpi.csv",
    "historical_cpi.xlsx": "save it as CSV with commas, named historical_cpi.csv",
    "historical_cpi.feather": "save it as CSV with commas, named historical_cpi.csv",
    "historical_cpi": "its name has no ending: save it as CSV",
    "historical_.csv": "it names no variable: rename it historical_<variable>.csv",
    "historical.csv": "it names no variable",
    "historical_cpi.parquet/": "it is a folder: write its parts as one file historical_cpi.parquet",
    "historical_cpi/": "it is a folder: write its parts as one file historical_cpi.parquet",
    "historical_cpi.csv": "it is no plain file, perhaps a broken link",
    "historical_gdp.CSV": "historical_gdp.csv is read instead: remove or rename one of them",
}
TABLES = {
    "panel.CSV": "its name must be in lower case and end in .csv or .parquet: rename it panel.csv",
    "Panel_eu.csv": "rename it panel_eu.csv",
    "wide.pq": "rename it wide.parquet",
    "panel.csv.gz": "it is compressed: unpack it as panel.csv",
    "wide_us.zip": "it is compressed: unpack it as wide_us.csv",
    "panel.xlsx": "its ending .xlsx is not read: save it as panel.csv or panel.parquet",
    "wide.json": "its ending .json is not read: save it as wide.csv or wide.parquet",
    "panel.csv": "it is no plain file, perhaps a broken link",
    "panel_old/": "it is a folder without .parquet files",
    "wide/": "it is a folder without .parquet files",
}
NOT_MEANT = [
    *("notes.csv", "readme.md", "results.parquet", "data/", "_SUCCESS", ".historical_cpi.csv"),
    *(
        "~$historical_cpi.xlsx",
        "historical_cpi.csv~",
        "historical_cpi.csv.tmp",
        "hotel.csv",
        "histogram.csv",
    ),
    *(
        "historical_cpi.csv.bak",
        ".DS_Store",
        "forecast.py",
        "forecasts.md",
        "forecasts/",
        "panel.md",
        "",
    ),
]
FORECASTS = {
    "forecast_boe.csv": "forecasts are read from forecasts_<model>.csv or .parquet: rename it "
    "forecasts_boe.csv",
    "Forecasts_boe.csv": "rename it forecasts_boe.csv",
    "FORECASTS_boe.PARQUET": "rename it forecasts_boe.parquet",
    "forecasts boe.csv": "rename it forecasts_boe.csv",
    "forecasts_boe mpr.csv": "rename it forecasts_boe_mpr.csv",
    "forecasts-boe.pq": "rename it forecasts_boe.parquet",
    "forcasts_boe.csv": "rename it forecasts_boe.csv",
    "forecasts.csv": "it names no model: rename it forecasts_<model>.csv",
    "forecasts_boe.json": "its ending .json is not read: save it as CSV with commas, named "
    "forecasts_boe.csv",
    "forecasts_boe.xlsx": "its ending .xlsx is not read",
    "forecasts_boe.csv.gz": "it is compressed: unpack it as forecasts_boe.csv",
    "forecasts_boe.zip": "it is compressed: unpack it as forecasts_boe.csv",
    "forecasts_boe/": "it is a folder: write its parts as one file forecasts_boe.csv",
    "forecasts_boe.csv": "it is no plain file, perhaps a broken link",
    "Forecasts_read.csv": "forecasts_read.csv is read instead: remove or rename one of them",
}
READ = {"historical_gdp.csv": "gdp", "forecasts_read.csv": "read"}


@pytest.mark.parametrize("name", RENAME)
def test_a_file_with_another_name_is_told_its_right_one(name):
    (reason,) = unread_files([name, *READ], READ, SUFFIXES).values()
    assert reason.endswith(f": rename it {RENAME[name]}")


@pytest.mark.parametrize("name", OTHERWISE)
def test_a_file_of_another_kind_is_told_what_to_do(name):
    (reason,) = unread_files([name, *READ], READ, SUFFIXES).values()
    assert OTHERWISE[name] in reason


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_is_not_read_is_told_what_to_do(name):
    (reason,) = unread_files([name, *READ], READ, SUFFIXES).values()
    assert TABLES[name] in reason


@pytest.mark.parametrize("name", FORECASTS)
def test_forecasts_that_are_not_read_are_told_what_to_do(name):
    (reason,) = unread_files([name, *READ], READ, SUFFIXES).values()
    assert FORECASTS[name] in reason


@pytest.mark.parametrize("name", NOT_MEANT)
def test_a_file_that_is_something_else_is_not_named(name):
    assert not is_meant(name)
    assert unread_files([name], READ, SUFFIXES) == {}


@pytest.mark.parametrize("name", [*RENAME, *OTHERWISE])
def test_the_variable_of_a_name_could_be_the_name_of_a_variable(name):
    assert variable_of(name).replace("_", "").isascii()


MIXED = [
    *("historical_gdp.csv", "historical_cpi.CSV", "historical_m2.csv.gz", "historical_a b.csv"),
    *("Historical_ppi.csv", "historical_unrate.txt", "notes.txt", ".hidden.csv", "rate.csv"),
]
UNREAD = {*MIXED[1:6], "historical_spark.parquet/"}


@pytest.fixture(params=["directory", "bucket"])
def place(request, tmp_path):
    """A source of one good file and several others, in a directory and in a bucket."""
    if request.param == "directory":
        for name in MIXED:
            (tmp_path / name).write_text(ROWS)
        (tmp_path / "historical_spark.parquet").mkdir()
        (tmp_path / "historical_spark.parquet" / "part-0.parquet").write_text(ROWS)
        return str(tmp_path), S3Settings()
    bucket, settings = request.getfixturevalue("bucket"), request.getfixturevalue("s3")
    uri = f"s3://{bucket}/data"
    client = connect(settings).client
    for name in [*MIXED, "historical_spark.parquet/part-0.parquet", ""]:
        client.put_object(Bucket=bucket, Key=f"data/{name}", Body=ROWS.encode())
    return uri, settings


def test_a_source_names_its_unread_files(place):
    source = open_source(*place)
    assert source.variables() == ["gdp"]
    assert set(source.unread()) == UNREAD


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "cpi",
            r"\('historical_cpi.CSV' lies there but is not read: .* rename it historical_cpi.csv",
        ),
        ("spark", "'historical_spark.parquet/' lies there but is not read: it is a folder"),
        ("ppi", "'Historical_ppi.csv' lies there but is not read"),
        (
            "rate",
            r"'rate.csv' lies there but is not read: rename it historical_rate.csv, or "
            r"wide_rate.csv if it has a column per variable\): it has g",
        ),
        ("GDP", "did you mean 'gdp'"),
    ],
)
def test_a_variable_whose_file_is_not_read_is_told_why(place, name, message):
    with pytest.raises(ConfigurationError, match=message):
        open_source(*place).check_variables([name])


def test_a_source_of_unread_files_alone_says_so(tmp_path):
    for name in ("historical_cpi.CSV", "gdp.csv"):
        (tmp_path / name).write_text(ROWS)
    with pytest.raises(
        HistoricalDataError,
        match=r"holds no file historical_<variable>.*; 'historical_cpi.CSV' is not read .*"
        r"'gdp.csv' is not read .rename it historical_gdp.csv.",
    ):
        open_source(str(tmp_path), S3Settings()).variables()


def test_variables_that_differ_in_case_alone_are_refused(tmp_path):
    for name in ("historical_gdp.csv", "historical_GDP.json"):
        (tmp_path / name).write_text(ROWS)
    with pytest.raises(HistoricalDataError, match="differ in upper and lower case alone: keep or"):
        open_source(str(tmp_path), S3Settings()).variables()


def test_a_broken_link_is_named(tmp_path):
    (tmp_path / "historical_gdp.csv").write_text(ROWS)
    (tmp_path / "historical_cpi.csv").symlink_to(tmp_path / "missing")
    assert "broken link" in open_source(str(tmp_path), S3Settings()).unread()["historical_cpi.csv"]


def test_a_store_names_folders_with_a_slash(tmp_path):
    (tmp_path / "b.csv").write_text("")
    (tmp_path / "a").mkdir()
    (tmp_path / ".hidden").write_text("")
    assert list(open_store(str(tmp_path)).names()) == ["a/", "b.csv"]
    assert open_store(str(tmp_path / "missing")).names() == {}
