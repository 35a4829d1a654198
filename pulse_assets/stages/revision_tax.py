"""What revisions do to scores: skill in real time, against later values, and on later values alone.

A test on today's values lets a rule see revisions that nobody knew when the forecast would have
been made. The *revision tax* of a rule is the skill that such a test promises, less the skill that
the rule has in real time.

Source:
    Croushore (2011), Frontiers of real-time data analysis, Journal of Economic Literature 49 (1),
    doi:10.1257/jel.49.1.72.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.batches.windows import TrainingBatch
from pulse_assets.history.series import Series
from pulse_assets.result_records import RevisionResult
from pulse_assets.retrodiction.rules import REFERENCE, Rule
from pulse_assets.retrodiction.scores import log_ratios
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.observe import observe
from pulse_assets.stages.panel import Panel
from pulse_assets.stages.plan import plan
from pulse_assets.stages.predict import planned_variables, predict
from pulse_assets.stages.results import to_records
from pulse_assets.stages.variable_history import histories_of

#: Columns of `retrodictions` that `skills` reads.
FORECAST_COLUMNS: Final = (
    *("variable", "model", "origin_date", "horizon", "target_date"),
    "predicted",
)
_PAIR: Final = ["variable", "origin_date", "horizon", "target_date"]
_KEY: Final = ["variable", "model", "horizon"]


def revised_variables(series: Mapping[str, Series]) -> list[str]:
    """Return the variables of which some value has a later release, sorted."""
    return sorted(name for name, each in series.items() if each.revisions is not None)


def newest_values(series: Series) -> Series:
    """Return a series with the newest release of each value, public on the day of the first one.

    Example:
        >>> from pulse_assets.history.series import Revisions
        >>> days = np.array(["2020-01-01", "2020-02-01"], "M8[D]")
        >>> later = np.array(["2020-04-01", "2020-05-01"], "M8[D]")
        >>> again = Revisions(np.array([0, 0]), np.array([5.0, 6.0]), later)
        >>> newest_values(Series("gdp", days, np.ones(2), days, revisions=again)).values
        array([6., 1.])
    """
    later = series.revisions
    if later is None:
        return series
    values = series.values.copy()
    values[later.rows] = later.values  # of several for one row the last one stays
    return replace(series, values=values, revisions=None)


def forecasts_on_newest_values(
    series: Mapping[str, Series],
    blocks: Iterable[Sequence[TrainingBatch]],
    rules: Sequence[Rule],
    options: TrainingOptions,
) -> Iterator[pa.Table]:
    """Yield the forecasts of the revised variables as a test on the newest values makes them.

    Args:
        series: all variables, with the day of publication of each value.
        blocks: batches, each block with one anchor.
        rules: the rules.
        options: the configuration.

    Yields:
        A table of schema `RETRODICTIONS` for each batch.
    """
    revised = set(revised_variables(series))
    newest = {name: newest_values(each) for name, each in series.items()}
    for block in blocks:
        together = replace(block[-1], start=block[0].start)
        histories = histories_of(observe(together, newest, options), options.frequencies)
        panel = Panel({name: history.rows for name, history in histories.items()})
        planned = {}
        for batch in block:
            variables = plan(batch, histories, options.horizons)
            chosen = planned_variables(variables, histories, options.horizons)
            planned[batch.batch_id] = [each for each in chosen if each.name in revised]
        for forecasts in predict(planned, panel, rules, options).values():
            yield forecasts.table()


def skills(
    tables: Iterable[pa.Table], series: Mapping[str, Series], names: Collection[str]
) -> pd.DataFrame:
    """Return the skill of each rule for some variables, against the newest releases.

    Args:
        tables: `FORECAST_COLUMNS` of retrodictions; all forecasts of a pair are in one table.
        series: the variables.
        names: the variables to score.

    Returns:
        Columns variable, model; n, the pairs that the rule predicted; and `skill_against_latest`,
        against the newest releases: 1 - the geometric mean over horizons of the error relative to
        `naive` over the same pairs.
    """
    sums = [_error_sums(_with_newest(table, series, names)) for table in tables]
    empty = pd.DataFrame(columns=[*_KEY, "n", *_ERRORS])
    total = pd.concat(sums or [empty]).groupby(_KEY)[["n", *_ERRORS]].sum().reset_index()
    error, naive = (total[name].to_numpy(np.float64) for name in _ERRORS)
    groups = total.assign(log_ratio=log_ratios(error, naive)).groupby(["variable", "model"])
    skill = 1.0 - np.exp(groups["log_ratio"].mean())
    return pd.DataFrame({"skill_against_latest": skill, "n": groups["n"].sum()}).reset_index()


#: Sums of absolute errors of a rule, and of `naive` on the same pairs, against newest releases.
_ERRORS: Final = ["error", "naive_error"]


def _with_newest(
    table: pa.Table, series: Mapping[str, Series], names: Collection[str]
) -> pd.DataFrame:
    """Return the forecasts of some variables, and the newest release of each outcome."""
    chosen = pc.field("variable").isin(pa.array(sorted(names), pa.string()))
    rows = table.select(FORECAST_COLUMNS).filter(chosen).to_pandas()
    rows = rows.astype({"variable": object, "model": object})
    newest = np.full(len(rows), np.nan)
    targets = rows["target_date"].to_numpy().astype("M8[D]")
    for name, places in rows.groupby("variable").indices.items():
        own, dates = newest_values(series[str(name)]), targets[places]
        newest[places] = own.values[own.timestamps.searchsorted(dates)]
    return rows.assign(newest=newest)


def _error_sums(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the sums of absolute errors of each rule, and of `naive` on the same pairs."""
    errors = rows.assign(error=(rows["predicted"] - rows["newest"]).abs())
    naive = errors.loc[errors["model"] == REFERENCE, [*_PAIR, "error"]]
    naive = naive.rename(columns={"error": "naive_error"})
    both = errors.merge(naive, on=_PAIR).dropna(subset=_ERRORS)
    return both.assign(n=1).groupby(_KEY)[["n", *_ERRORS]].sum().reset_index()


def measure_revisions(
    boards: Mapping[str, Sequence[Mapping[str, Any]]],
    real_time: pd.DataFrame,
    on_newest: pd.DataFrame,
) -> dict[str, Any]:
    """Return what revisions do to the skill of each rule, as `RevisionResult` describes it.

    Args:
        boards: leaderboard of each variable, with the skill in real time.
        real_time: `skills` of the forecasts that were made in real time.
        on_newest: `skills` of the forecasts that a test on the newest values makes.

    Returns:
        The rows of each variable, the highest skill in real time first.
    """
    skill = {(name, row["model"]): row["skill"] for name in boards for row in boards[name]}
    pairs = zip(real_time["variable"], real_time["model"], strict=True)
    real_time = real_time.assign(skill=np.array([skill.get(pair) for pair in pairs], np.float64))
    promised = on_newest.rename(columns={"skill_against_latest": "skill_on_latest"})
    promised = promised[["variable", "model", "skill_on_latest"]]
    rows = real_time.merge(promised, on=["variable", "model"], how="left")
    rows = rows.assign(revision_tax=rows["skill_on_latest"] - rows["skill"])
    rows = rows.sort_values(["variable", "skill", "model"], ascending=[True, False, True])
    columns = [column.name for column in fields(RevisionResult)]
    return {str(name): to_records(own[columns]) for name, own in rows.groupby("variable")}
