"""`next_forecasts`: the forecasts that a user came for, made with what the training learnt."""

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.assets.documentation import described
from pulse_assets.assets.failures import plain_failures
from pulse_assets.assets.previews import as_table, in_words
from pulse_assets.automation import AGGREGATE_CONDITION
from pulse_assets.preflight import resolve_options
from pulse_assets.resources import DataResource
from pulse_assets.retrodiction.rule_process import fresh_hosts
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, resolve_rules
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.stages.forecast import Trust, forecast_next
from pulse_assets.stages.ledger import latest_trust
from pulse_assets.stages.results import ENSEMBLE


def build_next_forecasts(settings: Settings) -> dg.AssetsDefinition:
    """Define the asset over the source of `settings`."""

    @dg.asset(
        io_manager_key="parquet_io",
        automation_condition=AGGREGATE_CONDITION,
        **described("next_forecasts"),
    )
    def next_forecasts(
        context: dg.AssetExecutionContext,
        training: dg.ResourceParam[TrainingOptions],
        data: DataResource,
        trust_ledger: pa.Table,
    ) -> dg.Output[pa.Table]:
        with plain_failures(), fresh_hosts():
            run = data.applied_to(settings)
            options = resolve_options(run, training)
            source = run.open_source()
            series = {name: source.load(name) for name in options.variables or ()}
            seconds = options.rule_timeout_seconds
            rules = resolve_rules(options.models or DEFAULT_MODELS, seconds=seconds)
            made = forecast_next(series, rules, options, _trust(trust_ledger))
        for name, reason in made.left_out.items():
            context.log.warning(f"{name} has no forecast: {reason}")
        for pair, error in made.rule_errors.items():
            context.log.warning(f"a rule failed ({pair}): {error}")
        ours = made.table.filter(pc.field("model") == ENSEMBLE).to_pylist()
        metadata = {
            "left_out": in_words(made.left_out),
            "rule_errors": in_words(made.rule_errors),
            "forecast": as_table(ours),
        }
        return dg.Output(made.table, metadata=metadata)

    return next_forecasts


def _trust(ledger: pa.Table) -> Trust:
    """Return the trust after the last batch by variable, model and horizon."""
    latest = latest_trust(ledger, by_horizon=True)
    columns = (latest[name] for name in ("variable", "model", "horizon", "trust"))
    return {(name, model, int(h)): trust for name, model, h, trust in zip(*columns, strict=True)}
