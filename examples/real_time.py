"""Series that are revised, in real time, beside the forecasts of the Bank of England.

    python examples/real_time.py

Every origin sees the vintage of its day, and a forecast of the bank from the day it was made. It
prints how the bank (`mpr`) compares with the rules, and how much more a test on today's values
promises than the ensemble keeps; below zero it promises less:

              skill  coverage  trust  weight
    model
    mpr        0.57      0.96   0.70    0.79
    ensemble   0.54      0.96   0.70     NaN
    naive      0.00      0.91   0.50    0.01
    revision tax of gdp_growth: -0.221
    revision tax of inflation_rate: -0.006
"""

import pandas as pd

from pulse_assets import TrainingConfig, train


def main() -> None:
    """Train on UK inflation and growth, and score against the first release."""
    results = train(
        TrainingConfig(
            source="sample-uk",
            variables=["gdp_growth", "inflation_rate"],
            start_date="2010-01-01",
            end_date="2019-12-31",
            batch_cadence="yearly",
            horizons=[1, 4],
            score_against="first",
            max_workers=1,
        )
    )
    (bank,) = results.document.given_forecasts
    board = results.models.set_index("model")
    rows = [bank.model, "ensemble", "naive"]
    print(board.loc[rows, ["skill", "coverage", "trust", "weight"]].to_string(float_format="%.2f"))
    for variable, rules in results.data["revisions"].items():
        taxes = pd.DataFrame(rules).set_index("model")["revision_tax"]
        print(f"revision tax of {variable}: {taxes['ensemble']:+.3f}")


if __name__ == "__main__":
    main()
