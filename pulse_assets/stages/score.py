"""Stage 4, `batch_metrics`: how close each rule came, and what became of the batch."""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.retrodiction.scores import METRICS, Verified, leaderboard_skill, squared_scale
from pulse_assets.retrodiction.trust import hit_threshold
from pulse_assets.schema import BATCH_METRICS
from pulse_assets.stages.columns import constant, split_by
from pulse_assets.stages.predict import PlannedVariable
from pulse_assets.stages.window import Floats, Ints

_FORECAST_COLUMNS: Final = ("predicted", "lower", "upper", "weight")

#: The model that a batch's headline scores are of.
HEADLINE_MODEL: Final = "ensemble"
#: The model that skill is measured against.
REFERENCE_MODEL: Final = "naive"


def score(
    batch_id: str,
    planned: pa.Table,
    variables: Iterable[PlannedVariable],
    retrodictions: pa.Table,
    level: float,
) -> pa.Table:
    """Score each (variable, model, horizon) of a batch; one row per skipped variable.

    Args:
        batch_id: the partition key.
        planned: the batch's `training_batches`.
        variables: the same with their observations.
        retrodictions: the batch's forecasts.
        level: nominal coverage of the intervals, 0..1.

    Returns:
        A table of schema `BATCH_METRICS`.
    """
    made = split_by(retrodictions, "variable")
    parts = [_score_one(batch_id, variable, made[variable.name], level) for variable in variables]
    if not parts:
        status, reason = "skipped", skip_reason(planned)
    else:
        status, reason = "completed", None
    parts.append(_skipped_rows(batch_id, status, reason, planned))
    return pa.concat_tables(parts).unify_dictionaries()


def _skipped_rows(batch_id: str, status: str, error: str | None, planned: pa.Table) -> pa.Table:
    """Return one row per variable that the batch does not predict."""
    batch = {"batch": batch_id, "status": status, "error": error}
    rows = planned.select(["variable", "skip_reason"]).to_pylist()
    skipped = [batch | row for row in rows if row["skip_reason"] is not None]
    return pa.Table.from_pylist(skipped, BATCH_METRICS)


def outcome(batch_id: str, status: str, error_type: str | None, error: str | None) -> pa.Table:
    """Return the single row of a batch that failed."""
    row = {"batch": batch_id, "status": status, "error_type": error_type, "error": error}
    return pa.Table.from_pylist([row], BATCH_METRICS)


def skip_reason(planned: pa.Table) -> str:
    """Say why no variable of a batch is predicted; a reason that all share is said once.

    Example:
        `gdp_growth: no observation in the window; spx_close: 0 observations before the window`.
    """
    rows = planned.select(["variable", "skip_reason"]).to_pylist()
    reasons = {row["skip_reason"] for row in rows}
    if len(reasons) == 1:
        return reasons.pop()
    return "; ".join(f"{row['variable']}: {row['skip_reason']}" for row in rows)


def headline_scores(metrics: pa.Table) -> dict[str, float]:
    """Return the pooled scores of `ensemble` over a batch, for people who watch it.

    Returns:
        mase, coverage, hit_rate, skill against `naive` and forecasts, the number that was verified
        of all rules; those that are defined, and nothing for a skipped batch.
    """
    rows = _of_model(metrics, HEADLINE_MODEL)
    if not rows.num_rows:
        return {}
    n = rows["n"].to_numpy()
    found = {name: _pooled(rows[name].to_numpy(), n) for name in ("mase", "coverage")}
    hits, misses = (rows[name].to_numpy().sum() for name in ("hits", "misses"))
    found["hit_rate"] = hits / (hits + misses) if hits + misses else np.nan
    naive = _of_model(metrics, REFERENCE_MODEL)  # sorted alike: the same tasks
    found["skill"] = leaderboard_skill(rows["mae"].to_numpy(), naive["mae"].to_numpy())
    found["forecasts"] = metrics["n"].to_numpy().sum()
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def _of_model(metrics: pa.Table, model: str) -> pa.Table:
    # By a mask: an expression would be run by Arrow's query engine, 3 ms of starting and stopping.
    chosen = pc.equal(metrics["model"], model)  # pyright: ignore[reportAttributeAccessIssue]
    return metrics.filter(chosen)


