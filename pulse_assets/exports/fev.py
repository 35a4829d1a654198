"""Scores as the evaluation summaries of fev, from which it makes leaderboards and comparisons.

Each variable and horizon is a task. fev itself is not needed to make them.

Source: Shchur et al. (2025), "fev-bench: A realistic benchmark for time series forecasting",
https://arxiv.org/abs/2509.26468, whose skill and win rate are ours, too.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from pulse_assets.retrodiction.rules import REFERENCE

#: The version of fev whose columns these are.
_VERSION: Final = "0.10.0"
_TASK_KEYS: Final = ["variable", "horizon"]

#: What describes a task in fev and is the same for all of ours.
_CONSTANT: Final = {
    "dataset_config": None,
    "initial_cutoff": None,
    "window_step_size": 1,
    "max_context_length": None,
    "eval_metric": "MAE",
    "extra_metrics": "['MASE', 'RMSSE', 'SQL']",
    "id_column": "unique_id",
    "timestamp_column": "ds",
    "target": "y",
    "generate_univariate_targets_from": None,
    "known_dynamic_columns": "[]",
    "past_dynamic_columns": "[]",
    "static_columns": "[]",
    "training_time_s": np.nan,
    "inference_time_s": np.nan,
    "trained_on_this_dataset": False,
    "fev_version": _VERSION,
}


def fev_summaries(
    pooled: pd.DataFrame,
    *,
    wanted: Mapping[str, Sequence[Any] | None],
    levels: Sequence[float],
    seasons: Mapping[str, int],
    least: int,
) -> pd.DataFrame:
    """Return one evaluation summary per model, variable and horizon.

    `test_error` and `MAE` are the mean absolute error, in the unit of the variable; `MASE`, `RMSSE`
    and `SQL` are our scores. They are missing where a model lacks a forecast that `naive` has,
    because its error is then one of other pairs: to fev the model failed at this task.

    Args:
        pooled: from `add_up`.
        wanted: values by column; None: all. Without models, those that never fail.
        levels: of the quantiles.
        seasons: observations per season by variable.
        least: observations that are known at each origin at least.

    Example:
        >>> import fev  # doctest: +SKIP
        >>> fev.leaderboard(results.to_fev(), baseline_model="naive")  # doctest: +SKIP
    """
    for column in _TASK_KEYS:
        if (values := wanted[column]) is not None:
            pooled = pooled[pooled[column].isin(values)]
    whole, models = _predicts_all(pooled), pooled["model"].astype(str)
    if wanted["model"] is None:
        successes = whole.groupby(models).sum()
        tasks = pooled[_TASK_KEYS].drop_duplicates()
        chosen = models.isin(successes.index[successes == len(tasks)])
    else:
        chosen = models.isin(wanted["model"])
    return _summaries(pooled[chosen], whole[chosen], levels, seasons).assign(
        min_context_length=least
    )


def _predicts_all(pooled: pd.DataFrame) -> pd.Series:
    """Tell which models have a forecast of each pair that `naive` has, by row."""
    naive = pooled[pooled["model"] == REFERENCE].set_index(_TASK_KEYS)["n"]
    needed = naive.reindex(pd.MultiIndex.from_frame(pooled[_TASK_KEYS])).to_numpy()
    return (pooled["n"] >= needed) & (pooled["n"] > 0)


def _summaries(
    pooled: pd.DataFrame, whole: pd.Series, levels: Sequence[float], seasons: Mapping[str, int]
) -> pd.DataFrame:
    scores = {
        "MAE": pooled["abs_error"] / pooled["compared"],
        "MASE": pooled["mase"] / pooled["mase_n"],
        "RMSSE": np.sqrt(pooled["rmsse"] / pooled["rmsse_n"]),
        "SQL": 2.0 * pooled["sql"] / pooled["sql_n"],
    }
    scores = {name: values.where(whole).to_numpy() for name, values in scores.items()}
    variable = pooled["variable"].astype(str)
    return pd.DataFrame(
        {
            "model_name": pooled["model"].astype(str).to_numpy(),
            "dataset_path": variable.to_numpy(),
            "task_name": variable.to_numpy(),
            "horizon": pooled["horizon"].to_numpy(),
            "num_windows": pooled["n"].to_numpy(),
            "seasonality": variable.map(dict(seasons)).to_numpy(),
            "quantile_levels": str([*levels]),
            **_CONSTANT,
            "num_forecasts": pooled["n"].to_numpy(),
            "dataset_fingerprint": None,
            "test_error": scores["MAE"],
            **scores,
        }
    )
