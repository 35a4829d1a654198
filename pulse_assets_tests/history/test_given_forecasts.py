"""Somebody else's forecasts: how they are read, and what is wrong in them."""

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from pulse_assets.errors import HistoricalDataError
from pulse_assets.history.forecast_file import read_forecasts
from pulse_assets.history.frames import FrameSource
from pulse_assets.history.source import open_source
from pulse_assets.storage.s3 import AWS, S3Settings, connect
from pulse_assets.storage.store import LocalStore
from pulse_assets_tests.properties import holds_for_all

LIMIT = 1_000_000
HEAD = "variable,target_date,predicted,made_at,quantile"
ROWS = [
    ("gdp", "2020-06-30", "1.5", "2020-05-07", ""),
    ("gdp", "2020-06-30", "1", "2020-05-07", "0.1"),
    ("gdp", "2020-06-30", "2", "2020-05-07", "0.9"),
    ("cpi", "2020-03-31", "3", "2020-05-07", ""),
    ("gdp", "2020-06-30", "1.75", "2020-02-06", ""),
]


def lines(rows, head=HEAD):
    return "\n".join([head, *(",".join(row) for row in rows)]) + "\n"


def csv(text, model="boe"):
    return read_forecasts(text.encode(), model, f"forecasts_{model}.csv", LIMIT)


def parquet(table):
    sink = io.BytesIO()
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), sink)
    return read_forecasts(sink.getvalue(), "boe", "forecasts_boe.parquet", LIMIT)


def typed(rows):
    """The rows as pandas types them: dates and numbers."""
    frame = pd.DataFrame(rows, columns=HEAD.split(","))
    for name in ("target_date", "made_at"):
        frame[name] = pd.to_datetime(frame[name])
    for name in ("predicted", "quantile"):
        frame[name] = pd.to_numeric(frame[name])
    return pa.Table.from_pandas(frame, preserve_index=False)


def cells(given):
    """Target, value, day of making, origin and quantile of each forecast, as text."""
    columns = (given.target_dates, given.predicted, given.made_at, given.origin_dates)
    return [tuple(map(str, row)) for row in zip(*columns, given.quantiles, strict=True)]


GDP = [
    ("2020-06-30", "1.75", "2020-02-06", "NaT", "nan"),
    ("2020-06-30", "1.5", "2020-05-07", "NaT", "nan"),
    ("2020-06-30", "1.0", "2020-05-07", "NaT", "0.1"),
    ("2020-06-30", "2.0", "2020-05-07", "NaT", "0.9"),
]
READ = {
    "csv": lambda: csv(lines(ROWS)),
    "csv, read row by row": lambda: csv("\n" + lines(ROWS)),
    "csv in quotation marks": lambda: csv(lines(ROWS).replace("gdp", '"gdp"')),
    "csv of Nixtla": lambda: csv(lines(ROWS, "unique_id,ds,yhat,made_at,quantile")),
    "csv by other names": lambda: csv(lines(ROWS, "series_id, date ,value,made_at,quantile")),
    "csv, more columns": lambda: csv(lines([(*row, "x") for row in ROWS], f"{HEAD},forecaster")),
    "parquet": lambda: parquet(typed(ROWS)),
    "parquet of texts": lambda: parquet(
        dict(zip(HEAD.split(","), map(list, zip(*ROWS, strict=True)), strict=True))
    ),
}


@pytest.mark.parametrize("read", READ.values(), ids=READ)
def test_every_format_gives_the_same_forecasts_in_order(read):
    forecasts = read()
    assert sorted(forecasts) == ["cpi", "gdp"]
    assert cells(forecasts["gdp"]) == GDP
    assert cells(forecasts["cpi"]) == [("2020-03-31", "3.0", "2020-05-07", "NaT", "nan")]
    assert (forecasts["gdp"].model, forecasts["gdp"].variable) == ("boe", "gdp")


