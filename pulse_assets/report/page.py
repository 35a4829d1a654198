"""The texts and tables of the report; `page.html` lays them out and escapes every name."""

import functools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import Environment, PackageLoader, StrictUndefined

from pulse_assets.report import gallery
from pulse_assets.report.calibration import describe_section
from pulse_assets.report.cards import ReportTables, make_cards
from pulse_assets.report.heat_map import skill_rows
from pulse_assets.report.periods import describe_periods
from pulse_assets.report.policy import content_policy, script
from pulse_assets.report.significance import describe_significance_section
from pulse_assets.retrodiction.rules import (
    ENSEMBLE,
    ENSEMBLE_MEDIAN,
    ENSEMBLES,
    INDICATORS,
    REFERENCE,
)
from pulse_assets.stages.outcome import warnings_of
from pulse_assets.stages.outcome_texts import group_failed, group_skipped, group_variables
from pulse_assets.stages.series_ends import left_out
from pulse_assets.storage.tables import rows_with

#: Variables that get figures and a leaderboard of their own.
FIGURED_VARIABLES: Final = 16
#: Variables in tables with a row per variable; more would make the page larger than 3 MB.
LISTED_VARIABLES: Final = 600

#: Rules named for each variable on the first screen.
TRUSTED_RULES: Final = 3

#: Variables with a table of what revisions do: one row per rule.
REVISED_VARIABLES: Final = 60
#: Decimals of numbers; smaller ones are shown with an exponent.
_PLACES: Final = 6
#: Variables that are named in a sentence.
NAMED: Final = 5
LISTED_FAILURES: Final = 100
LISTED_REASONS: Final = 50
LISTED_PROBLEMS: Final = 10
LISTED_WARNINGS: Final = 10


def build_report(results: Mapping[str, Any], tables: ReportTables) -> str:
    """Build the HTML page that shows which rules to trust for which variable.

    Args:
        results: the `training_results` object.
        tables: see `ReportTables`.

    Returns:
        One HTML document without links to other files; a script of its own searches, sorts and
        folds, and nothing is missing without it. The same text for the same arguments.
    """
    ranked, details = rank_variables(results), results["variables"]["details"]
    tested = results["significance"]["models"].get(ENSEMBLE, {}).get("tested", 0)
    beaten = {name for name, entry in details.items() if (entry["skill"] or 0) > 0}
    figured = choose_figured(ranked)
    listed = best_and_worst(ranked, LISTED_VARIABLES)
    forecasts = tables.forecasts
    ahead = _of_variables(forecasts, listed)
    horizons, horizon_rows = skill_rows(tables.skill, listed)
    return (
        _environment()
        .get_template("page.html")
        .render(
            policy=content_policy(),
            script=script(),
            results=results,
            ranked=ranked,
            figured=figured,
            revised=best_and_worst(
                [name for name in ranked if name in results["revisions"]], REVISED_VARIABLES
            ),
            listed=listed,
            level=results["configuration"].get("interval_level"),
            overall=next((row for row in results["models"] if row["model"] == ENSEMBLE), None),
            beaten=len(beaten),
            surely_beaten=len(beaten & _stars(results)),
            tested=tested,
            untested=len(ranked) - tested,
            next_figures=gallery.next_figures(
                figured, tables.retrodictions, forecasts, results["calibration"]["levels"]
            ),
            cards=make_cards(results, figured, tables),
            places={name: place for place, name in enumerate(listed)},
            in_words=_reasons(results, [name for name in listed if name not in figured]),
            skill_horizons=horizons,
            horizon_rows=horizon_rows,
            calibration=describe_section(results, listed),
            significance=describe_significance_section(results, listed),
            stars=_stars(results),
            gains={name: gain_over_median(results, name) for name in listed},
            periods=describe_periods(results, tables.periods),
            best={name: best_rules(results, name) for name in listed},
            horizons=sorted(set(forecasts["horizon"].drop_null().to_pylist())),
            ahead=list_ahead(ahead, listed),
            starts=list_starts(ahead),
            left_out=left_out(forecasts),
            early=_early(results),
            problems=[check for check in _failed(results) if check["severity"] == "ERROR"],
            warnings=warnings_of(results),
            failed=group_failed(results["errors"]),
            skipped=group_skipped(results["skipped"]),
            absent=group_variables(results["skipped_variables"]),
            unpredicted=sorted({entry["variable"] for entry in results["skipped_variables"]}),
            publication=_first_known(results["publication"]),
            assumed=sum(e["publication"] == "assumed" for e in results["publication"].values()),
        )
    )


