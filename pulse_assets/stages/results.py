"""Stage 6, `training_results`: all batches in one JSON object.

Scores are pooled exactly: a mean over all verified pairs, not a mean of batch means. What each
entry means stands in `training_results.schema.json` beside the package's modules.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from pulse_assets.retrodiction.scores import leaderboard_skill, win_rate
from pulse_assets.schema import BATCH_METRICS
from pulse_assets.stages.ledger import latest_trust
from pulse_assets.stages.outcome import OutcomeTally, conclude, span

SCHEMA_VERSION: Final = 2
REFERENCE: Final = "naive"
ENSEMBLE: Final = "ensemble"
ENSEMBLE_EQUAL: Final = "ensemble_equal"

_SCORES: Final = ("mase", "rmsse", "coverage", "weight")
#: A rule with less than this share of the pairs is not ranked with those that have all.
PARTIAL_BELOW: Final = 0.95

_TASK: Final = ["variable", "model", "horizon"]
_NAMES: Final = {"variable": object, "model": object}
_STATUS: Final = ["batch", "status", "error_type", "error"]
_ROW: Final = [
    *("model", "mase", "rmsse", "skill", "win_rate"),
    *("coverage", "trust", "weight", "n", "missing", "partial"),
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


@dataclass(frozen=True)
class SkippedGroup:
    """Batches that were skipped for one reason, with the first and the last of them."""

    reason: str
    count: int
    first: str
    last: str

    @property
    def dates(self) -> str:
        """The first batch, and the last where there are several."""
        return span(self.first, self.last)


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
    A task is a (variable, horizon); on each, the model's mean absolute error is set against that
    of `naive` in the same batches: see `leaderboard_skill` and `win_rate` of the scores.

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
    trust = latest_trust(ledger)
    by_variable = _rows_by_variable(tasks, trust)
    never = outcomes.never_predicted(configuration.get("variables") or ())
    return {
        "schema_version": SCHEMA_VERSION,
        **conclude({}, []),
        "batches": _count_batches(batches, planned),
        "variables": _describe_variables(by_variable, trust) | {"never_predicted": never},
        "models": _to_records(_overall_rows(tasks, trust)[_ROW]),
        "models_by_variable": {
            name: _to_records(rows[_ROW]) for name, rows in by_variable.groupby("variable")
        },
        "skill_by_horizon": _skill_by_horizon(tasks),
        "performance": performance.to_json(),
        "dask_cluster": dict(cluster),
        "errors": _select(batches, "failed", {"error_type": "type", "error": "message"}),
        "skipped": _select(batches, "skipped", {"error": "reason"}),
        "skipped_variables": [asdict(one) for one in outcomes.skipped],
        "rule_errors": [asdict(one) for one in outcomes.rule_errors],
        "configuration": dict(configuration),
        "versions": dict(versions),
    }


def group_skipped(skipped: Sequence[Mapping[str, str]]) -> list[SkippedGroup]:
    """Group the entries of `training_results.skipped` by reason, the most frequent first.

    Example:
        >>> group_skipped([{"batch": "2020-01-01", "reason": "no data"}])
        [SkippedGroup(reason='no data', count=1, first='2020-01-01', last='2020-01-01')]
    """
    keys: dict[str, list[str]] = {}
    for entry in skipped:
        keys.setdefault(entry["reason"], []).append(entry["batch"])
    groups = [SkippedGroup(why, len(found), min(found), max(found)) for why, found in keys.items()]
    return sorted(groups, key=lambda group: (-group.count, group.first, group.reason))


def _reduce(metrics: Iterable[pa.Table], tally: OutcomeTally) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the status of each batch, and the tasks pooled over batches, table by table.

    `tally` learns what became of the batches.
    """
    statuses, sums = [], []
    for table in [BATCH_METRICS.empty_table(), *metrics]:
        tally.add(table)
        statuses.append(_frame(table, _STATUS).drop_duplicates("batch"))
        sums.append(_sum_batches(_scored_rows(table)))
    return pd.concat(statuses).sort_values("batch"), _pool(pd.concat(sums))


def _frame(table: pa.Table, columns: list[str]) -> pd.DataFrame:
    """Return the columns as pandas has them plain: dictionary columns as text."""
    chosen = table.select(columns)
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in chosen.schema
    ]
    return chosen.cast(pa.schema(fields)).to_pandas()


def _scored_rows(metrics: pa.Table) -> pd.DataFrame:
    """Return the rows of completed batches in order of batch, so that sums repeat bit for bit."""
    frame = _frame(metrics, ["batch", *_TASK, "n", "missing", "mae", *_SCORES])
    frame = frame[frame["model"].notna()]
    names = dict.fromkeys(("batch", "variable", "model"), "category")
    counts = dict.fromkeys(("horizon", "n", "missing"), np.int64)
    return frame.astype(names | counts).sort_values("batch", ignore_index=True)


