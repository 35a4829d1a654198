"""Stage 6, `training_results`: all batches in one JSON object.

Scores are pooled exactly: a mean over all verified pairs, not a mean of batch means. What each
entry means stands in `training_results.schema.json` beside the package's modules.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from pulse_assets.catalog import BATCH_METRICS
from pulse_assets.retrodiction.rules import ENSEMBLE, REFERENCE
from pulse_assets.retrodiction.scores import log_ratios
from pulse_assets.retrodiction.trust import pair_wins
from pulse_assets.stages.ledger import latest_trust
from pulse_assets.stages.outcome import Outcomes, OutcomeTally, conclude

SCHEMA_VERSION: Final = 2

_SCORES: Final = ("mase", "rmsse", "coverage", "weight")
#: Sums over the pairs for which both a rule and `naive` have a forecast.
_COMPARISON: Final = ["compared", "abs_error", "naive_abs_error"]
#: A rule with less than this share of naive's pairs is not ranked with those that have all.
PARTIAL_BELOW: Final = 0.95

_TASK: Final = ["variable", "model", "horizon"]
_NAMES: Final = {"variable": object, "model": object}
_TRUST: Final = ["trust", "trust_lower", "trust_upper"]
_ROW: Final = [
    *("model", "mase", "rmsse", "skill", "win_rate"),
    *("coverage", "trust", "trust_lower", "trust_upper", "weight", "n", "missing", "partial"),
]


@dataclass(frozen=True)
class Performance:
    """Seconds a run took, and seconds its batches would take one after another."""

    duration_seconds: float
    estimated_sequential_time: float

    def to_json(self) -> dict[str, float | None]:
        """Return both and their ratio; the ratio of an instant run is undefined.

        Example:
            >>> Performance(2.0, 6.0).to_json()["speedup_factor"]
            3.0
        """
        instant = self.duration_seconds <= 0
        speedup = None if instant else self.estimated_sequential_time / self.duration_seconds
        return {
            "duration_seconds": self.duration_seconds,
            "estimated_sequential_time": self.estimated_sequential_time,
            "speedup_factor": speedup,
        }


def summarise(
    metrics: Iterable[pa.Table],
    ledger: pa.Table,
    *,
    planned: Sequence[str],
    performance: Performance,
    cluster: Mapping[str, Any],
    configuration: Mapping[str, Any],
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """Aggregate the metrics of all batches that ran and the trust they led to.

    With n pairs a row, `mase = sum(n mase) / sum(n)`, `coverage` and `weight` likewise, and
    `rmsse = sqrt(sum(n rmsse^2) / sum(n))`; rows whose score is undefined carry no weight.
    A task is a (variable, horizon); on each, the sum of the model's absolute errors is set against
    that of `naive` over the pairs for which both have a forecast. The skill is that of
    `leaderboard_skill`; the win rate is the share of tasks won, see `pair_wins`.

    Args:
        metrics: rows of schema `BATCH_METRICS` of all batches that ran, in order of batch; the
            rows of a batch stand in one table.
        ledger: rows of schema `TRUST_LEDGER`.
        planned: partition keys of the whole grid.
        performance: how long the run took.
        cluster: description of the Dask cluster.
        configuration: settings of the run, ready for JSON.
        versions: version by package name.

    Returns:
        An object that satisfies `training_results.schema.json`, without checks: `conclude` adds
        them. Undefined numbers are None.

    Example:
        A model's mase is 1 over 3 pairs of one batch and 2 over 1 pair of another:
        (3 * 1 + 1 * 2) / 4 = 1.25.
    """
    tally = OutcomeTally()
    batches, tasks = _reduce(metrics, tally)
    outcomes = tally.outcomes()
    trust = _trust_of(ledger)
    by_variable = _rows_by_variable(tasks, trust)
    never = outcomes.never_predicted(configuration.get("variables") or ())
    return {
        "schema_version": SCHEMA_VERSION,
        **conclude({}, []),
        "batches": _count_batches(outcomes, batches, planned),
        "variables": _describe_variables(by_variable) | {"never_predicted": never},
        "models": _to_records(_overall_rows(tasks, trust)[_ROW]),
        "models_by_variable": {
            name: _to_records(rows[_ROW]) for name, rows in by_variable.groupby("variable")
        },
        "skill_by_horizon": _skill_by_horizon(tasks, _trust_of(ledger, by_horizon=True)),
        "performance": performance.to_json(),
        "dask_cluster": dict(cluster),
        **outcomes.to_json(),
        "configuration": dict(configuration),
        "versions": dict(versions),
    }


def _reduce(metrics: Iterable[pa.Table], tally: OutcomeTally) -> tuple[set[str], pd.DataFrame]:
    """Return the batches, and the tasks pooled over them, table by table.

    What became of the batches is added to `tally`.
    """
    batches, sums = set[str](), []
    for table in [BATCH_METRICS.empty_table(), *metrics]:
        tally.add(table)
        batches.update(table["batch"].unique().to_pylist())
        sums.append(_sum_batches(_scored_rows(table)))
    return batches, _pool(pd.concat(sums))


def _frame(table: pa.Table, columns: list[str]) -> pd.DataFrame:
    """Return the columns as pandas has them plain: dictionary columns as text."""
    chosen = table.select(columns)
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in chosen.schema
    ]
    return chosen.cast(pa.schema(fields)).to_pandas()


def _scored_rows(metrics: pa.Table) -> pd.DataFrame:
    """Return the rows with scores in order of batch, so that sums repeat bit for bit."""
    frame = _frame(metrics, ["batch", *_TASK, "n", "missing", *_COMPARISON, *_SCORES])
    frame = frame[frame["model"].notna()]
    names = dict.fromkeys(("batch", "variable", "model"), "category")
    counts = dict.fromkeys(("horizon", "n", "missing", "compared"), np.int64)
    return frame.astype(names | counts).sort_values("batch", ignore_index=True)


def _sum_batches(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row per task and model with sums over the batches.

    Of each score, the sum of n times score and the n of that sum. A batch whose absolute errors
    add up to more than a float holds has no sum, and is left out of the comparison with `naive`.
    """
    n, errors = rows["n"], rows[["abs_error", "naive_abs_error"]]
    finite = errors.notna().all(axis=1)
    sums = rows[[*_TASK, "n", "missing"]].assign(
        compared=rows["compared"].where(finite, 0),
        abs_error=errors["abs_error"].where(finite, 0.0),
        naive_abs_error=errors["naive_abs_error"].where(finite, 0.0),
    )
    for score in _SCORES:
        value = rows[score] ** 2 if score == "rmsse" else rows[score]
        sums[score] = n * value
        sums[f"{score}_n"] = n.where(value.notna(), 0)
    return _added_up(sums.groupby(_TASK, observed=True)).reset_index().astype(_NAMES)


