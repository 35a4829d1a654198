"""Stage 6, `training_results`: the scores and outcomes of all batches in one JSON object.

Scores are pooled exactly: each is a mean over all verified pairs, not a mean of batch means. The
entries are described in `pulse_assets.results`, and the leaderboards have its columns.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from pulse_assets.catalog import SKILL_BY_HORIZON
from pulse_assets.history.periods import Period
from pulse_assets.result_records import (
    SCHEMA_VERSION,
    BatchCounts,
    ModelResult,
    Performance,
    VariableResult,
)
from pulse_assets.retrodiction.rules import (
    ENSEMBLE,
    ENSEMBLES,
    INDICATOR_PREFIX,
    INDICATORS,
    REFERENCE,
)
from pulse_assets.retrodiction.scores import METRICS, log_ratios
from pulse_assets.retrodiction.trust import pair_wins
from pulse_assets.stages.calibration import calibrate, is_symmetric
from pulse_assets.stages.decay import CoverageCollector, DecayWatch
from pulse_assets.stages.ledger import latest_trust
from pulse_assets.stages.losses import LossCollector, VariableLosses
from pulse_assets.stages.outcome import OUTCOME_COLUMNS, Outcomes, OutcomeTally, conclude
from pulse_assets.stages.periods import PeriodSums, summarise_periods
from pulse_assets.stages.pooling import COMPLETE, KEY, POOLED_COLUMNS, add_up
from pulse_assets.stages.reasons import explain_variables
from pulse_assets.stages.significance import adjust, compare_rules, to_table
from pulse_assets.stages.significance_summary import summarise_significance

#: Columns of a leaderboard and of the description of a variable.
_LEADERBOARD: Final = [column.name for column in fields(ModelResult)]
_DETAILS: Final = [column.name for column in fields(VariableResult)]
#: Columns of `batch_metrics` that `summarise` needs.
RESULT_COLUMNS: Final = tuple(dict.fromkeys((*OUTCOME_COLUMNS, *POOLED_COLUMNS)))

#: Scores that are roots of means.
_ROOTS: Final = [name for name, metric in METRICS.items() if metric.is_root]
#: Scores that are twice a mean.
_DOUBLES: Final = [name for name, metric in METRICS.items() if metric.is_double]
#: Scores in the unit of a variable: over several variables they mean nothing.
_IN_UNITS: Final = ["pinball", "wis"]
#: Means over pairs.
_MEANS: Final = [*METRICS, "weight"]
#: Significant digits of the numbers in the JSON object.
DIGITS: Final = 6

_TRUST: Final = ["trust", "trust_lower", "trust_upper"]


class Summary(NamedTuple):
    """The results of a training: the JSON object, and the tables beside it."""

    results: dict[str, Any]
    skill_by_horizon: pa.Table
    significance: pa.Table
    scores_by_period: pa.Table


def summarise(
    metrics: Iterable[pa.Table],
    ledger: pa.Table,
    *,
    levels: Sequence[float],
    planned: Sequence[str],
    performance: Performance,
    cluster: Mapping[str, Any],
    configuration: Mapping[str, Any],
    versions: Mapping[str, str],
    periods: Sequence[Period] = (),
) -> Summary:
    """Aggregate the metrics of all batches that ran, and the trust after the last of them.

    Each score is its sum over all pairs, divided by their number; of rmsse it is the root. Batches
    in which a score is undefined are left out of it. Over several variables the rules on leading
    indicators are one rule, `ar_with_*`, because each variable has other ones.

    For each (variable, horizon), the sum of the model's absolute errors is compared with that of
    `naive` over the pairs for which both have a forecast. The skill is that of
    `leaderboard_skill`; the win rate is the share of (variable, horizon) won, see `pair_wins`.

    Args:
        metrics: `RESULT_COLUMNS` of `BATCH_METRICS` of all batches that ran, in order of batch; all
            rows of a batch are in one table.
        ledger: rows of schema `TRUST_LEDGER`.
        levels: of the quantiles.
        planned: partition keys of the whole grid.
        performance: how long the run took.
        cluster: description of the Dask cluster.
        configuration: settings of the run, ready for JSON.
        versions: version by package name.
        periods: further periods by which scores are grouped.

    Returns:
        The object that `ResultsDocument` describes, without what others add to it: `conclude` the
        checks, and the step what the source tells of revisions, publication and others' forecasts.
        Undefined numbers are None. And tables of schema `SKILL_BY_HORIZON`, `SIGNIFICANCE` and
        `SCORES_BY_PERIOD`.

    Example:
        A model's mase is 1 over 3 pairs of one batch and 2 over 1 pair of another:
        (3 * 1 + 1 * 2) / 4 = 1.25.
    """
    tally, losses, by_period = OutcomeTally(), LossCollector(), PeriodSums(planned, periods)
    horizon = min(configuration["horizons"])
    covered = CoverageCollector(horizon)
    pooled = _compared(add_up(tally.reading(metrics), [losses, by_period, covered]))
    scores_by_period = by_period.table(pooled, _general_name(pooled["model"]))
    del by_period  # before the next sums: it takes more memory than they do
    over_all = _compared(_one_indicator(pooled))
    skill = _skill_by_horizon(pooled, over_all, ledger)
    outcomes, trust = tally.outcomes(), _trust_of(ledger, pooled)
    by_variable = _rows_by_variable(pooled, trust)
    if not is_symmetric(levels):
        by_variable["wis"] = np.nan
    calibration = asdict(calibrate(over_all, pooled, levels))
    models = to_records(_overall_rows(over_all, by_variable, trust)[_LEADERBOARD])
    watch = DecayWatch(
        covered.watched(pooled), level=configuration["interval_level"], horizon=horizon
    )
    by_name = watch.reading(losses.by_variable(pooled))
    tests, significance = _significance(by_name, pooled, over_all)
    alarms = watch.alarms(ledger)
    del losses, covered, pooled, over_all  # before the leaderboards, which take as much
    never = outcomes.never_predicted(configuration.get("variables") or ())
    boards = _boards(by_variable)
    results = {
        "schema_version": SCHEMA_VERSION,
        **conclude({}, []),
        "batches": _count_batches(outcomes, tally.batches, planned),
        "variables": _describe_variables(by_variable) | {"never_predicted": never},
        "models": models,
        "models_by_variable": boards,
        "calibration": calibration,
        "significance": significance,
        "alarms": [asdict(alarm) for alarm in alarms],
        "watched_rules": watch.count,
        "periods": [asdict(period) for period in summarise_periods(scores_by_period, periods)],
        "reasons": explain_variables(scores_by_period, boards),
        "performance": asdict(performance),
        "dask_cluster": dict(cluster),
        **outcomes.to_json(),
        "revisions": {},
        "publication": {},
        "given_forecasts": [],
        "configuration": dict(configuration),
        "versions": dict(versions),
    }
    return Summary(results, skill, tests, scores_by_period)


def _significance(
    losses: Iterable[VariableLosses], pooled: pd.DataFrame, over_all: pd.DataFrame
) -> tuple[pa.Table, dict[str, Any]]:
    """Return the table of tests, and what the JSON object has of them."""
    pairs = pooled.groupby("variable", observed=True)["expected"].max()
    by_name = {str(name): float(count) for name, count in pairs.items()}
    rows = compare_rules(losses, by_name)
    families = _general_name(rows["model"])
    rows = adjust(rows, families)
    return to_table(rows), asdict(summarise_significance(rows, families, over_all))


def _one_indicator(sums: pd.DataFrame) -> pd.DataFrame:
    """Return the sums with all rules on leading indicators as one."""
    renamed = sums.assign(model=_general_name(sums["model"]))
    if len(renamed["model"].cat.categories) == len(sums["model"].cat.categories):
        return renamed
    return _sums(renamed.groupby(list(KEY), observed=True)).reset_index()


def _general_name(models: pd.Series) -> pd.Series:
    """Return the names of models as categories; rules on leading indicators have one name."""
    models = models.astype("category")
    names = {
        name: INDICATORS if name.startswith(INDICATOR_PREFIX) else name
        for name in models.cat.categories
    }
    categories = sorted({*names.values()})
    codes = np.array([categories.index(name) for name in names.values()], np.int64)
    index = pd.Index(categories, dtype=object)
    general = pd.Categorical.from_codes(codes[models.cat.codes], index)
    return pd.Series(general, index=models.index, name=models.name)


def _sums(groups: Any) -> pd.DataFrame:  # noqa: ANN401 - pandas names its type nowhere public
    """Return the sums of the numeric columns of each group; infinite beyond the largest number."""
    with np.errstate(over="ignore"):
        return groups.sum(numeric_only=True)


def _compared(sums: pd.DataFrame) -> pd.DataFrame:
    """Compare each row of `add_up` with `naive`.

    `log_ratio` is that of the errors; `won` is 1, 1/2 or 0; both are NaN without a compared pair.
    `expected` is the number of pairs that `naive` predicted, or without `naive` the largest number
    that a rule predicted. `log_worth` is log(error of the ensemble without the rule / with it).
    """
    error = sums["abs_error"].where(sums["compared"] > 0).to_numpy()
    reference = sums["naive_abs_error"].to_numpy()
    return sums.assign(
        log_ratio=log_ratios(error, reference),
        won=pair_wins(error, reference),
        expected=_expected_pairs(sums),
        log_worth=_log_worth(sums),
    )


def _log_worth(sums: pd.DataFrame) -> np.ndarray:
    """Return log(error of the ensemble without a rule / with it); 0 where the rule is silent."""
    groups = [sums["variable"], sums["horizon"]]
    ours = sums["abs_error"].where((sums["model"] == ENSEMBLE) & (sums["compared"] > 0))
    error = ours.groupby(groups, observed=True).transform("max").to_numpy()
    is_rule = (~sums["model"].isin(ENSEMBLES)).to_numpy()
    return log_ratios(np.where(is_rule, error + sums["error_saved"].to_numpy(), np.nan), error)


def _expected_pairs(pooled: pd.DataFrame) -> pd.Series:
    groups = [pooled["variable"], pooled["horizon"]]
    naive = pooled["n"].where(pooled["model"] == REFERENCE)
    most = naive.groupby(groups, observed=True).transform("max")
    return most.fillna(pooled["n"].groupby(groups, observed=True).transform("max"))


def _aggregate(pooled: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Pool to one row per group."""
    groups = pooled.groupby(by, observed=True)
    sums = _sums(groups)
    means = {score: sums[score] / sums[f"{score}_n"] for score in _MEANS}
    logs = groups[["log_ratio", "won", "log_worth"]].mean()
    return pd.DataFrame(
        means
        | {score: np.sqrt(means[score]) for score in _ROOTS}
        | {score: 2.0 * means[score] for score in _DOUBLES}
        | {
            "skill": 1.0 - np.exp(logs["log_ratio"]),
            "win_rate": logs["won"],
            "worth": np.where(sums["n"] > 0, np.expm1(logs["log_worth"]), np.nan),
            "n": sums["n"],
            "missing": sums["missing"],
        }
    ).reset_index()


