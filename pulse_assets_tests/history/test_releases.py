"""Several releases of one date: the first, the later ones, and what is wrong with their days."""

import io
import json
import pickle
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from pulse_assets.errors import HistoricalDataError
from pulse_assets.history.frames import FrameSource, read_data
from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.history.publication_check import check_publication
from pulse_assets.history.readers import read_content, read_series
from pulse_assets.history.series import Series
from pulse_assets.history.source import open_source
from pulse_assets.storage.s3 import AWS
from pulse_assets.storage.store import LocalStore
from pulse_assets_tests.properties import holds_for_all

VINTAGES = Path(__file__).parents[3] / "shared" / "vintages"

#: Date, value and publication; the dates in no order, the releases neither.
ROWS = [
    ("2020-04-01", 5.0, "2020-08-01"),
    ("2020-01-01", 2.0, "2020-05-01"),
    ("2020-01-01", 1.0, "2020-04-30"),
    ("2020-04-01", 5.0, "2020-07-30"),
    ("2020-01-01", 2.0, "2020-06-01"),
    ("2020-01-01", 1.0, "2020-07-01"),
    ("2020-07-01", 3.0, "2020-10-30"),
]
FIRST = [
    ("2020-01-01", 1.0, "2020-04-30"),
    ("2020-04-01", 5.0, "2020-07-30"),
    ("2020-07-01", 3.0, "2020-10-30"),
]
LATER = [(0, 2.0, "2020-05-01"), (0, 1.0, "2020-07-01")]


def text_of(rows, columns=("timestamp", "value", "published_at")):
    cells = ("" if cell is None else str(cell) for row in rows for cell in row)
    lines = [",".join(group) for group in zip(*[cells] * len(columns), strict=True)]
    return "\n".join([",".join(columns), *lines]) + "\n"


def csv(rows, columns=("timestamp", "value", "published_at")):
    return read_series(text_of(rows, columns).encode(), "gdp", "historical_gdp.csv")


def js(rows, names=("timestamp", "value", "published_at")):
    records = [dict(zip(names, row, strict=True)) for row in rows]
    return read_series(json.dumps(records).encode(), "gdp", "historical_gdp.json")


def table_of(rows, names=("timestamp", "value", "published_at")):
    days, values, published = zip(*rows, strict=True)
    dated = [[None if d is None else date.fromisoformat(d) for d in of] for of in (days, published)]
    kinds = (pa.date32(), pa.float64(), pa.date32())
    columns = (dated[0], list(values), dated[1])
    cells = [pa.array(cells, kind) for cells, kind in zip(columns, kinds, strict=True)]
    return pa.table(dict(zip(names, cells, strict=True)))


def parquet_bytes(table):
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def parquet(rows):
    return read_series(parquet_bytes(table_of(rows)), "gdp", "historical_gdp.parquet")


def long_table(rows, others=(("2020-01-01", 7.0, None),)):
    """The rows as the series gdp of a long table, after those of another."""
    both = pa.concat_tables([table_of(list(others)), table_of(rows)])
    names = pa.array(["cpi"] * len(others) + ["gdp"] * len(rows))
    return both.append_column("unique_id", names)


def panel(rows):
    return read_content(parquet_bytes(long_table(rows)), "panel.parquet", "long").series["gdp"]


def panel_csv(rows, head="unique_id,ds,y,published_at"):
    lines = [f"gdp,{day},{value},{published or ''}" for day, value, published in rows]
    text = "\n".join([head, "cpi,2020-01-01,7,", *lines]) + "\n"
    return read_content(text.encode(), "panel.csv", "long").series["gdp"]


def frame(rows):
    return read_data(long_table(rows).to_pandas()).series["gdp"]


READ = {
    "csv": csv,
    "csv, read row by row": lambda rows: read_series(
        ("\n" + text_of(rows)).encode(), "gdp", "historical_gdp.csv"
    ),
    "json": js,
    "parquet": parquet,
    "panel": panel,
    "panel as csv": panel_csv,
    "panel as csv, read row by row": lambda rows: panel_csv(rows, "unique_id,ds,y,published_at\n"),
    "frame": frame,
}


def first_of(series):
    published = series.published_at
    days = [None] * len(series.values) if published is None else [d and str(d) for d in published]
    columns = (series.timestamps.astype(str), series.values.tolist(), days)
    return [
        (day, value, None if on in (None, "NaT") else on)
        for day, value, on in zip(*columns, strict=True)
    ]


def later_of(series):
    later = series.revisions
    if later is None:
        return []
    columns = (later.rows.tolist(), later.values.tolist(), later.published_at.astype(str))
    return [tuple(row) for row in zip(*columns, strict=True)]


