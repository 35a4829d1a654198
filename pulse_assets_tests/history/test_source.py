import pickle

import numpy as np
import pytest

from pulse_assets.errors import ConfigurationError, HistoricalDataError, StoreError
from pulse_assets.history.source import check_variable_name, open_source
from pulse_assets.storage.s3 import S3Settings
from pulse_assets.storage.store import open_store

ROWS = "timestamp,value\n2020-01-01,1\n2020-02-01,2\n"


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "historical_gdp.csv").write_text(ROWS)
    (tmp_path / "historical_us.cpi-1.json").write_text('[{"timestamp": "2020-01-01", "value": 5}]')
    (tmp_path / "historical_notes.txt").write_text("not data")
    (tmp_path / "historical_bad name.csv").write_text(ROWS)
    (tmp_path / "readme.csv").write_text("not data")
    (tmp_path / "historical_folder.csv").mkdir()
    return tmp_path


def opened(uri):
    return open_source(str(uri), S3Settings())


def test_the_bundled_series_are_those_of_their_readme():
    sample = opened("sample")
    assert sample.uri == "sample"
    assert {name: len(sample.load(name).values) for name in sample.variables()} == {
        "fed_funds_rate": 513,
        "gdp_growth": 171,
        "industrial_production": 513,
        "inflation_rate": 513,
        "spx_close": 8313,
        "unemployment_rate": 513,
        "us_10y_yield": 513,
    }
    spx = sample.load("spx_close")
    assert (spx.timestamps[0], spx.values[0]) == (np.datetime64("1990-01-02"), 359.69)
    assert (spx.timestamps[-1], spx.values[-1]) == (np.datetime64("2022-12-28"), 3783.22)


def test_only_files_of_variables_count(directory):
    assert opened(directory).variables() == ["gdp", "us.cpi-1"]
    assert opened(directory).load("us.cpi-1").values.tolist() == [5.0]


def test_a_bad_row_is_named_with_the_whole_path(directory):
    (directory / "historical_gdp.csv").write_text(ROWS + "2020-03-01,x\n")
    with pytest.raises(HistoricalDataError, match=rf"^{directory}/historical_gdp.csv: line 4: "):
        opened(directory).load("gdp")


def test_an_unknown_variable_lists_the_known_and_the_nearest(directory):
    with pytest.raises(
        ConfigurationError, match=r"'gpd' is not .* mean 'gdp'\?: it has gdp, us.cpi-1"
    ):
        opened(directory).check_variables(["gdp", "gpd"])
    with pytest.raises(ConfigurationError, match="'rate' is not in source"):
        opened(directory).load("rate")


def test_a_long_list_of_variables_is_cut(tmp_path):
    for i in range(25):
        (tmp_path / f"historical_v{i:02d}.csv").write_text(ROWS)
    with pytest.raises(ConfigurationError, match=r"v00, .*v19 and 5 more$"):
        opened(tmp_path).check_variables(["other"])


def test_two_files_of_one_variable_are_both_named(directory):
    (directory / "historical_gdp.parquet").write_bytes(b"")
    with pytest.raises(
        HistoricalDataError, match=r"historical_gdp\.csv and historical_gdp.parquet: keep one"
    ):
        opened(directory).variables()


def test_a_directory_without_files_or_that_is_missing_is_named_with_the_mend(tmp_path):
    for place in (tmp_path, tmp_path / "missing"):
        with pytest.raises(HistoricalDataError, match=rf"source {place} .*historical_<variable>"):
            opened(place).variables()


def test_a_file_in_place_of_the_directory_is_named(directory):
    place = directory / "historical_notes.txt"
    with pytest.raises(StoreError, match=f"{place}: cannot be listed: Not a directory"):
        opened(place).variables()


def test_a_file_above_the_limit_is_refused(directory):
    with pytest.raises(
        HistoricalDataError, match=f"gdp.csv: {len(ROWS)} bytes are more than the 10"
    ):
        open_source(str(directory), S3Settings(), 10).load("gdp")


def test_a_file_is_parsed_once_until_it_is_replaced(directory):
    series = opened(directory).load("gdp")
    assert opened(directory).load("gdp") is series
    replacement = directory / "new"
    replacement.write_text(ROWS.replace("2\n", "3\n"))
    replacement.replace(directory / "historical_gdp.csv")
    assert opened(directory).load("gdp").values.tolist() == [1.0, 3.0]


def test_a_source_keeps_its_listing_on_the_way_to_a_worker(directory):
    source = opened(directory)
    source.variables()
    (directory / "historical_us.cpi-1.json").unlink()
    assert pickle.loads(pickle.dumps(source)).variables() == ["gdp", "us.cpi-1"]


def test_a_bucket_is_a_source_as_a_directory_is(bucket, s3):
    store = open_store(f"s3://{bucket}/data", s3)
    store.write("historical_gdp.csv", ROWS.encode())
    store.write("deeper/historical_cpi.csv", ROWS.encode())
    source = open_source(f"s3://{bucket}/data", s3)
    assert source.variables() == ["gdp"]
    assert source.load("gdp").values.tolist() == [1.0, 2.0]
    with pytest.raises(HistoricalDataError, match=rf"s3://{bucket}/other does not exist or holds"):
        open_source(f"s3://{bucket}/other", s3).variables()
    with pytest.raises(StoreError, match="bucket does not exist: create it"):
        open_source("s3://no-such-bucket", s3).variables()


def test_a_file_that_vanishes_after_the_listing_is_named(directory):
    source = opened(directory)
    source.variables()
    (directory / "historical_gdp.csv").unlink()
    with pytest.raises(HistoricalDataError, match=r"historical_gdp\.csv: there is no such file"):
        source.load("gdp")


@pytest.mark.parametrize("name", ["gdp", "a.b-c_D9", "x" * 100, "_", "9-"])
def test_plain_names_of_variables_are_accepted(name):
    assert check_variable_name(name) is None  # and raises nothing


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a/b",
        "a..b",
        "..",
        ".",
        ".a",
        "a.",
        "x" * 101,
        "gdp ",
        "gdp\n",
        "größe",
        "a\0b",
        "a\\b",
        "*",
    ],
)
def test_names_that_no_path_should_be_made_of_are_refused(name):
    with pytest.raises(ConfigurationError, match="use 1 to 100 of the characters"):
        check_variable_name(name)


@pytest.mark.parametrize("uri", ["gs://bucket/data", "", "s3://"])
def test_an_address_that_is_neither_directory_nor_bucket_is_refused(uri):
    with pytest.raises(ConfigurationError, match="give a directory or s3://bucket/prefix"):
        opened(uri)
