"""A rule of one's own beside the built-in ones: the median of the last five values.

Run it from this directory, so that the rule can be imported, also by worker processes:

    cd examples && python own_rule.py
"""

import numpy as np
from numpy.typing import NDArray

from pulse_assets import TrainingConfig, train


class MedianOfFive:
    """Predicts the median of the last five values for every horizon."""

    name = "median_of_five"

    def fit_predict(self, y_past: NDArray[np.float64], horizons: list[int]) -> list[float]:
        """Forecast from values that were known, oldest first; there is at least one."""
        return [float(np.median(y_past[-5:]))] * len(horizons)


def main() -> None:
    """Print how the rule does against the others."""
    results = train(
        TrainingConfig(
            variables=["inflation_rate"],
            models=["naive", "ses", "damped_holt", "own_rule:MedianOfFive"],
            start_date="2019-01-01",
            horizons=[1, 3],
            max_workers=1,
        )
    )
    print(results.models[["model", "skill", "trust", "weight"]].to_string(index=False))


if __name__ == "__main__":
    main()