@pytest.mark.parametrize("read", READ.values(), ids=READ)
def test_every_format_tells_the_first_release_from_the_later_ones(read):
    series = read(ROWS)
    assert (first_of(series), later_of(series)) == (FIRST, LATER)


@pytest.mark.parametrize("read", READ.values(), ids=READ)
def test_a_release_without_a_day_is_the_first(read):
    series = read([("2020-01-01", 2.0, "2019-01-01"), ("2020-01-01", 1.0, None)])
    assert first_of(series) == [("2020-01-01", 1.0, None)]
    assert series.published_at is None
    assert later_of(series) == [(0, 2.0, "2019-01-01")]


def test_a_release_without_a_value_counts_only_as_the_first():
    rows = [
        ("2020-01-01", None, "2020-02-01"),
        ("2020-01-01", 1.0, "2020-03-01"),
        ("2020-01-01", None, "2020-04-01"),
        ("2020-01-01", 1.0, "2020-05-01"),
        ("2020-04-01", None, "2020-07-01"),
        ("2020-04-01", None, "2020-08-01"),
    ]
    series = csv(rows)
    np.testing.assert_array_equal(series.values, [np.nan, np.nan])
    assert series.published_at.astype(str).tolist() == ["2020-02-01", "2020-07-01"]
    assert later_of(series) == [(0, 1.0, "2020-03-01")]


def test_a_series_with_one_release_per_date_has_no_revisions():
    assert csv(FIRST).revisions is None
    assert csv([*FIRST, ("2020-01-01", 1.0, "2021-01-01")]).revisions is None


def test_releases_know_their_rows_in_the_file():
    series = csv(ROWS)
    assert [series.row(i) for i in range(3)] == [
        "line 4 (2020-01-01)",
        "line 5 (2020-04-01)",
        "line 8 (2020-07-01)",
    ]
    assert [series.release(i) for i in range(2)] == ["line 3 (2020-01-01)", "line 7 (2020-01-01)"]


def test_rows_from_one_on_keep_their_releases():
    rows = [*ROWS, ("2020-07-01", 3.5, "2020-11-30")]
    series = csv(rows).from_row(1)
    assert first_of(series) == FIRST[1:]
    assert later_of(series) == [(1, 3.5, "2020-11-30")]
    assert series.release(0) == "line 9 (2020-07-01)"
    assert csv(ROWS).from_row(1).revisions is None


def test_no_batch_can_change_releases():
    later = csv(ROWS).revisions
    for array in (later.rows, later.values, later.published_at, later.places):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[0]
    pickle.loads(pickle.dumps(later))


TWICE = {
    "2020-01-01,1,2020-02-15\n2020-02-01,1,\n2020-01-01,2,2020-02-15\n": "line 2 and line 4 are "
    "two releases of 2020-01-01 on 2020-02-15: keep one",
    "2020-01-01,1,2020-02-15\n2020-01-01,,2020-02-15\n": "line 2 and line 3 are two releases of "
    "2020-01-01 on 2020-02-15: keep one",
    "2020-01-01,1,\n2020-01-01,1,\n2020-01-01,2,2020-02-15\n": "line 2 and line 3 both have the "
    "date 2020-01-01: keep one",
}


@pytest.mark.parametrize("rows", TWICE)
def test_two_releases_of_one_day_are_refused(rows):
    with pytest.raises(HistoricalDataError) as caught:
        read_series(f"timestamp,value,published_at\n{rows}".encode(), "gdp", "historical_gdp.csv")
    assert str(caught.value) == f"historical_gdp.csv: {TWICE[rows]}"


def test_two_releases_of_one_day_in_a_panel_are_refused_with_the_series():
    rows = [("2020-01-01", 1.0, "2020-02-15"), ("2020-01-01", 1.5, "2020-02-15")]
    with pytest.raises(HistoricalDataError) as caught:
        panel(rows)
    assert str(caught.value) == (
        "panel.parquet: row 2 and row 3 are two releases of 2020-01-01 on 2020-02-15 of series "
        "gdp: keep one"
    )


@pytest.mark.parametrize("name", ["realtime_start", "vintage_date", "available_at", "as_of"])
def test_other_programs_names_of_the_day_of_publication(name):
    for series in (
        csv(ROWS, ("timestamp", "value", name)),
        js(ROWS, ("timestamp", "value", name)),
        panel_csv(ROWS, f"unique_id,date,value,{name}"),
    ):
        assert (first_of(series), later_of(series)) == (FIRST, LATER)


