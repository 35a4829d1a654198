"""One's own data as a data frame: here a made monthly series; files are described in docs.

python examples/own_data.py
"""

from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from pulse_assets import TrainingConfig, train


def make_sales() -> pd.DataFrame:
    """Return dates and a column per variable: ten years of a season, a trend and some noise."""
    months = pd.date_range("2010-01-01", periods=120, freq="MS")
    noise = np.random.default_rng(0).normal(size=120)
    sales = 100 + 0.5 * np.arange(120) + 10 * np.sin(np.arange(120) * np.pi / 6) + noise
    return pd.DataFrame({"date": months, "sales": sales.round(2)})


def main() -> None:
    """Train on the frame, a batch a quarter, and say which rule to trust."""
    with TemporaryDirectory() as store:
        results = train(
            TrainingConfig(
                store=store,
                start_date="2015-01-01",
                end_date="2019-12-31",
                batch_cadence="quarterly",
                horizons=[1, 3],
                max_workers=1,
            ),
            data=make_sales(),
        )
    print(f"{results.data['batches']['completed']} batches")
    print(results.models[["model", "skill", "mase"]].head(3).to_string(index=False))


if __name__ == "__main__":
    main()
