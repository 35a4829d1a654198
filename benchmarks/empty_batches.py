"""`pulse-train` whose batches compute nothing and store nothing: what is left is the graph's cost.

    python -m benchmarks.empty_batches OPTION ...

Takes the options of `pulse-train`. The store must hold the batches already, for the aggregates read
them. Each batch is a task of the cluster that returns at once; what is recorded of it is what is
recorded of any other.
"""

import sys

from pulse_assets.catalog import BATCH_TABLES
from pulse_assets.execution.batch_task import BatchSummary, BatchTask


def skip_batches(task: BatchTask) -> list[BatchSummary]:
    """Return what batches without an observation return."""
    sizes: dict[str, int] = dict.fromkeys(BATCH_TABLES, 1)
    return [
        BatchSummary(batch.batch_id, "skipped", error="empty", rows=sizes, bytes=sizes)
        for batch in task.batches
    ]


if __name__ == "__main__":
    # Here, so that workers, which import this module, import no more than for any other batch.
    from benchmarks.empty_batches import skip_batches as importable_on_workers
    from pulse_assets.assets import train_batches
    from pulse_assets.run_training import main

    train_batches.run_batches = importable_on_workers
    sys.exit(main())