def _trust_of(ledger: pa.Table, pooled: pd.DataFrame, *, by_horizon: bool = False) -> pd.DataFrame:
    """Return the trust after the last batch, with the names of the results; NaN if never scored.

    Variables and models have the categories of `pooled`, so that the two are joined by their codes.
    """
    bounds = {"lower": "trust_lower", "upper": "trust_upper"}
    rows = latest_trust(ledger, by_horizon=by_horizon).rename(columns=bounds)
    names = {name: rows[name].astype(pooled[name].dtype) for name in ("variable", "model")}
    rows = rows.assign(**names).astype(dict.fromkeys(_TRUST, np.float64))
    keys = [*KEY] if by_horizon else ["variable", "model"]
    compared = pooled.groupby(keys, observed=True)["compared"].sum().rename("compared")
    never = rows.merge(compared, on=keys, how="left")["compared"].to_numpy() == 0
    rows.loc[never, _TRUST] = np.nan
    return rows


def _overall_rows(
    over_all: pd.DataFrame, by_variable: pd.DataFrame, trust: pd.DataFrame
) -> pd.DataFrame:
    general = trust.assign(model=_general_name(trust["model"]).astype(object))
    mean_trust = general.groupby("model")[_TRUST].mean().reset_index()
    rows = _aggregate(over_all, ["model"]).astype({"model": object})
    rows = rows.merge(mean_trust, on="model", how="left").assign(**dict.fromkeys(_IN_UNITS, np.nan))
    ranked = _ranked(rows, pd.Series(_pairs_to_predict(over_all).sum(), rows.index))
    # Nor is a rule compared with others that is silent on a whole variable, however few its pairs.
    cells = over_all[over_all["n"] > 0].groupby("model", observed=True).size()
    ranked["partial"] |= ranked["model"].map(cells).fillna(0) < cells.get(REFERENCE, 0)
    # Several leading indicators predict one pair, so that their number of pairs says nothing.
    named = by_variable["model"].str.startswith(INDICATOR_PREFIX)
    some_partial = bool(by_variable.loc[named, "partial"].any())
    # Nor do they say what one would be without all of them.
    ranked.loc[ranked["model"] == INDICATORS, ["partial", "worth"]] = some_partial, np.nan
    return _sorted_by_skill(ranked)


