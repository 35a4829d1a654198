"""A panel of your own as a data frame, with a lag of publication, bounds and quantiles.

    python examples/own_data.py

Files of the same columns, `panel*.csv` or `panel*.parquet`, are read in the same way. It prints the
number of batches, the three best rules, and quantiles of the next month of each region:

    20 batches
             model  skill  sql
          ensemble   0.80 0.10
    ar_adjusted_12   0.80 0.09
    ar_seasonal_12   0.79 0.10
    variable target_date  q0.1  q0.5  q0.9
       north  2020-01-01 158.7 160.1 161.4
       south  2020-01-01 117.3 119.2 121.1
"""

from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from pulse_assets import TrainingConfig, train


def make_sales() -> pd.DataFrame:
    """Return one row per region and month: a season, a trend and some noise."""
    months = pd.date_range("2010-01-01", periods=120, freq="MS")
    season = 10 * np.sin(np.arange(120) * np.pi / 6)
    noise = np.random.default_rng(0)
    regions = {
        name: pd.DataFrame(
            {
                "date": months,
                "value": level + 0.5 * np.arange(120) + season + noise.normal(size=120),
            }
        )
        for name, level in {"north": 100, "south": 60}.items()
    }
    return pd.concat(regions, names=["variable"]).reset_index("variable")


def main() -> None:
    """Train on the frame, a batch per quarter; results go to a directory that is removed."""
    with TemporaryDirectory() as store:
        results = train(
            TrainingConfig(
                store=store,
                start_date="2015-01-01",
                end_date="2019-12-31",
                batch_cadence="quarterly",
                horizons=[1, 3],
                publication_lag_days={"north": 15, "south": 15},
                bounds={"north": "0:", "south": "0:"},
                quantiles=[0.1, 0.5, 0.9],
                max_workers=1,
            ),
            data=make_sales(),
        )
        ahead = results.forecasts(model="ensemble", horizon=1)
    print(f"{results.data['batches']['completed']} batches")
    print(
        results.models[["model", "skill", "sql"]]
        .head(3)
        .to_string(index=False, float_format="%.2f")
    )
    columns = ["variable", "target_date", "q0.1", "q0.5", "q0.9"]
    print(ahead[columns].to_string(index=False, float_format="%.1f"))


if __name__ == "__main__":
    main()
