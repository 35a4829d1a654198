"""Stage 4, `batch_metrics`: the sums that scores are pooled from, and the status of the batch."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from operator import itemgetter
from typing import Final, NamedTuple, Self, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.array_types import Bools, Floats, Ints
from pulse_assets.catalog import BATCH_METRICS
from pulse_assets.retrodiction.rounding import round_shares, round_sums
from pulse_assets.retrodiction.rules import ENSEMBLE, REFERENCE
from pulse_assets.retrodiction.scores import (
    METRICS,
    Verified,
    count_below,
    leaderboard_skill,
)
from pulse_assets.retrodiction.trust import pair_wins
from pulse_assets.retrodiction.worth import saved_errors
from pulse_assets.stages.columns import constant, few_rows, list_column, list_rows
from pulse_assets.stages.predict import PlannedVariable

_FORECAST_COLUMNS: Final = ("observed", "predicted", "lower", "upper", "scale", "weight")


def score(
    batch_id: str,
    planned: pa.Table,
    variables: Sequence[PlannedVariable],
    retrodictions: pa.Table,
    levels: Sequence[float],
) -> pa.Table:
    """Score each (variable, model, horizon) of a batch, and list the skipped variables.

    Args:
        batch_id: the partition key.
        planned: the batch's `training_batches`.
        variables: the variables that `planned` does not skip.
        retrodictions: the batch's forecasts, with the pairs of a model in the order of the pairs of
            its variable, as `predict` returns them and the store gives them back.
        levels: of their quantiles.

    Returns:
        A table of schema `BATCH_METRICS`: one row per scored (variable, model, horizon), and one
        row per skipped variable, without model and horizon.
    """
    tables = [
        _scored_rows(batch_id, variables, rows, np.array(levels))
        for rows in _of_few_variables(retrodictions)
    ]
    scored = pa.concat_tables([BATCH_METRICS.empty_table(), *tables])
    skipped = _skipped_rows(batch_id, planned, scored=bool(scored.num_rows))
    return pa.concat_tables([scored, skipped]).unify_dictionaries()


def _of_few_variables(retrodictions: pa.Table) -> Iterator[pa.Table]:
    """Yield the rows of some variables at a time, so that scoring needs little memory."""
    codes = _categories(retrodictions["variable"]).indices.to_numpy()
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    ends = np.append(starts[1:], len(codes))
    for run in few_rows(ends - starts):
        first = starts[run.start]
        yield retrodictions.slice(first, ends[run.stop - 1] - first)


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
    left_out = planned.filter(planned["skip_reason"].is_valid())
    rows = left_out.select(["variable", "skip_reason"]).to_pylist()
    return pa.Table.from_pylist([row | shared for row in rows], BATCH_METRICS)


def skip_reason(planned: pa.Table) -> str:
    """Return why a batch predicts no variable; a reason that all variables share is given once.

    Example:
        `gdp: no observation in the window; rate: no observation with a value in the window`.
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
    n, compared, error, reference, wins = (
        rows[name].to_numpy() for name in ("n", "compared", "abs_error", "naive_abs_error", "wins")
    )
    scores = {}
    for name in ("mase", "coverage"):
        metric = METRICS[name]
        totals = metric.to_total(rows[metric.column].to_numpy(), n, error)
        defined = np.isfinite(totals)
        scores[name] = metric.score(totals[defined].sum(), n[defined].sum())
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


@dataclass(frozen=True)
class _Rows:
    """The rows of a batch's `retrodictions`, [R], with what they are compared with.

    Each variable has one block of rows, in it each model one block of the variable's pairs.

    Attributes:
        variable, model: names in the order of their codes.
        codes: code of variable and model, and index in `horizons`, of each row.
        horizons: the horizons that occur, ascending.
        verified: forecasts and outcomes.
        naive: absolute errors of naive on the same pairs; NaN without `naive`.
        weight: share of the rule in the ensemble.
        saved: by how much the rule makes the error of the ensemble smaller, see `saved_errors`.
    """

    variable: pa.Array
    model: pa.Array
    codes: tuple[Ints, Ints, Ints]
    horizons: Ints
    verified: Verified
    naive: Floats
    weight: Floats
    saved: Floats

    @classmethod
    def of(cls, table: pa.Table, variables: Iterable[PlannedVariable], levels: Floats) -> Self:
        """Return the rows of a batch's `retrodictions`, sorted or as they were computed."""
        variable, model = (_categories(table[name]) for name in ("variable", "model"))
        horizons, horizon = np.unique(table["horizon"].to_numpy(), return_inverse=True)
        codes = variable.indices.to_numpy(), model.indices.to_numpy(), horizon
        planned = {v.name: v for v in variables}
        blocks = _Blocks.of(codes[0], variable.dictionary.to_pylist(), planned)
        columns = {name: table[name].to_numpy() for name in _FORECAST_COLUMNS}
        weight = columns.pop("weight")
        verified = Verified(
            **columns,
            quantiles=list_rows(table["quantiles"]).T,
            levels=levels,
            squared_scale=blocks.squared_scale,
        )
        is_naive = codes[1] == model.dictionary.index(REFERENCE).as_py()
        naive = blocks.of_rule(verified.errors, is_naive)
        saved = saved_errors(
            verified.predicted, verified.observed, weight, blocks.row + blocks.pair
        )
        names = variable.dictionary, model.dictionary
        return cls(*names, codes, horizons, verified, naive, weight, saved)


