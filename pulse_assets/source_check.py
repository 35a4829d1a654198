"""What a source holds, series by series, and what a training will skip: `pulse-train check`.

`check_source` examines every series as a training does before its first batch, and reports each of
them instead of raising what is wrong with one.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

import numpy as np

from pulse_assets.array_types import MONTH
from pulse_assets.errors import HistoricalDataError
from pulse_assets.history.calendars import explain_frequency, rows_used
from pulse_assets.history.forecast_targets import check_forecast_targets
from pulse_assets.history.frequency import steps_between
from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.history.future_dates import check_forecast_days
from pulse_assets.history.given_forecasts import GivenForecasts
from pulse_assets.history.publication import lag_of
from pulse_assets.history.release_summary import describe_lags, summarise_releases
from pulse_assets.history.series import Series
from pulse_assets.history.source import Source
from pulse_assets.preflight import ExaminedSeries, examine_all
from pulse_assets.result_records import VariablePublication
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.skipped_batches import BatchWindows, SkippedBatches
from pulse_assets.stages.outcome_texts import list_some

#: Implausible values of a series that a report names.
_NAMED: Final = 5
#: Frequencies whose dates are labels of periods, usually on one day of the month.
_LABELLED: Final = frozenset({"monthly", "quarterly", "yearly"})
#: Share of the dates on another day of the month that is taken for a slip of the pen.
_FEW: Final = 0.05


@dataclass(frozen=True)
class SeriesReport:
    """One series of a source.

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
        gaps_after: date of the row before each gap, and the periods that it lacks.
        off_label: dates that are not on the usual day of the month of a monthly, quarterly or
            yearly series.
        releases: number of values that were released, later ones with a change included.
        revised: number of dates whose value has changed after its first release.
        first_published: first day of publication in the file; None if it has none.
        last_published: the last one.
        publication: whether days of publication are in the file or assumed, in words.
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
    gaps_after: tuple[tuple[str, int], ...]
    off_label: tuple[str, ...]
    releases: int
    revised: int
    first_published: str | None
    last_published: str | None
    publication: str | None
    note: str | None
    implausible: tuple[tuple[str, float], ...]
    implausible_count: int
    skipped: tuple[SkippedBatches, ...]
    problem: str | None


@dataclass(frozen=True)
class ForecastsReport:
    """The forecasts that somebody else has made, of one model; also in the results.

    Attributes:
        model: its name.
        file: the file that they are in.
        rows: number of forecasts, quantiles included.
        variables: number of variables that it predicts.
        first_target: first date that is predicted, ISO 8601.
        last_target: the last one.
    """

    model: str
    file: str
    rows: int
    variables: int
    first_target: str
    last_target: str


@dataclass(frozen=True)
class SourceReport:
    """All series of a source.

    Attributes:
        source: its address.
        series: its series, in order of name.
        unread: why files that look meant for it are not read, by path.
        notes: what was skipped or renamed in tables.
        forecasts: somebody else's forecasts, in order of model.
        forecasts_problem: why they cannot be used, and how to fix it; None if they can.
    """

    source: str
    series: Sequence[SeriesReport]
    unread: Mapping[str, str]
    notes: Sequence[str]
    forecasts: Sequence[ForecastsReport] = ()
    forecasts_problem: str | None = None

    @property
    def problems(self) -> list[str]:
        """Why series or forecasts cannot be used, each once."""
        every = [*(each.problem for each in self.series), self.forecasts_problem]
        return list(dict.fromkeys(problem for problem in every if problem))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        series = [asdict(each) for each in self.series]
        return {
            "source": self.source,
            "series": series,
            "unread": dict(self.unread),
            "notes": list(self.notes),
            "forecasts": [asdict(each) for each in self.forecasts],
            "problems": self.problems,
        }


def check_source(
    settings: Settings, options: TrainingOptions, *, ends_by_default: bool = False
) -> SourceReport:
    """Report every series of a source.

    Args:
        settings: the source, and which batches exist.
        options: the variables, all unless named, and their publication lags.
        ends_by_default: whether nobody chose the last day that is predicted: a note then says
            which values lie after it.

    Raises:
        ConfigurationError: a variable is unknown, or the range holds no batch.
        HistoricalDataError: the source cannot be read, or a table of many series.
        StoreUnavailableError: the source cannot be listed.
    """
    source, windows = settings.open_source(), BatchWindows.of(settings, options)
    files = source.files()
    examined = examine_all(source, settings, options)
    series = [_report(each, files[each.variable], windows) for each in examined]
    regular = {each.variable: each.frequency for each in series if each.frequency}
    forecasts, problem = _forecasts(source, regular)
    unread, notes = {**source.without_prefix(), **source.unread()}, source.notes()
    if ends_by_default and (after := describe_after_end(source, regular, settings.last_day)):
        notes = [*notes, after]
    return SourceReport(source.uri, series, unread, notes, forecasts, problem)


