"""The data of each figure: the rows, the rules to compare, the caption and the legend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from pulse_assets.history.series import Series
from pulse_assets.report.figures import (
    draw_forecasts,
    draw_next,
    draw_skill,
    draw_trust,
    interval_pairs,
)
from pulse_assets.report.svg import Role
from pulse_assets.retrodiction.rules import ENSEMBLE, ENSEMBLES, REFERENCE
from pulse_assets.stages.ledger import overall_rows
from pulse_assets.storage.tables import rows_with

#: Retrodictions drawn before the next forecasts.
RECENT: Final = 36

#: Intervals of a figure that its legend names one by one.
NAMED_INTERVALS: Final = 4

#: Most points of a line: a figure on a phone has no pixels for more.
POINTS: Final = 240


@dataclass(frozen=True)
class CaptionedFigure:
    """An SVG figure with its title, note, legend and the text for screen readers."""

    title: str
    note: str
    alt: str
    svg: str
    legend: Mapping[Role, str]


def trust_figures(
    results: Mapping[str, Any], variables: Sequence[str], ledger: pa.Table
) -> list[CaptionedFigure]:
    """Draw, for each variable, the trust of its ensemble, best rules and `naive` over time."""
    ledger = overall_rows(ledger)
    figures = [
        _trust_figure(name, _rows_of(ledger, name), results["models_by_variable"][name])
        for name in variables
    ]
    return [figure for figure in figures if figure]


def skill_figures(
    results: Mapping[str, Any], variables: Sequence[str], skill: pa.Table
) -> list[CaptionedFigure]:
    """Draw, for each variable, skill by horizon."""
    if not skill.num_rows:
        return []
    boards = results["models_by_variable"]
    figures = [_skill_figure(name, _rows_of(skill, name), boards[name]) for name in variables]
    return [figure for figure in figures if figure]


def forecast_figures(variables: Sequence[str], retrodictions: pa.Table) -> list[CaptionedFigure]:
    """Draw, for each variable, the forecasts of the ensemble and the observations."""
    figures = [_forecast_figure(name, _rows_of(retrodictions, name)) for name in variables]
    return [figure for figure in figures if figure]


def next_figures(
    variables: Sequence[str],
    retrodictions: pa.Table,
    forecasts: pa.Table,
    levels: Sequence[float],
) -> list[CaptionedFigure]:
    """Draw, for each variable, the last retrodictions and the next forecasts of the ensemble.

    Args:
        variables: to draw.
        retrodictions: what the report draws, see `build_report`.
        forecasts: rows of schema `NEXT_FORECASTS`.
        levels: of their quantiles, ascending.
    """
    figures = [
        _next_figure(name, _rows_of(retrodictions, name), _rows_of(forecasts, name), levels)
        for name in variables
    ]
    return [figure for figure in figures if figure]


def choose_models(board: Sequence[Mapping[str, Any]]) -> dict[Role, str]:
    """Choose the lines to compare: the ensemble, the two rules of highest skill, and `naive`.

    A rule without a forecast for every pair is not chosen.

    Args:
        board: rows of a leaderboard, the highest skill first.
    """
    no_rules = (*ENSEMBLES, REFERENCE)
    rules = [r["model"] for r in board if not r["partial"] and r["model"] not in no_rules]
    ranks: tuple[Role, ...] = ("best", "second")
    return {"ensemble": ENSEMBLE, **dict(zip(ranks, rules, strict=False)), "naive": REFERENCE}


def keep_extremes(rows: pd.DataFrame) -> pd.DataFrame:
    """Return of a long series the rows of largest and smallest error in each of `POINTS` blocks.

    Every row is a real pair, and no outlier is lost, as it could be in every k-th row.
    """
    if len(rows) <= 2 * POINTS:
        return rows
    errors = (rows["observed"] - rows["predicted"]).reset_index(drop=True)
    blocks = errors.groupby(np.arange(len(rows)) * POINTS // len(rows))
    return rows.iloc[np.union1d(blocks.idxmin(), blocks.idxmax())]


def _trust_figure(
    name: str, rows: pd.DataFrame, board: Sequence[Mapping[str, Any]]
) -> CaptionedFigure | None:
    rows = rows.assign(batch=pd.to_datetime(rows["batch"].astype(str))).sort_values("batch")
    legend = choose_models(board)
    lines: dict[Role, pd.DataFrame] = {
        role: thin(rows[rows["model"] == model]) for role, model in legend.items()
    }
    if lines["ensemble"].empty:
        return None
    first, last = lines["ensemble"]["trust"].iloc[[0, -1]]
    return CaptionedFigure(
        title=name,
        note=f"trust in the ensemble after the last batch: {last:.2f}",
        alt=f"Line chart: trust in the ensemble for {name} went from {first:.2f} to {last:.2f}.",
        svg=draw_trust(lines),
        legend=legend,
    )


def _skill_figure(
    title: str, rows: pd.DataFrame, board: Sequence[Mapping[str, Any]]
) -> CaptionedFigure | None:
    rows = rows.dropna(subset="skill")
    legend = choose_models(board)
    del legend["naive"]  # its skill is 0 by definition: the line at 0
    lines: dict[Role, pd.DataFrame] = {
        role: rows[rows["model"] == model] for role, model in legend.items()
    }
    skill = lines["ensemble"].set_index("horizon")["skill"].astype(float)
    if skill.empty:
        return None
    values = ", ".join(f"{100 * value:.1f} % at {horizon}" for horizon, value in skill.items())
    return CaptionedFigure(
        title=title,
        note="",
        alt=f"Line chart: skill of the ensemble by horizon in steps, {title}: {values}.",
        svg=draw_skill(lines),
        legend=legend,
    )


def with_later_observations(retrodictions: pa.Table, series: Mapping[str, Series]) -> pa.Table:
    """Add the observations after the last one that was predicted, as rows without a forecast.

    Args:
        retrodictions: what the report draws, see `build_report`.
        series: the series by variable.
    """
    ours = rows_with(retrodictions, "model", ENSEMBLE)
    last = ours.group_by("variable").aggregate([("target_date", "max"), ("horizon", "max")])
    rows = []
    for row in last.to_pylist():
        of = series[row["variable"]]
        later = (of.timestamps > np.datetime64(row["target_date_max"])) & np.isfinite(of.values)
        shared = {"variable": row["variable"], "model": ENSEMBLE, "horizon": row["horizon_max"]}
        dates, values = of.timestamps[later][-RECENT:].tolist(), of.values[later][-RECENT:].tolist()
        rows += [
            shared | {"target_date": date, "observed": value}
            for date, value in zip(dates, values, strict=True)
        ]
    return pa.concat_tables([retrodictions, pa.Table.from_pylist(rows, retrodictions.schema)])


def _forecast_figure(name: str, rows: pd.DataFrame) -> CaptionedFigure | None:
    rows = rows.dropna(subset=["predicted", "observed"]).sort_values("target_date")
    ours = rows[rows["model"] == ENSEMBLE]
    if ours.empty:
        return None
    first, last = ours["target_date"].iloc[[0, -1]]
    return CaptionedFigure(
        title=name,
        note=_describe_errors(ours, rows[rows["model"] == REFERENCE]),
        alt=f"Line chart: {name} predicted and observed, {first:%Y-%m-%d} to {last:%Y-%m-%d}.",
        svg=draw_forecasts(keep_extremes(ours)),
        legend={"ensemble": "predicted, with its interval", "observed": "observed"},
    )


def _next_figure(
    name: str, past: pd.DataFrame, future: pd.DataFrame, levels: Sequence[float]
) -> CaptionedFigure | None:
    past = past[past["model"] == ENSEMBLE].sort_values("target_date").tail(RECENT)
    future = future[future["model"] == ENSEMBLE].dropna(subset="predicted")
    if future.empty:
        return None
    future = future.sort_values("target_date")
    origin = future["origin_date"].iloc[0]
    steps = zip(future["horizon"], future["predicted"], strict=True)
    values = ", ".join(f"{predicted:.4g} at {horizon}" for horizon, predicted in steps)
    return CaptionedFigure(
        title=name,
        note=f"from {origin:%Y-%m-%d}",
        alt=f"Line chart: next forecasts of {name} by horizon in steps: {values}.",
        svg=draw_next(past, _from_origin(future, len(levels)), levels),
        legend={
            "ensemble": f"next, with {_name_intervals(levels)}",
            "observed": "observed",
            "naive": f"what was predicted, horizon {past['horizon'].min()}" if len(past) else "",
        },
    )


def _from_origin(future: pd.DataFrame, levels: int) -> pd.DataFrame:
    """Add the observation from which the forecasts start, where all quantiles are equal."""
    first = future.iloc[:1]
    value = float(first["origin_value"].iloc[0])
    start = first.assign(target_date=first["origin_date"], predicted=value)
    start["quantiles"] = [[value] * levels]
    return pd.concat([start, future])


def _name_intervals(levels: Sequence[float]) -> str:
    """Return the nominal coverage of the central intervals in words, the narrowest first.

    Example:
        >>> _name_intervals([0.05, 0.25, 0.5, 0.75, 0.95]), _name_intervals([0.1, 0.9])
        ('intervals of 50 and 90 %', 'an interval of 80 %')
    """
    coverages = [round(levels[b] - levels[a], 9) for a, b in interval_pairs(levels)][::-1]
    texts = [f"{100.0 * coverage:g}" for coverage in coverages]
    if len(texts) == 1:
        return f"an interval of {texts[0]} %"
    if len(texts) > NAMED_INTERVALS:
        return f"{len(texts)} intervals of {texts[0]} to {texts[-1]} %"
    return f"intervals of {', '.join(texts[:-1])} and {texts[-1]} %"


def _describe_errors(ours: pd.DataFrame, naive: pd.DataFrame) -> str:
    errors = ", ".join(
        f"{name}{(rows['observed'] - rows['predicted']).abs().mean():.3g}"
        for name, rows in (("", ours), ("naive ", naive))
        if len(rows)
    )
    inside = ours["observed"].between(ours["lower"], ours["upper"]).mean()
    return (
        f"horizon {ours['horizon'].iloc[0]}: mean absolute error {errors}; "
        f"{100 * inside:.0f} % inside the interval"
    )


def _rows_of(table: pa.Table, variable: str) -> pd.DataFrame:
    return rows_with(table, "variable", variable).to_pandas(date_as_object=False)


def thin(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep at most `POINTS` rows, evenly spread, the first and the last among them."""
    positions = np.linspace(0, len(rows) - 1, min(len(rows), POINTS)).round().astype(int)
    return rows.iloc[positions]
