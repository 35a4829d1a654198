"""The batch grid as Dagster partitions, built in this one place."""

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