def test_a_table_of_alfred_is_read_as_it_is(tmp_path):
    names = ("date", "realtime_start", "realtime_end", "value")
    rows = [(day, on, "9999-12-31", value) for day, value, on in ROWS]
    series = csv([*rows, ("2020-10-01", "2021-01-30", "9999-12-31", ".")], names)
    assert first_of(series)[:3] == FIRST
    assert (np.isnan(series.values[3]), later_of(series)) == (True, LATER)
    (tmp_path / "alfred.csv").write_text(text_of(rows, names))
    source = open_source(str(tmp_path / "alfred.csv"), AWS)
    assert later_of(source.load("alfred")) == LATER


REFUSED = {
    "timestamp,value,Realtime Start": "its column 'Realtime Start' is not read: rename it to "
    "published_at",
    "timestamp,value,release_date": "its column 'release_date' is not read: rename",
    "timestamp,value,published_at,as_of": "it has two columns for one thing, published_at and "
    "as_of: keep one",
    "date,value": "it has no column timestamp (found: ['date', 'value']): rename 'date'",
    "timestamp,value,as_of,as_of": "it has two columns as_of: keep one",
}


@pytest.mark.parametrize("head", REFUSED)
def test_columns_that_may_be_days_of_publication_are_not_ignored(head):
    names = head.split(",")
    row = ",".join({"value": "1"}.get(name, "2020-01-01") for name in names)
    with pytest.raises(HistoricalDataError) as caught:
        read_series(f"{head}\n{row}\n".encode(), "gdp", "x.csv")
    assert REFUSED[head] in str(caught.value)
    if len(set(names)) == len(names):
        with pytest.raises(HistoricalDataError) as caught:
            js([row.split(",")], names)
        assert REFUSED[head].removeprefix("it") in str(caught.value)


def test_an_unsound_day_of_publication_is_named_as_the_file_names_it():
    with pytest.raises(HistoricalDataError, match="line 2: as_of '2020-13-01' is no date"):
        csv([("2020-01-01", 1, "2020-13-01")], ("timestamp", "value", "as_of"))


def test_a_folder_of_parquet_files_holds_a_release_per_file(tmp_path):
    for on, value in (("2020-05-01", 1.0), ("2020-06-01", 1.0), ("2020-07-01", 2.0)):
        folder = tmp_path / "panel" / f"published_at={on}"
        folder.mkdir(parents=True)
        columns = {"unique_id": ["gdp"], "ds": [date(2020, 1, 1)], "y": [value]}
        pq.write_table(pa.table(columns), folder / "part.parquet")
    series = open_source(str(tmp_path), AWS).load("gdp")
    assert first_of(series) == [("2020-01-01", 1.0, "2020-05-01")]
    assert later_of(series) == [(0, 2.0, "2020-07-01")]
    expected = "row 1 of published_at=2020-07-01/part.parquet (2020-01-01)"
    assert series.release(0) == expected


def test_a_frame_is_stored_with_all_releases(tmp_path):
    store = LocalStore(tmp_path / "store")
    table = long_table(ROWS, [("2020-01-01", 7.0, None), ("2020-02-01", 8.0, None)])
    source = FrameSource.of(table, store)
    source.save()
    again = open_source(source.address, AWS)
    for name in ("cpi", "gdp"):
        assert first_of(again.load(name)) == first_of(source.load(name))
        assert later_of(again.load(name)) == later_of(source.load(name))
    assert again.versions() == source.versions()
    assert FrameSource.of(table.take(list(range(len(table)))[::-1]), store).path == source.path


def test_the_version_of_a_series_changes_with_a_later_release_and_no_other_does(tmp_path):
    def versions(rows):
        pq.write_table(long_table(rows), tmp_path / "panel.parquet")
        return open_source(str(tmp_path), AWS).versions()

    before = versions(ROWS)
    for changed in (
        [*ROWS, ("2020-07-01", 3.5, "2020-11-30")],
        [*ROWS[:1], ("2020-01-01", 2.5, "2020-05-01"), *ROWS[2:]],
        [*ROWS[:1], ("2020-01-01", 2.0, "2020-05-02"), *ROWS[2:]],
    ):
        after = versions(changed)
        assert (after["gdp"] != before["gdp"], after["cpi"]) == (True, before["cpi"])
    assert versions([*ROWS, ("2020-07-01", 3.0, "2020-11-30")]) == before  # nothing new in it


def plain_releases(rows):
    """First and later releases by the definition, one date after another."""
    first, later = [], []
    for row, day in enumerate(sorted({day for day, *_ in rows})):
        own = sorted((on or "", value) for at, value, on in rows if at == day)
        if any(value is not None for _, value in own):
            own = [r for r in own if r != ("", None)]
        own = own[:1] + [r for r in own[1:] if r[1] is not None]
        first.append((day, own[0][1], own[0][0] or None))
        last = own[0][1]
        for on, value in own[1:]:
            if value != last:
                later.append((row, value, on))
            last = value
    return first, later


