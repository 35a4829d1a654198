"""The batches of a deployment: their keys, in order of date, and the batch of each key.

Computed from the settings and the date alone. The Dagster partitions of the same grid are in
`pulse_assets.dagster.partitions`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from pulse_assets.batches.windows import (
    Cadence,
    TrainingBatch,
    batch_starts,
    calendar_batch,
    calendar_starts,
    make_batch,
)
from pulse_assets.errors import ConfigurationError
from pulse_assets.settings import Settings

#: Tags in which Dagster stores the first and the last partition of a run.
RANGE_TAGS: Final = (
    "dagster/asset_partition_range_start",
    "dagster/asset_partition_range_end",
)

_DAY: Final = timedelta(days=1)


def batch_keys(settings: Settings, today: date | None = None) -> list[str]:
    """Return the keys of the grid in order of date.

    Args:
        settings: what fixes the batch grid.
        today: the date (UTC) up to which an open range extends; default: the current one.

    Raises:
        ConfigurationError: the range holds no window.
    """
    keys = list_keys(settings, today)
    if not keys:
        raise ConfigurationError(_no_window(settings))
    return keys


def list_keys(settings: Settings, today: date | None = None) -> list[str]:
    """Return the keys of the grid in order of date; none if the range holds no window.

    Args:
        settings: what fixes the batch grid.
        today: the date (UTC) up to which an open range extends; default: the current one.
    """
    last = today - _DAY if today and settings.end_date is None else settings.last_day
    if settings.batch_cadence:
        starts = _calendar_grid(settings, settings.batch_cadence, today, last)
    else:
        starts = _grid_of_days(settings, last)
    return [start.isoformat() for start in starts]


def completed_keys(settings: Settings, today: date) -> list[str]:
    """Return the keys of the batches whose window has ended before `today`."""
    return [key for key in list_keys(settings, today) if batch_of(settings, key, ()).end <= today]


def batch_of(settings: Settings, key: str, variables: Sequence[str]) -> TrainingBatch:
    """Build the batch of a key of the grid."""
    if settings.batch_cadence:
        return calendar_batch(key, settings.batch_cadence, variables)
    return make_batch(key, settings.last_day, settings.batch_size_days, variables)


def batches_of_run(tags: Mapping[str, str], settings: Settings) -> list[str]:
    """Return the keys of the batches that a run computes; none if it makes aggregates alone.

    Args:
        tags: those of the run, in which Dagster stores its partition or range of partitions.
        settings: what fixes the batch grid.
    """
    single = tags.get("dagster/partition")
    first, last = (tags.get(tag, single) for tag in RANGE_TAGS)
    if first is None or last is None:
        return []
    return [key for key in batch_keys(settings) if first <= key <= last]


def check_keys(keys: Sequence[str], settings: Settings) -> None:
    """Refuse partition keys that are not in the grid, which someone added in Dagster's UI.

    Raises:
        ConfigurationError: a key is not in the grid.
    """
    if unknown := sorted({*keys} - {*batch_keys(settings)}):
        raise ConfigurationError(
            f"partition {unknown[0]} is no batch of the grid ({settings.batch_length} from "
            f"{settings.start_date}): delete it from the partitions of batch_metrics"
        )


def _no_window(settings: Settings) -> str:
    """Say that a range holds no window, and how to change it."""
    window = settings.batch_cadence or f"{settings.batch_size_days}-day"
    if settings.end_date:
        ends, fix = str(settings.last_day), "widen start_date and end_date"
    else:
        ends, fix = "today", "choose an earlier start_date, or wait"
    return f"from {settings.start_date} to {ends} there is no whole {window} window: {fix}"


def _grid_of_days(settings: Settings, last: date) -> list[date]:
    days = settings.batch_size_days
    starts = batch_starts(settings.start_date, last, days, settings.batch_limit)
    if settings.end_date is None:  # only windows that have ended are batches
        starts = [start for start in starts if start + timedelta(days=days - 1) <= last]
    return starts


def _calendar_grid(
    settings: Settings, cadence: Cadence, today: date | None, last: date
) -> list[date]:
    end = last + _DAY
    if settings.end_date is not None:  # a window of a closed range must have ended, too
        end = min(end, today or datetime.now(UTC).date())
    return calendar_starts(settings.start_date, end, cadence, settings.batch_limit)
