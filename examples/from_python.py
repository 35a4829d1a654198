"""Train on two of the bundled series, and read the results.

    python examples/from_python.py

It writes the store to `.pulse` in the working directory, and prints the leaderboard, the reasons
for the weights of one variable, what the batches cost, and the next forecasts:

             model  skill  mase  trust  worth
               ces   0.23  1.57   0.53   0.03
    theta_adjusted   0.22  1.59   0.50   0.01
          ensemble   0.17  1.65   0.58    NaN
    mean carries 40 % of the ensemble in 2022, then ...
    0.6 processor seconds for 49 batches
             variable target_date  predicted  lower  upper
           gdp_growth  2022-10-01       0.53  -1.21   2.22
           gdp_growth  2023-07-01       0.53  -1.53   2.58
    unemployment_rate  2022-10-01       3.48   3.08   3.88
    unemployment_rate  2023-01-01       3.40   2.45   4.52
"""

from pulse_assets import TrainingConfig, train


def main() -> None:
    """Train four years in the program's own process."""
    results = train(
        TrainingConfig(
            variables=["gdp_growth", "unemployment_rate"],
            start_date="2019-01-01",
            horizons=[1, 4],
            max_workers=1,  # more start processes, which need the guard below
        )
    )
    board = results.models[["model", "skill", "mase", "trust", "worth"]]
    print(board.head(3).to_string(index=False, float_format="%.2f"))
    print(results.reasons["gdp_growth"][0])
    costs = results.document.performance.costs
    print(f"{costs.processor_seconds:.1f} processor seconds for {costs.batches} batches")
    forecasts = results.forecasts(model="ensemble")
    columns = ["variable", "target_date", "predicted", "lower", "upper"]
    print(forecasts[columns].to_string(index=False, float_format="%.2f"))


if __name__ == "__main__":
    main()
