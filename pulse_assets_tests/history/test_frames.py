"""Data frames of pandas, Polars and Arrow as sources; what is none, and what is wrong in one."""

from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pulse_assets.errors import ConfigurationError, HistoricalDataError
from pulse_assets.history.frames import FrameSource, read_data
from pulse_assets.history.source import open_source
from pulse_assets.storage.s3 import AWS
from pulse_assets.storage.store import LocalStore

DAYS = pd.to_datetime(["2020-01-01", "2020-02-01", "2020-03-01"])
WIDE = pd.DataFrame({"gdp": [1.0, 2.0, np.nan], "S&P 500": [4, 5, 6]}, DAYS)
VALUES = {"gdp": [1.0, 2.0], "S_P_500": [4.0, 5.0, 6.0]}


def long(frame):
    melted = frame.rename_axis("ds").reset_index().melt("ds", var_name="unique_id", value_name="y")
    return melted.dropna()


class Stream:
    """What only offers Arrow's C stream."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


ARROW = pa.Table.from_pandas(WIDE.rename_axis("date").reset_index(), preserve_index=False)
FRAMES = {
    "wide, dates as index": WIDE,
    "wide, dates as column": WIDE.rename_axis("date").reset_index(),
    "wide, periods": WIDE.set_axis(pd.PeriodIndex(DAYS, freq="M")),
    "long": long(WIDE),
    "long, both as index": long(WIDE).set_index(["unique_id", "ds"]),
    "long, categories": long(WIDE).astype({"unique_id": "category"}),
    "long, filtered": long(WIDE).iloc[::-1],
    "long, periods": long(WIDE).assign(ds=lambda frame: frame["ds"].dt.to_period("M")),
    "long, categories of dates and numbers": long(WIDE).astype({"ds": "category", "y": "category"}),
    "long, names as bytes": long(WIDE).assign(
        unique_id=lambda frame: frame["unique_id"].str.encode("utf-8")
    ),
    "wide, sparse": WIDE.astype(pd.SparseDtype("float")),
    "arrow": ARROW,
    "stream": Stream(ARROW),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_every_frame_is_the_same_series(frame):
    content = read_data(frame)
    assert {name: series.values.tolist() for name, series in content.series.items()} == VALUES
    assert content.series["gdp"].timestamps.astype(str).tolist() == ["2020-01-01", "2020-02-01"]
    assert content.notes == ["'S&P 500' is read as S_P_500"]


@pytest.mark.parametrize("text", ["String", "Categorical"])
def test_frames_of_polars_are_read(text):
    polars = pytest.importorskip("polars", reason="Polars is not installed")
    frame = polars.from_arrow(ARROW)
    tall = frame.unpivot(index="date").drop_nulls().filter(~polars.col("value").is_nan())
    tall = tall.with_columns(polars.col("variable").cast(getattr(polars, text)))
    for each in (frame, tall):
        found = read_data(each).series
        assert {name: series.values.tolist() for name, series in found.items()} == VALUES


@pytest.mark.parametrize("data", [[1, 2], "panel.csv", {"a": [1]}, 3, pd.Series([1.0])])
def test_what_is_no_frame_is_refused(data):
    with pytest.raises(ConfigurationError, match=f"data: {type(data).__name__} is no data frame"):
        read_data(data)


@pytest.mark.parametrize(
    "kind", ["binary", "large_binary", "binary_view", "string_view", "large_string"]
)
def test_every_type_of_texts_is_read(kind, tmp_path):
    table = pa.table({"unique_id": ["a"] * 2, "ds": DAYS[:2], "y": [1.0, 2.0]})
    texts = table["unique_id"].cast(pa.binary()).cast(getattr(pa, kind)())
    table = table.set_column(0, "unique_id", texts)
    assert read_data(table).series["a"].values.tolist() == [1.0, 2.0]
    pq.write_table(table, tmp_path / "panel.parquet")
    assert open_source(str(tmp_path), AWS).load("a").values.tolist() == [1.0, 2.0]


def test_bytes_that_are_no_text_and_mixed_columns_are_refused_by_name():
    frame = pd.DataFrame({"unique_id": [b"\xff"], "ds": DAYS[:1], "y": [1.0]})
    with pytest.raises(HistoricalDataError, match=r"data: column unique_id holds bytes that are"):
        read_data(frame)
    frame = pd.DataFrame({"unique_id": ["a", "a"], "ds": ["2020-01-01", date(2020, 2, 1)], "y": 1})
    with pytest.raises(HistoricalDataError, match=r"data: column ds: its values are not all dates"):
        read_data(frame)


BAD = {
    "row 2, series b: ds 'x' is no date": {
        "unique_id": ["a", "b"],
        "ds": ["2020-01-01", "x"],
        "y": [1, 2],
    },
    "row 2: gdp inf is no finite number": {"date": DAYS[:2], "gdp": [1.0, np.inf]},
    "row 1 and row 2 both have the date 2020-01-01": {"date": DAYS[[0, 0]], "gdp": [1.0, 2.0]},
    "its first column 'gdp' holds numbers, not dates": {"gdp": [1.0]},
    "it is empty: give rows": {},
    "no column of dates and columns of values": {"date": DAYS[:1]},
    "row 1: gdp {'a': 1} is no finite number": {"date": DAYS[:1], "gdp": [{"a": 1}]},
}


@pytest.mark.parametrize("message", BAD)
def test_what_is_wrong_in_a_frame_is_named_with_its_row(message):
    with pytest.raises(HistoricalDataError) as caught:
        read_data(pd.DataFrame(BAD[message]))
    assert str(caught.value).startswith("data: ")
    assert message in str(caught.value)


def test_two_columns_of_one_name_are_refused():
    frame = pd.DataFrame(np.ones((3, 2)), DAYS, ["gdp", "gdp"])
    with pytest.raises(HistoricalDataError, match="data: it has two columns 'gdp': keep or rename"):
        read_data(frame)


def test_a_stored_frame_is_read_as_it_was_given(tmp_path):
    frame = long(WIDE).assign(published_at=["2020-02-01", None, None, "2020-03-15", None])
    given = FrameSource.of(frame, LocalStore(tmp_path))
    assert not [*tmp_path.iterdir()]
    given.save()
    stored = open_source(given.address, AWS)
    assert stored.variables() == given.variables() == ["S_P_500", "gdp"]
    for name in stored.variables():
        for part in ("timestamps", "values", "published_at"):
            one, other = (getattr(source.load(name), part) for source in (stored, given))
            np.testing.assert_array_equal(one, other)


def test_equal_frames_are_one_object(tmp_path):
    store = LocalStore(tmp_path)
    sources = [FrameSource.of(frame, store) for frame in FRAMES.values()]
    for source in sources:
        source.save()
    assert len({source.path for source in sources}) == 1
    other = FrameSource.of(WIDE * 2, store)
    assert other.path != sources[0].path


def test_a_frame_above_the_limit_is_refused(tmp_path):
    with pytest.raises(HistoricalDataError, match="data: its 100 bytes are more than the 99"):
        FrameSource.of(WIDE, LocalStore(tmp_path), 99)