@dataclass(frozen=True)
class _Blocks:
    """The blocks of rows of the variables.

    Attributes:
        row: index of the first row of each row's block, [R].
        pair: index of each row's pair in its variable, [R].
        squared_scale: denominator of rmsse of each row's pair, [R].
    """

    row: Ints
    pair: Ints
    squared_scale: Floats

    @classmethod
    def of(cls, variable: Ints, names: list[str], planned: Mapping[str, PlannedVariable]) -> Self:
        """Return the blocks of equal codes in `variable`, [R]."""
        starts = np.flatnonzero(np.diff(variable, prepend=-1))
        lengths = np.diff(starts, append=len(variable))
        scales = [planned[names[code]].squared_scale for code in variable[starts].tolist()]
        pairs = np.array([len(scale) for scale in scales], np.int64)
        row = np.repeat(starts, lengths)
        pair = (np.arange(len(variable)) - row) % np.repeat(pairs, lengths)
        first = np.repeat(np.cumsum(pairs) - pairs, lengths)
        return cls(row, pair, np.concatenate([np.empty(0), *scales])[first + pair])

    def of_rule(self, values: Floats, chosen: Bools) -> Floats:
        """Return the values of one rule on the pair of each row; NaN where it has no rows."""
        own = np.flatnonzero(chosen)
        blocks, index = np.unique(self.row[own], return_index=True)
        first = np.full(len(values), -1)
        first[blocks] = own[index]
        row = first[self.row]
        return np.where(row < 0, np.nan, values[np.where(row < 0, 0, row + self.pair)])


def _categories(column: pa.ChunkedArray) -> pa.DictionaryArray:
    return cast("pa.DictionaryArray", column.unify_dictionaries().combine_chunks())


@dataclass(frozen=True)
class _Groups:
    """The rows of each variable, model and horizon, [G] groups in the order of their codes.

    Attributes:
        group: index of each row's group, [R].
        variable, model, horizon: their codes, [G].
    """

    group: Ints
    variable: Ints
    model: Ints
    horizon: Ints

    @classmethod
    def of(cls, rows: _Rows) -> Self:
        """Group rows by variable, model and horizon."""
        shape = len(rows.variable), len(rows.model), len(rows.horizons)
        # A panel has as many leading indicators as variables: few of the combinations occur.
        keys, group = np.unique(np.ravel_multi_index(rows.codes, shape), return_inverse=True)
        return cls(group, *np.unravel_index(keys, shape))

    def sum(self, values: np.ndarray) -> Floats:
        """Return the sum of each group; NaN where it is not finite."""
        with np.errstate(over="ignore"):
            sums = np.bincount(self.group, values, minlength=len(self.model))
        return np.where(np.isfinite(sums), sums, np.nan)

    def mean_over_horizons(self, values: Floats) -> Floats:
        """Return the mean over all rows of a group's variable and model."""
        models = int(self.model.max(initial=0)) + 1
        rules, rule = np.unique(self.variable * models + self.model, return_inverse=True)
        of_row = rule[self.group]
        size = len(rules)
        return (np.bincount(of_row, values, size) / np.bincount(of_row, minlength=size))[rule]


