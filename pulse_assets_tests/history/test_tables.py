"""Tables of many series: long, wide and in folders; read alike, and refused with row and series."""

import io
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from pulse_assets.errors import HistoricalDataError
from pulse_assets.history import readers
from pulse_assets.history.csv_file import csv_records
from pulse_assets.history.frames import read_data
from pulse_assets.history.layouts import find_layout
from pulse_assets.history.observed import NotPlainError
from pulse_assets.history.readers import folder_columns, read_content, read_series
from pulse_assets_tests.properties import holds_for_all


def csv(text, kind=None, name="table.csv"):
    return read_content(text.encode(), name, kind)


def parquet_bytes(table):
    sink = io.BytesIO()
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), sink)
    return sink.getvalue()


def pairs(content):
    """Dates and values of each series, as text."""
    return {
        name: dict(zip(series.timestamps.astype(str), series.values.tolist(), strict=True))
        for name, series in content.series.items()
    }


TWO = {
    "gdp": {"2020-01-01": 1.0, "2020-04-01": 2.5},
    "cpi": {"2020-01-01": 3.0, "2020-02-01": 4.0, "2020-04-01": -5.0},
}
LONG = (
    "2020-04-01,gdp,2.5\n2020-01-01,cpi,3\n2020-01-01,gdp,1\n2020-02-01,cpi,4\n2020-04-01,cpi,-5\n"
)
SAME = {
    "long": lambda: csv("ds,unique_id,y\n" + LONG, "long"),
    "long by other names": lambda: csv("date,series_id,value\n" + LONG),
    "long, odd": lambda: csv(
        '\ufefftimestamp,"variable",y\r\n\r\n' + LONG.replace(",gdp", ", gdp ")
    ),
    "long in quotation marks": lambda: csv("ds,unique_id,y\n" + LONG.replace("gdp", '"gdp"')),
    "wide": lambda: csv("date,gdp,cpi\n2020-01-01,1,3\n2020-04-01,2.5,-5\n2020-02-01,,4\n"),
    "wide, odd": lambda: csv(
        "x, gdp ,cpi\n2020-02-01T00:00,nan,+4\n,,\n2020-01-01,1,3\n2020-04-01,2.5,-5"
    ),
    "parquet": lambda: read_content(
        parquet_bytes(
            {
                "y": [2.5, 3, 1, 4, -5],
                "unique_id": ["gdp", "cpi", "gdp", "cpi", "cpi"],
                "ds": [date(2020, m, 1) for m in (4, 1, 1, 2, 4)],
            }
        ),
        "panel.parquet",
        "long",
    ),
    "wide parquet of pandas": lambda: read_content(of_pandas(), "wide.parquet", "wide"),
}


def of_pandas():
    """A frame whose index, its dates, pandas writes as the last column."""
    index = pd.to_datetime(["2020-01-01", "2020-02-01", "2020-04-01"])
    frame = pd.DataFrame({"gdp": [1, np.nan, 2.5], "cpi": [3, 4, -5]}, index)
    sink = io.BytesIO()
    frame.to_parquet(sink)
    return sink.getvalue()


@pytest.mark.parametrize("read", SAME.values(), ids=SAME)
def test_every_table_gives_the_same_series(read):
    assert pairs(read()) == TWO


def test_a_series_of_a_table_knows_its_file_row_and_column():
    long, wide = SAME["long"]().series["gdp"], SAME["wide"]().series["cpi"]
    assert long.source == "table.csv, series gdp"
    assert [long.row(i) for i in range(2)] == ["line 4 (2020-01-01)", "line 2 (2020-04-01)"]
    assert wide.source == "table.csv, column cpi"
    assert [wide.row(i)[:6] for i in range(3)] == ["line 2", "line 4", "line 3"]


def test_publication_dates_of_a_long_table():
    text = (
        "unique_id,ds,y,published_at\na,2020-01-01,1,2020-02-01\na,2020-02-01,2,\nb,2020-01-01,1,\n"
    )
    series = csv(text).series
    assert series["a"].published_at.astype(str).tolist() == ["2020-02-01", "NaT"]
    assert series["b"].published_at is None


@pytest.mark.parametrize("rows", ["Transform:,5,,5\n", "factors,1,0,1\ntransform,5,1,2\n"])
@pytest.mark.parametrize("as_frame", [False, True])
def test_the_tables_of_fred_are_read_as_they_are_published(rows, as_frame):
    text = f"sasdate,RPI,S&P 500,CP3Mx\n{rows}1/1/1959,1,2,\n12/1/1959,1.5,,3\n,,,\n"
    content = read_data(pd.read_csv(io.StringIO(text))) if as_frame else csv(text)
    assert pairs(content) == {
        "RPI": {"1959-01-01": 1.0, "1959-12-01": 1.5},
        "S_P_500": {"1959-01-01": 2.0},
        "CP3Mx": {"1959-12-01": 3.0},
    }
    *skipped, renamed = content.notes
    assert [note.partition(" (")[0] for note in skipped] == [
        f"{'row' if as_frame else 'line'} {i + (1 if as_frame else 2)}"
        for i in range(rows.count("\n"))
    ]
    assert all(note.endswith("codes, no observations) is skipped") for note in skipped)
    assert renamed == "'S&P 500' is read as S_P_500"


