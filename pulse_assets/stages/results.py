"""Stage 6, `training_results`: the scores and outcomes of all batches in one JSON object.

Scores are pooled exactly: each is a mean over all verified pairs, not a mean of batch means. The
entries are described in `pulse_assets.results`, and the leaderboards have its columns.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from pulse_assets.catalog import BATCH_METRICS
from pulse_assets.results import (
    SCHEMA_VERSION,
    BatchCounts,
    HorizonResult,
    ModelResult,
    Performance,
    VariableResult,
)
from pulse_assets.retrodiction.rules import ENSEMBLE, REFERENCE
from pulse_assets.retrodiction.scores import METRICS, log_ratios
from pulse_assets.retrodiction.trust import pair_wins
from pulse_assets.stages.ledger import latest_trust
from pulse_assets.stages.outcome import Outcomes, OutcomeTally, conclude

#: Columns of a leaderboard, of the description of a variable, and of the skill by horizon.
_LEADERBOARD: Final = [column.name for column in fields(ModelResult)]
_DETAILS: Final = [column.name for column in fields(VariableResult)]
_BY_HORIZON: Final = [column.name for column in fields(HorizonResult)]

#: Columns of `batch_metrics` that are averaged over all pairs.
_SCORES: Final = [name for name in _LEADERBOARD if name in METRICS or name == "weight"]
#: Scores that are roots of means: their squares are averaged.
_ROOTS: Final = [name for name in _SCORES if name in METRICS and METRICS[name].is_root]
#: Sums over the pairs for which both a rule and `naive` have a forecast.
_COMPARISON: Final = ["compared", "abs_error", "naive_abs_error"]
#: A rule with less than this share of naive's pairs is not ranked with those that have all.
PARTIAL_BELOW: Final = 0.95

#: Scores are pooled over batches by these columns.
_KEY: Final = ["variable", "model", "horizon"]
_NAMES: Final = {"variable": object, "model": object}
_TRUST: Final = ["trust", "trust_lower", "trust_upper"]


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
    """Aggregate the metrics of all batches that ran, and the trust after the last of them.

    With n pairs in a row, `mase = sum(n mase) / sum(n)`, `coverage` and `weight` likewise, and
    `rmsse = sqrt(sum(n rmsse^2) / sum(n))`; rows whose score is undefined have no weight.
    For each (variable, horizon), the sum of the model's absolute errors is compared with that of
    `naive` over the pairs for which both have a forecast. The skill is that of
    `leaderboard_skill`; the win rate is the share of (variable, horizon) won, see `pair_wins`.

    Args:
        metrics: rows of schema `BATCH_METRICS` of all batches that ran, in order of batch; all
            rows of a batch are in one table.
        ledger: rows of schema `TRUST_LEDGER`.
        planned: partition keys of the whole grid.
        performance: how long the run took.
        cluster: description of the Dask cluster.
        configuration: settings of the run, ready for JSON.
        versions: version by package name.

    Returns:
        The object that `ResultsDocument` describes, without checks: `conclude` adds them.
        Undefined numbers are None.

    Example:
        A model's mase is 1 over 3 pairs of one batch and 2 over 1 pair of another:
        (3 * 1 + 1 * 2) / 4 = 1.25.
    """
    tally = OutcomeTally()
    batches, pooled = _pool_batches(metrics, tally)
    outcomes = tally.outcomes()
    trust = _trust_of(ledger)
    by_variable = _rows_by_variable(pooled, trust)
    never = outcomes.never_predicted(configuration.get("variables") or ())
    return {
        "schema_version": SCHEMA_VERSION,
        **conclude({}, []),
        "batches": _count_batches(outcomes, batches, planned),
        "variables": _describe_variables(by_variable) | {"never_predicted": never},
        "models": _to_records(_overall_rows(pooled, trust)[_LEADERBOARD]),
        "models_by_variable": {
            name: _to_records(rows[_LEADERBOARD]) for name, rows in by_variable.groupby("variable")
        },
        "skill_by_horizon": _skill_by_horizon(pooled, _trust_of(ledger, by_horizon=True)),
        "performance": asdict(performance),
        "dask_cluster": dict(cluster),
        **outcomes.to_json(),
        "configuration": dict(configuration),
        "versions": dict(versions),
    }


def _pool_batches(
    metrics: Iterable[pa.Table], tally: OutcomeTally
) -> tuple[set[str], pd.DataFrame]:
    """Return the batches, and the scores pooled over them, table by table.

    The outcomes of the batches are added to `tally`.
    """
    batches, sums = set[str](), []
    for table in [BATCH_METRICS.empty_table(), *metrics]:
        tally.add(table)
        batches.update(table["batch"].unique().to_pylist())
        sums.append(_sum_batches(_scored_rows(table)))
    return batches, _pool(pd.concat(sums))


def _frame(table: pa.Table, columns: list[str]) -> pd.DataFrame:
    """Return columns as a data frame; dictionary columns become text."""
    chosen = table.select(columns)
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in chosen.schema
    ]
    return chosen.cast(pa.schema(fields)).to_pandas()


def _scored_rows(metrics: pa.Table) -> pd.DataFrame:
    """Return the rows with scores in order of batch, so that sums repeat bit for bit."""
    frame = _frame(metrics, ["batch", *_KEY, "n", "missing", *_COMPARISON, *_SCORES])
    frame = frame[frame["model"].notna()]
    names = dict.fromkeys(("batch", "variable", "model"), "category")
    counts = dict.fromkeys(("horizon", "n", "missing", "compared"), np.int64)
    return frame.astype(names | counts).sort_values("batch", ignore_index=True)


def _sum_batches(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row per variable, model and horizon with sums over the batches.

    For each score: the sum of n times score, and the n of that sum. A batch whose absolute errors
    add up to more than the largest float is left out of the comparison with `naive`.
    """
    n, errors = rows["n"], rows[["abs_error", "naive_abs_error"]]
    finite = errors.notna().all(axis=1)
    sums = rows[[*_KEY, "n", "missing"]].assign(
        compared=rows["compared"].where(finite, 0),
        abs_error=errors["abs_error"].where(finite, 0.0),
        naive_abs_error=errors["naive_abs_error"].where(finite, 0.0),
    )
    for score in _SCORES:
        value = rows[score] ** 2 if score in _ROOTS else rows[score]
        sums[score] = n * value
        sums[f"{score}_n"] = n.where(value.notna(), 0)
    return _sums(sums.groupby(_KEY, observed=True)).reset_index().astype(_NAMES)


