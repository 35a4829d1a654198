"""Stage 4, `batch_metrics`: the scores of each rule, and the status of the batch."""

from collections.abc import Iterable, Iterator
from datetime import date
from operator import itemgetter
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.array_types import Bools, Floats, Ints
from pulse_assets.catalog import BATCH_METRICS
from pulse_assets.retrodiction.rules import ENSEMBLE, REFERENCE
from pulse_assets.retrodiction.scores import METRICS, Verified, leaderboard_skill
from pulse_assets.retrodiction.trust import pair_wins
from pulse_assets.stages.columns import constant, split_by
from pulse_assets.stages.predict import PlannedVariable

_FORECAST_COLUMNS: Final = ("predicted", "lower", "upper", "weight")


def score(
    batch_id: str,
    planned: pa.Table,
    variables: Iterable[PlannedVariable],
    retrodictions: pa.Table,
    level: float,
) -> pa.Table:
    """Score each (variable, model, horizon) of a batch, and list the skipped variables.

    Args:
        batch_id: the partition key.
        planned: the batch's `training_batches`.
        variables: the variables that `planned` does not skip.
        retrodictions: the batch's forecasts.
        level: nominal coverage of the intervals, 0..1.

    Returns:
        A table of schema `BATCH_METRICS`: one row per scored (variable, model, horizon), and one
        row per skipped variable, without model and horizon.
    """
    rows = split_by(retrodictions, "variable")
    parts = [_score_variable(batch_id, v, rows[v.name], level) for v in variables]
    skipped = _skipped_rows(batch_id, planned, scored=bool(parts))
    return pa.concat_tables([*parts, skipped]).unify_dictionaries()


def failed_batch(batch_id: str, error_type: str, error: str) -> pa.Table:
    """Return the metrics of a batch that failed: a single row with its error."""
    row = {"batch": batch_id, "status": "failed", "error_type": error_type, "error": error}
    return pa.Table.from_pylist([row], BATCH_METRICS)


def _skipped_rows(batch_id: str, planned: pa.Table, *, scored: bool) -> pa.Table:
    """Return one row per skipped variable, with the status of the whole batch."""
    shared = {
        "batch": batch_id,
        "status": "completed" if scored else "skipped",
        "error": None if scored else skip_reason(planned),
    }
    left_out = planned.filter(pc.field("skip_reason").is_valid())
    rows = left_out.select(["variable", "skip_reason"]).to_pylist()
    return pa.Table.from_pylist([row | shared for row in rows], BATCH_METRICS)


def skip_reason(planned: pa.Table) -> str:
    """Return why a batch predicts no variable; a reason that all variables share is given once.

    Example:
        `gdp_growth: no observation in the window; spx_close: 0 observations before the window`.
    """
    rows = planned.select(["variable", "skip_reason"]).to_pylist()
    reasons = {row["skip_reason"] for row in rows}
    if len(reasons) == 1:
        return reasons.pop()
    return "; ".join(f"{row['variable']}: {row['skip_reason']}" for row in rows)


def headline_scores(metrics: pa.Table) -> dict[str, float]:
    """Return the scores of `ensemble` pooled over a batch, for logs and metadata.

    Returns:
        mase; coverage; win_share, the share of pairs on which it is closer than `naive`; skill
        against `naive`; forecasts, the number of verified forecasts of all models. Undefined scores
        are left out; a skipped batch has none.
    """
    rows = _of_model(metrics, ENSEMBLE)
    if not rows.num_rows:
        return {}
    n = rows["n"].to_numpy()
    scores = {name: _pooled(rows[name].to_numpy(), n) for name in ("mase", "coverage")}
    wins, compared, error, reference = (
        rows[name].to_numpy() for name in ("wins", "compared", "abs_error", "naive_abs_error")
    )
    pairs = compared.sum()
    scores["win_share"] = wins.sum() / pairs if pairs else np.nan
    scores["skill"] = leaderboard_skill(np.where(compared > 0, error, np.nan), reference)
    scores["forecasts"] = metrics["n"].drop_null().to_numpy().sum()
    return {name: float(value) for name, value in scores.items() if np.isfinite(value)}


def count_rule_errors(metrics: pa.Table) -> int:
    """Return the number of failures in a batch: one per variable, rule and origin."""
    failed = metrics.filter(metrics["rule_error_origin"].is_valid())
    rows = failed.select(["variable", "model", "rule_errors"]).to_pylist()
    # Every horizon of a rule repeats its count.
    return sum({(row["variable"], row["model"]): row["rule_errors"] for row in rows}.values())


