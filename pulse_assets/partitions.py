"""The batch grid as Dagster partitions, built in this one place.

Batches of a number of days are static partitions, for they fit no calendar schedule of Dagster: the
grid is built when the code location is loaded, and grows when it is loaded again. Batches of a
calendar cadence are time windows, which Dagster itself counts on as time passes: with an open end
new ones appear without a reload, so this is the grid for a deployment that goes on.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import dagster as dg

from pulse_assets.batches import (
    Cadence,
    TrainingBatch,
    batch_starts,
    calendar_batch,
    make_batch,
)
from pulse_assets.errors import ConfigurationError
from pulse_assets.settings import Settings

_CRON: Final[dict[Cadence, str]] = {
    "weekly": "0 0 * * 1",
    "monthly": "0 0 1 * *",
    "quarterly": "0 0 1 */3 *",
    "yearly": "0 0 1 1 *",
}


def batch_partitions(
    settings: Settings,
) -> dg.StaticPartitionsDefinition | dg.TimeWindowPartitionsDefinition:
    """Return one partition a batch; its key is the ISO date of the first day of the window.

    Calendar windows are those that lie in the range whole: the first begins at or after
    `start_date`, the last ends at or before `end_date`.

    Raises:
        ConfigurationError: the range holds no window.
    """
    cadence = settings.batch_cadence
    partitions = _calendar(settings, cadence) if cadence else _static(settings)
    keys = partitions.get_partition_keys()
    # Of a range within one window Dagster lists the window after it.
    if not keys or batch_of(settings, keys[0], ()).end > settings.last_day + timedelta(days=1):
        raise ConfigurationError(
            f"from {settings.start_date} to {settings.last_day} there is no whole window of "
            f"{settings.batch_length}: widen start_date and end_date"
        )
    return partitions


def batch_of(settings: Settings, key: str, variables: Sequence[str]) -> TrainingBatch:
    """Build the batch of a partition key of the grid."""
    if settings.batch_cadence:
        return calendar_batch(key, settings.batch_cadence, variables)
    return make_batch(key, settings.last_day, settings.batch_size_days, variables)


def completed_keys(settings: Settings, today: date) -> list[str]:
    """Return the keys of the batches whose window has ended before `today`."""
    now = datetime.combine(today, time(), UTC)
    keys = batch_partitions(settings).get_partition_keys(current_time=now)
    return [key for key in keys if batch_of(settings, key, ()).end <= today]


def _static(settings: Settings) -> dg.StaticPartitionsDefinition:
    days, last = settings.batch_size_days, settings.last_day
    starts = batch_starts(settings.start_date, last, days, settings.batch_limit)
    if settings.end_date is None:  # the window that has not ended is none yet
        starts = [start for start in starts if start + timedelta(days=days - 1) <= last]
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


def _calendar(settings: Settings, cadence: Cadence) -> dg.TimeWindowPartitionsDefinition:
    end = settings.end_date and settings.end_date + timedelta(days=1)
    windows = _windows(settings.start_date, end, cadence)
    keys = windows.get_partition_keys()
    if not settings.batch_limit or len(keys) <= settings.batch_limit:
        return windows
    limited = calendar_batch(keys[settings.batch_limit - 1], cadence, ()).end
    return _windows(settings.start_date, limited, cadence)


def _windows(start: date, end: date | None, cadence: Cadence) -> dg.TimeWindowPartitionsDefinition:
    return dg.TimeWindowPartitionsDefinition(
        start=start.isoformat(),
        end=end and end.isoformat(),
        fmt="%Y-%m-%d",
        cron_schedule=_CRON[cadence],
    )
