import contextlib
import io
import json
import tracemalloc
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from pulse_assets.errors import HistoricalDataError
from pulse_assets.history.readers import MAX_BYTES, read_series
from pulse_assets_tests.properties import holds_for_all

DATES = ["2020-03-01", "2020-01-01", "2020-02-01"]
VALUES = [3.0, 1.5, None]


def csv(text, **replaced):
    return read_series(text.encode(**replaced), "gdp", "historical_gdp.csv")


def js(content):
    text = content if isinstance(content, str) else json.dumps(content)
    return read_series(text.encode(), "gdp", "historical_gdp.json")


def parquet(**columns):
    return read_series(parquet_bytes(**columns), "gdp", "historical_gdp.parquet")


def parquet_bytes(**columns):
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def days(*texts):
    return np.array(texts, "M8[D]")


RECORDS = [{"timestamp": d, "value": v} for d, v in zip(DATES, VALUES, strict=True)]
READ = {
    "csv": lambda: csv("timestamp,value\n2020-03-01,3\n2020-01-01,1.5\n2020-02-01,\n"),
    "csv of a spreadsheet": lambda: csv(
        '\ufeff"value", timestamp ,note\r\n+3e0,2020-03-01T00:00,\r\n\r\n 1.5 ,2020-01-01,x'
        '\r\nNaN,2020-02-01,"a,\nb"\r\n'
    ),
    "json records": lambda: js(RECORDS),
    "json lines": lambda: js("\n".join(json.dumps(record) for record in RECORDS) + "\n"),
    "json lists": lambda: js({"timestamp": DATES, "value": ["3", 1.5, float("nan")], "unit": "%"}),
    "json, indented": lambda: js(json.dumps({"timestamp": DATES, "value": VALUES}, indent=1)),
    "parquet": lambda: parquet(timestamp=[date.fromisoformat(d) for d in DATES], value=VALUES),
    "parquet of texts": lambda: parquet(
        timestamp=pa.array(DATES).dictionary_encode(), value=["3", "1.5", None]
    ),
    "parquet of decimals": lambda: parquet(
        timestamp=pa.array(DATES).cast(pa.timestamp("ns")),
        value=[Decimal("3.0"), Decimal("1.5"), None],
    ),
}


@pytest.mark.parametrize("read", READ.values(), ids=READ)
def test_every_format_gives_the_same_series(read):
    series = read()
    assert series.variable == "gdp"
    np.testing.assert_array_equal(series.timestamps, days("2020-01-01", "2020-02-01", "2020-03-01"))
    np.testing.assert_array_equal(series.values, [1.5, np.nan, 3.0])
    assert series.published_at is None


MANY_COLUMNS = dict.fromkeys("abcdefghijklmnopqrst", 0)


@pytest.mark.parametrize(
    "write",
    [
        lambda days: [{"timestamp": day, "value": i, **MANY_COLUMNS} for i, day in enumerate(days)],
        lambda days: "\n".join(
            json.dumps({"timestamp": day, "value": i, **MANY_COLUMNS}, separators=(",", ":"))
            for i, day in enumerate(days)
        ),
        lambda days: {
            "timestamp": list(days),
            "value": list(range(len(days))),
            **{name: [0] * len(days) for name in MANY_COLUMNS},
        },
        lambda days: [
            {"timestamp": day, "value": i, "note": {"by": "x", "of": [1, 2]}}
            for i, day in enumerate(days)
        ],
    ],
    ids=["records", "lines", "lists", "nested"],
)
def test_other_columns_of_json_are_ignored_however_many(write):
    days = (np.datetime64("2000-01-01") + np.arange(2000)).astype(str)
    content = write(days.tolist())
    text = content if isinstance(content, str) else json.dumps(content, separators=(",", ":"))
    series = js(text)
    np.testing.assert_array_equal(series.values, np.arange(2000.0))
    np.testing.assert_array_equal(series.timestamps.astype(str), days)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("csv", ["line 3 (2020-01-01)", "line 5 (2020-02-01)", "line 2 (2020-03-01)"]),
        (
            "json records",
            ["record 2 (2020-01-01)", "record 3 (2020-02-01)", "record 1 (2020-03-01)"],
        ),
        ("parquet", ["row 2 (2020-01-01)", "row 3 (2020-02-01)", "row 1 (2020-03-01)"]),
    ],
)
def test_a_series_knows_the_row_of_each_observation(name, rows):
    reads = READ | {
        "csv": lambda: csv("timestamp,value\n2020-03-01,3\n2020-01-01,1.5\n\n2020-02-01,\n")
    }
    series = reads[name]()
    assert series.source == f"historical_gdp.{name.split()[0]}"
    assert [series.row(i) for i in range(3)] == rows


