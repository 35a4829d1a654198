"""The check that no value is published before the period that it describes has begun."""

from typing import Final

import numpy as np

from pulse_assets.array_types import DAY, Bools, Dates
from pulse_assets.errors import HistoricalDataError
from pulse_assets.history.frequency import Frequency
from pulse_assets.history.series import Series
from pulse_assets.history.step_calendars import EveryDay, WorkingDays

#: Last day of a month on which the first working day can lie, after a holiday, too.
_LAST_FIRST_DAY: Final = 4


def check_publication(series: Series, frequency: Frequency) -> None:
    """Refuse a release that is dated before the first day of the period that its label names.

    A label is the first day of its period if the series is daily, or if all labels lie at the
    beginning of a month; then no release may lie before it. Any other label may be the last day of
    its period, so releases after the label before it are accepted.

    Args:
        series: the rows that are used.
        frequency: of the series.

    Raises:
        HistoricalDataError: a release is too early; the message names file and row.
    """
    if series.published_at is None and series.revisions is None:
        return
    period_starts = _period_starts(series.timestamps, frequency)
    if series.published_at is not None:
        early = np.flatnonzero(_is_before(series.published_at, period_starts))
        if early.size:
            row = int(early[0])
            _refuse(series, series.row(row), series.published_at[row], period_starts[row])
    later = series.revisions
    if later is not None:
        early = np.flatnonzero(_is_before(later.published_at, period_starts[later.rows]))
        if early.size:
            release = int(early[0])
            row = int(later.rows[release])
            _refuse(
                series, series.release(release), later.published_at[release], period_starts[row]
            )


def _refuse(series: Series, place: str, published: np.datetime64, start: np.datetime64) -> None:
    raise HistoricalDataError(
        f"{series.source}: {place} has published_at {published}, before its period begins, on "
        f"{start} at the earliest: correct published_at"
    )


def _is_before(published: Dates, period_starts: Dates) -> Bools:
    return published < period_starts  # false where either is NaT


def _period_starts(labels: Dates, frequency: Frequency) -> Dates:
    """Return the first possible day of the period of each label, [T]; NaT where none is known."""
    calendar = frequency.calendar
    if calendar is None:  # steps are observations: a period follows the observation before it
        return np.append(np.datetime64("NaT", "D"), labels[:-1] + DAY)
    if isinstance(calendar, EveryDay | WorkingDays) or _begin_months(labels, frequency):
        return labels
    return calendar.ahead(labels, np.full(len(labels), -1)) + DAY


def _begin_months(labels: Dates, frequency: Frequency) -> bool:
    """Tell whether all labels are the first days of periods of whole months."""
    days = (labels - labels.astype("M8[M]").astype("M8[D]")).astype(np.int64) + 1
    return frequency.counts_periods and bool((days <= _LAST_FIRST_DAY).all())