def _of_model(metrics: pa.Table, model: str) -> pa.Table:
    # A mask, because an expression starts Arrow's query engine, which takes 3 ms.
    mask = pc.equal(metrics["model"], model)  # pyright: ignore[reportAttributeAccessIssue]
    return metrics.filter(mask)


def _pooled(values: Floats, n: np.ndarray) -> float:
    """Return the mean of the defined values weighted by `n`; NaN if there is none."""
    defined = np.isfinite(values)
    weights = n[defined]
    return float(values[defined] @ weights / weights.sum()) if weights.sum() else np.nan


def _score_variable(
    batch_id: str, variable: PlannedVariable, rows: pa.Table, level: float
) -> pa.Table:
    # The rows of a model are contiguous and in the order of the pairs, also when read from a store.
    models = rows["model"].unique().to_pylist()
    forecasts = {name: rows[name].to_numpy().reshape(len(models), -1) for name in _FORECAST_COLUMNS}
    squares = variable.squared_scale
    observed = rows["observed"].to_numpy()[: len(squares)]
    scale = rows["scale"].to_numpy()[: len(squares)]
    reference = models.index(REFERENCE) if REFERENCE in models else None
    failed = _rule_errors(rows, models)
    parts = []
    for horizons, pairs in _by_pair_count(variable.pairs.horizon):
        verified = Verified(
            observed=observed[pairs],
            predicted=forecasts["predicted"][:, pairs],
            lower=forecasts["lower"][:, pairs],
            upper=forecasts["upper"][:, pairs],
            scale=scale[pairs],
            squared_scale=squares[pairs],
            level=level,
        )
        columns = _columns(verified, reference, forecasts["weight"][:, pairs])
        parts.append(_table(batch_id, variable.name, models, horizons, columns, failed))
    return pa.concat_tables(parts)


def _by_pair_count(horizon: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Yield the horizons [H] that have the same number n of pairs, and those pairs, [H, n].

    Such horizons are scored together. Most windows have the same number of pairs at every horizon.
    """
    horizons, counts = np.unique(horizon, return_counts=True)
    ordered, first = np.argsort(horizon, kind="stable"), np.cumsum(counts) - counts
    for count in np.unique(counts):
        same = counts == count
        yield horizons[same], ordered[first[same, None] + np.arange(count)]


def _columns(verified: Verified, reference: int | None, weight: Floats) -> dict[str, np.ndarray]:
    """Return the scores of [M, H, n] forecasts, n per horizon; each column is [M, H]."""
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
    """Compare absolute errors [M, H, n] with those of naive [H, n], on the pairs that both have."""
    wins = pair_wins(errors, naive)
    both = ~np.isnan(wins)
    return {
        "compared": both.sum(axis=-1),
        "abs_error": _finite_sums(errors, both),
        "naive_abs_error": _finite_sums(np.broadcast_to(naive, errors.shape), both),
        "wins": np.where(both, wins, 0.0).sum(axis=-1),
    }


def _finite_sums(values: Floats, mask: Bools) -> Floats:
    """Return the sums of the masked values over the last axis; NaN where a sum overflows."""
    with np.errstate(over="ignore"):
        sums = np.where(mask, values, 0.0).sum(axis=-1)
    return np.where(np.isfinite(sums), sums, np.nan)


class _RuleErrors(NamedTuple):
    """The failures of each model, [M]: number of origins, first origin, and its error."""

    origins: list[int]
    first: list[date | None]
    type: list[str | None]
    message: list[str | None]


def _rule_errors(rows: pa.Table, models: list[str]) -> _RuleErrors:
    by_model = []
    failed = rows.filter(rows["error"].is_valid()).select(["model", "origin_date", "error"])
    errors = sorted(failed.to_pylist(), key=itemgetter("origin_date"))
    for model in models:
        texts = {row["origin_date"]: row["error"] for row in errors if row["model"] == model}
        first_origin, text = next(iter(texts.items()), (None, None))
        kind, _, message = text.partition(": ") if text else (None, None, None)
        if len({*texts.values()}) > 1:
            message = f"{message} (the first of several errors)"
        by_model.append((len(texts), first_origin, kind, message))
    return _RuleErrors(*map(list, zip(*by_model, strict=True)))


def _table(
    batch_id: str,
    variable: str,
    models: list[str],
    horizons: Ints,
    columns: dict[str, np.ndarray],
    failed: _RuleErrors,
) -> pa.Table:
    """Return the [M, H] columns as rows: all models of the first horizon, then of the next."""
    length = len(models) * len(horizons)
    model = np.tile(np.arange(len(models), dtype=np.int32), len(horizons))
    arrays = {name: values.T.ravel() for name, values in columns.items()} | {
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
    return pa.table([arrays[name] for name in BATCH_METRICS.names], schema=BATCH_METRICS)