def _added_up(groups: Any) -> pd.DataFrame:  # noqa: ANN401 - pandas names its type nowhere public
    """Return the sums of the numeric columns of each group; infinite beyond the largest number."""
    with np.errstate(over="ignore"):
        return groups.sum(numeric_only=True)


def _pool(sums: pd.DataFrame) -> pd.DataFrame:
    """Add up the sums of all tables, and compare each task with `naive`.

    `log_ratio` is that of the errors, `won` 1, 1/2 or 0; both NaN without a compared pair.
    `expected` is the number of pairs that `naive` predicted; those of all rules without it.
    """
    tasks = _added_up(sums.groupby(_TASK)).reset_index()
    error = tasks["abs_error"].where(tasks["compared"] > 0).to_numpy()
    reference = tasks["naive_abs_error"].to_numpy()
    return tasks.assign(
        log_ratio=log_ratios(error, reference),
        won=pair_wins(error, reference),
        expected=_expected_pairs(tasks),
    )


def _expected_pairs(tasks: pd.DataFrame) -> pd.Series:
    task = [tasks["variable"], tasks["horizon"]]
    naive = tasks["n"].where(tasks["model"] == REFERENCE).groupby(task).transform("max")
    return naive.fillna(tasks["n"].groupby(task).transform("max"))


