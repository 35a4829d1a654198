"""Train on two of the bundled series, and read the results.

    python examples/from_python.py

It writes the store to `.pulse` in the working directory, and prints the leaderboard, the reasons
for the weights of one variable, what the batches cost, and the next forecasts:

             model  skill  mase  trust  worth
               ces   0.23  1.57   0.53   0.02
    theta_adjusted   0.22  1.59   0.50   0.01
          ensemble   0.15  1.68   0.58    NaN
    mean carries 35 % of the ensemble in 2022, then ...
    0.6 processor seconds for 49 batches
             variable target_date  predicted  lower  upper
           gdp_growth  2022-10-01       0.51  -1.30   2.24
           gdp_growth  2023-07-01       0.52  -1.59   2.61
    unemployment_rate  2022-10-01       3.49   3.09   3.88
    unemployment_rate  2023-01-01       3.43   2.48   4.53
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
