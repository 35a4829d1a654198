"""The batch grid as Dagster partitions, built in this one place.

- A closed range of windows of days: static partitions.
- An open range (`end_date: today`) of windows of days: dynamic partitions. Dagster keeps their keys
  in its instance, so `register_batches` adds the windows that have ended; no reload is needed.
- Windows of a calendar cadence: time-window partitions, which Dagster computes from the clock.

Our own code computes keys from the settings and the date: see `batch_keys`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import dagster as dg
from sqlalchemy.exc import IntegrityError

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
_DAY: Final = timedelta(days=1)
_LAST_DATE: Final = date(9000, 1, 1)

#: Keys that are added to the instance in one statement; SQLite bounds its parameters.
_KEYS_PER_STATEMENT: Final = 1000


def batch_partitions(settings: Settings) -> dg.PartitionsDefinition[str]:
    """Return one partition per batch; its key is the ISO date of the first day of the window.

    Calendar windows are those that lie in the range whole: the first begins at or after
    `start_date`, the last ends at or before `end_date`. A range whose end is `today` may hold no
    window yet: it has partitions once one has ended.

    Raises:
        ConfigurationError: a closed range holds no window.
    """
    keys = batch_keys(settings) if settings.end_date else ()
    if settings.batch_cadence:
        return _calendar(settings, settings.batch_cadence)
    if grid := dynamic_grid(settings):
        return dg.DynamicPartitionsDefinition(name=grid)
    return dg.StaticPartitionsDefinition(keys)


def batch_keys(settings: Settings, today: date | None = None) -> list[str]:
    """Return the keys of the grid in order of date.

    Args:
        settings: what fixes the batch grid.
        today: the date (UTC) until which an open range reaches; default: the current one.

    Raises:
        ConfigurationError: the range holds no window.
    """
    keys = _keys(settings, today)
    if not keys:
        raise ConfigurationError(_no_window(settings))
    return keys


def _no_window(settings: Settings) -> str:
    """Say that a range holds no window, and how to change it."""
    window = settings.batch_cadence or f"{settings.batch_size_days}-day"
    if settings.end_date:
        ends, fix = str(settings.last_day), "widen start_date and end_date"
    else:
        ends, fix = "today", "choose an earlier start_date, or wait"
    return f"from {settings.start_date} to {ends} there is no whole {window} window: {fix}"


def batch_of(settings: Settings, key: str, variables: Sequence[str]) -> TrainingBatch:
    """Build the batch of a partition key of the grid."""
    if settings.batch_cadence:
        return calendar_batch(key, settings.batch_cadence, variables)
    return make_batch(key, settings.last_day, settings.batch_size_days, variables)


def completed_keys(settings: Settings, today: date) -> list[str]:
    """Return the keys of the batches whose window has ended before `today`."""
    return [key for key in _keys(settings, today) if batch_of(settings, key, ()).end <= today]


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


def dynamic_grid(settings: Settings) -> str | None:
    """Return the name of the dynamic partitions of the grid; None if it has other ones.

    Example:
        >>> dynamic_grid(Settings(start_date="2020-01-01", end_date="today", batch_limit=9))
        'batches of 30 days from 2020-01-01, at most 9'
        >>> dynamic_grid(Settings())
    """
    if settings.batch_cadence or settings.end_date:
        return None
    limit = f", at most {settings.batch_limit}" if settings.batch_limit else ""
    return f"batches of {settings.batch_size_days} days from {settings.start_date}{limit}"


def register_batches(
    settings: Settings, instance: dg.DagsterInstance, today: date | None = None
) -> None:
    """Add the batches that have ended to the instance, if their partitions are dynamic.

    Dagster takes a range of dynamic partitions in the order in which they were added. If a key is
    missing in between or foreign, the keys from there on are added again.

    Args:
        settings: what fixes the batch grid.
        instance: the Dagster instance in which runs are created.
        today: the date (UTC) until which the grid reaches; default: the current one.
    """
    grid = dynamic_grid(settings)
    if grid is None:
        return
    keys = _keys(settings, today)
    known = instance.get_dynamic_partitions(grid)
    same = next((i for i, (a, b) in enumerate(zip(keys, known, strict=False)) if a != b), None)
    if same is not None:
        for key in known[same:]:
            instance.delete_dynamic_partition(grid, key)
        known = known[:same]
    for at in range(len(known), len(keys), _KEYS_PER_STATEMENT):
        _add(instance, grid, keys[at : at + _KEYS_PER_STATEMENT])


def _add(instance: dg.DagsterInstance, grid: str, keys: Sequence[str]) -> None:
    try:
        instance.add_dynamic_partitions(grid, keys)
    except IntegrityError:  # another process has just added some of them
        instance.add_dynamic_partitions(grid, keys)


def _keys(settings: Settings, today: date | None) -> list[str]:
    last = today - _DAY if today and settings.end_date is None else settings.last_day
    if settings.batch_cadence:
        return _calendar_keys(settings, settings.batch_cadence, today, last)
    days = settings.batch_size_days
    starts = batch_starts(settings.start_date, last, days, settings.batch_limit)
    if settings.end_date is None:  # the window that has not ended is none yet
        starts = [start for start in starts if start + timedelta(days=days - 1) <= last]
    return [start.isoformat() for start in starts]


def _calendar_keys(
    settings: Settings, cadence: Cadence, today: date | None, last: date
) -> list[str]:
    if settings.end_date is None:
        today = last + _DAY
    now = today and datetime.combine(today, time(), UTC)
    keys = _calendar(settings, cadence).get_partition_keys(current_time=now)
    # Of a range within one window Dagster lists the window after it.
    return [key for key in keys if calendar_batch(key, cadence, ()).end <= last + _DAY]


def _calendar(settings: Settings, cadence: Cadence) -> dg.TimeWindowPartitionsDefinition:
    end = settings.end_date and settings.end_date + _DAY
    windows = _windows(settings.start_date, end, cadence)
    keys = windows.get_partition_keys()
    if not settings.batch_limit or not keys:
        return windows
    limited = _end_of(keys[0], cadence, settings.batch_limit)
    return _windows(settings.start_date, min(limited, end or limited), cadence)


def _end_of(first: str, cadence: Cadence, count: int) -> date:
    """Return where the last of `count` windows ends, or a date after all ranges."""
    end = date.fromisoformat(first)
    for _ in range(count):
        end = calendar_batch(end.isoformat(), cadence, ()).end
        if end > _LAST_DATE:
            break
    return end


def _windows(start: date, end: date | None, cadence: Cadence) -> dg.TimeWindowPartitionsDefinition:
    return dg.TimeWindowPartitionsDefinition(
        start=start.isoformat(),
        end=end and end.isoformat(),
        fmt="%Y-%m-%d",
        cron_schedule=_CRON[cadence],
    )