def _aggregate(tasks: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Pool tasks to one row a group."""
    groups = tasks.groupby(by)
    sums = _added_up(groups)
    pooled = {score: sums[score] / sums[f"{score}_n"] for score in _SCORES}
    return pd.DataFrame(
        pooled
        | {
            "rmsse": np.sqrt(pooled["rmsse"]),
            "skill": 1.0 - np.exp(groups["log_ratio"].mean()),
            "win_rate": groups["won"].mean(),
            "n": sums["n"],
            "missing": sums["missing"],
        }
    ).reset_index()


def _trust_of(ledger: pa.Table, *, by_horizon: bool = False) -> pd.DataFrame:
    """Return the trust after the last batch with its bounds, under the names of the results."""
    bounds = {"lower": "trust_lower", "upper": "trust_upper"}
    return latest_trust(ledger, by_horizon=by_horizon).rename(columns=bounds)


def _overall_rows(tasks: pd.DataFrame, trust: pd.DataFrame) -> pd.DataFrame:
    mean_trust = trust.groupby("model")[_TRUST].mean()
    rows = _aggregate(tasks, ["model"]).merge(mean_trust, on="model", how="left")
    return _ranked(rows, pd.Series(_pairs_to_predict(tasks).sum(), rows.index))


def _rows_by_variable(tasks: pd.DataFrame, trust: pd.DataFrame) -> pd.DataFrame:
    rows = _aggregate(tasks, ["variable", "model"])
    rows = rows.merge(trust[["variable", "model", *_TRUST]], on=["variable", "model"], how="left")
    return _ranked(rows, rows["variable"].map(_pairs_to_predict(tasks)))


def _pairs_to_predict(tasks: pd.DataFrame) -> pd.Series:
    """Return by variable the pairs that there are."""
    one_a_task = tasks.drop_duplicates(["variable", "horizon"])
    return one_a_task.groupby("variable")["expected"].sum()


def _ranked(rows: pd.DataFrame, pairs: pd.Series) -> pd.DataFrame:
    """Sort by skill, `naive` first of its equals; rules that predicted a part of `pairs` last."""
    ranked = rows.assign(
        partial=rows["n"] < PARTIAL_BELOW * pairs,
        complete=rows["n"] >= pairs,
        other=rows["model"] != REFERENCE,
    )
    keys = ["partial", "skill", "other", "model"]
    return ranked.sort_values(keys, ascending=[True, False, True, True], na_position="last")


def _count_batches(
    outcomes: Outcomes, batches: Collection[str], planned: Sequence[str]
) -> dict[str, Any]:
    completed, skipped, failed = (
        outcomes.batches.get(status, 0) for status in ("completed", "skipped", "failed")
    )
    tried = completed + failed
    return {
        "total": len(batches),
        "completed": completed,
        "skipped": skipped,
        "failed": failed,
        "success_rate": completed / tried if tried else None,
        "not_run": len({*planned}.difference(batches)),
    }


def _describe_variables(rows: pd.DataFrame) -> dict[str, Any]:
    """Describe each variable by its ensemble, and name the model that came closest."""
    ours = rows[rows["model"] == ENSEMBLE]
    # Silence on hard pairs lowers a mase: only rules with a forecast for every pair are compared.
    best = rows[rows["complete"]].dropna(subset="mase").sort_values(["mase", "model"])
    best_model = best.drop_duplicates("variable").set_index("variable")["model"]
    described = ours.assign(best_model=ours["variable"].map(best_model)).sort_values("variable")
    columns = [*_TRUST, "skill", "best_model", "mase", "n"]
    details = dict(zip(described["variable"], _to_records(described[columns]), strict=True))
    return {
        "total": rows["variable"].nunique(),
        "trust_scores": {name: entry["trust"] for name, entry in details.items()},
        "details": details,
    }


def _skill_by_horizon(tasks: pd.DataFrame, trust: pd.DataFrame) -> list[Any]:
    """Return the skill at each horizon over all variables (`variable` None), then for each."""
    mean_trust = trust.groupby(["model", "horizon"])["trust"].mean().reset_index()
    overall = _aggregate(tasks, ["model", "horizon"]).assign(variable=None)
    overall = overall.merge(mean_trust, on=["model", "horizon"], how="left")
    each = _aggregate(tasks, _TASK).merge(trust[[*_TASK, "trust"]], on=_TASK, how="left")
    columns = ["variable", "model", "horizon", "skill", "trust", "mase", "n"]
    return _to_records(overall[columns]) + _to_records(each[columns])


def _to_records(frame: pd.DataFrame) -> list[Any]:
    """Return the rows as JSON has them: plain numbers, None where undefined."""
    plain = frame.astype(object)
    return plain.where(plain.notna() & ~plain.isin([np.inf, -np.inf]), None).to_dict("records")