def _forecasts(
    source: Source, frequencies: Mapping[str, str]
) -> tuple[list[ForecastsReport], str | None]:
    """Return a report of each model, and why the forecasts cannot be used."""
    try:
        check_forecast_days(source)
        check_forecast_targets(source, frequencies)
        return report_models(source, source.variables()), None
    except HistoricalDataError as error:
        return [], str(error)


def report_models(source: Source, variables: Collection[str]) -> list[ForecastsReport]:
    """Return what each model of somebody else's forecasts says of some variables, sorted by name.

    Raises:
        HistoricalDataError: see `Source.forecasts`.
    """
    models = []
    for model, forecasts in sorted(source.forecasts().items()):
        given = [each for name, each in forecasts.items() if name in variables]
        if given:
            models.append(_report_model(model, given))
    return models


def _report_model(model: str, given: Sequence[GivenForecasts]) -> ForecastsReport:
    return ForecastsReport(
        model=model,
        file=given[0].file.rpartition("/")[2],
        rows=sum(len(each.predicted) for each in given),
        variables=len(given),
        first_target=str(min(each.target_dates.min() for each in given)),
        last_target=str(max(each.target_dates.max() for each in given)),
    )


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
    publication = publication_of(source, options)
    others = describe_given(
        [asdict(each) for each in report_models(source, options.variables or ())]
    )
    given = [f"forecasts of others: {'; '.join(others)}"] if others else []
    published = [_describe_publication(publication.values())]
    unused = [
        name
        for name, each in publication.items()
        if lag_of(name, options.publication_lag_days) and not each.assumed
    ]
    if unused:
        published.append(
            f"publication_lag_days has no effect on {list_some(unused)}: published_at gives the "
            "day of each value"
        )
    return [line + gaps, *published, *given, *source.notes()]


def describe_after_end(source: Source, variables: Iterable[str], last_day: date) -> str:
    """Say which series have values after the last day that is predicted; empty if none has.

    Args:
        source: has the series.
        variables: names of series that can be used.
        last_day: the last day that is predicted.
    """
    day = np.datetime64(last_day)
    later = {name: int((source.load(name).timestamps > day).sum()) for name in variables}
    late = [name for name, count in later.items() if count]
    if not late:
        return ""
    most, each = max(later.values()), " each" if len(late) > 1 else ""
    return (
        f"not predicted: up to {most:,} values{each} of {list_some(late)} lie after {last_day}, "
        "the default --end-date; --end-date today predicts and scores them, too"
    )


def publication_of(source: Source, options: TrainingOptions) -> dict[str, VariablePublication]:
    """Return when the values of each variable were public, and how often they were revised.

    Args:
        source: the source.
        options: with all variables and their publication lags named.
    """
    publication = {}
    for name in options.variables or ():
        series, lag = source.load(name), lag_of(name, options.publication_lag_days)
        summary = summarise_releases(series, lag)
        publication[name] = VariablePublication(
            publication="published_at" if summary.first_published else "assumed",
            assumed=summary.assumed,
            lag_days=lag if summary.assumed else None,
            releases=summary.releases,
            revised=summary.revised,
        )
    return publication


def _describe_publication(variables: Iterable[VariablePublication]) -> str:
    """Say of how many series the days of publication are known, and what is assumed of others.

    Example:
        >>> given = VariablePublication("published_at", 0, None, 5, 1)
        >>> _describe_publication([given, VariablePublication("assumed", 9, 30, 9, 0)])
        'publication: 1 series with published_at, 1 assumed (30 days after the period)'
    """
    every = list(variables)
    lags = [each.lag_days for each in every if each.lag_days is not None]
    kinds = Counter((each.publication, each.assumed > 0) for each in every)
    words = {
        ("published_at", False): "with published_at",
        ("published_at", True): "with published_at in part",
        ("assumed", True): "assumed",
    }
    parts = [f"{kinds[kind]:,} {text}" for kind, text in words.items() if kinds[kind]]
    parts[0] = parts[0].replace(" ", " series ", 1)
    line = f"publication: {', '.join(parts)}"
    return f"{line} ({describe_lags(lags)})" if lags else line


