"""Which batches are due: those whose window has ended and whose outcomes are public.

A value that the source has is public: since its `published_at`, if it has one. Of a value that the
source lacks the day is expected: the end of its period plus `publication_lag_days`, or, in a series
with `published_at`, plus as many days as usual. A value is waited for until the one after it is
expected; a series that is later than that has ended or pauses, and is not waited for. Once its
values arrive after all, the batch is computed again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

import numpy as np

from pulse_assets.array_types import Dates
from pulse_assets.batches.grid import batch_of
from pulse_assets.history.calendars import rows_used
from pulse_assets.history.frequency import Frequency, dates_ahead
from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.history.publication import lag_of
from pulse_assets.history.series import Series
from pulse_assets.history.source import Source
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.storage.layout import PartitionedTables
from pulse_assets.storage.store import open_store

#: Publications that tell the usual time from the end of a period to its value.
_RECENT: Final = 12
#: Outcomes that one sentence names.
_NAMED: Final = 3


@dataclass(frozen=True, order=True)
class Awaited:
    """A value that is not public yet.

    Attributes:
        expected: the day on which it is expected, or on which it will be public.
        variable: its variable.
        timestamp: the date that it will have.
    """

    expected: date
    variable: str
    timestamp: date

    def to_json(self) -> dict[str, str]:
        """Return it as plain values."""
        return {
            "variable": self.variable,
            "timestamp": str(self.timestamp),
            "expected": str(self.expected),
        }


def waiting_batches(
    settings: Settings,
    options: TrainingOptions,
    keys: Sequence[str],
    source: Source | None = None,
    today: date | None = None,
) -> dict[str, list[Awaited]]:
    """Return the values that each batch waits for; a batch that waits for none is absent.

    Args:
        settings: what fixes the batch grid.
        options: with all variables and frequencies named, see `resolve_options`.
        keys: keys of the batches to look at, in order of date.
        source: where the series are; that of the settings unless given.
        today: the date (UTC); default: the current one.

    Raises:
        HistoricalDataError, StoreUnavailableError: see `Source.load`.
    """
    if not keys:
        return {}
    source, today = source or settings.open_source(), today or datetime.now(UTC).date()
    starts, ends = _windows(settings, keys)
    waiting: dict[str, list[Awaited]] = {}
    for name in options.variables or ():
        frequency = get_frequency(options.frequencies[name])
        series = rows_used(source.load(name), frequency.text)
        lag = lag_of(name, options.publication_lag_days)
        dates, expected = awaited_values(series, frequency, lag, np.datetime64(today))
        window = np.searchsorted(starts, dates, side="right") - 1
        inside = (window >= 0) & (dates < ends[window])
        days = zip(expected[inside].tolist(), dates[inside].tolist(), strict=True)
        for i, (day, timestamp) in zip(window[inside].tolist(), days, strict=True):
            waiting.setdefault(keys[int(i)], []).append(Awaited(day, name, timestamp))
    return {key: sorted(waiting[key]) for key in keys if key in waiting}


def awaited_values(
    series: Series, frequency: Frequency, lag_days: int, today: np.datetime64
) -> tuple[Dates, Dates]:
    """Return the dates of values that are awaited, [N], and the days on which they are expected.

    Args:
        series: the observations, with the days of publication that their file gives.
        frequency: of the series.
        lag_days: days from the end of a period to the publication of its value.
        today: the day; only values that are dated before it are awaited.

    Example:
        >>> quarters = np.arange("2019-01", "2024-07", 3, dtype="M8[M]").astype("M8[D]")
        >>> gdp, quarterly = Series("gdp", quarters, np.ones(22)), get_frequency("quarterly")
        >>> days = awaited_values(gdp, quarterly, 29, np.datetime64("2024-10-15"))
        >>> [day.astype(str).tolist() for day in days]
        [['2024-07-01', '2024-10-01'], ['2024-10-30', '2025-01-30']]
        >>> awaited_values(gdp, quarterly, 29, np.datetime64("2025-01-30"))[0].tolist()
        []
    """
    has_value = series.has_value
    if not has_value.any():
        return np.empty(0, "M8[D]"), np.empty(0, "M8[D]")
    dates, given = series.timestamps[has_value], series.published_at
    lag = _usual_lag(series, frequency, lag_days)
    to_come = _values_to_come(dates, frequency, lag, today)
    if given is None:
        return to_come
    later = given[has_value] > today  # NaT is not
    announced = dates[later], given[has_value][later]
    return np.append(announced[0], to_come[0]), np.append(announced[1], to_come[1])


def _usual_lag(series: Series, frequency: Frequency, lag_days: int) -> np.timedelta64:
    """Return the time from the end of a period to the publication of its value.

    It is the median of the last values that have a day of publication, else `lag_days`.
    """
    assumed = np.timedelta64(lag_days, "D")
    if series.published_at is None:
        return assumed
    given = np.isfinite(series.values) & ~np.isnat(series.published_at)
    published = series.published_at[given]
    if not len(published):
        return assumed
    lags = published - frequency.period_over(series.timestamps[given])
    # What an archive holds from its first day on was public before, but nobody knows when.
    dated = lags[published > published.min()]
    recent = dated[-_RECENT:] if len(dated) else lags[-1:]
    return np.timedelta64(int(np.median(recent.astype(np.int64))), "D")


def _values_to_come(
    dates: Dates, frequency: Frequency, lag: np.timedelta64, today: np.datetime64
) -> tuple[Dates, Dates]:
    """Return the dates after the last value and before today, and when their values are expected.

    None if the second value after the last one is expected by today: then the series has ended.
    """
    following = dates_ahead(dates, np.array([1, 2]), frequency)
    if frequency.period_over(following)[1] + lag <= today:
        return dates[:0], dates[:0]
    days = int((today - dates[-1]).astype(np.int64))
    steps = max(2, int(days * frequency.per_year / 365.25) + 2)
    ahead = dates_ahead(dates, np.arange(1, steps + 1), frequency)
    ahead = ahead[ahead < today]
    return ahead, frequency.period_over(ahead) + lag


def batches_with_new_outcomes(
    settings: Settings, options: TrainingOptions, keys: Sequence[str]
) -> list[str]:
    """Return the stored batches whose windows have more values in the source than when computed.

    Args:
        settings: where the store is.
        options: with all variables and frequencies named.
        keys: keys of the batches to look at, each of which the store has.

    Raises:
        HistoricalDataError, StoreError: the source or the store cannot be read.
    """
    store = open_store(settings.store, settings.s3)
    planned = PartitionedTables(store, "training_batches", settings.batch_length, keys)
    before = planned.load(["batch", "variable", "targets"]).to_pandas()
    now = _values_in_windows(settings, options, keys)
    names = zip(before["variable"], before["batch"], strict=True)
    present = np.array([now.get(name, {}).get(key, 0) for name, key in names], np.int64)
    return sorted({*before["batch"][present > before["targets"]]})


def _values_in_windows(
    settings: Settings, options: TrainingOptions, keys: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Return the number of values in each window that has some, by variable and batch."""
    source, (starts, ends), counts = settings.open_source(), _windows(settings, keys), {}
    for name in options.variables or ():
        series = rows_used(source.load(name), options.frequencies[name])
        dates = series.timestamps[series.has_value]
        many = np.searchsorted(dates, ends) - np.searchsorted(dates, starts)
        counts[name] = {key: n for key, n in zip(keys, many.tolist(), strict=True) if n}
    return counts


def _windows(settings: Settings, keys: Sequence[str]) -> tuple[Dates, Dates]:
    """Return the first day of each window and the day after it, [K]."""
    ends = [batch_of(settings, key, ()).end for key in keys]
    return np.array(keys, "M8[D]"), np.array(ends, "M8[D]")


def describe_waiting(waiting: Mapping[str, Iterable[Awaited]]) -> str:
    """Say how many batches wait for which outcomes.

    Example:
        >>> gdp = Awaited(date(2024, 10, 30), "gdp_growth", date(2024, 7, 1))
        >>> describe_waiting({"2024-07-01": [gdp]})
        '1 batch waits for outcomes: gdp_growth of 2024-07-01 is expected on 2024-10-30'
    """
    count = len(waiting)
    batches = "1 batch waits" if count == 1 else f"{count:,} batches wait"
    every = sorted({value for values in waiting.values() for value in values})
    named = [
        f"{value.variable} of {value.timestamp} is expected on {value.expected}" for value in every
    ]
    more = f" and {len(named) - _NAMED:,} more" if len(named) > _NAMED else ""
    return f"{batches} for outcomes: {', '.join(named[:_NAMED])}{more}"