@pytest.mark.parametrize("name", ["origin_date", "cutoff"])
def test_forecasts_may_name_their_origin_instead_of_their_day(name):
    given = csv(f"variable,target_date,predicted,{name}\ngdp,2020-06-30,1,2019-12-31\n")["gdp"]
    assert cells(given) == [("2020-06-30", "1.0", "NaT", "2019-12-31", "nan")]


def test_one_file_may_have_both_each_row_one():
    rows = ["gdp,2020-06-30,1,2020-05-07,", "gdp,2020-06-30,2,,2019-12-31"]
    text = "\n".join(["variable,target_date,predicted,made_at,origin_date", *rows]) + "\n"
    assert [row[2:4] for row in cells(csv(text)["gdp"])] == [
        ("NaT", "2019-12-31"),
        ("2020-05-07", "NaT"),
    ]


def test_the_median_is_the_point_where_only_quantiles_are_given():
    rows = [
        ("gdp", "2020-06-30", "3", "2020-05-07", "0.9"),
        ("gdp", "2020-06-30", "2", "2020-05-07", "0.5"),
        ("gdp", "2020-09-30", "7", "2020-05-07", "0.5"),
        ("gdp", "2020-09-30", "6", "2020-05-07", ""),
    ]
    assert [(row[0], row[1], row[4]) for row in cells(csv(lines(rows))["gdp"])] == [
        ("2020-06-30", "2.0", "nan"),
        ("2020-06-30", "2.0", "0.5"),
        ("2020-06-30", "3.0", "0.9"),
        ("2020-09-30", "6.0", "nan"),
        ("2020-09-30", "7.0", "0.5"),
    ]


def test_a_row_without_a_value_is_no_forecast():
    rows = [
        *ROWS,
        ("gdp", "2020-09-30", "", "2020-05-07", ""),
        ("m2", *ROWS[0][1:2], ".", *ROWS[0][3:]),
    ]
    forecasts = csv(lines(rows))
    assert (sorted(forecasts), cells(forecasts["gdp"])) == (["cpi", "gdp"], GDP)


def test_forecasts_of_the_past_are_forecasts():
    given = csv(lines([("gdp", "2020-03-31", "1", "2020-05-07", "")]))["gdp"]
    assert given.made_at > given.target_dates


def test_no_batch_can_change_forecasts():
    given = csv(lines(ROWS))["gdp"]
    for array in (given.predicted, given.made_at, given.quantiles):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[0]


def test_a_name_that_no_variable_may_have_is_the_nearest_one():
    assert sorted(csv(lines([("S&P 500", *ROWS[0][1:])]))) == ["S_P_500"]


