"""`pulse-train forecast --as-of DAY`: what would have been forecasts on a day of the past."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import pyarrow as pa
from rich.console import Console
from rich.text import Text

from pulse_assets.as_of import ForecastsAsOf, forecast_as_of
from pulse_assets.cli.terminal import (
    new_table,
    plain,
    plain_rows,
    print_error,
    print_forecasts,
    print_json,
    short_number,
)
from pulse_assets.dagster.checks.forecasts import (
    Forecasts,
    no_failed_rules,
    series_end_together,
    trust_is_of_this_configuration,
)
from pulse_assets.retrodiction.rules import ENSEMBLE, ENSEMBLES
from pulse_assets.settings import TrainingConfig
from pulse_assets.storage.tables import rows_with

#: Rules of the largest weight that are printed of each variable.
_LISTED_RULES: Final = 4


def show_as_of(config: TrainingConfig, day: str, *, as_json: bool) -> Literal[0, 1]:
    """Print the forecasts of the ensemble, their quantiles, and the weights of the rules.

    Returns:
        0 if every variable has a forecast and no rule failed, else 1.

    Raises:
        ConfigurationError: the day lies before the first batch or in the future.
        HistoricalDataError: the source cannot be read, or no variable had enough history.
        StoreError: there is no training in the store, or it cannot be read.
    """
    forecasts = forecast_as_of(config.settings(), config.options(), day)
    checked = Forecasts(
        forecasts.left_out, forecasts.early, forecasts.rule_errors, trust_fits=forecasts.trust_fits
    )
    findings = [check(checked) for check in (series_end_together, trust_is_of_this_configuration)]
    warnings = [finding.message for finding in findings if not finding.passed]
    problems = [f.message for f in (no_failed_rules(checked),) if not f.passed]
    if as_json:
        excluded = [{"variable": name, "reason": why} for name, why in forecasts.left_out.items()]
        messages = {"left_out": excluded, "warnings": warnings, "problems": problems}
        print_json(_as_json(forecasts) | messages)
    else:
        _print(forecasts, warnings, Console())
    for name, reason in forecasts.left_out.items():
        print_error(f"{name} has no forecast: {reason.removeprefix(f'{name}: ')}")
    for problem in problems:
        print_error(problem)
    return 1 if forecasts.left_out or problems else 0


def _of_rules(forecasts: ForecastsAsOf) -> pa.Table:
    """Return the rows of the rules that have a forecast, without the ensembles."""
    rows = [row for row in forecasts.table.to_pylist() if row["model"] not in (None, *ENSEMBLES)]
    present = [row for row in rows if row["weight"] and row["predicted"] == row["predicted"]]
    ordered = sorted(present, key=lambda row: (row["variable"], row["horizon"], -row["weight"]))
    return pa.Table.from_pylist(ordered, forecasts.table.schema)


def _as_json(forecasts: ForecastsAsOf) -> dict[str, Any]:
    wanted = ["variable", "model", "horizon", "target_date", "predicted", "weight", "trust"]
    return {
        "as_of": forecasts.day.isoformat(),
        "batches": forecasts.batches,
        "quantile_levels": [*forecasts.options.quantile_levels],
        "forecasts": plain_rows(
            rows_with(forecasts.table, "model", ENSEMBLE).drop_columns(["model", "weight"])
        ),
        "weights": plain_rows(_of_rules(forecasts).select(wanted)),
    }


def _print(forecasts: ForecastsAsOf, warnings: Sequence[str], console: Console) -> None:
    rows = rows_with(forecasts.table, "model", ENSEMBLE).to_pylist()
    console.print(
        Text(f"as of {forecasts.day}, trust from {forecasts.batches:,} batches known then")
    )
    console.print()
    print_forecasts(rows, (), {}, console)
    _print_quantiles(rows, forecasts.options.quantile_levels, console)
    _print_weights(_of_rules(forecasts).to_pylist(), console)
    print_forecasts((), warnings, {}, console)


def _print_quantiles(
    rows: Sequence[Mapping[str, Any]], levels: Sequence[float], console: Console
) -> None:
    """Print the quantiles of each forecast below the name of its variable; levels in per cent."""
    table = new_table("variable", *(f"{100 * level:g} %" for level in levels))
    previous = ""
    for row in rows:
        if row["variable"] != previous:
            previous = row["variable"]
            table.add_row(plain(previous))
        table.add_row(_steps(row["horizon"]), *map(short_number, row["quantiles"]))
    if rows:
        console.print(table)
        console.print()


def _steps(horizon: int) -> str:
    """Return a horizon in words.

    Example:
        >>> _steps(1), _steps(12)
        ('  1 step', '  12 steps')
    """
    return f"  {horizon} step{'s' if horizon > 1 else ''}"


def _print_weights(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print the rules of the largest weight of each variable, at its shortest horizon."""
    shown: dict[str, list[str]] = {}
    steps: dict[str, int] = {}
    for row in rows:
        steps.setdefault(row["variable"], row["horizon"])
        names = shown.setdefault(row["variable"], [])
        if row["horizon"] == steps[row["variable"]] and len(names) < _LISTED_RULES:
            names.append(f"{row['model']} {100 * row['weight']:.0f} %")
    if not shown:
        return
    console.print(Text("weights of the rules at the shortest horizon", style="bold"))
    for name, names in shown.items():
        console.print(plain(f"  {name}: {', '.join(names)}"), soft_wrap=True)
    console.print()