_release = st.tuples(
    st.sampled_from(["2020-01-01", "2020-04-01", "2020-07-01", "2020-10-01"]),
    st.sampled_from([1.0, 2.0, 3.0, None]),
    st.sampled_from([None, *(f"2020-{month:02d}-15" for month in range(1, 13))]),
)


@holds_for_all(
    fast=40,
    slow=800,
    rows=st.lists(_release, min_size=1, max_size=30, unique_by=lambda row: (row[0], row[2])),
)
def test_every_format_finds_the_releases_that_the_definition_names(rows):
    expected = plain_releases(rows)
    for read in (csv, js, parquet, panel, frame):
        series = read(rows)
        first = [(d, None if np.isnan(v) else v, on) for d, v, on in first_of(series)]
        assert (first, later_of(series)) == expected


PERIODS = {
    "monthly, labelled with first days": ("MS", "monthly", "2020-06-01", "2020-05-31"),
    "monthly, labelled with last days": ("ME", "monthly", "2020-06-01", "2020-05-31"),
    "quarterly": ("QS", "quarterly", "2021-04-01", "2021-03-31"),
    "quarterly, labelled with last days": ("QE", "quarterly", "2021-04-01", "2021-03-31"),
    "yearly": ("YS", "yearly", "2025-01-01", "2024-12-31"),
    "first working days": ("BMS", "BMS", "2020-06-01", "2020-05-31"),
    "weekly": ("W-FRI", "weekly", "2020-02-01", "2020-01-31"),
    "daily": ("D", "daily", "2020-01-06", "2020-01-05"),
    "working days": ("B", "business_daily", "2020-01-08", "2020-01-07"),
}


@pytest.mark.parametrize("later", [False, True], ids=["first release", "later release"])
@pytest.mark.parametrize("name", PERIODS)
def test_a_day_of_publication_before_the_period_is_refused(name, later):
    alias, frequency, begin, before = PERIODS[name]
    labels = pd.date_range("2020-01-01", periods=12, freq=alias)
    row = 5

    def series(on):
        rows = [(str(label.date()), 1.0, None) for label in labels]
        if later:
            rows.append((rows[row][0], 2.0, on))
        else:
            rows[row] = (rows[row][0], 1.0, on)
        return csv(rows)

    check_publication(series(begin), get_frequency(frequency))
    with pytest.raises(HistoricalDataError) as caught:
        check_publication(series(before), get_frequency(frequency))
    line = f"line {14 if later else row + 2} ({labels[row].date()})"
    assert str(caught.value) == (
        f"historical_gdp.csv: {line} has published_at {before}, before its period begins, on "
        f"{begin} at the earliest: correct published_at"
    )


def test_an_irregular_value_may_be_published_from_the_observation_before_it_on():
    days = np.array(["2020-01-03", "2020-01-20", "2020-04-07"], "M8[D]")
    published = np.array(["2019-12-01", "2020-01-04", "2020-01-20"], "M8[D]")
    irregular = get_frequency("irregular")
    check_publication(Series("x", days, np.ones(3), np.append(published[:2], days[2])), irregular)
    with pytest.raises(HistoricalDataError, match="on 2020-01-21 at the earliest"):
        check_publication(Series("x", days, np.ones(3), published), irregular)


@pytest.mark.skipif(not VINTAGES.is_dir(), reason="the real vintages lie beside the repository")
@pytest.mark.parametrize(
    "name",
    [
        *("real_gdp_growth", "payroll_change", "unemployment_rate"),
        *("industrial_production_growth", "inflation_rate"),
    ],
)
def test_real_vintages_are_read_as_pandas_reads_them(name):
    series = open_source(str(VINTAGES), AWS).load(name)
    rows = pd.read_csv(VINTAGES / f"historical_{name}.csv").dropna()
    last_known = rows.sort_values("published_at").groupby("timestamp")["value"].last()
    newest = series.values.copy()
    newest[series.revisions.rows] = series.revisions.values  # ascending: the last one remains
    np.testing.assert_array_equal(newest, last_known.to_numpy())
    first = rows.sort_values("published_at").groupby("timestamp").first()
    np.testing.assert_array_equal(series.values, first["value"].to_numpy())
    assert series.published_at.astype(str).tolist() == first["published_at"].tolist()
    assert len(series.values) + len(series.revisions.rows) <= len(rows)
