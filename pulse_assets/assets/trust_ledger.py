"""`trust_ledger`: the scan of all stored batch metrics of the run's configuration."""

import dagster as dg
import pyarrow as pa

from pulse_assets.assets.failures import plain_failures
from pulse_assets.execution.batch_task import configuration_fingerprint
from pulse_assets.partitions import batches_of_run
from pulse_assets.preflight import resolve_options
from pulse_assets.resources import TrainingResource
from pulse_assets.settings import Settings
from pulse_assets.stages.ledger import build_ledger
from pulse_assets.storage.layout import PartitionedTables

_COLUMNS = ("batch", "variable", "model", "hits", "misses")


def build_trust_ledger(settings: Settings) -> dg.AssetsDefinition:
    """Define the asset over the batches of `settings`."""

    @dg.asset(
        group_name="trust",
        kinds={"parquet"},
        io_manager_key="parquet_io",
        description="Beta trust and credible interval a variable and model after every batch.",
    )
    def trust_ledger(
        context: dg.AssetExecutionContext,
        training: TrainingResource,
        batch_metrics: PartitionedTables,
    ) -> dg.Output[pa.Table]:
        with plain_failures():
            options = resolve_options(settings, training.options())
            configuration = configuration_fingerprint(settings, options)
            chosen = batch_metrics.parts(
                _COLUMNS,
                made_of={"configuration": configuration},
                required=batches_of_run(context.run.tags, settings),
            )
            ledger = build_ledger(chosen, options.trust_discount)
        return dg.Output(ledger, metadata={"batches": len(ledger["batch"].unique())})

    return trust_ledger
