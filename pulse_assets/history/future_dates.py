"""Dates so far after today that they are typing errors: of observations, releases and forecasts."""

from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from pulse_assets.errors import HistoricalDataError
from pulse_assets.history.series import Series
from pulse_assets.history.source import Source

#: How long after today the date of an observation, a release or a forecast may lie.
_AHEAD: Final = timedelta(days=366)


def check_dates(series: Series, leave_out: str) -> None:
    """Refuse an observation or a release dated so far after today that it is a typing error.

    With one such date all other series would end centuries before it, and have no next forecast. A
    value may be labelled with the end of its year before that year has ended. A value that is never
    public would be left out of every batch without a word.

    Args:
        series: the series.
        leave_out: how to leave it out, for the message; empty if it cannot be.

    Raises:
        HistoricalDataError: a date is wrong; the message names file and row.
    """
    after = np.flatnonzero(series.timestamps > _latest_day())
    if after.size:
        fixes = ["correct the date", *([leave_out] if leave_out else [])]
        raise HistoricalDataError(
            f"{series.source}: {series.row(int(after[0]))} lies more than a year after today: "
            f"{', or '.join(fixes)}"
        )
    if published := _published_late(series):
        raise HistoricalDataError(
            f"{series.source}: {published}, more than a year after today: correct it, or leave it "
            "empty if the day is unknown"
        )


def _published_late(series: Series) -> str:
    """Return which release is public so late, and when; empty if there is none."""
    if series.published_at is not None:
        after = np.flatnonzero(series.published_at > _latest_day())  # false where NaT
        if after.size:
            row = int(after[0])
            return f"{series.row(row)} has published_at {series.published_at[row]}"
    later = series.revisions
    if later is not None:
        after = np.flatnonzero(later.published_at > _latest_day())
        if after.size:
            release = int(after[0])
            return f"{series.release(release)} has published_at {later.published_at[release]}"
    return ""


def check_forecast_days(source: Source) -> None:
    """Refuse forecasts that are made, or rest on an observation, more than a year after today.

    Raises:
        HistoricalDataError: some are, see also `Source.forecasts`.
    """
    for given in (each for of in source.forecasts().values() for each in of.values()):
        for title, days in (("made_at", given.made_at), ("origin_date", given.origin_dates)):
            after = np.flatnonzero(days > _latest_day())  # false where NaT
            if len(after):
                at = int(after[0])
                raise HistoricalDataError(
                    f"{given.file}: {given.unit} {given.places[at]}, {given.variable}: {title} "
                    f"{days[at]} lies more than a year after today: correct it"
                )


def _latest_day() -> np.datetime64:
    """Return the last day that is no typing error."""
    return np.datetime64(datetime.now(UTC).date() + _AHEAD)
