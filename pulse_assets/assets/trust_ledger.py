"""`trust_ledger`: the scan of all stored batch metrics of the run's configuration."""

from collections.abc import Collection
from typing import Any

import dagster as dg
import pyarrow as pa

from pulse_assets.assets.specs import aggregate
from pulse_assets.batches.fingerprint import configuration_fingerprint, ledger_fingerprint
from pulse_assets.batches.grid import batches_of_run
from pulse_assets.dagster.deployment import Deployment
from pulse_assets.dagster.failures import plain_failures
from pulse_assets.dagster.previews import ROWS, as_table, with_side
from pulse_assets.execution.separate_process import run_step
from pulse_assets.preflight import resolve_options
from pulse_assets.report.pictures import trust_picture
from pulse_assets.retrodiction.rule_process import fresh_hosts
from pulse_assets.retrodiction.rules import ENSEMBLE
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.stages.ledger import LEDGER_COLUMNS, build_ledger, latest_trust
from pulse_assets.storage.layout import PartitionedTables
from pulse_assets.storage.objects import EncodedObject


def build_trust_ledger(deployment: Deployment) -> dg.AssetsDefinition:
    """Define the asset over the batches of a deployment."""
    settings, names = deployment.settings, deployment.names

    @dg.asset(
        key=names.key("trust_ledger"),
        ins={"batch_metrics": dg.AssetIn(names.key("batch_metrics"))},
        required_resource_keys=deployment.resource_keys("training", "data"),
        **aggregate("trust_ledger", deployment),
    )
    def trust_ledger(
        context: dg.AssetExecutionContext, batch_metrics: PartitionedTables
    ) -> dg.Output[EncodedObject]:
        with plain_failures(), fresh_hosts():
            run = deployment.settings_of(context.resources)
            options = resolve_options(run, deployment.options_of(context.resources))
            required = batches_of_run(context.run.tags, settings)
            if not len(batch_metrics):
                context.log.warning(f"{run.store} holds no batches: materialize some before trust")
            return run_step(
                "trust_ledger", options, compute_ledger, run, options, batch_metrics, required
            )

    return trust_ledger


def compute_ledger(
    run: Settings, options: TrainingOptions, metrics: PartitionedTables, required: Collection[str]
) -> dg.Output[EncodedObject]:
    """Return the ledger of all batches of this configuration, as it is stored and shown.

    Args:
        run: where data lies.
        options: the resolved configuration.
        metrics: the stored `batch_metrics`.
        required: keys of batches that must be among them.
    """
    chosen = metrics.parts(
        LEDGER_COLUMNS,
        made_of={"configuration": configuration_fingerprint(run, options)},
        required=required,
    )
    ledger = build_ledger(chosen, options.trust_discount)
    fingerprint = ledger_fingerprint(run, options)
    encoded = EncodedObject.of_table(ledger, "trust_ledger", fingerprint)
    return dg.Output(encoded, metadata=_metadata(ledger))


def _metadata(ledger: pa.Table) -> dict[str, Any]:
    latest = latest_trust(ledger)
    shown = latest[latest["model"] == ENSEMBLE].head(ROWS)
    ours = pa.Table.from_pandas(shown, preserve_index=False)
    return {
        "batches": len(ledger["batch"].unique()),
        "trust_over_time": dg.MetadataValue.md(trust_picture(ledger)),
        "trust_now": as_table([with_side(row) for row in ours.to_pylist()]),
    }