def _pooled(values: Floats, n: np.ndarray) -> float:
    defined = np.isfinite(values)
    weights = n[defined]
    return float(values[defined] @ weights / weights.sum()) if weights.sum() else np.nan


def _score_one(batch_id: str, variable: PlannedVariable, rows: pa.Table, level: float) -> pa.Table:
    # Made or stored, the rows of a model stand together, in the order of the pairs.
    models = rows["model"].unique().to_pylist()
    forecasts = {name: rows[name].to_numpy().reshape(len(models), -1) for name in _FORECAST_COLUMNS}
    thresholds, squares = _yardsticks(variable)
    observed = rows["observed"].to_numpy()[: len(thresholds)]
    scale = rows["scale"].to_numpy()[: len(thresholds)]
    parts = []
    for horizons, at in _alike(variable.pairs.horizon):
        verified = Verified(
            observed=observed[at],
            predicted=forecasts["predicted"][:, at],
            lower=forecasts["lower"][:, at],
            upper=forecasts["upper"][:, at],
            scale=scale[at],
            squared_scale=squares[at],
            level=level,
        )
        columns = _columns(verified, thresholds[at], forecasts["weight"][:, at])
        parts.append(_table(batch_id, variable.name, models, horizons, columns))
    return pa.concat_tables(parts)


def _alike(horizon: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Yield the horizons [H] that have the same number of pairs, and the pairs of each, [H, n].

    They are scored at once: most windows have as many pairs at every horizon.
    """
    horizons, counts = np.unique(horizon, return_counts=True)
    ordered, first = np.argsort(horizon, kind="stable"), np.cumsum(counts) - counts
    for count in np.unique(counts):
        chosen = counts == count
        yield horizons[chosen], ordered[first[chosen, None] + np.arange(count)]


def _yardsticks(variable: PlannedVariable) -> tuple[Floats, Floats]:
    """Return for each pair, [P], the largest error that is a hit and the denominator of rmsse."""
    values, pairs = variable.window.learnt.values, variable.pairs
    origins, at = np.unique(pairs.known, return_inverse=True)
    reaches, ahead = np.unique(pairs.reach, return_inverse=True)
    return hit_threshold(values, origins, reaches)[at, ahead], squared_scale(values, origins)[at]


def _columns(verified: Verified, thresholds: Floats, weight: Floats) -> dict[str, np.ndarray]:
    """Score [M, H, n] forecasts of horizons that have n pairs each; every column is [M, H]."""
    errors = np.abs(verified.errors)
    scores = {name: metric.function(verified) for name, metric in METRICS.items()}
    return scores | {
        "n": verified.counted.sum(axis=-1),
        "missing": (~verified.counted).sum(axis=-1),
        "hits": (errors <= thresholds).sum(axis=-1),
        "misses": (errors > thresholds).sum(axis=-1),
        "weight": weight.mean(axis=-1),
    }


def _table(
    batch_id: str, variable: str, models: list[str], horizons: Ints, columns: dict[str, np.ndarray]
) -> pa.Table:
    """Lay the [M, H] columns out as rows: all models of the first horizon, then of the next."""
    length = len(models) * len(horizons)
    model = np.tile(np.arange(len(models), dtype=np.int32), len(horizons))
    named = {name: values.T.ravel() for name, values in columns.items()} | {
        "batch": constant(batch_id, length),
        "status": constant("completed", length),
        "error_type": pa.nulls(length, pa.string()),
        "error": pa.nulls(length, pa.string()),
        "variable": constant(variable, length),
        "model": pa.DictionaryArray.from_arrays(model, models),
        "horizon": np.repeat(horizons.astype(np.int32), len(models)),
        "skip_reason": pa.nulls(length, pa.string()),
        "rule_errors": np.zeros(length, np.int64),
        "rule_error_origin": pa.nulls(length, pa.date32()),
    }
    return pa.table([named[name] for name in BATCH_METRICS.names], schema=BATCH_METRICS)
