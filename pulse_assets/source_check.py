"""What a source holds, series by series, and what a training will skip: `pulse-train check`.

`check_source` examines every series as a training does before its first batch, and reports each of
them instead of raising what is wrong with one.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from pulse_assets.array_types import Dates, Ints
from pulse_assets.batches.grid import batch_keys, batch_of
from pulse_assets.batches.windows import history_starts
from pulse_assets.history.calendars import explain_frequency, rows_used
from pulse_assets.history.frequency import steps_between
from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.history.series import Series
from pulse_assets.history.source import Source
from pulse_assets.preflight import ExaminedSeries, examine_all
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.stages.plan import TOO_LITTLE
from pulse_assets.stages.variable_history import MINIMUM_HISTORY

NO_ROWS: Final = "no observation in the window"
NO_VALUES: Final = "no observation with a value in the window"
#: Implausible values of a series that a report names.
_NAMED: Final = 5


@dataclass(frozen=True)
class SkippedBatches:
    """Batches that leave a variable out.

    Attributes:
        reason: why, in the words of `training_batches`.
        count: how many.
        first: key of the first of them.
        last: key of the last of them.
    """

    reason: str
    count: int
    first: str
    last: str


@dataclass(frozen=True)
class SeriesReport:
    """One series of a source; its publication rule and releases will be further attributes.

    Attributes:
        variable: its name.
        file: the file that it is in.
        rows: number of its rows.
        missing: number of them without a value.
        first: date of the first row, ISO 8601; None if it has none.
        last: date of the last row.
        frequency: its name; None if it has none.
        gaps: periods between the first and the last used row that have none; of daily series these
            are holidays, too. None if no calendar counts its periods.
        note: how its dates are used, where that needs a word, such as rows that are not; else None.
        implausible: date and value of what looks like a typing error, the first ones.
        implausible_count: number of all of them.
        skipped: batches that will leave it out, by reason.
        problem: why no training can use it, and how to fix it; None if one can.
    """

    variable: str
    file: str
    rows: int
    missing: int
    first: str | None
    last: str | None
    frequency: str | None
    gaps: int | None
    note: str | None
    implausible: tuple[tuple[str, float], ...]
    implausible_count: int
    skipped: tuple[SkippedBatches, ...]
    problem: str | None


@dataclass(frozen=True)
class SourceReport:
    """All series of a source.

    Attributes:
        source: its address.
        series: its series, in order of name.
        unread: why files that look meant for it are not read, by path.
        notes: what was skipped or renamed in tables.
    """

    source: str
    series: Sequence[SeriesReport]
    unread: Mapping[str, str]
    notes: Sequence[str]

    @property
    def problems(self) -> list[str]:
        """Why series cannot be used, each once."""
        return list(dict.fromkeys(each.problem for each in self.series if each.problem))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        series = [asdict(each) for each in self.series]
        return {
            "source": self.source,
            "series": series,
            "unread": dict(self.unread),
            "notes": list(self.notes),
            "problems": self.problems,
        }


def check_source(settings: Settings, options: TrainingOptions) -> SourceReport:
    """Report every series of a source.

    Args:
        settings: the source, and which batches exist.
        options: the variables; all unless named.

    Raises:
        ConfigurationError: a variable is unknown, or the range holds no batch.
        HistoricalDataError: the source cannot be read, or a table of many series.
        StoreUnavailableError: the source cannot be listed.
    """
    source, windows = settings.open_source(), _Windows.of(settings, options)
    files = source.files()
    examined = examine_all(source, settings, options)
    series = [_report(each, files[each.variable], windows) for each in examined]
    return SourceReport(source.uri, series, dict(source.unread()), source.notes())


def summarise_source(source: Source, options: TrainingOptions) -> list[str]:
    """Return what is known of a checked source in a few lines, however many series it has.

    Args:
        source: the source, whose series are read already.
        options: with all variables and frequencies named.
    """
    loaded = [source.load(name) for name in options.variables or ()]
    counts = Counter(name.partition(" since ")[0] for name in options.frequencies.values())
    kinds = ", ".join(f"{count:,} {name}" for name, count in counts.most_common())
    first = min(series.timestamps[0] for series in loaded)
    last = max(series.timestamps[-1] for series in loaded)
    with_gaps = sum(_lacks_periods(each, options.frequencies[each.variable]) for each in loaded)
    files = source.files()
    count = len({files[series.variable] for series in loaded})
    line = f"source: {kinds} series in {count:,} file{'s' if count != 1 else ''}, {first} to {last}"
    gaps = f"; {with_gaps:,} with gaps (pulse-train check shows which)" if with_gaps else ""
    return [line + gaps, *source.notes()]


def count_gaps(series: Series, frequency: str) -> int | None:
    """Return the number of periods between the used rows of a series that have no row.

    None if the series is irregular, so that no calendar counts its periods.

    Example:
        >>> dates = np.array(["2020-01-01", "2020-02-01", "2020-05-01"], "M8[D]")
        >>> count_gaps(Series("gdp", dates, np.ones(3)), "monthly")
        2
    """
    dates, steps_of = rows_used(series, frequency).timestamps, get_frequency(frequency)
    if steps_of.calendar is None:
        return None
    steps = steps_between(dates[:-1], dates[1:], steps_of)
    return int(np.maximum(steps - 1, 0).sum())


def _lacks_periods(series: Series, frequency: str) -> bool:
    """Tell whether a series has gaps that are not the holidays of a daily series."""
    return get_frequency(frequency).counts_periods and bool(count_gaps(series, frequency))


def _report(examined: ExaminedSeries, file: str, windows: "_Windows") -> SeriesReport:
    series, frequency = examined.series, examined.frequency or None
    used = rows_used(series, frequency) if series and frequency else None
    implausible = _implausible(used, frequency) if used and frequency else []
    return SeriesReport(
        variable=examined.variable,
        file=file,
        rows=len(series.values) if series else 0,
        missing=int(np.isnan(series.values).sum()) if series else 0,
        first=str(series.timestamps[0]) if series else None,
        last=str(series.timestamps[-1]) if series else None,
        frequency=frequency,
        gaps=count_gaps(series, frequency) if series and frequency else None,
        note=explain_frequency(series, frequency) if series and frequency else None,
        implausible=tuple(implausible[:_NAMED]),
        implausible_count=len(implausible),
        skipped=tuple(windows.skipped(used)) if used and not examined.problem else (),
        problem=examined.problem or None,
    )


def _implausible(series: Series, frequency: str) -> list[tuple[str, float]]:
    from pulse_assets.retrodiction.implausible import implausible_values  # compiles kernels

    rows = implausible_values(series.values, get_frequency(frequency).season)
    return [(str(series.timestamps[i]), float(series.values[i])) for i in rows]


@dataclass(frozen=True)
class _Windows:
    """The windows of all batches: keys, first days, days after them, starts of their histories."""

    keys: Sequence[str]
    starts: Dates
    ends: Dates
    histories: Dates

    @classmethod
    def of(cls, settings: Settings, options: TrainingOptions) -> "_Windows":
        """Return the windows.

        Raises:
            ConfigurationError: the range holds none.
        """
        keys = batch_keys(settings)
        ends = [batch_of(settings, key, ()).end for key in keys]
        starts = np.array(keys, "M8[D]")
        histories = history_starts(starts, options.history_days)
        return cls(keys, starts, np.array(ends, "M8[D]"), histories)

    def skipped(self, series: Series) -> Iterator[SkippedBatches]:
        """Yield the batches that leave a series out, by reason, as far as its dates say."""
        dates = series.timestamps
        valued = np.append(0, np.cumsum(~np.isnan(series.values)))
        first, end, oldest = (
            np.searchsorted(dates, days) for days in (self.starts, self.ends, self.histories)
        )
        rest = np.ones(len(self.keys), bool)
        reasons = {
            NO_ROWS: first == end,
            TOO_LITTLE: first - oldest < MINIMUM_HISTORY,
            NO_VALUES: valued[first] == valued[end],
        }
        for reason, where in reasons.items():
            at = np.flatnonzero(where & rest)
            rest &= ~where
            if len(at):
                yield self._stretch(reason, at)

    def _stretch(self, reason: str, at: Ints) -> SkippedBatches:
        first, last = self.keys[int(at[0])], self.keys[int(at[-1])]
        return SkippedBatches(reason, len(at), first, last)
