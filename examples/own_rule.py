"""A rule of your own beside the built-in ones: the median of the last five values.

    python examples/own_rule.py

Python finds the rule beside this script. On the command line, name the directory and the rule:
`pulse-train --rules-path examples --models naive own_rule:MedianOfFive`. It prints how each rule
does, and how much larger the error of the ensemble would be without it:

              model  skill  trust  worth
        damped_holt   0.10   0.56   0.08
           ensemble   0.04   0.67    NaN
              naive   0.00   0.50  -0.02
                ses   0.00   0.50  -0.01
    ensemble_median  -0.01   0.49    NaN
     median_of_five  -0.74   0.32  -0.02
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
    """Train four rules on one variable."""
    results = train(
        TrainingConfig(
            variables=["inflation_rate"],
            models=["naive", "ses", "damped_holt", "own_rule:MedianOfFive"],
            start_date="2019-01-01",
            horizons=[1, 3],
            max_workers=1,
        )
    )
    board = results.models[["model", "skill", "trust", "worth"]]
    print(board.to_string(index=False, float_format="%.2f"))


if __name__ == "__main__":
    main()
