"""One's own data: a directory with one file a variable, here a made monthly series.

python examples/own_data.py
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from pulse_assets import TrainingConfig, train


def write_source(folder: Path) -> None:
    """Write `historical_sales.csv`: ten years of a season, a trend and some noise."""
    months = pd.date_range("2010-01-01", periods=120, freq="MS")
    noise = np.random.default_rng(0).normal(size=120)
    sales = 100 + 0.5 * np.arange(120) + 10 * np.sin(np.arange(120) * np.pi / 6) + noise
    table = pd.DataFrame({"timestamp": months, "value": sales.round(2)})
    table.to_csv(folder / "historical_sales.csv", index=False)


def main() -> None:
    """Train on the file, a batch a quarter, and say which rule to trust."""
    with TemporaryDirectory() as folder:
        write_source(Path(folder))
        results = train(
            TrainingConfig(
                source=folder,
                store=f"{folder}/results",
                start_date="2015-01-01",
                end_date="2019-12-31",
                batch_cadence="quarterly",
                horizons=[1, 3],
                max_workers=1,
            )
        )
    print(f"{results.data['batches']['completed']} batches")
    print(results.models[["model", "skill", "mase"]].head(3).to_string(index=False))


if __name__ == "__main__":
    main()