def rank_variables(results: Mapping[str, Any]) -> list[str]:
    """Return the scored variables, the highest skill of the ensemble first."""
    details = results["variables"]["details"]

    def rank(name: str) -> tuple[bool, float, str]:
        skill = details[name]["skill"]
        return skill is None, -(skill or 0.0), name

    return sorted(details, key=rank)


def choose_figured(ranked: list[str]) -> list[str]:
    """Return the variables to draw: all, or the best and the worst where there are many."""
    return best_and_worst(ranked, FIGURED_VARIABLES)


def best_and_worst(ranked: list[str], most: int) -> list[str]:
    """Return at most `most` names: all, or the first and the last ones.

    Example:
        >>> best_and_worst(["a", "b", "c", "d", "e"], 2)
        ['a', 'e']
    """
    half = most // 2
    return ranked if len(ranked) <= most else ranked[:half] + ranked[-half:]


def _of_variables(forecasts: pa.Table, listed: Sequence[str]) -> pa.Table:
    """Return the ensemble's forecasts of some variables, and of all where there are few."""
    ours = rows_with(forecasts, "model", ENSEMBLE)
    named = ours["variable"].unique().to_pylist()
    if len(named) <= LISTED_VARIABLES:
        return ours
    return ours.filter(pc.field("variable").isin(pa.array(listed, pa.string())))


def gain_over_median(results: Mapping[str, Any], variable: str) -> float | None:
    """Return how much smaller the error of the ensemble is than that of the median of its rules.

    Example:
        >>> skills = {"ensemble": 0.4, "ensemble_median": 0.2}
        >>> board = [{"model": name, "skill": skill} for name, skill in skills.items()]
        >>> round(gain_over_median({"models_by_variable": {"gdp": board}}, "gdp") or 0.0, 6)
        0.25
    """
    skills = {row["model"]: row["skill"] for row in results["models_by_variable"][variable]}
    learned, median = skills.get(ENSEMBLE), skills.get(ENSEMBLE_MEDIAN)
    if learned is None or median is None or median == 1.0:
        return None
    return 1.0 - (1.0 - learned) / (1.0 - median)


def best_rules(results: Mapping[str, Any], variable: str) -> list[Mapping[str, Any]]:
    """Return the rows of the rules to trust for a variable: the best three that beat `naive`."""
    board = results["models_by_variable"][variable]
    better = [row for row in board if (row["skill"] or 0) > 0 and not row["partial"]]
    return [row for row in better if row["model"] not in ENSEMBLES][:TRUSTED_RULES]


@dataclass(frozen=True)
class AheadCell:
    """One next forecast of the ensemble, as text."""

    date: str
    predicted: str
    interval: str


def list_ahead(forecasts: pa.Table, variables: Sequence[str]) -> dict[str, dict[int, AheadCell]]:
    """Return the ensemble's next forecasts by variable and horizon, in the order of `variables`."""
    cells: dict[str, dict[int, AheadCell]] = {}
    for row in rows_with(forecasts, "model", ENSEMBLE).to_pylist():
        digits = _digits(row["predicted"])
        lower, upper = (_format_score(_defined(row[end]), digits) for end in ("lower", "upper"))
        cells.setdefault(row["variable"], {})[row["horizon"]] = AheadCell(
            date=row["target_date"].isoformat(),
            predicted=_format_score(_defined(row["predicted"]), digits),
            interval=f"{lower} to {upper}",
        )
    others = sorted(set(cells) - set(variables))
    return {name: cells[name] for name in [*variables, *others] if name in cells}