def _rows_by_variable(pooled: pd.DataFrame, trust: pd.DataFrame) -> pd.DataFrame:
    rows = _aggregate(pooled, ["variable", "model"])
    pairs = rows["variable"].map(_pairs_to_predict(pooled)).astype(np.float64)
    rows = rows.merge(trust[["variable", "model", *_TRUST]], on=["variable", "model"], how="left")
    rows = rows.astype({"variable": object, "model": object})
    return _sorted_by_skill(_ranked(rows, pairs))


def _pairs_to_predict(pooled: pd.DataFrame) -> pd.Series:
    """Return the number of pairs to predict by variable."""
    by_horizon = pooled.drop_duplicates(["variable", "horizon"])
    return by_horizon.groupby("variable", observed=True)["expected"].sum()


def _ranked(rows: pd.DataFrame, pairs: pd.Series) -> pd.DataFrame:
    """Tell which rules predicted few of `pairs`, and which all."""
    return rows.assign(partial=rows["n"] < COMPLETE * pairs, complete=rows["n"] >= pairs)


def _sorted_by_skill(rows: pd.DataFrame) -> pd.DataFrame:
    """Sort by skill, `naive` first among equals; partial rules are last."""
    keys = ["partial", "skill", "other", "model"]
    ranked = rows.assign(other=rows["model"] != REFERENCE)
    return ranked.sort_values(keys, ascending=[True, False, True, True], na_position="last")


