"""What Dagster shows of the results: small tables and a picture as metadata."""

from typing import Any, Final

import dagster as dg
import pyarrow as pa

from pulse_assets.dagster.previews import ROWS, as_table, with_side
from pulse_assets.report.pictures import forecast_picture
from pulse_assets.retrodiction.rules import ENSEMBLE
from pulse_assets.storage.tables import rows_with

_LEADERBOARD: Final = (
    "model",
    "skill",
    "win_rate",
    "mase",
    "sql",
    "coverage",
    "trust",
    "weight",
    "n",
)


def preview_significance(significance: pa.Table) -> dict[str, Any]:
    """Show the tests of the ensemble over all horizons."""
    ours = rows_with(significance, "model", ENSEMBLE)
    overall = ours.filter(ours["horizon"].is_null()).drop_columns(["model", "horizon"])
    return {"ensemble_over_all_horizons": as_table(overall.slice(0, ROWS).to_pylist())}


def preview_periods(scores: pa.Table) -> dict[str, Any]:
    """Show the scores of the ensemble over all variables."""
    ours = rows_with(scores, "model", ENSEMBLE)
    overall = ours.filter(ours["variable"].is_null()).drop_columns(["model", "variable"])
    return {"ensemble_over_all_variables": as_table(overall.slice(0, ROWS).to_pylist())}


def preview_skill(skill: pa.Table) -> dict[str, Any]:
    """Show the rows over all variables."""
    overall = skill.filter(skill["variable"].is_null()).drop_columns(["variable"])
    return {"over_all_variables": as_table(overall.slice(0, ROWS).to_pylist())}


def preview_results(results: dict[str, Any], retrodictions: pa.Table) -> dict[str, Any]:
    """Show counts, leaderboard, trust and the last retrodictions."""
    batches, details = results["batches"], results["variables"]["details"]
    ours = rows_with(retrodictions, "model", ENSEMBLE).sort_by("target_date")
    last = ours.slice(max(0, ours.num_rows - ROWS)).to_pylist()
    return {
        **{name: batches[name] for name in ("total", "completed", "skipped", "failed")},
        "leaderboard": as_table(results["models"], _LEADERBOARD),
        "trust_by_variable": as_table(
            [with_side({"variable": name, **details[name]}) for name in list(details)[:ROWS]]
        ),
        "predicted_against_observed": dg.MetadataValue.md(forecast_picture(retrodictions)),
        "last_retrodictions": as_table(last[::-1]),
    }
