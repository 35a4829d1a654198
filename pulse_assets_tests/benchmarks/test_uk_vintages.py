"""How the bundled UK sample is made from levels by vintage."""

import pandas as pd
import pytest

from benchmarks.uk_vintages import forecasts_of, read_wheel, releases

QUARTERS = pd.date_range("2019-03-31", periods=8, freq="QE")


def levels(variable, vintage, values):
    """Rows of one vintage, from the first quarter on."""
    columns = {"date": QUARTERS[: len(values)], "vintage_date": pd.Timestamp(vintage)}
    return pd.DataFrame(columns | {"variable": variable, "value": values})


OUTTURNS = pd.concat(
    [
        levels("gdpkp", "2020-06-30", [100, 100, 100, 100, 90]),
        levels("gdpkp", "2020-09-30", [200, 200, 200, 200, 202, 150]),  # a new base year
        levels("gdpkp", "2020-12-31", [200, 200, 200, 200, 204, 160, 200]),
        levels("cpisa", "2020-06-30", [100, 100, 100, 100, 101]),
        levels("cpisa", "2020-09-30", [100, 100, 100, 100, 101, 102.004]),
        levels("unemp", "2020-06-30", [0.04, 0.04, 0.04, 0.04, 0.0456]),
        levels("unemp", "2020-09-30", [0.04, 0.04, 0.04, 0.04, 0.0391, 0.05]),
    ]
)


def rows_of(table, name):
    own = table[table.iloc[:, 0] == name].astype(str)
    return own.iloc[:, 1:].to_numpy().tolist()


def test_changes_are_taken_inside_each_vintage_without_the_banks_estimates():
    assert rows_of(releases(OUTTURNS), "gdp_growth") == [
        ["2020-03-31", "1.0", "2020-08-31"],
        ["2020-03-31", "2.0", "2020-11-30"],
        ["2020-06-30", "-20.0", "2020-11-30"],
    ]


def test_prices_of_the_quarter_before_are_published_and_what_is_unchanged_is_dropped():
    assert rows_of(releases(OUTTURNS), "inflation_rate") == [
        ["2020-03-31", "1.0", "2020-05-31"],
        ["2020-06-30", "2.0", "2020-08-31"],
    ]


def test_the_unemployment_rate_is_in_per_cent():
    quarters = [[str(day.date()), "4.0", "2020-05-31"] for day in QUARTERS[:4]]
    expected = [*quarters, ["2020-03-31", "3.91", "2020-08-31"]]
    assert rows_of(releases(OUTTURNS), "unemployment_rate") == expected


def test_forecasts_have_the_outturns_of_their_vintage_as_base_and_hold_the_estimates():
    forecasts = levels("gdpkp", "2020-09-30", [0, 0, 0, 0, 0, 150, 180, 210]).iloc[5:]
    prices = levels("cpisa", "2020-09-30", [0, 0, 0, 0, 0, 102.004, 103]).iloc[5:]
    table = forecasts_of(pd.concat([forecasts, prices]), OUTTURNS)
    assert rows_of(table, "gdp_growth") == [
        ["2020-06-30", "-25.0", "2020-08-31"],
        ["2020-09-30", "-10.0", "2020-08-31"],
        ["2020-12-31", "5.0", "2020-08-31"],
    ]
    assert rows_of(table, "inflation_rate") == [["2020-09-30", "3.0", "2020-08-31"]]


def test_another_wheel_is_refused(tmp_path):
    (tmp_path / "other.whl").write_bytes(b"")
    with pytest.raises(ValueError, match=r"not that of version 0\.1\.13"):
        read_wheel(tmp_path / "other.whl")