def _boards(rows: pd.DataFrame) -> dict[str, Any]:
    """Return the leaderboard of each variable."""
    rows = rows.sort_values("variable", kind="stable")
    records, names = to_records(rows[_LEADERBOARD]), rows["variable"].to_numpy()
    starts = np.flatnonzero(np.append(True, names[1:] != names[:-1])) if len(names) else []
    ends = [*starts[1:], len(names)]
    return {names[start]: records[start:end] for start, end in zip(starts, ends, strict=False)}


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
    details = dict(zip(described["variable"], to_records(described[_DETAILS]), strict=True))
    return {
        "total": rows["variable"].nunique(),
        "trust_scores": {name: entry["trust"] for name, entry in details.items()},
        "details": details,
    }


def _skill_by_horizon(pooled: pd.DataFrame, over_all: pd.DataFrame, ledger: pa.Table) -> pa.Table:
    """Return the skill at each horizon for each variable, then over all (`variable` null)."""
    trust = _trust_of(ledger, pooled, by_horizon=True)
    general = trust.assign(model=_general_name(trust["model"]).astype(object))
    mean_trust = general.groupby(["model", "horizon"])["trust"].mean().reset_index()
    overall = _aggregate(over_all, ["model", "horizon"]).astype({"model": object})
    overall = overall.merge(mean_trust, on=["model", "horizon"], how="left").assign(variable=None)
    columns = ["n", "mase", "mase_n", "log_ratio"]
    each = pooled[[*KEY, *columns]].merge(trust[[*KEY, "trust"]], on=list(KEY), how="left")
    each = each.assign(
        mase=each["mase"] / each["mase_n"], skill=1.0 - np.exp(each["log_ratio"])
    ).sort_values(list(KEY))
    parts = [part[SKILL_BY_HORIZON.names] for part in (each, overall)]
    return pa.concat_tables(map(_skill_table, parts)).unify_dictionaries()


def _skill_table(rows: pd.DataFrame) -> pa.Table:
    names = {name: rows[name].astype("category") for name in ("variable", "model")}
    arrays = [
        pa.array(names.get(field.name, rows[field.name])).cast(field.type)
        for field in SKILL_BY_HORIZON
    ]
    return pa.table(arrays, schema=SKILL_BY_HORIZON)


def to_records(frame: pd.DataFrame) -> list[Any]:
    """Return the rows as JSON has them: plain, rounded numbers, None where undefined."""
    columns = [_plain(frame[name]) for name in frame.columns]
    return [dict(zip(frame.columns, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain(column: pd.Series) -> list[Any]:
    """Return a column as plain values.

    Example:
        >>> _plain(pd.Series([0.123456789, float("nan")]))
        [0.123457, None]
    """
    if not pd.api.types.is_float_dtype(column):
        return column.astype(object).where(column.notna(), None).tolist()
    values = column.tolist()
    return [float(f"{x:.{DIGITS}g}") if np.isfinite(x) else None for x in values]