def describe_given(models: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a line per model whose forecasts somebody else has made, see `ForecastsReport`.

    Example:
        >>> dates = {"first_target": "2003-06-30", "last_target": "2028-06-30"}
        >>> describe_given([{"model": "mpr", "variables": 4, **dates}])
        ['mpr (4 variables, 2003-06-30 to 2028-06-30)']
    """
    return [
        f"{each['model']} ({each['variables']:,} variable{'s' if each['variables'] != 1 else ''}, "
        f"{each['first_target']} to {each['last_target']})"
        for each in models
    ]


def count_gaps(series: Series, frequency: str) -> int | None:
    """Return the number of periods between the used rows of a series that have no row.

    None if the series is irregular, so that no calendar counts its periods.

    Example:
        >>> dates = np.array(["2020-01-01", "2020-02-01", "2020-05-01"], "M8[D]")
        >>> count_gaps(Series("gdp", dates, np.ones(3)), "monthly")
        2
    """
    if get_frequency(frequency).calendar is None:
        return None
    return sum(count for _, count in find_gaps(series, frequency))


def find_gaps(series: Series, frequency: str) -> list[tuple[str, int]]:
    """Return the date of the row before each gap of a series, and the periods that it lacks.

    Empty if the series is irregular, so that no calendar counts its periods.

    Example:
        >>> dates = np.array(["2020-01-01", "2020-02-01", "2020-05-01"], "M8[D]")
        >>> find_gaps(Series("gdp", dates, np.ones(3)), "monthly")
        [('2020-02-01', 2)]
    """
    dates, steps_of = rows_used(series, frequency).timestamps, get_frequency(frequency)
    if steps_of.calendar is None:
        return []
    lacking = steps_between(dates[:-1], dates[1:], steps_of) - 1
    return [(str(dates[row]), int(lacking[row])) for row in np.flatnonzero(lacking > 0)]


def find_off_label(series: Series, frequency: str) -> list[str]:
    """Return the dates of a monthly, quarterly or yearly series on another day than nearly all.

    Example:
        >>> dates = np.arange("2019-01", "2021-01", dtype="M8[M]").astype("M8[D]")
        >>> dates[3] += np.timedelta64(14, "D")
        >>> find_off_label(Series("gdp", dates, np.ones(24)), "monthly")
        ['2019-04-15']
    """
    if get_frequency(frequency).name not in _LABELLED:
        return []
    dates = rows_used(series, frequency).timestamps
    months = dates.astype("M8[M]")
    from_start = (dates - months.astype("M8[D]")).astype(int)
    to_end = ((months + MONTH).astype("M8[D]") - dates).astype(int)
    off = min((x != np.bincount(x).argmax() for x in (from_start, to_end)), key=np.sum)
    return [str(day) for day in dates[off]] if off.mean() < _FEW else []


def _lacks_periods(series: Series, frequency: str) -> bool:
    """Tell whether a series has gaps that are not the holidays of a daily series."""
    return get_frequency(frequency).counts_periods and bool(count_gaps(series, frequency))


def _report(examined: ExaminedSeries, file: str, windows: BatchWindows) -> SeriesReport:
    series, frequency = examined.series, examined.frequency or None
    used = rows_used(series, frequency) if series and frequency else None
    implausible = _implausible(used, frequency) if used and frequency else []
    releases = summarise_releases(series, examined.lag_days) if series else None
    return SeriesReport(
        variable=examined.variable,
        file=file,
        rows=len(series.values) if series else 0,
        missing=int((~series.has_value).sum()) if series else 0,
        first=str(series.timestamps[0]) if series else None,
        last=str(series.timestamps[-1]) if series else None,
        frequency=frequency,
        gaps=count_gaps(series, frequency) if series and frequency else None,
        gaps_after=tuple(find_gaps(series, frequency)) if series and frequency else (),
        off_label=tuple(find_off_label(series, frequency)) if series and frequency else (),
        releases=releases.releases if releases else 0,
        revised=releases.revised if releases else 0,
        first_published=releases.first_published if releases else None,
        last_published=releases.last_published if releases else None,
        publication=releases.publication if releases else None,
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
