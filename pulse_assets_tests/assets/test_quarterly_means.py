"""A random walk by month, and its quarterly means labelled by the first day of the quarter.

Nothing predicts a random walk. The mean of January to March would, if it were known on 1 January.
"""

import numpy as np
import pandas as pd

from pulse_assets import TrainingConfig, train

MONTHS = pd.date_range("1985-01-01", "2019-12-01", freq="MS")


def advantages(folder, published=None):
    """By rule, how much closer than `naive` it is to the walk one month ahead, in standard errors.

    `published` gives the day of publication of each quarter by its first day, [Q].
    """
    source = folder / "source"
    source.mkdir()
    walk = pd.Series(np.random.default_rng(1).normal(size=len(MONTHS)).cumsum(), MONTHS)
    for name, values in (("walk", walk), ("means", walk.resample("QS").mean())):
        frame = pd.DataFrame({"timestamp": values.index.date, "value": values.to_numpy()})
        if published and name == "means":
            frame["published_at"] = published(values.index).date
        frame.to_csv(source / f"historical_{name}.csv", index=False)
    config = TrainingConfig(
        source=str(source),
        store=str(folder / "store"),
        start_date="1995-01-01",
        end_date="2019-12-31",
        batch_cadence="yearly",
        models=["naive", "drift", "holt", "ar_diff_3", "ar_level_1"],
        horizons=[1],
        max_workers=1,
    )
    assert train(config).success
    parts = (folder / "store" / "retrodictions").rglob("*.parquet")
    pairs = pd.concat([pd.read_parquet(part) for part in parts]).astype({"model": str})
    pairs = pairs[pairs["variable"] == "walk"].assign(error=lambda t: t.predicted - t.observed)
    errors = pairs.pivot_table("error", "target_date", "model").abs()
    gains = -errors.drop(columns="naive").sub(errors["naive"], axis=0)
    return gains.mean() / (gains.std() / np.sqrt(gains.count()))


def test_no_rule_predicts_a_random_walk_from_its_quarterly_means(tmp_path):
    """Without `published_at` a quarter is known when it is over."""
    found = advantages(tmp_path)
    assert len(found) >= 6
    assert found.max() < 3


def test_means_that_are_known_on_their_first_day_do_predict_it(tmp_path):
    """So the test above would see it: the same figures, said to be published on their labels."""
    found = advantages(tmp_path, published=lambda quarters: quarters)
    assert found["ar_with_means"] > 4