def test_publication_dates_are_sorted_with_their_rows():
    expected = days("NaT", "2020-02-15", "2020-02-29")
    rows = "2020-02-01,2,2020-02-29\n2020-01-01,1,2020-02-15\n2019-12-01,0,\n"
    records = [
        {"timestamp": "2020-02-01", "value": 2, "published_at": "2020-02-29T08:30+00:00"},
        {"timestamp": "2020-01-01", "value": 1, "published_at": "2020-02-15T08:30+00:00"},
        {"timestamp": "2019-12-01", "value": 0},
    ]
    for series in (csv("timestamp,value,published_at\n" + rows), js(records)):
        np.testing.assert_array_equal(series.published_at, expected)
        np.testing.assert_array_equal(series.values, [0.0, 1.0, 2.0])


def test_publication_dates_that_are_all_empty_are_none():
    series = csv("timestamp,value,published_at\n2020-01-01,1,\n")
    assert series.published_at is None


def test_a_series_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        READ["csv"]().values[0] = 0.0


def test_the_date_as_written_counts_whatever_the_time_of_day():
    series = csv("timestamp,value\n2020-01-01T23:30:00-05:00,1\n")
    assert series.timestamps == days("2020-01-01")
    zoned = pa.array([datetime(2020, 1, 1, 20, tzinfo=UTC)]).cast(pa.timestamp("us", "+05:30"))
    assert parquet(timestamp=zoned, value=[1]).timestamps == days("2020-01-02")


HEAD = "timestamp,value\n"
BAD_CSV = {
    "": "it is empty: write",
    "date,value\n2020-01-01,1\n": r"\(found: \['date', 'value'\]\): rename 'date' to timestamp",
    "timestamp;value\n2020-01-01;1,5\n": "it has no commas: separate fields by commas, not ';'",
    "timestamp\tvalue\n2020-01-01\t1\n": r"it has no commas: separate fields by commas, not '\\t'",
    "Timestamp,VALUE\n2020-01-01,1\n": "rename 'Timestamp' to timestamp and rename .VALUE. to",
    "'timestamp','value'\n2020-01-01,1\n": "rename \"'timestamp'\" to timestamp and",
    "ds,y\n2020-01-01,1\n": "rename 'ds' to timestamp and rename 'y' to value",
    "timestamp,gdp\n2020-01-01,1\n": r"no column value .*'gdp'\]\): add or rename it",
    "2020-01-01,1\n2020-01-02,1\n": "put a line timestamp,value above the first one",
    "timestamp,value,Published At\n2020-01-01,1,\n": "column 'Published At' is not read: ren",
    HEAD + "2020-01-01\n": "line 2: 1 field, but the header has 2: add the missing fields",
    "timestamp,value,value\n2020-01-01,1,2\n": "two columns value: keep one",
    HEAD: "holds no observations: add rows",
    HEAD + "2020-01-01,1\n01/02/2020,1\n": "line 3: timestamp '01/02/2020' is no date: write it li",
    HEAD + "\n2020-01-01,1\n\n,1\n": "line 5: timestamp '' is no date",
    HEAD + "2020-02-30,1\n": "line 2: timestamp '2020-02-30' is no date",
    HEAD + "2020-01-01,1,5\n": "line 2: 3 fields, but the header has 2: .*decimals with a point",
    HEAD + '2020-01-01,"1,5"\n': "line 2: value '1,5' is no finite number: write it like",
    HEAD + "2020-01-01,0x10\n": "line 2: value '0x10' is no finite number",
    HEAD + "2020-01-01,1_000\n": "line 2: value '1_000' is no finite number",
    HEAD + "2020-01-01,\u0661\n": "line 2: value '\u0661' is no finite number",
    HEAD + "2020-01-01,-inf\n": "line 2: value '-inf' is no finite number",
    HEAD + "2020-01-01,1e999\n": "line 2: value '1e999' is no finite number",
    HEAD + "2020-01-02,1\n2020-01-01,1\n2020-01-02T12:00,2\n": "line 2 and line 4 both .* 2020-01-",
    HEAD + "2020-01-01T00:00Z,1\n2020-01-02,1\n": "line 3: .* no time zone, line 2 has the UTC off",
    HEAD + "2020-01-01T00Z,1\n2020-01-02T00+01,1\n": "offset 1:00:00, line 2 has the UTC offset 0:",
    HEAD + '2020-01-01,"1\n': "line 2: unexpected end of data: save it as plain CSV",
    HEAD + f'2020-01-01,"{"1" * 200_000}"\n': "line 2: field larger than field limit",
    HEAD + "2020-01-01,1\n2020-01-02,\0\n": "line 3: there is a NUL character",
    "timestamp,value,published_at\n2020-01-01,1,soon\n": "line 2: published_at 'soon' is no date",
}


