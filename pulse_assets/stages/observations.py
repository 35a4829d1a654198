"""The rows of one variable that a batch may see, and what was known of them on a day."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, Self, cast

import numpy as np
import pyarrow as pa

from pulse_assets.array_types import Bools, Dates, Floats, Ints
from pulse_assets.history.frequency import Frequency, regularise
from pulse_assets.retrodiction.known_series import KnownSeries
from pulse_assets.stages.given_rows import GivenRows

_NO_DATES: Final = np.empty(0, "M8[D]")


@dataclass(frozen=True)
class LaterReleases:
    """The releases of one variable's values after the first, [R], in order of date, then day.

    Attributes:
        dates: date of the row that each revises.
        values: the value from then on.
        published: first day on which it was known.
    """

    dates: Dates
    values: Floats
    published: Dates

    @classmethod
    def none(cls) -> Self:
        """Return no releases."""
        return cls(_NO_DATES, np.empty(0), _NO_DATES)

    def at(self, index: slice | Bools | Ints) -> Self:
        """Return the releases at an index, in its order."""
        return type(self)(self.dates[index], self.values[index], self.published[index])

    def joined(self, other: Self) -> Self:
        """Return these and other releases, in order."""
        dates = np.append(self.dates, other.dates)
        published = np.append(self.published, other.published)
        both = type(self)(dates, np.append(self.values, other.values), published)
        return both.at(np.lexsort((published, dates)))


@dataclass(frozen=True)
class Observations:
    """The rows of one variable in a `historical_data` table, [T], ordered by date.

    Attributes:
        dates: date of each row.
        values: first value of each row; NaN if missing.
        published: first day on which it was known; NaT for a period without a row.
        later: the later releases of these values.
        given: the forecasts that somebody else has made of them.
    """

    dates: Dates
    values: Floats
    published: Dates
    later: LaterReleases = field(default_factory=LaterReleases.none)
    given: GivenRows = field(default_factory=GivenRows.none)

    @classmethod
    def by_variable(cls, history: pa.Table) -> dict[str, Self]:
        """Return the observations of each variable in a table of schema `HISTORICAL_DATA`.

        The rows of a variable are in the order of their dates, then of their days of publication;
        those of several may be mixed.
        """
        given = GivenRows.by_variable(history)
        if given:
            history = history.filter(history["model"].is_null())
        encoded = cast("pa.DictionaryArray", history.unify_dictionaries()["variable"])
        encoded = cast("pa.DictionaryArray", cast("pa.ChunkedArray", encoded).combine_chunks())
        names, codes = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
        order = np.argsort(codes, kind="stable")
        dates, published = (
            history[name].to_numpy().astype("datetime64[D]")[order]
            for name in ("timestamp", "published_at")
        )
        columns = dates, history["value"].to_numpy()[order], published
        bounds = np.searchsorted(codes[order], np.arange(len(names) + 1)).tolist()
        rows = zip(names, bounds[:-1], bounds[1:], strict=True)
        parts = {n: cls._of_releases(*(c[first:end] for c in columns)) for n, first, end in rows}
        return parts | {n: replace(parts.get(n, cls.none()), given=of) for n, of in given.items()}

    @classmethod
    def _of_releases(cls, dates: Dates, values: Floats, published: Dates) -> Self:
        """Tell the first release of each date from the later ones."""
        again = np.append(False, dates[1:] == dates[:-1])[: len(dates)]
        if not again.any():
            return cls(dates, values, published)
        later = LaterReleases(dates[again], values[again], published[again])
        return cls(dates[~again], values[~again], published[~again], later)

    @classmethod
    def none(cls) -> Self:
        """Return no observations."""
        return cls(_NO_DATES, np.empty(0), _NO_DATES)

    def public_on(self, day: np.datetime64) -> Self:
        """Return the rows, releases and forecasts that were public on a day."""
        rows = self._at(self.published <= day, self.later.at(self.later.published <= day))
        return replace(rows, given=self.given.public_on(day)) if self.given.models else rows

    def until(self, day: np.datetime64) -> Self:
        """Return the rows dated on a day or before it, with their releases, and all forecasts."""
        end = int(self.dates.searchsorted(day, side="right"))
        return self._at(slice(end), self.later.at(self.later.dates <= day))

    def _at(self, index: slice | Bools, later: LaterReleases) -> Self:
        columns = self.dates[index], self.values[index], self.published[index]
        return type(self)(*columns, later, self.given)

    def regular(self, frequency: Frequency) -> Self:
        """Return the observations with a NaN row for each missing period, see `regularise`."""
        columns = regularise(self.dates, self.values, self.published, frequency)
        return type(self)(*columns, self.later, self.given)

    def in_publication_order(self) -> Self:
        """Return the rows without those that were published after a later row's value.

        The published rows are then a prefix of the series at every date. Rules need that, because
        they read a series from front to back. A row that is left out is a later release of a period
        that had no value until then, see `VariableHistory.known_series`.
        """
        valued = np.where(np.isfinite(self.values), self.published, np.datetime64("NaT", "D"))
        in_order = self.published <= np.fmin(np.fmin.accumulate(valued[::-1])[::-1], self.published)
        if in_order.all():
            return self
        late = LaterReleases(
            self.dates[~in_order], self.values[~in_order], self.published[~in_order]
        )
        return self._at(in_order, late.joined(self.later))

    def last_known_rows(self, days: Dates) -> Ints:
        """Return the row of the last value known on each day, [D]; -1 if no value was known.

        The rows must be in publication order, see `in_publication_order`.
        """
        rows = np.append(np.flatnonzero(np.isfinite(self.values)), -1)
        return rows[np.searchsorted(self.published[rows[:-1]], days, side="right") - 1]

    def as_known_on(self, days: Dates) -> KnownSeries:
        """Return the last value known on each day, [D], in its newest release of that day.

        NaN if no value was known. The days must be ascending.
        """
        available_history, known_series = self._available
        rows = available_history.last_known_rows(days)
        carried = known_series.carried(rows)
        if not len(available_history.later.dates):
            return carried
        values = _with_releases(carried.values, available_history, rows, days)
        return KnownSeries(values, carried.implausible)

    @cached_property
    def _available(self) -> tuple[Self, KnownSeries]:
        """The rows in publication order and their implausible values, cached for all variables."""
        available_history = self.in_publication_order()
        return available_history, KnownSeries.of(available_history.values)


def _with_releases(values: Floats, history: Observations, rows: Ints, days: Dates) -> Floats:
    """Return the values of some rows on some days, [D], in the newest releases of those days.

    Args:
        values: the first release of each row, [D].
        history: the rows, with their later releases.
        rows: index of each value's row in `history`, [D]; -1: none.
        days: the days, [D].
    """
    later = history.later
    dates = np.append(history.dates, np.datetime64("NaT", "D"))[rows]
    # Releases are ordered by date, then day: the last one before (date, day) is the newest.
    order = np.lexsort((np.append(later.published, days), np.append(later.dates, dates)))
    is_release = order < len(later.dates)
    newest = np.empty(len(order), np.int64)
    newest[order] = np.maximum.accumulate(np.where(is_release, order, -1))
    release = newest[len(later.dates) :]
    revised = (release >= 0) & (later.dates[release] == dates)
    return np.where(revised, later.values[release], values)
