"""Stage 4, `batch_metrics`: how close each rule came, and what became of the batch."""

from collections.abc import Iterable, Iterator
from datetime import date
from operator import itemgetter
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.catalog import BATCH_METRICS
from pulse_assets.retrodiction.rules import ENSEMBLE, REFERENCE
from pulse_assets.retrodiction.scores import METRICS, Verified, leaderboard_skill, squared_scale
from pulse_assets.retrodiction.trust import pair_wins
from pulse_assets.stages.columns import constant, split_by
from pulse_assets.stages.predict import PlannedVariable
from pulse_assets.stages.window import Floats, Ints

_FORECAST_COLUMNS: Final = ("predicted", "lower", "upper", "weight")


def score(
    batch_id: str,
    planned: pa.Table,
    variables: Iterable[PlannedVariable],
    retrodictions: pa.Table,
    level: float,
) -> pa.Table:
    """Score each (variable, model, horizon) of a batch, and list the variables that are skipped.

    Args:
        batch_id: the partition key.
        planned: the batch's `training_batches`.
        variables: the same with their observations.
        retrodictions: the batch's forecasts.
        level: nominal coverage of the intervals, 0..1.

    Returns:
        A table of schema `BATCH_METRICS`: a row per scored (variable, model, horizon) and a row per
        skipped variable, without model and horizon.
    """
    made = split_by(retrodictions, "variable")
    parts = [_score_one(batch_id, variable, made[variable.name], level) for variable in variables]
    skipped = _skipped_rows(batch_id, planned, scored=bool(parts))
    return pa.concat_tables([*parts, skipped]).unify_dictionaries()


def outcome(batch_id: str, status: str, error_type: str | None, error: str | None) -> pa.Table:
    """Return the single row of a batch that failed."""
    row = {"batch": batch_id, "status": status, "error_type": error_type, "error": error}
    return pa.Table.from_pylist([row], BATCH_METRICS)


def _skipped_rows(batch_id: str, planned: pa.Table, *, scored: bool) -> pa.Table:
    """Return a row per skipped variable; its status is that of the whole batch."""
    shared = {
        "batch": batch_id,
        "status": "completed" if scored else "skipped",
        "error": None if scored else skip_reason(planned),
    }
    left_out = planned.filter(pc.field("skip_reason").is_valid())
    rows = left_out.select(["variable", "skip_reason"]).to_pylist()
    return pa.Table.from_pylist([row | shared for row in rows], BATCH_METRICS)


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
        mase, coverage, win_share (of the pairs, those on which it is closer than `naive`), skill
        against `naive` and forecasts, the number that was verified of all rules; those that are
        defined, and nothing for a skipped batch.
    """
    rows = _of_model(metrics, ENSEMBLE)
    if not rows.num_rows:
        return {}
    n = rows["n"].to_numpy()
    found = {name: _pooled(rows[name].to_numpy(), n) for name in ("mase", "coverage")}
    wins, compared, error, reference = (
        rows[name].to_numpy() for name in ("wins", "compared", "abs_error", "naive_abs_error")
    )
    pairs = compared.sum()
    found["win_share"] = wins.sum() / pairs if pairs else np.nan
    found["skill"] = leaderboard_skill(np.where(compared > 0, error, np.nan), reference)
    found["forecasts"] = metrics["n"].drop_null().to_numpy().sum()
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def count_rule_errors(metrics: pa.Table) -> int:
    """Count the origins from which rules failed in a batch: by variable and rule, once each."""
    failed = metrics.filter(metrics["rule_error_origin"].is_valid())
    found = failed.select(["variable", "model", "rule_errors"]).to_pylist()
    return sum({(row["variable"], row["model"]): row["rule_errors"] for row in found}.values())


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
    squares = _squared_scales(variable)
    observed = rows["observed"].to_numpy()[: len(squares)]
    scale = rows["scale"].to_numpy()[: len(squares)]
    reference = models.index(REFERENCE) if REFERENCE in models else None
    failed = _rule_errors(rows, models)
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
        columns = _columns(verified, reference, forecasts["weight"][:, at])
        parts.append(_table(batch_id, variable.name, models, horizons, columns, failed))
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


def _squared_scales(variable: PlannedVariable) -> Floats:
    """Return the denominator of rmsse of each pair, [P]."""
    origins, at = np.unique(variable.pairs.known, return_inverse=True)
    return variable.window.known.measure(origins, squared_scale)[at]


def _columns(verified: Verified, reference: int | None, weight: Floats) -> dict[str, np.ndarray]:
    """Score [M, H, n] forecasts of horizons that have n pairs each; every column is [M, H]."""
    scores = {name: metric.function(verified) for name, metric in METRICS.items()}
    errors = np.abs(verified.errors)
    naive = np.full(errors.shape[1:], np.nan) if reference is None else errors[reference]
    return scores | {
        "n": verified.counted.sum(axis=-1),
        "missing": (~verified.counted).sum(axis=-1),
        **_comparison(errors, naive),
        "weight": weight.mean(axis=-1),
    }


def _comparison(errors: Floats, naive: Floats) -> dict[str, np.ndarray]:
    """Set [M, H, n] absolute errors against naive's [H, n], over the pairs that both have."""
    wins = pair_wins(errors, naive)
    both = ~np.isnan(wins)
    return {
        "compared": both.sum(axis=-1),
        "abs_error": _finite_sums(errors, both),
        "naive_abs_error": _finite_sums(np.broadcast_to(naive, errors.shape), both),
        "wins": np.where(both, wins, 0.0).sum(axis=-1),
    }


