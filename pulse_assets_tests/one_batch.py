"""Tasks of a single batch, for tests of what becomes of one."""

from pulse_assets.execution.batch_task import BatchSummary, BatchTask, fail_batches, run_batches


def run_batch(batch_task: BatchTask) -> BatchSummary:
    """Compute and store the only batch of a task."""
    (summary,) = run_batches(batch_task)
    return summary


def fail_batch(batch_task: BatchTask, error: Exception) -> BatchSummary:
    """Store the failure of the only batch of a task."""
    (summary,) = fail_batches(batch_task, error)
    return summary
