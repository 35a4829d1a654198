"""The section on periods of the report: who was right in which year, recession and crisis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from pulse_assets.history.periods import recessions
from pulse_assets.report.heat_map import HeatRow, skill_cell
from pulse_assets.retrodiction.rules import ENSEMBLES, REFERENCE
from pulse_assets.stages.periods import best_rule

#: Years of the picture, the last ones, and rules in it, those of highest skill.
YEARS: Final = 40
RULES: Final = 12
#: The kinds of periods of the table, in order.
_KINDS: Final = ("file", "volatility", "cycle", "recession")


@dataclass(frozen=True)
class Year:
    """A column of the picture; `marked` says why it stands out."""

    name: str
    marked: str


@dataclass(frozen=True)
class PeriodSection:
    """What the section shows.

    Attributes:
        reading: two sentences.
        years: columns of the picture.
        rows: of the picture.
        cut: what it leaves out, in words.
        others: entries of `training_results` about other periods.
    """

    reading: str
    years: Sequence[Year]
    rows: Sequence[HeatRow]
    cut: str
    others: Sequence[Mapping[str, Any]]


def describe_periods(results: Mapping[str, Any], table: pa.Table) -> PeriodSection | None:
    """Return the section; None without a score.

    Args:
        results: the `training_results` object.
        table: rows of schema `SCORES_BY_PERIOD`.
    """
    if not results["periods"]:
        return None
    overall = table.filter(table["variable"].is_null())
    by_year = overall.to_pandas().astype({"kind": str, "period": str, "model": str})
    by_year = by_year[by_year["kind"] == "year"]
    skill = by_year.pivot_table(index="model", columns="period", values="skill", dropna=False)
    years = list(skill.columns[-YEARS:])
    models = _chosen(results, skill.index)
    best = _best_of_years(by_year)
    cut = [f"The last {YEARS} of {skill.shape[1]} years."] if skill.shape[1] > YEARS else []
    rest = len(skill.index.drop([*ENSEMBLES, REFERENCE], errors="ignore")) - RULES
    cut += [f"The {RULES} rules of highest skill."] if rest > 0 else []
    return PeriodSection(
        reading=_reading(results["periods"]),
        years=[Year(name, _marks().get(name, "")) for name in years],
        rows=[
            HeatRow(
                model,
                [skill_cell(skill.loc[model, y], best=best.get(y) == model) for y in years],
            )
            for model in models
        ],
        cut=" ".join(cut),
        others=[entry for kind in _KINDS for entry in results["periods"] if entry["kind"] == kind],
    )


def _chosen(results: Mapping[str, Any], scored: pd.Index) -> list[str]:
    """Return the ensembles, `naive` and the best rules, the highest skill first."""
    ranked = [row["model"] for row in results["models"] if row["model"] in scored]
    rules = [name for name in ranked if name not in (*ENSEMBLES, REFERENCE)][:RULES]
    return [name for name in ranked if name in (*ENSEMBLES, *rules, REFERENCE)]


def _best_of_years(rows: pd.DataFrame) -> dict[str, str]:
    """Return the rule of highest skill of each year, see `best_rule`."""
    by_year = rows.groupby("period")
    best = {str(year): best_rule(pa.Table.from_pandas(own).to_pylist()) for year, own in by_year}
    return {year: row["model"] for year, row in best.items() if row}


def _marks() -> dict[str, str]:
    """Return the name of the recession by year."""
    marks = {}
    for period in recessions():
        for year in range(period.start.year, period.end.year + 1):
            marks[str(year)] = period.name
    return marks


def _reading(periods: Sequence[Mapping[str, Any]]) -> str:
    """Say who was right in the last two recessions, and how crises differ from calm times."""
    by_kind: dict[str, list[Mapping[str, Any]]] = {}
    for entry in periods:
        by_kind.setdefault(entry["kind"], []).append(entry)
    recent = [e for e in by_kind.get("recession", []) if e["best_model"]][-2:]
    sentences = []
    if recent:
        parts = [
            f"{e['best_model']} in the {e['period']} ({_percent(e['best_skill'])}; the ensemble "
            f"{_percent(e['skill'])})"
            for e in recent
        ]
        sentences.append(f"Closest of the single rules was {' and '.join(parts)}.")
    states = {e["period"]: e for e in by_kind.get("volatility", []) if e["skill"] is not None}
    if len(states) == 2:
        sentences.append(
            f"In a crisis the skill of the ensemble is {_percent(states['crisis']['skill'])}, in "
            f"calm times {_percent(states['calm']['skill'])}."
        )
    return " ".join(sentences) or "The skill of the ensemble and of the rules, year by year."


def _percent(share: float) -> str:
    return f"{100 * share:+.1f} %".replace("-", "\N{MINUS SIGN}")
