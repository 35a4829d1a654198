"""`trust_ledger`: the scan of all stored batch metrics of the run's configuration."""

from typing import Any

import dagster as dg
import pyarrow as pa

from pulse_assets.assets.specs import aggregate
from pulse_assets.batches.fingerprint import configuration_fingerprint, ledger_fingerprint
from pulse_assets.batches.grid import batches_of_run
from pulse_assets.dagster.failures import plain_failures
from pulse_assets.dagster.previews import ROWS, as_table
from pulse_assets.dagster.resources import DataResource
from pulse_assets.preflight import resolve_options
from pulse_assets.report.pictures import trust_picture
from pulse_assets.retrodiction.rule_process import fresh_hosts
from pulse_assets.retrodiction.rules import ENSEMBLE
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.stages.ledger import LEDGER_COLUMNS, build_ledger, latest_trust
from pulse_assets.storage.layout import PartitionedTables
from pulse_assets.storage.tables import with_fingerprint


def build_trust_ledger(settings: Settings) -> dg.AssetsDefinition:
    """Define the asset over the batches of `settings`."""

    @dg.asset(**aggregate("trust_ledger"))
    def trust_ledger(
        context: dg.AssetExecutionContext,
        training: dg.ResourceParam[TrainingOptions],
        data: DataResource,
        batch_metrics: PartitionedTables,
    ) -> dg.Output[pa.Table]:
        with plain_failures(), fresh_hosts():
            run = data.applied_to(settings)
            options = resolve_options(run, training)
            configuration = configuration_fingerprint(run, options)
            chosen = batch_metrics.parts(
                LEDGER_COLUMNS,
                made_of={"configuration": configuration},
                required=batches_of_run(context.run.tags, settings),
            )
            ledger = build_ledger(chosen, options.trust_discount)
        return dg.Output(
            with_fingerprint(ledger, ledger_fingerprint(run, options)), metadata=_metadata(ledger)
        )

    return trust_ledger


def _metadata(ledger: pa.Table) -> dict[str, Any]:
    latest = latest_trust(ledger)
    shown = latest[latest["model"] == ENSEMBLE].head(ROWS)
    ours = pa.Table.from_pandas(shown, preserve_index=False)
    return {
        "batches": len(ledger["batch"].unique()),
        "trust_over_time": dg.MetadataValue.md(trust_picture(ledger)),
        "trust_now": as_table(ours.to_pylist()),
    }