def _sums(groups: Any) -> pd.DataFrame:  # noqa: ANN401 - pandas names its type nowhere public
    """Return the sums of the numeric columns of each group; infinite beyond the largest number."""
    with np.errstate(over="ignore"):
        return groups.sum(numeric_only=True)


def _pool(sums: pd.DataFrame) -> pd.DataFrame:
    """Add up the sums of all tables, and compare each row with `naive`.

    `log_ratio` is that of the errors; `won` is 1, 1/2 or 0; both are NaN without a compared pair.
    `expected` is the number of pairs that `naive` predicted, or without `naive` the largest number
    that a rule predicted.
    """
    pooled = _sums(sums.groupby(_KEY)).reset_index()
    error = pooled["abs_error"].where(pooled["compared"] > 0).to_numpy()
    reference = pooled["naive_abs_error"].to_numpy()
    return pooled.assign(
        log_ratio=log_ratios(error, reference),
        won=pair_wins(error, reference),
        expected=_expected_pairs(pooled),
    )


def _expected_pairs(pooled: pd.DataFrame) -> pd.Series:
    by = [pooled["variable"], pooled["horizon"]]
    naive = pooled["n"].where(pooled["model"] == REFERENCE).groupby(by).transform("max")
    return naive.fillna(pooled["n"].groupby(by).transform("max"))