ROW = ",".join(ROWS[0])
BAD = {
    "target_date,predicted,made_at\n": "it has no column variable, unique_id or series_id "
    "(found: 'target_date', 'predicted', 'made_at'): add or rename one",
    "variable,predicted,made_at\n": "it has no column target_date, ds or date",
    "variable,target_date,made_at\n": "it has no column predicted, value or yhat",
    "variable,target_date,predicted\n": "it has no column made_at, origin_date or cutoff",
    "variable,target_date,predicted,Made At\n": "its column 'Made At' is not read: rename it to "
    "made_at",
    f"{HEAD.replace('quantile', 'Quantile')}\n": "its column 'Quantile' is not read",
    "variable,target_date,predicted,ds,made_at\n": "two columns for one thing, target_date and ds",
    f"{HEAD}\n": "it holds no forecasts: add rows or remove the file",
    f"{HEAD}\n{ROW}\n{ROW}\n": "line 2 and line 3, variable gdp: two forecasts of 2020-06-30 made "
    "on 2020-05-07: keep one",
    lines([ROWS[1], ROWS[0], ROWS[1]]): "line 2 and line 4, variable gdp: two quantiles 0.1 of "
    "2020-06-30 made on 2020-05-07: keep one",
    "variable,ds,value,cutoff\na,2020-01-01,1,2019-01-01\na,2020-01-01,2,2019-01-01\n": "two "
    "forecasts of 2020-01-01 from 2019-01-01: keep one",
    f"{HEAD}\ngdp,2020-13-30,1,2020-05-07,\n": "line 2, variable gdp: target_date '2020-13-30' is "
    "no date",
    f"{HEAD}\ngdp,,1,2020-05-07,\n": "line 2, variable gdp: target_date '' is no date",
    f"{HEAD}\ngdp,2020-06-30,1,May 2020,\n": "line 2, variable gdp: made_at 'May 2020' is no date",
    f"{HEAD}\n{ROW}\ngdp,2020-06-30,1,,\n": "line 3, variable gdp: it has neither made_at nor "
    "origin_date: give one of them",
    "variable,ds,value,made_at,cutoff\na,2020-01-01,1,2019-01-01,2019-01-01\n": "it has both "
    "made_at and origin_date: keep one",
    f"{HEAD}\ngdp,2020-06-30,inf,2020-05-07,\n": "predicted 'inf' is no finite number",
    f"{HEAD}\ngdp,2020-06-30,1e999,2020-05-07,\n": "predicted '1e999' is no finite number",
    f'{HEAD}\ngdp,2020-06-30,"1,5",2020-05-07,\n': "predicted '1,5' is no finite number",
    f"{HEAD}\ngdp,2020-06-30,1,2020-05-07,1\n": "line 2, variable gdp: quantile 1 does not lie "
    "between 0 and 1: write it like 0.9, or leave it empty",
    f"{HEAD}\ngdp,2020-06-30,2,2020-05-07,0.1\ngdp,2020-06-30,1,2020-05-07,0.5\n": (
        "line 3, variable gdp: quantile 0.5 of 2020-06-30 is 1, less than quantile 0.1, which is 2"
    ),
    f"{HEAD}\ngdp,2020-06-30,1,2020-05-07,0\n": "quantile 0 does not lie between 0 and 1",
    f"{HEAD}\ngdp,2020-06-30,1,2020-05-07,-0.1\n": "quantile -0.1 does not lie",
    f"{HEAD}\ngdp,2020-06-30,1,2020-05-07,90%\n": "quantile '90%' is no finite number",
    f"{HEAD}\ngdp,2020-06-30,1,2020-05-07,0.9\n": "line 2, variable gdp: 2020-06-30 has quantiles, "
    "but no point forecast and no quantile 0.5: add one of them",
    f"{HEAD}\n,2020-06-30,1,2020-05-07,\n": "line 2: variable '' names no series",
    f"{HEAD}\ngdp,2020-06-30,1\n": "line 2: 3 fields, but the header has 5",
    f"{HEAD}\na b,2020-06-30,1,2020-05-07,\na_b,2020-06-30,1,2020-05-07,\n": "variable 'a b' and "
    "variable 'a_b' both would be the variable a_b",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_is_said_in_one_line_with_file_and_row(text):
    with pytest.raises(HistoricalDataError) as caught:
        csv(text)
    message = str(caught.value)
    assert message.startswith("forecasts_boe.csv: ")
    assert BAD[text] in message
    assert "\n" not in message


def test_what_is_wrong_in_parquet_is_said_with_the_row():
    table = typed(ROWS)
    with pytest.raises(HistoricalDataError, match=r"^forecasts_boe\.parquet: row 1 and row 6, "):
        parquet(pa.concat_tables([table.slice(1), table, table.slice(0, 1)]).slice(4))
    with pytest.raises(HistoricalDataError, match="row 1, variable gdp: predicted inf is no fin"):
        parquet(table.set_column(2, "predicted", pa.array([np.inf] * len(table))))
    with pytest.raises(HistoricalDataError, match="not readable as Parquet"):
        read_forecasts(b"PAR1", "boe", "forecasts_boe.parquet", LIMIT)


_forecast = st.tuples(
    st.sampled_from(["gdp", "cpi"]),
    st.sampled_from(["2020-03-31", "2020-06-30"]),
    st.integers(-5, 5).map(str),
    st.sampled_from(["2020-02-06", "2020-05-07", "2020-08-06"]),
    st.sampled_from(["", "0.1", "0.5", "0.9"]),
)


def _without_value(row):
    return row[:2] + row[3:]


@holds_for_all(
    fast=40,
    slow=800,
    rows=st.lists(_forecast, min_size=1, max_size=30, unique_by=_without_value),
)
def test_order_of_rows_and_format_change_no_forecast(rows):
    points = {row[:2] + row[3:4] for row in rows if row[4] in ("", "0.5")}
    rows = [row for row in rows if row[:2] + row[3:4] in points]
    # Quantiles of one forecast must not cross: each is drawn as a distance from its level.
    rows = [(*row[:2], str(int(row[2]) + 40 * float(row[4] or 0.5)), *row[3:]) for row in rows]
    if not rows:
        return
    text, by_row = csv(lines(rows)), csv("\n" + lines(rows[::-1]))
    tables = parquet(typed(rows[::-1]))
    for name, given in text.items():
        own = [row for row in rows if row[0] == name]
        levels = {(row[1], row[3]) for row in own}
        assert sum(np.isnan(given.quantiles)) == len(levels)  # one point for each
        added = sum(all(row[4] for row in own if (row[1], row[3]) == level) for level in levels)
        assert len(given.predicted) == len(own) + added
        assert cells(given) == cells(by_row[name]) == cells(tables[name])


OBSERVED = "unique_id,ds,y\n" + "".join(
    f"{name},2020-{month:02d}-01,{month}\n" for name in ("gdp", "cpi") for month in range(1, 13)
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "panel.csv").write_text(OBSERVED)
    (tmp_path / "forecasts_boe.csv").write_text(lines(ROWS))
    return tmp_path


def opened(folder):
    return open_source(str(folder), AWS)


def test_a_source_has_the_forecasts_of_every_model(folder):
    rows = [("cpi", "2020-06-30", "1", "2020-05-07", "")]
    pq.write_table(typed(rows), folder / "forecasts_s.p-f.parquet")
    forecasts = opened(folder).forecasts()
    assert {model: sorted(of) for model, of in forecasts.items()} == {
        "boe": ["cpi", "gdp"],
        "s.p-f": ["cpi"],
    }
    assert cells(forecasts["boe"]["gdp"]) == GDP
    assert opened(folder).variables() == ["cpi", "gdp"]
    assert opened(folder).unread() == {}


def test_a_source_without_forecasts_has_none(folder, tmp_path):
    (folder / "forecasts_boe.csv").unlink()
    assert opened(folder).forecasts() == {}
    assert open_source(str(folder / "panel.csv"), AWS).forecasts() == {}
    frame = pd.read_csv(io.StringIO(OBSERVED))
    assert FrameSource.of(frame, LocalStore(tmp_path)).forecasts() == {}


def test_one_file_of_a_source_is_read_without_the_forecasts_beside_it(folder):
    source = open_source(str(folder / "panel.csv"), AWS)
    assert (source.forecasts(), source.unread()) == ({}, {})


def test_the_version_of_a_variable_changes_with_the_forecasts_of_it_and_no_other_does(folder):
    before = opened(folder).versions()
    assert opened(folder).versions() == before
    for changed in (
        [("gdp", "2020-06-30", "1.6", "2020-05-07", ""), *ROWS[1:]],
        [("gdp", "2020-06-30", "1.5", "2020-05-08", ""), *ROWS],
        [row for row in ROWS if row[4] == ""],
    ):
        (folder / "forecasts_boe.csv").write_text(lines(changed))
        after = opened(folder).versions()
        assert (after["gdp"] != before["gdp"], after["cpi"]) == (True, before["cpi"])
    (folder / "forecasts_boe.csv").write_text(lines(ROWS[::-1]))
    assert opened(folder).versions() == before
    (folder / "forecasts_boe.csv").rename(folder / "forecasts_bank.csv")
    assert opened(folder).versions()["gdp"] != before["gdp"]


def refused(folder):
    with pytest.raises(HistoricalDataError) as caught:
        opened(folder).forecasts()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_forecasts_of_an_unknown_variable_are_refused_with_file_and_row(folder):
    text = lines([*ROWS, ("GDP", *ROWS[0][1:]), ("GDP", *ROWS[4][1:])])
    (folder / "forecasts_boe.csv").write_text(text)
    assert refused(folder) == (
        f"{folder}/forecasts_boe.csv: line 7: variable 'GDP' is not in the source, did you mean "
        "'gdp'?: correct its name, remove its rows, or add its observations"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("naive", "naive is the name of a built-in rule: rename the file forecasts_<another name>"),
        ("Naive", "is the name of a built-in rule"),
        ("ensemble", "ensemble is the name of an ensemble"),
        ("ensemble_median", "is the name of an ensemble"),
        ("ar_with_gdp", "names that begin with ar_with_ are those of rules that read another"),
    ],
)
def test_a_model_may_not_have_the_name_of_a_rule(folder, name, message):
    (folder / "forecasts_boe.csv").rename(folder / f"forecasts_{name}.csv")
    assert refused(folder).startswith(f"{folder}/forecasts_{name}.csv: ")
    assert message in refused(folder)