@dataclass(frozen=True)
class Start:
    """The last observation of a variable, as text."""

    date: str
    value: str


def list_starts(forecasts: pa.Table) -> dict[str, Start]:
    """Return the observation from which the forecasts of each variable start."""
    starts = {}
    for row in rows_with(forecasts, "model", ENSEMBLE).to_pylist():
        value = row["origin_value"]
        shown = _format_score(_defined(value), _digits(value))
        starts[row["variable"]] = Start(row["origin_date"].isoformat(), shown)
    return starts


def _reasons(results: Mapping[str, Any], variables: Sequence[str]) -> dict[str, str]:
    """Return why the ensemble trusts which rules, for the variables that have reasons."""
    reasons = results["reasons"]
    return {name: " ".join(reasons[name]) for name in variables if name in reasons}


def _stars(results: Mapping[str, Any]) -> set[str]:
    """Return the variables on which the ensemble differs from `naive` by more than chance."""
    tested = results["significance"]["variables"]
    return {name for name, entry in tested.items() if entry["against_naive"]}


def _failed(results: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [check for check in results["checks"] if check["passed"] is False]


def _first_known(publication: Mapping[str, Any]) -> dict[str, Any]:
    """Return when the values of the first variables were known, those in the source first."""
    order = sorted(publication, key=lambda name: publication[name]["publication"] == "assumed")
    return {name: publication[name] for name in order[:LISTED_VARIABLES]}


def _early(results: Mapping[str, Any]) -> list[str]:
    """Return the messages of the check that compares the ends of the series."""
    checks = _failed(results)
    return [check["message"] for check in checks if check["name"] == "series_end_together"]


def _defined(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _digits(number: float) -> int:
    """Return the decimals that show three significant digits.

    Example:
        >>> _digits(3783.22), _digits(0.6353)
        (0, 3)
    """
    if not math.isfinite(number) or number == 0:
        return 2
    return max(0, 2 - math.floor(math.log10(abs(number))))


@functools.cache  # it compiles the templates
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pulse_assets", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": _format_count,
        "percent": _format_percent,
        "score": _format_score,
        "setting": _format_setting,
        "significant": _format_significant,
        "unbroken": _keep_percent,
    }
    environment.globals |= {
        "NAMED": NAMED,
        "LISTED_FAILURES": LISTED_FAILURES,
        "LISTED_REASONS": LISTED_REASONS,
        "LISTED_PROBLEMS": LISTED_PROBLEMS,
        "LISTED_WARNINGS": LISTED_WARNINGS,
        "LISTED_VARIABLES": LISTED_VARIABLES,
        "REFERENCE": REFERENCE,
        "ENSEMBLE": ENSEMBLE,
        "INDICATORS": INDICATORS,
    }
    return environment


def _format_count(number: int) -> str:
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _format_score(number: float | None, digits: int = 2) -> str:
    if number is None:
        return "\N{EN DASH}"
    return _with_minus(f"{number:.{digits}f}" if digits <= _PLACES else f"{number:.2e}")


def _format_significant(number: float | None) -> str:
    """Return a number with three significant digits, as in the unit of a variable."""
    return _format_score(number, 2 if number is None else _digits(number))


def _format_percent(share: float | None, sign: str = "+") -> str:
    """Return a share as per cent, with its sign unless `sign` is "-" (then only below 0)."""
    if share is None:
        return "\N{EN DASH}"
    rounded = round(100 * share, 1) + 0.0  # -0.0 + 0.0 is 0.0
    text = f"{rounded:{sign}.1f}" if rounded else "0.0"
    return _with_minus(f"{text}\N{NO-BREAK SPACE}%")


def _keep_percent(text: str) -> str:
    """Keep each number on the line of its per cent sign."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def _with_minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


def _format_setting(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
