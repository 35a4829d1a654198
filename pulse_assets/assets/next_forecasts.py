"""`next_forecasts`: forecasts from the last observation of each series, weighted by past errors."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.assets.specs import aggregate
from pulse_assets.batches.fingerprint import ledger_fingerprint
from pulse_assets.dagster.checks.check import CheckedData
from pulse_assets.dagster.checks.forecasts import FORECAST_CHECKS, Forecasts
from pulse_assets.dagster.failures import plain_failures
from pulse_assets.dagster.previews import as_table, in_words
from pulse_assets.dagster.resources import DataResource
from pulse_assets.history.calendars import load_series
from pulse_assets.preflight import resolve_options
from pulse_assets.retrodiction.rule_process import fresh_hosts
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, ENSEMBLE, resolve_rules
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.stages.forecast import Trust, forecast_next
from pulse_assets.stages.ledger import latest_trust
from pulse_assets.stages.series_ends import (
    early_ends,
    last_observations,
    left_out,
)
from pulse_assets.storage.tables import fingerprint_of


def build_next_forecasts(settings: Settings) -> dg.AssetsDefinition:
    """Define the asset over the source of `settings`."""

    @dg.asset(
        check_specs=[check.spec for check in FORECAST_CHECKS],
        **aggregate("next_forecasts"),
    )
    def next_forecasts(
        context: dg.AssetExecutionContext,
        training: dg.ResourceParam[TrainingOptions],
        data: DataResource,
        trust_ledger: pa.Table,
    ) -> Iterator[dg.Output[pa.Table] | dg.AssetCheckResult]:
        with plain_failures(), fresh_hosts():
            run = data.applied_to(settings)
            options = resolve_options(run, training)
            source = run.open_source()
            series = load_series(source, options.variables or (), options.frequencies)
            seconds = options.rule_timeout_seconds
            rules = resolve_rules(options.models or DEFAULT_MODELS, seconds=seconds)
            result = forecast_next(series, rules, options, _trust(trust_ledger))
        early = early_ends(last_observations(result.table), options.frequencies)
        forecasts = Forecasts(
            left_out(result.table),
            early,
            result.rule_errors,
            trust_fits=fingerprint_of(trust_ledger) == ledger_fingerprint(run, options),
        )
        for name, reason in forecasts.left_out.items():
            context.log.warning(f"{name} has no forecast: {reason}")
        for pair, error in result.rule_errors.items():
            context.log.warning(f"a rule failed ({pair}): {error}")
        rule_errors = {"rule_errors": in_words(result.rule_errors)}
        yield dg.Output(result.table, metadata=_metadata(result.table, forecasts) | rule_errors)
        for check in FORECAST_CHECKS:
            yield CheckedData.of(run, options).evaluation(check.run(forecasts))

    return next_forecasts


def _metadata(table: pa.Table, forecasts: Forecasts) -> dict[str, Any]:
    ours = table.filter(pc.field("model") == ENSEMBLE).to_pylist()
    return {
        "left_out": in_words(forecasts.left_out),
        "ends_early": in_words(list(forecasts.early.values())),
        "forecast": as_table(ours),
    }


def _trust(ledger: pa.Table) -> Trust:
    """Return the trust after the last batch by variable, model and horizon."""
    latest = latest_trust(ledger, by_horizon=True)
    columns = (latest[name] for name in ("variable", "model", "horizon", "trust"))
    return {(name, model, int(h)): trust for name, model, h, trust in zip(*columns, strict=True)}