HEAD = "unique_id,ds,y\n"
WIDE = "date,gdp,cpi\n2020-01-01,1,2\n"
BAD = {
    "ds,y,name\n2020-01-01,1,a\n": r"column unique_id, variable or series_id \(found: 'ds', 'y',",
    "unique_id,ds,date,y\na,2020-01-01,2020-01-01,1\n": "two columns for one thing, ds and date",
    "unique_id,ds,y,Published At\na,2020-01-01,1,\n": "'Published At' is not read: rename",
    HEAD: "holds no observations",
    HEAD + "a,2020-01-01,1\n,2020-01-01,1\n": "line 3: unique_id '' names no series",
    HEAD + "a,2020-01-01,1\nb,2020-13-01,1\n": "line 3, series b: ds '2020-13-01' is no date",
    HEAD
    + "a,2020-01-01,1\nb,2020-01-01,1.2.3\n": "line 3, series b: y '1.2.3' is no finite number",
    HEAD
    + "b,2020-01-01,1\na,2020-01-01,1\nb,2020-01-01,2\n": "line 2 and line 4 both have the date "
    "2020-01-01 of series b: keep one",
    HEAD
    + "a b,2020-01-01,1\na_b,2020-01-01,1\n": "series 'a b' and series 'a_b' both would be the "
    "variable a_b: rename one",
    HEAD + "数,2020-01-01,1\n": "series '数' cannot name a variable: rename it",
    HEAD + "a,2020-01-01\n": "line 2: 2 fields, but the header has 3",
    HEAD + "a,2020-01-01T00Z,1\nb,2020-01-01,1\n": "line 3, series b: ds has no time zone, line 2",
}
BAD_WIDE = {
    "date,gdp,gdp\n2020-01-01,1,2\n": "two columns 'gdp': keep or rename one",
    "date,a b,a_b\n2020-01-01,1,2\n": "column 'a b' and column 'a_b' both would be",
    "date,gdp,\n2020-01-01,1,2\n": "column 3 has no name",
    "date\n2020-01-01\n": "no column of dates and columns of values",
    "date,gdp\n": "holds no observations",
    WIDE + "2020-02-01,1,x\n": "line 3: cpi 'x' is no finite number",
    WIDE + "1/3/2020,1,2\n": "line 3: date '1/3/2020' is no date: write it like 2020-01-31",
    WIDE + ",1,2\n": "line 3: date '' is no date",
    WIDE + "2020-02-01,1,2\n2020-01-01,,\n": "line 2 and line 4 both have the date 2020-01-01",
    "sasdate,gdp\n13/13/2020,1\n": "'13/13/2020' is no date: write it like 1/31/2020",
    "unique_id,ds,y\na,2020-01-01,1\n": "name the file panel_<anything>",
    "date,gdp,published_at\n2020-01-01,1,2020-01-02\n": "needs a row per series and date",
}


@pytest.mark.parametrize(("text", "message"), BAD.items(), ids=range(len(BAD)))
def test_what_is_wrong_in_a_long_table_is_named(text, message):
    with pytest.raises(HistoricalDataError, match=f"^panel.csv: .*{message}") as caught:
        csv(text, "long", "panel.csv")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "message"), BAD_WIDE.items(), ids=range(len(BAD_WIDE)))
def test_what_is_wrong_in_a_wide_table_is_named(text, message):
    with pytest.raises(HistoricalDataError, match=f"^wide.csv: .*{message}"):
        csv(text, "wide", "wide.csv")


def test_a_column_without_values_is_named_when_it_is_used():
    content = csv("date,gdp,empty\n2020-01-01,1,\n")
    assert list(content.series) == ["gdp"]
    assert content.empty == {
        "empty": "table.csv: column empty holds no value: remove it, or add values"
    }


def test_folders_name_columns_as_hive_writes_them():
    assert folder_columns("panel/x.parquet") == {}
    assert folder_columns("unique_id=S%26P 500/year=2020/x.parquet") == {
        "unique_id": "S&P 500",
        "year": "2020",
    }


