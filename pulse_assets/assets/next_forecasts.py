"""`next_forecasts`: forecasts from the last observation of each series, weighted by past errors."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pyarrow as pa

from pulse_assets.assets.specs import aggregate
from pulse_assets.batches.fingerprint import made_by
from pulse_assets.dagster.checks.check import CheckedData
from pulse_assets.dagster.checks.forecasts import FORECAST_CHECKS, Forecasts
from pulse_assets.dagster.deployment import Deployment
from pulse_assets.dagster.failures import plain_failures
from pulse_assets.dagster.previews import as_table, in_words
from pulse_assets.execution.separate_process import run_step
from pulse_assets.history.calendars import load_series
from pulse_assets.preflight import resolve_options
from pulse_assets.retrodiction.rule_process import fresh_hosts
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, ENSEMBLE, resolve_rules
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.stages.columns import levels_fingerprint
from pulse_assets.stages.forecast import forecast_next
from pulse_assets.stages.ledger import LatestTrust
from pulse_assets.stages.series_ends import (
    early_ends,
    left_out,
    observed_dates,
)
from pulse_assets.storage.objects import EncodedObject, StoredTable
from pulse_assets.storage.tables import rows_with


def build_next_forecasts(deployment: Deployment) -> dg.AssetsDefinition:
    """Define the asset over the source of a deployment."""
    names = deployment.names

    @dg.asset(
        key=names.key("next_forecasts"),
        ins={"trust_ledger": dg.AssetIn(names.key("trust_ledger"))},
        required_resource_keys=deployment.resource_keys("training", "data"),
        check_specs=[check.spec(names) for check in FORECAST_CHECKS],
        **aggregate("next_forecasts", deployment),
    )
    def next_forecasts(
        context: dg.AssetExecutionContext, trust_ledger: StoredTable
    ) -> Iterator[dg.Output[EncodedObject] | dg.AssetCheckResult]:
        with plain_failures(), fresh_hosts():
            run = deployment.settings_of(context.resources)
            options = resolve_options(run, deployment.options_of(context.resources))
            output, forecasts = run_step(
                "next_forecasts", options, compute_forecasts, run, options, trust_ledger
            )
            checked = CheckedData.of(run, options, names)
        for name, reason in forecasts.left_out.items():
            context.log.warning(f"{name} has no forecast: {reason}")
        for pair, error in forecasts.rule_errors.items():
            context.log.warning(f"a rule failed ({pair}): {error}")
        yield output
        for check in FORECAST_CHECKS:
            yield checked.evaluation(check.run(forecasts))

    return next_forecasts


def compute_forecasts(
    run: Settings, options: TrainingOptions, trust_ledger: StoredTable
) -> tuple[dg.Output[EncodedObject], Forecasts]:
    """Return the next forecasts, as they are stored and shown, and what their checks look at."""
    source, ledger = run.open_source(), trust_ledger.load()
    series = load_series(
        source, options.variables or (), options.frequencies, options.publication_lag_days
    )
    rules = resolve_rules(options.models or DEFAULT_MODELS, seconds=options.rule_timeout_seconds)
    result = forecast_next(series, rules, options, LatestTrust(ledger))
    forecasts = Forecasts(
        left_out(result.table),
        early_ends(observed_dates(series, result.table), options.frequencies),
        result.rule_errors,
        trust_fits=made_by(ledger, run, options),
    )
    encoded = EncodedObject.of_table(
        result.table, "next_forecasts", levels_fingerprint(options.quantile_levels)
    )
    return dg.Output(encoded, metadata=_metadata(result.table, forecasts)), forecasts


def _metadata(table: pa.Table, forecasts: Forecasts) -> dict[str, Any]:
    ours = rows_with(table, "model", ENSEMBLE).to_pylist()
    return {
        "left_out": in_words(forecasts.left_out),
        "ends_early": in_words(list(forecasts.early.values())),
        "forecast": as_table(ours),
        "rule_errors": in_words(forecasts.rule_errors),
    }