def _finite_sums(values: Floats, chosen: np.ndarray) -> Floats:
    """Add up the chosen values along the last axis; NaN where no float holds the sum."""
    with np.errstate(over="ignore"):
        sums = np.where(chosen, values, 0.0).sum(axis=-1)
    return np.where(np.isfinite(sums), sums, np.nan)


class _RuleErrors(NamedTuple):
    """Of each model: how many origins it failed from, the first, and what it raised there."""

    origins: list[int]
    first: list[date | None]
    type: list[str | None]
    message: list[str | None]


def _rule_errors(rows: pa.Table, models: list[str]) -> _RuleErrors:
    found = []
    failed = rows.filter(rows["error"].is_valid()).select(["model", "origin_date", "error"])
    errors = sorted(failed.to_pylist(), key=itemgetter("origin_date"))
    for model in models:
        first = {row["origin_date"]: row["error"] for row in errors if row["model"] == model}
        origin, text = next(iter(first.items()), (None, None))
        kind, _, message = text.partition(": ") if text else (None, None, None)
        if len({*first.values()}) > 1:
            message = f"{message} (the first of several errors)"
        found.append((len(first), origin, kind, message))
    return _RuleErrors(*map(list, zip(*found, strict=True)))


def _table(
    batch_id: str,
    variable: str,
    models: list[str],
    horizons: Ints,
    columns: dict[str, np.ndarray],
    failed: _RuleErrors,
) -> pa.Table:
    """Lay the [M, H] columns out as rows: all models of the first horizon, then of the next."""
    length = len(models) * len(horizons)
    model = np.tile(np.arange(len(models), dtype=np.int32), len(horizons))
    named = {name: values.T.ravel() for name, values in columns.items()} | {
        "batch": constant(batch_id, length),
        "status": constant("completed", length),
        "error_type": pa.array(failed.type * len(horizons), pa.string()),
        "error": pa.array(failed.message * len(horizons), pa.string()),
        "rule_errors": pa.array(failed.origins * len(horizons), pa.int64()),
        "rule_error_origin": pa.array(failed.first * len(horizons), pa.date32()),
        "skip_reason": pa.nulls(length, pa.string()),
        "variable": constant(variable, length),
        "model": pa.DictionaryArray.from_arrays(model, models),
        "horizon": np.repeat(horizons.astype(np.int32), len(models)),
    }
    return pa.table([named[name] for name in BATCH_METRICS.names], schema=BATCH_METRICS)
