"""Stage 1, `historical_data`: what was public when a batch was forecast, and its outcomes.

A batch sees every release that was public on the day on which the last of its forecasts is made,
and all releases of the values in its window, which are its outcomes. It sees somebody else's
forecasts likewise, if they were made by that day.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Self, cast

import numpy as np
import pyarrow as pa

from pulse_assets.array_types import Bools, Dates, Floats, Ints
from pulse_assets.batches.windows import TrainingBatch, history_starts
from pulse_assets.catalog import HISTORICAL_DATA
from pulse_assets.history.frequency import Frequency
from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.history.series import Revisions, Series
from pulse_assets.settings import TrainingOptions

_DAY: Final = np.timedelta64(1, "D")
#: After all days of publication.
_NEVER: Final = np.datetime64("9999-12-31")


def observe(
    batch: TrainingBatch, series: Mapping[str, Series], options: TrainingOptions
) -> pa.Table:
    """Return the observations in the batch's window and in its history before the window.

    The history begins on the batch's anchor, see `history_starts`. A value that is dated after the
    window is there if it was public when the last forecast of the batch is made, because other
    variables may be forecast from it.

    Args:
        batch: the window of target dates.
        series: each variable of the batch, with the day of publication of each value.
        options: frequencies, horizons, the length of the history and which release is scored.

    Returns:
        A table of schema `HISTORICAL_DATA`: the observations by variable, date and day of
        publication, then the forecasts.
    """
    days = np.array([batch.start, batch.end], "M8[D]")
    first = history_starts(days[:1], options.history_days)[0]
    cuts = [_Cut.of(series[name], first, *days) for name in sorted(batch.variables)]
    last_day = _last_forecast_day(cuts, options) or days[0]
    parts = [cut.releases(last_day, options.score_against) for cut in cuts]
    return _table([*parts, *_forecasts(cuts, first, last_day)])


def observe_all(series: Mapping[str, Series], history_days: int) -> pa.Table:
    """Return all that is public, from the anchor of a batch after the very last observation on.

    Args:
        series: the variables, with the day of publication of each value.
        history_days: days before the last observation that the history holds at least.
    """
    after = max(x.timestamps[-1] for x in series.values()) + _DAY
    first = history_starts(np.array([after]), history_days)[0]
    cuts = [_Cut.of(series[name], first, after, after) for name in sorted(series)]
    parts = [cut.releases(_NEVER, "first") for cut in cuts]
    return _table([*parts, *_forecasts(cuts, first, _NEVER)])


class _Releases(NamedTuple):
    """Rows of one variable, [N], in order of date, then day of publication.

    Of somebody else's forecasts the dates are those of the targets, the days those of making;
    `quantiles` is NaN for a point forecast. Observations have neither model nor quantiles.
    """

    variable: str
    dates: Dates
    values: Floats
    published: Dates
    used: Bools
    model: str | None = None
    quantiles: Floats | None = None


class _Cut(NamedTuple):
    """The part of a series that a batch may see.

    Attributes:
        series: the whole series.
        published: the day of publication of each value, [T].
        rows: the first row of the history, the first of the window and the next after it.
    """

    series: Series
    published: Dates
    rows: tuple[int, int, int]

    @classmethod
    def of(
        cls, series: Series, first: np.datetime64, start: np.datetime64, end: np.datetime64
    ) -> Self:
        """Cut a series at the beginning of the history, and at both ends of the window.

        Raises:
            ValueError: the series has no days of publication, see `with_publication`.
        """
        if series.published_at is None:
            raise ValueError(f"{series.variable} has no days of publication")
        days = np.array([first, start, end])
        first_row, window, after = np.searchsorted(series.timestamps, days).tolist()
        return cls(series, series.published_at, (first_row, window, after))

    def last_forecast_day(self, frequency: Frequency, horizon: int) -> np.datetime64 | None:
        """Return the day on which the last forecast of the window is made; None: it has none.

        It is never too early, and may be too late where values were published out of order.

        Args:
            frequency: of the variable.
            horizon: the smallest number of steps ahead.
        """
        first_row, start, end = self.rows
        targets = start + np.flatnonzero(self.series.has_value[start:end])
        if not len(targets):
            return None
        target = targets[-1]
        if frequency.calendar is None or not frequency.counts_periods:
            labels = self.series.timestamps[max(target - horizon, 0)][None]
        else:
            label = self.series.timestamps[target : target + 1]
            labels = frequency.calendar.ahead(label, np.array([-horizon]))
        valued = first_row + np.flatnonzero(np.isfinite(self.series.values[first_row:]))
        dates = self.series.timestamps[valued]
        at = int(np.searchsorted(dates, labels, side="right")[0])
        if at == 0:
            return None
        if dates[at - 1] == labels[0]:
            return cast("np.datetime64", self.published[valued[at - 1]])
        # A forecast from an origin without a value is made once the next value is public.
        if at < len(valued):
            return cast("np.datetime64", self.published[valued[at]])
        over = frequency.period_over(labels)[0]
        return max(over, cast("np.datetime64", self.published[valued[at - 1]]))

    def releases(self, last_day: np.datetime64, score_against: str) -> _Releases:
        """Return what is public on a day, and all releases of the values in the window.

        Args:
            last_day: the last day on which a forecast of the batch is made.
            score_against: which release of the values in the window is scored.
        """
        first_row, _, end = self.rows
        after = end + np.flatnonzero(self.published[end:] <= last_day)
        rows = np.append(np.arange(first_row, end), after) if len(after) else slice(first_row, end)
        series = self.series
        columns = series.timestamps[rows], series.values[rows], self.published[rows]
        first = _Releases(series.variable, *columns, np.ones(len(columns[0]), bool))
        if series.revisions is None:
            return first
        return self._with_later(first, series.revisions, last_day, score_against)

    def _with_later(
        self, first: _Releases, later: Revisions, last_day: np.datetime64, score_against: str
    ) -> _Releases:
        """Add the later releases."""
        first_row, start, end = self.rows
        public = later.published_at <= last_day
        outcome = (later.rows >= start) & (later.rows < end)
        chosen = (public | outcome) & (later.rows >= first_row)
        empty_first = np.isnan(self.series.values[later.rows])
        used = public | (outcome & _scored(later.rows, empty_first, score_against))
        dates = np.append(first.dates, self.series.timestamps[later.rows[chosen]])
        published = np.append(first.published, later.published_at[chosen])
        order = np.lexsort((published, dates))
        values = np.append(first.values, later.values[chosen])
        used = np.append(first.used, used[chosen])
        return _Releases(first.variable, dates[order], values[order], published[order], used[order])


def _scored(rows: Ints, empty_first: Bools, score_against: str) -> Bools:
    """Tell which later releases decide what counts as the outcome.

    Args:
        rows: the row that each release revises, ascending.
        empty_first: whether the first release of that row has no value.
        score_against: which release is scored.

    Example:
        >>> _scored(np.array([3, 3, 3, 7]), np.zeros(4, bool), "3").tolist()
        [True, True, False, True]
    """
    if score_against == "latest":
        return np.ones(len(rows), bool)
    number = np.arange(len(rows)) - np.searchsorted(rows, rows) + 2 - empty_first
    return number <= (1 if score_against == "first" else int(score_against))


def _last_forecast_day(cuts: Sequence[_Cut], options: TrainingOptions) -> np.datetime64 | None:
    """Return the last day on which a forecast of the batch is made; None: it has no forecast."""
    horizon, last = min(options.horizons), None
    for cut in cuts:
        frequency = get_frequency(options.frequencies[cut.series.variable])
        day = cut.last_forecast_day(frequency, horizon)
        if day is not None and (last is None or day > last):
            last = day
    return last


def _forecasts(
    cuts: Sequence[_Cut], first: np.datetime64, last_day: np.datetime64
) -> Iterator[_Releases]:
    """Yield somebody else's forecasts, by variable and model.

    Args:
        cuts: the variables.
        first: the first day of the history; earlier targets teach nothing.
        last_day: the last day on which a forecast of the batch is made.
    """
    for series in (cut.series for cut in cuts):
        for given in series.forecasts:
            visible = (given.made_at <= last_day) & (given.target_dates >= first)
            columns = given.target_dates[visible], given.predicted[visible], given.made_at[visible]
            used, quantiles = np.ones(len(columns[0]), bool), given.quantiles[visible]
            yield _Releases(series.variable, *columns, used, given.model, quantiles)


def _table(parts: Sequence[_Releases]) -> pa.Table:
    """Return the rows of all parts, one after the other."""
    lengths = [len(part.dates) for part in parts]
    quantiles = np.concatenate([np.empty(0), *(_quantiles(part) for part in parts)])
    return pa.table(
        [
            _repeated([part.variable for part in parts], lengths),
            np.concatenate([np.empty(0, "M8[D]"), *(part.dates for part in parts)]),
            np.concatenate([np.empty(0), *(part.values for part in parts)]),
            np.concatenate([np.empty(0, "M8[D]"), *(part.published for part in parts)]),
            _repeated([part.model for part in parts], lengths),
            pa.array(quantiles, mask=np.isnan(quantiles)),
            np.concatenate([np.empty(0, bool), *(part.used for part in parts)]),
        ],
        schema=HISTORICAL_DATA,
    )


def _repeated(names: Sequence[str | None], lengths: Sequence[int]) -> pa.DictionaryArray:
    """Return each name as often as its part has rows."""
    encoded = pa.array(names, pa.string()).dictionary_encode()
    return encoded.take(pa.array(np.repeat(np.arange(len(names)), lengths)))


def _quantiles(part: _Releases) -> Floats:
    return np.full(len(part.dates), np.nan) if part.quantiles is None else part.quantiles