def test_a_wide_table_of_parquet_that_unpacks_to_more_than_the_limit_is_refused():
    table = pa.table({"date": [date(2020, 1, 1)] * 9, "gdp": [1.0] * 9})
    with pytest.raises(HistoricalDataError, match=r"bytes when unpacked .* set max_source_bytes"):
        read_content(parquet_bytes(table), "wide.parquet", "wide", limit=100)


def test_a_name_that_is_one_in_the_file_and_many_in_memory_is_refused():
    names = pa.DictionaryArray.from_arrays(np.zeros(1000, np.int32), ["x" * 100_000])
    days = [date(2020, 1, 1)] * 1000  # which must be read row by row, as they are one too many
    table = pa.table({"unique_id": names, "ds": days, "y": ["?"] * 1000})
    with pytest.raises(HistoricalDataError, match="100000 bytes, more than the 1000 of any name"):
        read_content(parquet_bytes(table), "panel.parquet", "long")


# Long, wide, folders, frames and single files are the same

NAMES = st.text("abcXYZ019_", min_size=1, max_size=4)
DAYS = st.integers(-40_000, 40_000).map(lambda day: date(1970, 1, 1) + timedelta(day))
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
PANELS = st.dictionaries(
    NAMES, st.dictionaries(DAYS, NUMBERS, min_size=1, max_size=6), min_size=1, max_size=5
)


def long_frame(panel, seed):
    rows = [(name, day, value) for name, of in panel.items() for day, value in of.items()]
    frame = pd.DataFrame(rows, columns=["unique_id", "ds", "y"])
    return frame.sample(frac=1, random_state=seed)


def as_parquet(frame):
    return parquet_bytes(pa.Table.from_pandas(frame, preserve_index=False))


@holds_for_all(40, 500, panel=PANELS, seed=st.integers(0, 9))
def test_long_wide_frames_and_single_files_are_the_same_series(panel, seed):
    long = long_frame(panel, seed)
    wide = (
        pd.DataFrame({name: pd.Series(of) for name, of in panel.items()}, dtype=float)
        .rename_axis("date")
        .reset_index()
    )
    expected = {name: {str(day): of[day] for day in sorted(of)} for name, of in panel.items()}
    files = {
        name: "timestamp,value\n" + "".join(f"{day},{value!r}\n" for day, value in of.items())
        for name, of in panel.items()
    }
    contents = {
        "long csv": read_content(long.to_csv(index=False).encode(), "panel.csv", "long"),
        "wide csv": read_content(wide.to_csv(index=False).encode(), "wide.csv", "wide"),
        "long parquet": read_content(as_parquet(long), "panel.parquet", "long"),
        "wide parquet": read_content(as_parquet(wide), "wide.parquet", "wide"),
        "long frame": read_data(long),
        "wide frame": read_data(wide.set_index("date")),
        "arrow": read_data(pa.Table.from_pandas(wide, preserve_index=False)),
    }
    for how, content in contents.items():
        assert pairs(content) == expected, how
    for name, text in files.items():
        series = read_series(text.encode(), name, "historical_x.csv")
        assert pairs(readers.FileContent({name: series})) == {name: expected[name]}


PIECES = st.sampled_from(
    [
        *(",", "\n", '"', '""', "nan", "NA", "1e999", "+1", " 1", "0x1", "2020-02-01T10:00Z", ""),
        *("1_0", "inf", "\r", "\r\n", " ", "unique_id", "Transform:", "3/1/2020", "x", "\0", "é"),
    ]
)
TABLES = {
    "long": HEAD + "a,2020-01-01,1.5\nb,2020-01-01,2\na,2020-02-01,\n",
    "wide": "sasdate,a,b\nTransform:,1,2\n1/1/2020,1,2\n2/1/2020,,3\n",
    "single": "timestamp,value,published_at\n2020-01-01,1,\n2020-02-01,2,2020-03-01\n",
}


@holds_for_all(
    300,
    2_000,
    kind=st.sampled_from(sorted(TABLES)),
    places=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), PIECES), min_size=1, max_size=3),
)
def test_what_is_read_in_whole_columns_is_what_is_read_row_by_row(kind, places):
    text = TABLES[kind]
    for share, length, piece in places:
        start = int(share * len(text))
        text = text[:start] + piece + text[start + length :]
    data = text.encode()

    def find(names):
        return find_layout(names, kind)

    try:
        layout, table = readers.csv_table(data, find)
        whole = readers._whole(table, layout, "line", 2)
    except (NotPlainError, readers.DefectError):
        return
    layout, records = csv_records(data, find)
    one_by_one = readers._row_by_row(records, layout)  # must not fail either
    outcomes = []
    for rows in (whole, one_by_one):
        try:
            content = readers._content(rows, layout, "x", "table.csv")
            where = {n: s.places.tolist() for n, s in content.series.items()}
            outcomes.append((repr(pairs(content)), where, content.notes, content.empty))
        except readers.DefectError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]
