"""Train on two of the bundled series from Python, and look at what was learnt.

python examples/from_python.py
"""

from pulse_assets import TrainingConfig, train


def main() -> None:
    """Print the leaderboard, trust by variable, and the next forecasts."""
    results = train(
        TrainingConfig(
            variables=["gdp_growth", "unemployment_rate"],
            start_date="2019-01-01",
            horizons=[1, 4],
            max_workers=1,  # more start processes, which need the guard below
        )
    )
    print(results.models[["model", "skill", "mase", "trust"]].head(5).to_string(index=False))
    print(results.trust_scores)
    forecasts = results.forecasts(model="ensemble")
    columns = ["variable", "target_date", "predicted", "lower", "upper"]
    print(forecasts[columns].to_string(index=False))


if __name__ == "__main__":
    main()
