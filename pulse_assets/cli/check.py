"""The command `pulse-train check`: what a source holds, and what a training would skip."""

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from rich.console import Console
from rich.table import Table

from pulse_assets.cli.terminal import (
    new_table,
    plain,
    print_error,
    print_json,
    print_list,
)
from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.settings import TrainingConfig
from pulse_assets.source_check import (
    ForecastsReport,
    SeriesReport,
    SourceReport,
    check_source,
)
from pulse_assets.stages import outcome_texts

#: Lines about skipped batches, unless there are more series.
MOST_REASONS: Final = 40
#: Series that cannot be used that are named at most.
MOST_PROBLEMS: Final = 20

_HEADERS: Final = ("variable", "rows", "first", "last", "frequency", "gaps", "odd")
_RELEASES: Final = ("variable", "releases", "revised", "first published", "last published")
_FORECASTS: Final = ("model", "forecasts", "variables", "first target", "last target")


def check(config: TrainingConfig, *, as_json: bool) -> Literal[0, 1]:
    """Print a report of the source; return 0 if every series can be used, else 1.

    Raises:
        ConfigurationError: a variable is unknown, or the range holds no batch.
        HistoricalDataError: the source cannot be read, or a table of many series.
        StoreUnavailableError: the source cannot be listed.
    """
    by_default = "end_date" not in config.model_fields_set
    report = check_source(config.settings(), config.options(), ends_by_default=by_default)
    if as_json:
        print_json(report.to_json())
    else:
        _print(report, Console())
    for problem in report.problems[:MOST_PROBLEMS]:
        print_error(problem)
    if (more := len(report.problems) - MOST_PROBLEMS) > 0:
        print_error(f"and {more:,} more series cannot be used: --json has all")
    return 1 if report.problems else 0


def _print(report: SourceReport, console: Console) -> None:
    """Print each series, then what will be skipped and what looks wrong."""
    console.print(plain(f"source: {report.source}"), soft_wrap=True)
    files = {each.file for each in report.series}
    if len(files) == 1 and all(files):  # a folder that is named is the source itself
        console.print(plain(f"file: {', '.join(files)}"), soft_wrap=True)
    console.print(_table(report.series))
    console.print()
    _print_publication(report.series, console)
    if report.forecasts:
        console.print("somebody else's forecasts")
        console.print(_forecasts_table(report.forecasts))
        console.print()
    every = len(report.series)
    empty = [f"{each.variable}: {each.missing:,}" for each in report.series if each.missing]
    print_list(console, "rows without a value", empty, every)
    print_list(console, "missing periods", list(_gaps(report.series)), every)
    print_list(console, "dates on another day of the month", list(_off_label(report.series)), every)
    print_list(console, "implausible values", list(_implausible(report.series)), every)
    left_out = "variables not predicted in some batches"
    most = max(every, MOST_REASONS)
    print_list(console, left_out, _skipped(report.series), most, rest="--json has all")
    notes = [each.note for each in report.series if each.note]
    print_list(console, "frequencies", notes, every)
    unread = [f"{path}: {reason}" for path, reason in report.unread.items()]
    print_list(console, "files that are not read", unread, len(unread))
    print_list(console, "notes", list(report.notes), len(report.notes))


def _print_publication(series: Sequence[SeriesReport], console: Console) -> None:
    """Print the releases of the series whose files have them, and what is assumed of others."""
    dated = [each for each in series if each.first_published]
    if dated:
        console.print("days of publication in the file")
        console.print(_releases_table(dated))
        console.print()
    rules: dict[str, list[str]] = {}
    for each in series:
        if each.publication and "assumed" in each.publication:
            rules.setdefault(each.publication, []).append(each.variable)
    lines = [
        f"{rule.removeprefix('assumed: ')}: {outcome_texts.list_some(names)}"
        for rule, names in rules.items()
    ]
    print_list(console, "days of publication, assumed", lines, len(series))


def _releases_table(series: Sequence[SeriesReport]) -> Table:
    table = new_table(*_RELEASES)
    for each in series:
        days = (each.first_published or "-", each.last_published or "-")
        table.add_row(plain(each.variable), str(each.releases), str(each.revised), *days)
    return table


def _forecasts_table(forecasts: Sequence[ForecastsReport]) -> Table:
    table = new_table(*_FORECASTS)
    for each in forecasts:
        targets = (each.first_target, each.last_target)
        table.add_row(plain(each.model), str(each.rows), str(each.variables), *targets)
    return table


def _table(series: Sequence[SeriesReport]) -> Table:
    """Lay out a row per series."""
    with_files = _names_files(series)
    table = new_table(*_HEADERS, *(["file"] if with_files else []))
    for each in series:
        cells = (
            plain(each.variable),
            str(each.rows) if each.first else "-",
            each.first or "-",
            each.last or "-",
            each.frequency or "-",
            "-" if each.gaps is None else str(each.gaps),
            str(each.implausible_count),
        )
        table.add_row(*cells, *([plain(each.file)] if with_files else []))
    return table


def _names_files(series: Sequence[SeriesReport]) -> bool:
    """Tell whether files need a column: there are several, and some hold several series."""
    return 1 < len({each.file for each in series}) < len(series)


def _gaps(series: Sequence[SeriesReport]) -> Iterator[str]:
    """Say where a series lacks periods, the newest first, unless days may be holidays."""
    for each in series:
        if each.gaps and each.frequency and get_frequency(each.frequency).counts_periods:
            shown = [f"{count} after {day}" for day, count in reversed(each.gaps_after)]
            yield f"{each.variable}: {outcome_texts.list_some(shown)}"


def _off_label(series: Sequence[SeriesReport]) -> Iterator[str]:
    for each in series:
        if each.off_label:
            yield f"{each.variable}: {outcome_texts.list_some(each.off_label)}"


def _implausible(series: Sequence[SeriesReport]) -> Iterator[str]:
    for each in series:
        if each.implausible_count:
            shown = ", ".join(f"{value:g} on {day}" for day, value in each.implausible)
            more = each.implausible_count - len(each.implausible)
            yield f"{each.variable}: {shown}" + (f" and {more} more" if more else "")


def _skipped(series: Sequence[SeriesReport]) -> list[str]:
    entries = [
        {"variable": each.variable, **vars(skipped)} for each in series for skipped in each.skipped
    ]
    return [
        f"{outcome_texts.list_some(group.variables)}: {group.reason} ({group.dates})"
        for group in outcome_texts.group_variables(entries)
    ]