def _sum_batches(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row a task and model with sums of n times score, and the n of each sum.

    `error` and `reference` are of absolute errors of the model and of `naive`. A rule that
    exists in some batches only is set against `naive` in just these.
    """
    key = ["batch", "variable", "horizon"]
    reference = rows.loc[rows["model"] == REFERENCE, [*key, "mae"]]
    joined = rows.merge(reference.rename(columns={"mae": "reference"}), on=key, how="left")
    n = joined["n"]
    paired = n.where(joined["mae"].notna() & joined["reference"].notna(), 0)
    sums = joined[[*_TASK, "n", "missing"]].assign(
        paired=paired,
        error=paired * joined["mae"],
        reference=paired * joined["reference"],
    )
    for score in _SCORES:
        value = joined[score] ** 2 if score == "rmsse" else joined[score]
        sums[score] = n * value
        sums[f"{score}_n"] = n.where(value.notna(), 0)
    return sums.groupby(_TASK, observed=True).sum().reset_index().astype(_NAMES)


def _pool(sums: pd.DataFrame) -> pd.DataFrame:
    """Add up the sums of all tables; errors become means."""
    tasks = sums.groupby(_TASK).sum().reset_index()
    means = tasks[["error", "reference"]].div(tasks["paired"], axis=0)
    return tasks.assign(error=means["error"], reference=means["reference"])


def _aggregate(tasks: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Pool tasks to one row a group."""
    groups = tasks.groupby(by)
    sums = groups.sum(numeric_only=True)
    pooled = {score: sums[score] / sums[f"{score}_n"] for score in _SCORES}
    skill, wins = np.array([_compare(rows) for _, rows in groups]).reshape(-1, 2).T
    return pd.DataFrame(
        pooled
        | {
            "rmsse": np.sqrt(pooled["rmsse"]),
            "skill": skill,
            "win_rate": wins,
            "n": sums["n"],
            "missing": sums["missing"],
        }
    ).reset_index()


def _compare(tasks: pd.DataFrame) -> tuple[float, float]:
    """Return skill and win rate of one model over its tasks."""
    error, reference = tasks["error"].to_numpy(), tasks["reference"].to_numpy()
    return leaderboard_skill(error, reference), win_rate(error, reference)


def _overall_rows(tasks: pd.DataFrame, trust: pd.DataFrame) -> pd.DataFrame:
    mean_trust = trust.groupby("model")["trust"].mean()
    rows = _aggregate(tasks, ["model"])
    return _ranked(rows.assign(trust=rows["model"].map(mean_trust)))


def _rows_by_variable(tasks: pd.DataFrame, trust: pd.DataFrame) -> pd.DataFrame:
    rows = _aggregate(tasks, ["variable", "model"])
    columns = ["variable", "model", "trust"]
    return _ranked(rows.merge(trust[columns], on=["variable", "model"], how="left"))


def _ranked(rows: pd.DataFrame) -> pd.DataFrame:
    """Sort by skill; rules that predicted a part of the pairs only come last."""
    most = rows.groupby("variable")["n"].transform("max") if "variable" in rows else rows["n"].max()
    ranked = rows.assign(partial=rows["n"] < PARTIAL_BELOW * most)
    keys = ["partial", "skill", "model"]
    return ranked.sort_values(keys, ascending=[True, False, True], na_position="last")


def _count_batches(batches: pd.DataFrame, planned: Sequence[str]) -> dict[str, Any]:
    counts = batches["status"].value_counts()
    completed, skipped, failed = (
        int(counts.get(status, 0)) for status in ("completed", "skipped", "failed")
    )
    tried = completed + failed
    return {
        "total": len(batches),
        "completed": completed,
        "skipped": skipped,
        "failed": failed,
        "success_rate": completed / tried if tried else None,
        "not_run": len(set(planned) - set(batches["batch"])),
    }


def _select(batches: pd.DataFrame, status: str, names: Mapping[str, str]) -> list[Any]:
    chosen = batches.loc[batches["status"] == status, ["batch", *names]]
    return _to_records(chosen.rename(columns=dict(names)))


def _describe_variables(rows: pd.DataFrame, trust: pd.DataFrame) -> dict[str, Any]:
    """Describe each variable by its ensemble, and name the model that came closest."""
    bounds = trust.rename(columns={"lower": "trust_lower", "upper": "trust_upper"})
    ours = rows[rows["model"] == ENSEMBLE].merge(
        bounds[["variable", "model", "trust_lower", "trust_upper"]],
        on=["variable", "model"],
        how="left",
    )
    best = rows[~rows["partial"]].dropna(subset="mase").sort_values(["mase", "model"])
    best_model = best.drop_duplicates("variable").set_index("variable")["model"]
    described = ours.assign(best_model=ours["variable"].map(best_model)).sort_values("variable")
    columns = ["trust", "trust_lower", "trust_upper", "skill", "best_model", "mase", "n"]
    details = dict(zip(described["variable"], _to_records(described[columns]), strict=True))
    return {
        "total": rows["variable"].nunique(),
        "trust_scores": {name: entry["trust"] for name, entry in details.items()},
        "details": details,
    }


def _skill_by_horizon(tasks: pd.DataFrame) -> list[Any]:
    """Return the skill at each horizon over all variables (`variable` None), then for each."""
    overall = _aggregate(tasks, ["model", "horizon"]).assign(variable=None)
    each = _aggregate(tasks, _TASK)
    columns = ["variable", "model", "horizon", "skill", "mase", "n"]
    return _to_records(overall[columns]) + _to_records(each[columns])


def _to_records(frame: pd.DataFrame) -> list[Any]:
    """Return the rows as JSON has them: plain numbers, None where undefined."""
    plain = frame.astype(object)
    return plain.where(plain.notna() & ~plain.isin([np.inf, -np.inf]), None).to_dict("records")
