"""Assets of the team beside the retrodictions, with partitions and an IO manager of their own."""

import dagster as dg
import pandas as pd
import pyarrow as pa


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2024-01-01"))
def orders() -> int:
    """Orders of a day."""
    return 3


@dg.asset(
    ins={
        "retrodictions": dg.AssetIn(
            ["us", "retrodictions"], partition_mapping=dg.AllPartitionMapping()
        )
    }
)
def mean_errors(retrodictions: pd.DataFrame) -> dg.MaterializeResult:
    """Compute the mean error of each rule over all batches that are stored."""
    errors = (retrodictions["predicted"] - retrodictions["observed"]).abs()
    means = errors.groupby(retrodictions["model"].astype(str)).mean().to_dict()
    return dg.MaterializeResult(metadata={"mean_errors": means})


@dg.asset(ins={"ledger": dg.AssetIn(["us", "trust_ledger"])})
def rows_of_trust(ledger: pa.Table) -> dg.MaterializeResult:
    """Count the rows of the ledger."""
    return dg.MaterializeResult(metadata={"rows": ledger.num_rows})
