"""Ask stored results: more than chance, who was right when, decay, as of a day, exports.

    python examples/use_results.py

It trains one variable into `results` in the working directory, opens this store as another program
would, writes `results/backtest.csv` for Nixtla's tools, and prints an answer to each question:

    Is the ensemble better than the last value by more than chance?
     dm_naive  p_naive
       -2.299    0.023
    Who was right when it mattered?
    model                ensemble  ensemble_median  ar_level_1
    period
    calm                     0.24             0.18        0.05
    covid                    0.14             0.02        0.01
    crisis                   0.24             0.08        0.07
    expansions               0.26             0.13        0.09
    recession 2001           0.35             0.29        0.33
    recession 2008-2009     -0.05             0.01       -0.11
    recessions               0.05             0.08        0.01
    Which rules got worse lately?
    none
    What would have been said when Lehman Brothers failed?
    origin_date target_date  predicted  lower  upper
     2008-04-01  2008-07-01       0.51  -0.41   1.45
     2008-04-01  2009-04-01       0.61  -0.34   1.58
    unique_id, ds, cutoff, y, ensemble, ensemble-lo-90, ensemble-hi-90 ...
"""

import pulse_assets
from pulse_assets import TrainingConfig, train
from pulse_assets.stages.decay import describe_alarm


def main() -> None:
    """Train thirty years of GDP growth, then read the store."""
    train(
        TrainingConfig(
            store="results",
            variables=["gdp_growth"],
            start_date="1993-01-01",
            batch_cadence="quarterly",
            horizons=[1, 4],
            periods={"covid": "2020-03-01:2020-12-31"},
            max_workers=1,
        )
    )
    results = pulse_assets.open_store("results")
    print("Is the ensemble better than the last value by more than chance?")
    tests = results.significance.query("model == 'ensemble' and horizon == 4")
    print(tests[["dm_naive", "p_naive"]].to_string(index=False, float_format="%.3f"))
    print("Who was right when it mattered?")
    scores = results.scores_by_period.query("variable == 'gdp_growth' and kind != 'year'")
    skill = scores.pivot_table(index="period", columns="model", values="skill")
    print(skill[["ensemble", "ensemble_median", "ar_level_1"]].to_string(float_format="%.2f"))
    print("Which rules got worse lately?")
    print("\n".join(map(describe_alarm, results.data["alarms"])) or "none")
    print("What would have been said when Lehman Brothers failed?")
    then = results.as_of("2008-09-15").query("model == 'ensemble'")
    columns = ["origin_date", "target_date", "predicted", "lower", "upper"]
    print(then[columns].to_string(index=False, float_format="%.2f"))
    backtest = results.to_nixtla(model=["ensemble", "naive"], horizon=4)
    backtest.to_csv("results/backtest.csv", index=False)
    print(", ".join(backtest.columns[:7]), "...")


if __name__ == "__main__":
    main()