def _sums(rows: _Rows, groups: _Groups) -> dict[str, np.ndarray | pa.Array]:
    """Return the columns of numbers of `BATCH_METRICS`, [G]."""
    verified = rows.verified
    counted, errors = verified.counted, verified.errors
    n, compared = groups.sum(counted), groups.sum(counted & ~np.isnan(rows.naive))
    abs_error = groups.sum(np.where(counted, errors, 0.0))
    whole = compared == n
    with_naive = counted & whole[groups.group]
    wins = np.where(with_naive, pair_wins(errors, rows.naive), 0.0)
    by_column = {metric.column: metric for metric in METRICS.values()}
    totals = {"": n, "abs_error": abs_error} | {
        column: groups.sum(np.where(counted, metric.of_pairs(verified), 0.0))
        for column, metric in by_column.items()
    }
    metrics = {
        column: metric.to_column(totals[column], n, totals[metric.scale_of])
        for column, metric in by_column.items()
    }
    below = [groups.sum(np.where(counted, each, 0.0)) for each in count_below(verified)]
    return {
        "n": n,
        "missing": groups.sum(~counted),
        "abs_error": round_sums(abs_error),
        **{name: round_sums(values) for name, values in metrics.items()},
        "below": list_column(np.array(below).T),
        "compared": np.where(whole, n, 0.0),
        "naive_abs_error": round_sums(groups.sum(np.where(with_naive, rows.naive, 0.0))),
        "wins": groups.sum(wins),
        "error_saved": round_sums(groups.sum(rows.saved)),
        "weight": round_shares(groups.mean_over_horizons(rows.weight)),
    }


class _RuleErrors(NamedTuple):
    """The failures of one rule: number of origins, first origin, and its error."""

    origins: int
    first: date
    type: str
    message: str


def _rule_errors(table: pa.Table) -> dict[tuple[str, str], _RuleErrors]:
    """Return the failures by variable and model, of the rules that failed."""
    if table["error"].null_count == table.num_rows:
        return {}
    failed = table.filter(table["error"].is_valid())
    rows = failed.select(["variable", "model", "origin_date", "error"]).to_pylist()
    texts: dict[tuple[str, str], dict[date, str]] = {}
    for row in sorted(rows, key=itemgetter("origin_date")):
        texts.setdefault((row["variable"], row["model"]), {})[row["origin_date"]] = row["error"]
    return {rule: _first_error(by_origin) for rule, by_origin in texts.items()}


def _first_error(texts: Mapping[date, str]) -> _RuleErrors:
    """Return the failures of a rule, given the text of each origin in order."""
    origin, text = next(iter(texts.items()))
    kind, _, message = text.partition(": ")
    if len({*texts.values()}) > 1:
        message = f"{message} (the first of several errors)"
    return _RuleErrors(len(texts), origin, kind, message)


def _scored_rows(
    batch_id: str, variables: Iterable[PlannedVariable], retrodictions: pa.Table, levels: Floats
) -> pa.Table:
    """Return one row per variable, model and horizon."""
    rows = _Rows.of(retrodictions, variables, levels)
    groups = _Groups.of(rows)
    length = len(groups.model)
    failed = _failure_columns(rows, groups, _rule_errors(retrodictions))
    arrays = _sums(rows, groups) | failed
    names = {
        "batch": constant(batch_id, length),
        "status": constant("completed", length),
        "skip_reason": pa.nulls(length, pa.string()),
        "variable": _named(groups.variable, rows.variable),
        "model": _named(groups.model, rows.model),
        "horizon": rows.horizons[groups.horizon],
    }
    columns = names | arrays
    return pa.table(
        [_column(columns[field.name], field.type) for field in BATCH_METRICS], schema=BATCH_METRICS
    )


def _column(values: pa.Array | np.ndarray, kind: pa.DataType) -> pa.Array:
    if isinstance(values, np.ndarray):
        return pa.array(values.astype(kind.to_pandas_dtype()), kind)
    return values


def _named(codes: Ints, names: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), names)


def _failure_columns(
    rows: _Rows, groups: _Groups, failed: Mapping[tuple[str, str], _RuleErrors]
) -> dict[str, pa.Array]:
    """Return the columns about failures; every horizon of a rule repeats them."""
    length = len(groups.model)
    failures: list[_RuleErrors | None] = [None] * length
    if failed:
        names = zip(
            _named(groups.variable, rows.variable).to_pylist(),
            _named(groups.model, rows.model).to_pylist(),
            strict=True,
        )
        failures = [failed.get(name) for name in names]
    return {
        "rule_errors": pa.array([f.origins if f else 0 for f in failures], pa.int32()),
        "rule_error_origin": pa.array([f and f.first for f in failures], pa.date32()),
        "error_type": pa.array([f and f.type for f in failures], pa.string()),
        "error": pa.array([f and f.message for f in failures], pa.string()),
    }
