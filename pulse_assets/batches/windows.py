"""Batches as windows of target dates that tile a range without overlap.

Pure dates: the grid of a deployment is in `pulse_assets.batches.grid`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

import numpy as np

from pulse_assets.array_types import DAY, MONTH, Dates

#: Calendar windows: weeks begin on Mondays, the others on the first of a month.
Cadence = Literal["weekly", "monthly", "quarterly", "yearly"]

_MONTHS: Final = {"monthly": 1, "quarterly": 3, "yearly": 12}

#: Windows whose histories begin in the same block of this many calendar years share their history.
ANCHOR_YEARS: Final = 5


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """A half-open window `[start, end)` of target dates and the variables predicted in it."""

    batch_id: str
    start: date
    end: date
    variables: tuple[str, ...]


def batch_starts(start: date, last: date, days: int, limit: int | None = None) -> list[date]:
    """List the first day of every window of `days` days from `start` to `last`, both included.

    Args:
        start: first day that may be predicted.
        last: last day that may be predicted.
        days: length of a window in days, >= 1; the last window is cut after `last`.
        limit: largest number of windows; None means all.

    Example:
        >>> batch_starts(date(2020, 1, 1), date(2020, 1, 10), 4)
        [datetime.date(2020, 1, 1), datetime.date(2020, 1, 5), datetime.date(2020, 1, 9)]
    """
    count = ((last - start).days + days) // days
    return [start + timedelta(days=days * i) for i in range(min(count, limit or count))]


def make_batch(key: str, last: date, days: int, variables: Sequence[str]) -> TrainingBatch:
    """Build the batch of partition key `key`, an ISO date; it ends at the latest after `last`.

    Example:
        >>> make_batch("2020-01-09", date(2020, 1, 10), 4, ["gdp"]).end
        datetime.date(2020, 1, 11)
    """
    start = date.fromisoformat(key)
    end = min(start + timedelta(days=days), last + timedelta(days=1))
    return TrainingBatch(key, start, end, tuple(variables))


def calendar_batch(key: str, cadence: Cadence, variables: Sequence[str]) -> TrainingBatch:
    """Build the calendar batch of partition key `key`, the first day of a week, month and so on.

    Example:
        >>> calendar_batch("2020-10-01", "quarterly", ["gdp"]).end
        datetime.date(2021, 1, 1)
    """
    start = date.fromisoformat(key)
    if cadence == "weekly":
        end = start + timedelta(days=7)
    else:
        years, month = divmod(start.month - 1 + _MONTHS[cadence], 12)
        end = start.replace(year=start.year + years, month=month + 1)
    return TrainingBatch(key, start, end, tuple(variables))


def calendar_starts(
    start: date, end: date, cadence: Cadence, limit: int | None = None
) -> list[date]:
    """List the first day of every calendar window that lies entirely in `[start, end)`.

    Args:
        start: first day that may be predicted.
        end: first day after those that may be predicted.
        cadence: of the windows.
        limit: largest number of windows; None means all.

    Example:
        >>> calendar_starts(date(2020, 1, 15), date(2020, 7, 31), "quarterly")
        [datetime.date(2020, 4, 1)]
    """
    first, starts = _first_calendar_day(start, cadence), []
    while limit is None or len(starts) < limit:
        following = calendar_batch(first.isoformat(), cadence, ()).end
        if following > end:
            break
        starts.append(first)
        first = following
    return starts


def _first_calendar_day(start: date, cadence: Cadence) -> date:
    """Return the first day of the first calendar window that begins at or after `start`."""
    first: date = window_starts(np.array([start], "M8[D]"), start, cadence)[0].item()
    if first < start:
        return calendar_batch(first.isoformat(), cadence, ()).end
    return first


def history_starts(starts: Dates, history_days: int) -> Dates:
    """Return the anchor of each window, [N]: the day on which its history begins.

    It is the first day of the five calendar years that hold the day `history_days` before the
    window. So neighbouring windows have the same history, and one walk over it serves them all.

    Args:
        starts: first day of each window, [N].
        history_days: days before a window that its history holds at least.

    Example:
        >>> starts = np.array(["2019-12-31", "2020-01-31"], "M8[D]")
        >>> history_starts(starts, 7305).astype(str).tolist()
        ['1995-01-01', '2000-01-01']
    """
    years = (starts - history_days * DAY).astype("M8[Y]")
    return (years - years.astype(np.int64) % ANCHOR_YEARS * np.timedelta64(1, "Y")).astype("M8[D]")


def window_starts(days: Dates, start: date, length: int | Cadence) -> Dates:
    """Return the first day of the window in which each day lies, [N].

    Args:
        days: the days, [N].
        start: first day of the grid; calendar windows do not depend on it.
        length: of the windows: a number of days or a cadence.

    Example:
        >>> days = np.array(["2020-01-08", "2020-03-31"], "M8[D]")
        >>> window_starts(days, date(2020, 1, 1), 30).astype(str).tolist()
        ['2020-01-01', '2020-03-31']
        >>> window_starts(days, date(2020, 1, 1), "quarterly").astype(str).tolist()
        ['2020-01-01', '2020-01-01']
    """
    if isinstance(length, int):
        first = np.datetime64(start)
        return first + (days - first).astype(np.int64) // length * length * DAY
    if length == "weekly":  # 1970-01-01, day 0, was a Thursday
        return days - (days.astype(np.int64) + 3) % 7 * DAY
    months = days.astype("M8[M]")
    return (months - months.astype(np.int64) % _MONTHS[length] * MONTH).astype("M8[D]")