@pytest.mark.parametrize(("text", "message"), BAD_CSV.items(), ids=range(len(BAD_CSV)))
def test_what_is_wrong_in_a_csv_file_is_named_with_its_line(text, message):
    with pytest.raises(HistoricalDataError, match=f"^historical_gdp.csv: .*{message}"):
        csv(text)


def test_text_that_is_not_utf_8_is_named_with_its_byte():
    with pytest.raises(HistoricalDataError, match="byte 17 is not UTF-8: save it as UTF-8 text"):
        csv("timestamp,value\né", encoding="latin-1")


BAD_JSON = [
    ("", "not JSON"),
    ("[" * 100_000, "not JSON .*write a list of records"),
    ("[[[", "not JSON"),
    (
        json.dumps(dict.fromkeys(map(str, range(2000)), 1)),
        r"no column timestamp and value \(found: ",
    ),
    ({"date": DATES, "value": VALUES}, r"\(found: \['date', 'value'\]\): rename 'date' to times"),
    ([{"date": "2020-01-01", "value": 1}], "record 1 has no column timestamp .*rename 'date' to"),
    (
        [{"timestamp": "2020-01-01", "value": 1, "Published_At": "2020-01-02"}],
        "is not read: rename",
    ),
    ({"timestamp": {"0": "2020-01-01"}, "value": {"0": 1}}, "timestamp, value must be lists"),
    ('{"timestamp": "2020-01-01", "value": 1}\n{"timestamp": ', "line 2: not JSON"),
    ("3", "neither records nor lists"),
    ({"value": [1]}, r"no column timestamp \(found: \['value'\]\)"),
    ({"timestamp": "2020-01-01", "value": 1}, "timestamp, value must be lists"),
    ({"timestamp": DATES, "value": [1]}, "lists differ in length"),
    ([], "holds no observations"),
    (
        [RECORDS[0], {"timestamp": "2020-01-02"}],
        r"record 2 has no column value \(found: \['timestamp'\]\): add or rename it",
    ),
    (
        '[{"timestamp": "2020-01-01", "value": 1}, {"timestamp": "2020-01-02", "value": 1, '
        '"value": 2}]',
        "record 2: value is there twice in one record: keep one",
    ),
    (
        '{"timestamp": "2020-01-01", "value": 1}\n'
        '{"timestamp": "2020-01-02", "timestamp": "2020-01-03", "value": 1}',
        "line 2: timestamp is there twice in one record: keep one",
    ),
    (
        '{"timestamp": ["2020-01-01"], "value": [1], "value": [2]}',
        "value is there twice in one record: keep one",
    ),
    ([RECORDS[0], 5], "record 2: it must be an object"),
    ([{"timestamp": 1577836800000, "value": 1}], "record 1: timestamp 1577836800000 is no date"),
    ([{"timestamp": None, "value": 1}], "record 1: timestamp None is no date"),
    ([{"timestamp": "2020-01-01", "value": True}], "record 1: value True is no finite number"),
    ([{"timestamp": "2020-01-01", "value": [1]}], r"record 1: value \[1\] is no finite number"),
    ([{"timestamp": "2020-01-01", "value": 10**400}], "record 1: value 1000.* is no finite number"),
    ([{"timestamp": "2020-01-01", "value": float("inf")}], "record 1: value inf is no finite num"),
    (RECORDS + RECORDS[:1], "record 1 and record 4 both have the date 2020-03-01: keep one"),
]


