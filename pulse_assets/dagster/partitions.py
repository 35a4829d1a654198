"""The batch grid as Dagster partitions.

- A closed range of windows of days: static partitions.
- An open range (`end_date: today`) of windows of days: dynamic partitions. Dagster stores their
  keys in its instance, so `register_batches` adds the windows that have ended; no reload is needed.
- Windows of a calendar cadence: time-window partitions, which Dagster computes from the clock.

Our own code computes keys from the settings and the date: see `pulse_assets.batches.grid`.
"""

import logging
import os
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import dagster as dg
from sqlalchemy.exc import IntegrityError

from pulse_assets.batches.grid import batch_keys, list_keys
from pulse_assets.batches.windows import Cadence, calendar_batch, calendar_starts
from pulse_assets.settings import Settings

_log: Final = logging.getLogger(__name__)

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

    Only calendar windows entirely inside the range become batches: the first begins at or after
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
        today: the date (UTC) up to which the grid extends; default: the current one.
    """
    grid = dynamic_grid(settings)
    if grid is None:
        return
    keys = list_keys(settings, today)
    registered = instance.get_dynamic_partitions(grid)
    pairs = enumerate(zip(keys, registered, strict=False))
    same = next((i for i, (a, b) in pairs if a != b), None)
    if same is not None:
        for key in registered[same:]:
            instance.delete_dynamic_partition(grid, key)
        registered = registered[:same]
    for at in range(len(registered), len(keys), _KEYS_PER_STATEMENT):
        _add(instance, grid, keys[at : at + _KEYS_PER_STATEMENT])


def show_batches(settings: Settings) -> None:
    """Add the batches of a growing grid to the instance in DAGSTER_HOME, so that the UI shows them.

    Without an instance that can be used, the code location is loaded all the same: whatever
    creates a run adds them too.
    """
    if dynamic_grid(settings) is None or not os.environ.get("DAGSTER_HOME"):
        return
    try:
        with dg.DagsterInstance.get() as instance:
            register_batches(settings, instance)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        _log.warning("the batches that have ended are not added to DAGSTER_HOME yet: %s", reason)


def _add(instance: dg.DagsterInstance, grid: str, keys: Sequence[str]) -> None:
    try:
        instance.add_dynamic_partitions(grid, keys)
    except IntegrityError:  # another process has just added some of them
        instance.add_dynamic_partitions(grid, keys)


def _calendar(settings: Settings, cadence: Cadence) -> dg.TimeWindowPartitionsDefinition:
    end = settings.end_date and settings.end_date + _DAY
    if limit := settings.batch_limit:
        limited = _end_of_last(settings.start_date, cadence, limit)
        end = min(limited, end or limited)
    return dg.TimeWindowPartitionsDefinition(
        start=settings.start_date.isoformat(),
        end=end and end.isoformat(),
        fmt="%Y-%m-%d",
        cron_schedule=_CRON[cadence],
    )


def _end_of_last(start: date, cadence: Cadence, count: int) -> date:
    """Return the end of window number `count` from `start` on, or of the last possible one."""
    last = calendar_starts(start, _LAST_DATE, cadence, count)[-1]
    return calendar_batch(last.isoformat(), cadence, ()).end
