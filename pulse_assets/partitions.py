"""The batch grid as Dagster partitions, built in this one place."""

from collections.abc import Mapping

import dagster as dg

from pulse_assets.batches import batch_starts
from pulse_assets.settings import Settings


def batch_partitions(settings: Settings) -> dg.StaticPartitionsDefinition:
    """Return one partition a batch; its key is the ISO date of the first day of the window.

    Static, because batches of any whole number of days fit no calendar schedule of Dagster.
    """
    starts = batch_starts(
        settings.start_date, settings.end_date, settings.batch_size_days, settings.batch_limit
    )
    return dg.StaticPartitionsDefinition([start.isoformat() for start in starts])


def batches_of_run(tags: Mapping[str, str], settings: Settings) -> list[str]:
    """Return the partition keys that a run was asked to make; none if it makes aggregates alone.

    Args:
        tags: those of the run, in which Dagster keeps its partition or range of partitions.
        settings: what fixes the batch grid.
    """
    one = tags.get("dagster/partition")
    first = tags.get("dagster/asset_partition_range_start", one)
    last = tags.get("dagster/asset_partition_range_end", one)
    if first is None or last is None:
        return []
    keys = batch_partitions(settings).get_partition_keys()
    return list(keys[keys.index(first) : keys.index(last) + 1])