def _aggregate(pooled: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Pool to one row per group."""
    groups = pooled.groupby(by)
    sums = _sums(groups)
    means = {score: sums[score] / sums[f"{score}_n"] for score in _SCORES}
    return pd.DataFrame(
        means
        | {score: np.sqrt(means[score]) for score in _ROOTS}
        | {
            "skill": 1.0 - np.exp(groups["log_ratio"].mean()),
            "win_rate": groups["won"].mean(),
            "n": sums["n"],
            "missing": sums["missing"],
        }
    ).reset_index()


def _trust_of(ledger: pa.Table, *, by_horizon: bool = False) -> pd.DataFrame:
    """Return the trust after the last batch; its bounds are named as in the results."""
    bounds = {"lower": "trust_lower", "upper": "trust_upper"}
    return latest_trust(ledger, by_horizon=by_horizon).rename(columns=bounds)


def _overall_rows(pooled: pd.DataFrame, trust: pd.DataFrame) -> pd.DataFrame:
    mean_trust = trust.groupby("model")[_TRUST].mean()
    rows = _aggregate(pooled, ["model"]).merge(mean_trust, on="model", how="left")
    return _ranked(rows, pd.Series(_pairs_to_predict(pooled).sum(), rows.index))


def _rows_by_variable(pooled: pd.DataFrame, trust: pd.DataFrame) -> pd.DataFrame:
    rows = _aggregate(pooled, ["variable", "model"])
    rows = rows.merge(trust[["variable", "model", *_TRUST]], on=["variable", "model"], how="left")
    return _ranked(rows, rows["variable"].map(_pairs_to_predict(pooled)))


def _pairs_to_predict(pooled: pd.DataFrame) -> pd.Series:
    """Return the number of pairs to predict by variable."""
    by_horizon = pooled.drop_duplicates(["variable", "horizon"])
    return by_horizon.groupby("variable")["expected"].sum()


def _ranked(rows: pd.DataFrame, pairs: pd.Series) -> pd.DataFrame:
    """Sort by skill, `naive` first among equals; rules that predicted few of `pairs` are last."""
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
    counts = BatchCounts(
        total=len(batches),
        completed=completed,
        skipped=skipped,
        failed=failed,
        success_rate=completed / tried if tried else None,
        not_run=len({*planned}.difference(batches)),
    )
    return asdict(counts)


def _describe_variables(rows: pd.DataFrame) -> dict[str, Any]:
    """Describe each variable by its ensemble, and name the model of lowest mase."""
    ours = rows[rows["model"] == ENSEMBLE]
    # A rule without forecasts for hard pairs has a lower mase: only complete rules are compared.
    best = rows[rows["complete"]].dropna(subset="mase").sort_values(["mase", "model"])
    best_model = best.drop_duplicates("variable").set_index("variable")["model"]
    described = ours.assign(best_model=ours["variable"].map(best_model)).sort_values("variable")
    details = dict(zip(described["variable"], _to_records(described[_DETAILS]), strict=True))
    return {
        "total": rows["variable"].nunique(),
        "trust_scores": {name: entry["trust"] for name, entry in details.items()},
        "details": details,
    }


def _skill_by_horizon(pooled: pd.DataFrame, trust: pd.DataFrame) -> list[Any]:
    """Return the skill at each horizon over all variables (`variable` None), then for each."""
    mean_trust = trust.groupby(["model", "horizon"])["trust"].mean().reset_index()
    overall = _aggregate(pooled, ["model", "horizon"]).assign(variable=None)
    overall = overall.merge(mean_trust, on=["model", "horizon"], how="left")
    each = _aggregate(pooled, _KEY).merge(trust[[*_KEY, "trust"]], on=_KEY, how="left")
    return _to_records(overall[_BY_HORIZON]) + _to_records(each[_BY_HORIZON])


def _to_records(frame: pd.DataFrame) -> list[Any]:
    """Return the rows as JSON has them: plain numbers, None where undefined."""
    plain = frame.astype(object)
    return plain.where(plain.notna() & ~plain.isin([np.inf, -np.inf]), None).to_dict("records")