@pytest.mark.parametrize(("content", "message"), BAD_JSON, ids=range(len(BAD_JSON)))
def test_what_is_wrong_in_a_json_file_is_named_with_its_record(content, message):
    with pytest.raises(HistoricalDataError, match=f"^historical_gdp.json: .*{message}"):
        js(content)


DAY = date(2020, 1, 1)
BAD_PARQUET = [
    ({"when": [DAY], "value": [1]}, r"no column timestamp \(found: \['when', 'value'\]\)"),
    ({"timestamp": pa.array([], pa.date32()), "value": pa.array([], pa.float64())}, "no observat"),
    ({"timestamp": [DAY, None], "value": [1, 2]}, "row 2: timestamp None is no date"),
    ({"timestamp": [1577836800], "value": [1]}, "row 1: timestamp 1577836800 is no date"),
    ({"timestamp": [DAY, DAY], "value": [1, 2]}, "row 1 and row 2 both have the date 2020-01-01"),
    (
        {"timestamp": pa.array([0, 10**7], pa.date32()), "value": [1, 2]},
        "row 2: timestamp is 1e[+]07 days from 1970-01-01, outside of the years 1 to 9999",
    ),
    ({"Timestamp": [DAY], "value": [1]}, "rename 'Timestamp' to timestamp"),
    ({"timestamp": [DAY], "value": [float("-inf")]}, "row 1: value -inf is no finite number"),
    ({"timestamp": [DAY], "value": [timedelta(1)]}, "row 1: value .*timedelta.* is no finite"),
    (
        {"timestamp": pa.array([0], pa.timestamp("us", "Nowhere/Town")), "value": [1]},
        "not readable as Parquet .*Nowhere/Town.*: write it again",
    ),
]


@pytest.mark.parametrize(("columns", "message"), BAD_PARQUET, ids=range(len(BAD_PARQUET)))
def test_what_is_wrong_in_a_parquet_file_is_named_with_its_row(columns, message):
    with pytest.raises(HistoricalDataError, match=f"^historical_gdp.parquet: .*{message}"):
        parquet(**columns)


def test_a_file_that_is_no_parquet_is_named():
    with pytest.raises(
        HistoricalDataError, match=r"historical_gdp\.parquet: not readable as Parquet"
    ):
        read_series(b"PAR1", "gdp", "historical_gdp.parquet")


SOUND = {
    "x.csv": b"timestamp,value,published_at\n2020-01-01,1.5,\n2020-02-01,-2e3,2020-03-01\n",
    "x.json": json.dumps(RECORDS).encode(),
    "lines.json": "\n".join(map(json.dumps, RECORDS)).encode(),
    "lists.json": json.dumps({"timestamp": DATES, "value": VALUES}).encode(),
    "x.parquet": parquet_bytes(timestamp=[DAY, date(2020, 2, 1)], value=[1.5, -2e3]),
    "texts.parquet": parquet_bytes(timestamp=DATES, value=["1", "2", None]),
}
#: What mutations insert: bytes, and what means something to a format.
PIECES = st.one_of(
    st.binary(max_size=3),
    st.sampled_from(
        [b",", b"\n", b'"', b"NaN", b"null", b"1e999", b"[[[", b"{}", b"-", b"\0", b"\xff", b"Z"]
    ),
    st.integers(1, 300).map(lambda count: b"9" * count),
)


@holds_for_all(
    500,
    2_500,
    name=st.sampled_from(sorted(SOUND)),
    places=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), PIECES), min_size=1, max_size=4),
)
def test_a_broken_file_is_read_or_refused_and_nothing_else(name, places):
    content = bytearray(SOUND[name])
    for share, length, piece in places:
        start = int(share * len(content))
        content[start : start + length] = piece
    try:
        series = read_series(bytes(content), "gdp", name, limit=10_000)
    except HistoricalDataError as error:
        assert str(error).startswith(f"{name}: ")
        assert str(error).isprintable()
    else:
        assert len(series.timestamps) == len(series.values) > 0
        assert not np.isinf(series.values).any()
        assert (np.diff(series.timestamps) > np.timedelta64(0, "D")).all()


# Size


