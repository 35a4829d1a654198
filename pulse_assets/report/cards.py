"""The card of each variable in the report: why, figures, and the scores of every rule."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.array_types import Dates, Floats
from pulse_assets.report.figures import draw_hedgehog, draw_weights
from pulse_assets.report.gallery import (
    CaptionedFigure,
    forecast_figures,
    skill_figures,
    trust_figures,
)
from pulse_assets.report.svg import Role
from pulse_assets.retrodiction.rules import ENSEMBLE, INDICATOR_PREFIX
from pulse_assets.stages.reasons import YearlyWeights, weights_by_year
from pulse_assets.storage.tables import rows_with

#: Origins from which the forecasts are drawn, evenly spread.
QUILLS: Final = 48
#: Observations of the line behind them, and rules of the figure of weights.
_POINTS: Final = 480
_RULES: Final[tuple[Role, ...]] = ("ensemble", "best", "second")


class ReportTables(NamedTuple):
    """The tables that the report reads.

    Attributes:
        skill: rows of schema `SKILL_BY_HORIZON`.
        ledger: rows of schema `TRUST_LEDGER`.
        retrodictions: rows of `ensemble` and `naive` at each variable's shortest horizon, with
            columns variable, model, horizon, target_date, predicted, lower, upper, observed.
        forecasts: rows of schema `NEXT_FORECASTS`.
        periods: rows of schema `SCORES_BY_PERIOD`.
        quills: retrodictions of `ensemble` at all horizons, with columns variable, origin_date,
            horizon, target_date and predicted.
    """

    skill: pa.Table
    ledger: pa.Table
    retrodictions: pa.Table
    forecasts: pa.Table
    periods: pa.Table
    quills: pa.Table


@dataclass(frozen=True)
class Card:
    """What the report tells of one variable.

    Attributes:
        variable: its name.
        skill: of the ensemble.
        reasons: why the ensemble trusts the rules that it trusts.
        titles: of the figures.
        figures: of the variable.
        rules: rows of its leaderboard.
        indicators: those of the rules on leading indicators.
    """

    variable: str
    skill: float | None
    reasons: Sequence[str]
    titles: Sequence[str]
    figures: Sequence[CaptionedFigure]
    rules: Sequence[Mapping[str, Any]]
    indicators: Sequence[Mapping[str, Any]]


def make_cards(
    results: Mapping[str, Any], variables: Sequence[str], tables: ReportTables
) -> list[Card]:
    """Return the cards of some variables, in their order.

    Args:
        results: the `training_results` object.
        variables: which.
        tables: see `ReportTables`.
    """
    figures = dict[str, list[tuple[str, CaptionedFigure]]]()
    for title, figure in _figures(results, variables, tables):
        figures.setdefault(figure.title, []).append((title, figure))
    return [
        Card(
            name,
            results["variables"]["details"][name]["skill"],
            results["reasons"].get(name, ()),
            [title for title, _ in figures.get(name, ())],
            [figure for _, figure in figures.get(name, ())],
            [row for row in board if not row["model"].startswith(INDICATOR_PREFIX)],
            [row for row in board if row["model"].startswith(INDICATOR_PREFIX)],
        )
        for name in variables
        for board in [results["models_by_variable"][name]]
    ]


def _figures(
    results: Mapping[str, Any], variables: Sequence[str], tables: ReportTables
) -> Iterator[tuple[str, CaptionedFigure]]:
    """Yield title and figure of all variables, one kind of figure after another."""
    kinds = {
        "Weights by year": weight_figures(variables, tables.periods),
        "Trust over time": trust_figures(results, variables, tables.ledger),
        "Skill by horizon": skill_figures(results, variables, tables.skill),
        "All forecasts over the outcome": hedgehog_figures(
            variables, tables.quills, tables.retrodictions
        ),
        "Predicted against observed": forecast_figures(variables, tables.retrodictions),
    }
    for title, figures in kinds.items():
        for figure in figures:
            yield title, figure


def weight_figures(variables: Sequence[str], periods: pa.Table) -> list[CaptionedFigure]:
    """Draw, for each variable, the weights by year of the three rules that have most."""
    chosen = periods.filter(pc.field("variable").isin(pa.array(variables, pa.string())))
    return [_weight_figure(years) for years in weights_by_year(chosen)]


def _weight_figure(years: YearlyWeights) -> CaptionedFigure:
    largest = np.argsort(-years.weight.mean(axis=0), kind="stable")[: len(_RULES)].tolist()
    lines: dict[Role, Floats] = {
        role: years.weight[:, at] for role, at in zip(_RULES, largest, strict=False)
    }
    legend: dict[Role, str] = {
        role: years.rules[at] for role, at in zip(_RULES, largest, strict=False)
    }
    days = np.array([f"{int(year):04d}-07-01" for year in years.years], "M8[D]")
    shares = ", ".join(
        f"{name} {100 * lines[role][0]:.0f} % to {100 * lines[role][-1]:.0f} %"
        for role, name in legend.items()
    )
    span = f"{years.years[0]} to {years.years[-1]}"
    return CaptionedFigure(
        title=years.variable,
        note="mean share in the ensemble of the three rules that had most",
        alt=f"Line chart: weights in the ensemble for {years.variable}, {span}: {shares}.",
        svg=draw_weights(days, lines),
        legend=legend,
    )


def hedgehog_figures(
    variables: Sequence[str], quills: pa.Table, retrodictions: pa.Table
) -> list[CaptionedFigure]:
    """Draw, for each variable, forecasts at all horizons from some origins over the outcome."""
    figures = (
        _hedgehog_figure(name, _rows_of(quills, name), _rows_of(retrodictions, name))
        for name in variables
    )
    return [figure for figure in figures if figure]


def _hedgehog_figure(name: str, quills: pd.DataFrame, past: pd.DataFrame) -> CaptionedFigure | None:
    past = past[past["model"] == ENSEMBLE].dropna(subset="observed").sort_values("target_date")
    quills = quills.dropna(subset="predicted").sort_values(["origin_date", "horizon"])
    origins = quills["origin_date"].unique()
    if past.empty or not len(origins):
        return None
    chosen = origins[_spread(len(origins), QUILLS)]
    own = quills[quills["origin_date"].isin(chosen)]
    drawn = past.iloc[_spread(len(past), _POINTS)]
    steps = own["horizon"].unique()
    return CaptionedFigure(
        title=name,
        note=f"from {len(chosen)} of {len(origins):,} origins, up to {steps.max()} steps ahead",
        alt=f"Line chart: {name} observed, and what was forecast from {len(chosen)} origins.",
        svg=draw_hedgehog(drawn, *_quill_lines(own, past)),
        legend={"ensemble": "forecasts from one origin", "observed": "observed"},
    )


def _spread(length: int, most: int) -> np.ndarray:
    """Return at most `most` indices below a length, evenly spread, the last one among them.

    Example:
        >>> _spread(10, 4).tolist()
        [0, 3, 6, 9]
    """
    return np.linspace(0, length - 1, min(length, most)).round().astype(int)


def _quill_lines(quills: pd.DataFrame, past: pd.DataFrame) -> tuple[Dates, Floats]:
    """Return the forecasts of each origin one after another, with a gap between them.

    Each begins with the observation of the origin, if there is one.
    """
    observed = past.set_index("target_date")["observed"]
    observed = observed[~observed.index.duplicated(keep="last")]
    days, values = [], []
    for origin, rows in quills.groupby("origin_date"):
        start = [observed[origin]] if origin in observed.index else []
        days += [*[origin] * len(start), *rows["target_date"], rows["target_date"].iloc[-1]]
        values += [*start, *rows["predicted"], np.nan]
    return np.array(days, "M8[D]"), np.array(values, np.float64)


def _rows_of(table: pa.Table, variable: str) -> pd.DataFrame:
    return rows_with(table, "variable", variable).to_pandas(date_as_object=False)