@pytest.mark.parametrize("other", ["forecasts_boe.parquet", "forecasts_BOE.csv"])
def test_two_files_of_one_model_are_refused(folder, other):
    (folder / other).write_bytes(b"")
    assert "two files of forecasts of " in refused(folder)
    assert refused(folder).endswith(": keep or rename one")


def test_forecasts_are_not_taken_for_observations(folder):
    with pytest.raises(HistoricalDataError, match="holds forecasts, not observations: name the f"):
        open_source(str(folder / "forecasts_boe.csv"), AWS).variables()
    (folder / "panel.csv").unlink()
    with pytest.raises(HistoricalDataError, match="holds no file historical_<variable>") as caught:
        opened(folder).variables()
    assert "forecasts_boe.csv" not in str(caught.value)


def test_a_source_in_a_bucket_has_its_forecasts(bucket, s3):
    client = connect(s3).client
    for name, text in (("panel.csv", OBSERVED), ("forecasts_boe.csv", lines(ROWS))):
        client.put_object(Bucket=bucket, Key=f"data/{name}", Body=text.encode())
    source = open_source(f"s3://{bucket}/data", s3)
    assert isinstance(s3, S3Settings)
    assert cells(source.forecasts()["boe"]["gdp"]) == GDP


def test_a_file_of_forecasts_that_is_too_large_is_refused(folder):
    source = open_source(str(folder), AWS, max_bytes=len(OBSERVED))
    assert sorted(source.forecasts()) == ["boe"]
    (folder / "forecasts_boe.csv").write_text(lines(ROWS) + "\n" * 1000)
    with pytest.raises(HistoricalDataError, match=r"forecasts_boe\.csv: 1204 bytes"):
        open_source(str(folder), AWS, max_bytes=len(OBSERVED)).forecasts()


def test_the_forecasts_of_the_bank_of_england_are_read():
    (model,) = (forecasts := open_source("sample-uk", AWS).forecasts())
    assert model == "mpr"
    gdp = forecasts[model]["gdp_growth"]
    assert len(forecasts[model]) == 4
    assert (str(gdp.made_at[0]), str(gdp.made_at[-1])) == ("2003-08-31", "2025-11-30")
    # The report of August 2020: 21 per cent below the year before in the second quarter.
    row = (gdp.target_dates == np.datetime64("2020-06-30")) & (
        gdp.made_at == np.datetime64("2020-08-31")
    )
    assert gdp.predicted[row] == pytest.approx(-22.39)