MANY = 20_000
LONG = [str(day) for day in np.datetime64("1900-01-01") + np.arange(MANY)]
LARGE = {
    "x.csv": "timestamp,value\n" + "\n".join(f"{day},1.5" for day in LONG),
    "commas.csv": "timestamp,value\n" + "1,\n" * MANY,
    "blank.csv": "timestamp,value\n" + "\n" * MANY,
    "x.json": json.dumps([{"timestamp": day, "value": 1} for day in LONG], separators=(",", ":")),
    "lines.json": "\n".join(json.dumps({"timestamp": day, "value": 1.5}) for day in LONG),
    "lists.json": json.dumps({"timestamp": LONG, "value": [1.5] * MANY}),
    "brackets.json": "[" + "[]," * MANY + "1]",
    "objects.json": "[" + "{}," * MANY + "1]",
    "deep.json": "[" * MANY,
    "texts.json": "[" + '"ab",' * MANY + "1]",
    "letters.json": '["' + '","'.join(f"{i:x}" for i in range(MANY)) + '"]',
    "numbers.json": "[" + "1," * MANY + "1]",
    "keys.json": "{" + ",".join(f'"{i:x}":1' for i in range(MANY)) + "}",
    "large numbers.json": "[" + "999," * MANY + "1]",
    "columns.json": json.dumps(
        [{"timestamp": day, "value": 1, **MANY_COLUMNS} for day in LONG], separators=(",", ":")
    ),
    "many lists.json": json.dumps(
        {"timestamp": LONG, "value": [1] * MANY, **{n: [999] * MANY for n in "abcdefghi"}},
        separators=(",", ":"),
    ),
    "same keys.json": "[{" + '"a":1,' * MANY + '"a":1}]',
    "small objects.json": "[" + '{"a":1},' * MANY + '{"a":1}]',
    "fields.csv": "timestamp,value" + "," * MANY + "\n",
    "fields below.csv": "timestamp,value\n" + "," * MANY + "\n",
    "names.csv": "timestamp,value," + ",".join(f"{i:x}" for i in range(MANY)) + "\n",
}
#: Those of them that hold observations.
OBSERVATIONS = ("x.csv", "x.json", "lines.json", "lists.json", "columns.json", "many lists.json")


def peak_of_reading(data, name):
    tracemalloc.start()
    with contextlib.suppress(HistoricalDataError):
        read_series(data, "gdp", name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("name", LARGE)
def test_the_size_of_a_file_bounds_the_memory_that_reading_it_takes(name):
    data, most = LARGE[name].encode(), 10 if name in OBSERVATIONS else 30
    # Everything the process allocates meanwhile is counted: a first import, a thread that an
    # earlier test left. Such things only add, so the least of three is nearest the reader's own.
    assert any(peak_of_reading(data, name) < most * len(data) for _ in range(3))


BOMBS = {
    "many equal rows": lambda: parquet_bytes(timestamp=[DAY] * 2_000_000, value=[1.0] * 2_000_000),
    "a long column beside": lambda: parquet_bytes(
        timestamp=[DAY] * 50, value=[1.0] * 50, note=["x" * 1_000_000 + str(i) for i in range(50)]
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_parquet_file_that_unpacks_to_more_than_the_limit_is_refused(name):
    data = BOMBS[name]()
    assert len(data) < MAX_BYTES / 3
    with pytest.raises(HistoricalDataError, match=r"bytes when unpacked are more .*max_source_byt"):
        read_series(data, "gdp", "x.parquet")


def test_a_text_that_is_one_in_the_file_and_many_in_memory_is_refused():
    once = pa.DictionaryArray.from_arrays(np.zeros(100_000, np.int32), ["2" * 100_000])
    sink = io.BytesIO()
    pq.write_table(pa.table({"timestamp": once, "value": once}), sink, store_schema=False)
    data = sink.getvalue()
    assert len(data) < 20_000
    with pytest.raises(HistoricalDataError, match="a cell has 100000 bytes, more than the 100"):
        read_series(data, "gdp", "x.parquet")


def test_lists_in_parquet_are_refused_before_they_are_read():
    with pytest.raises(HistoricalDataError, match=r"column value holds list<.*one value per row"):
        parquet(timestamp=[DAY], value=[[1.0] * 1000])
