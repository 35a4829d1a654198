"""Checks of data, rules and store that run before the first batch and before anything is written.

All series are examined before an error is raised, so that one message names all that are wrong.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

import numpy as np

from pulse_assets.array_types import Bools, Dates, Ints
from pulse_assets.batches.grid import batch_keys, batch_of
from pulse_assets.batches.windows import history_starts, window_starts
from pulse_assets.errors import ConfigurationError, HistoricalDataError, StoreUnavailableError
from pulse_assets.history.bounds import bounds_of
from pulse_assets.history.calendars import decide_frequency, rows_used
from pulse_assets.history.forecast_targets import check_forecast_targets
from pulse_assets.history.frequency import Frequency, dates_ahead, steps_between
from pulse_assets.history.frequency_names import calendar_in, get_frequency, with_holidays
from pulse_assets.history.future_dates import check_dates, check_forecast_days
from pulse_assets.history.publication import (
    ALL_OTHERS,
    archive_start,
    forecast_days,
    lag_of,
    publication_days,
)
from pulse_assets.history.publication_check import check_publication
from pulse_assets.history.series import Series
from pulse_assets.history.source import Source
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, REFERENCE, resolve_rules
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.stages.variable_history import MINIMUM_HISTORY
from pulse_assets.storage.store import open_store

#: Options that name each variable or rule.
_NAMED_BELOW: Final = {
    *("variables", "models", "frequencies", "calendar", "publication_lag_days", "bounds"),
}
#: Problems that one message names at most.
_MOST_NAMED = 10
#: Last day of the calendar of Python and Arrow.
_LAST_DAY: Final = np.datetime64("9999-12-31")


def resolve_options(settings: Settings, options: TrainingOptions) -> TrainingOptions:
    """Return the options with all variables, rules and frequencies named.

    `naive` is always among the rules: skill is measured against it. Rules are sorted, because their
    order changes no result. The frequency of each variable is decided here, once, from all its
    dates; frequencies of variables that are not predicted are dropped. Options that name the
    frequencies of all variables are returned unchanged, and no series is read.

    Raises:
        ConfigurationError: the source has no variable of such a name.
        HistoricalDataError: the source cannot be read, or the dates of a series are wrong.
    """
    source = settings.open_source()
    named = _with_names(source, options)
    if named.frequencies.keys() >= set(named.variables or ()):
        return named
    return _with_frequencies(named, _examine(source, named, None))


def check_ready(
    settings: Settings, options: TrainingOptions, source: Source | None = None
) -> TrainingOptions:
    """Examine every series, load every rule, try and tidy the store; return the resolved options.

    Args:
        settings: where data lies and which batches exist.
        options: what the run predicts.
        source: where the series are; that of the settings unless given.

    Raises:
        ConfigurationError: a variable or frequency is unknown, or the range holds no batch.
        HistoricalDataError: a source file cannot be read or has a bad row, or a series has two
            dates in one period, can never be predicted, or has a date or a day of publication more
            than a year after today;
            or a file of forecasts has a bad row or two of one period, or is named as a rule.
        RuleError: a rule is unknown or cannot be imported.
        StoreError: the store cannot be listed, read or written.
    """
    source = source or settings.open_source()
    named = _with_names(source, options)
    rules = resolve_rules(named.models or (), seconds=named.rule_timeout_seconds)
    _check_forecasts(source, [rule.name for rule in rules])
    resolved = _with_frequencies(named, _examine(source, named, _Grid.of(settings)))
    check_forecast_targets(source, resolved.frequencies)
    store = open_store(settings.store, settings.s3)
    store.check_usable()
    store.clear_abandoned()
    return resolved


def _check_forecasts(source: Source, rules: Sequence[str]) -> None:
    """Refuse forecasts that cannot be read or made, or whose model has the name of a rule."""
    twice = [model for model in source.forecasts() if model in rules]
    if twice:
        raise HistoricalDataError(
            f"source {source.uri} has forecasts of {twice[0]}, which is the name of one of the "
            "rules: rename the file or the rule"
        )
    check_forecast_days(source)


def _with_names(source: Source, options: TrainingOptions) -> TrainingOptions:
    variables = options.variables or source.variables()
    source.check_variables(variables)
    source.check_variables(list(options.frequencies), "--frequencies:")
    source.check_variables(list(options.calendar), "--calendar:")
    source.check_variables(list(options.bounds), "--bounds:")
    given_lags = options.publication_lag_days
    source.check_variables([*given_lags.keys() - {ALL_OTHERS}], "--publication-lag-days:")
    usual = {} if ALL_OTHERS in given_lags else source.usual_lag_days()
    lags = {name: lag_of(name, usual | given_lags) for name in variables}
    calendar, frequencies, bounds = (
        {name: text for name, text in by_name.items() if name in set(variables)}
        for by_name in (
            options.calendar,
            options.frequencies,
            {**source.usual_bounds(), **options.bounds},
        )
    )
    both = calendar.keys() & frequencies.keys()
    for name in both:
        _check_one_calendar(name, calendar[name], calendar_in(frequencies[name]))
    return TrainingOptions(
        **options.model_dump(exclude=_NAMED_BELOW),
        variables=variables,
        models=sorted({REFERENCE, *(options.models or DEFAULT_MODELS)}),
        frequencies=frequencies | {n: with_holidays(frequencies[n], calendar[n], n) for n in both},
        calendar=calendar,
        publication_lag_days=lags,
        bounds=bounds,
    )


def _check_one_calendar(name: str, calendar: str, own: str) -> None:
    """Refuse a holiday calendar beside another one in the name of the frequency."""
    if own not in ("", calendar):
        raise ConfigurationError(
            f"--calendar {name}={calendar} contradicts --frequencies, which gives {name} the "
            f"holidays of {own}: keep one"
        )


def _with_frequencies(options: TrainingOptions, frequencies: dict[str, str]) -> TrainingOptions:
    return TrainingOptions(**options.model_dump(exclude={"frequencies"}), frequencies=frequencies)


def _examine(source: Source, options: TrainingOptions, grid: "_Grid | None") -> dict[str, str]:
    """Return the frequency of each variable, or raise what is wrong with all of them.

    Args:
        source: where the series are.
        options: with all variables and rules named.
        grid: the batches, to find variables that none can predict; None: do not look.
    """
    frequencies, problems = {}, []
    for examined in _examined(source, options, grid):
        if examined.problem:
            problems.append(examined.problem)
        else:
            frequencies[examined.variable] = examined.frequency
    if problems:
        raise HistoricalDataError(_listed(problems))
    return frequencies


@dataclass(frozen=True)
class ExaminedSeries:
    """A series, its frequency, and why it cannot be used.

    Attributes:
        variable: its name.
        series: its observations; None if they cannot be read.
        frequency: its name; empty if it has none.
        lag_days: days from the end of a period to the publication of its value, where the source
            does not say when it was.
        problem: why no training can use it, and how to fix it; empty if one can.
    """

    variable: str
    series: Series | None
    frequency: str
    lag_days: int
    problem: str


def examine_all(
    source: Source, settings: Settings, options: TrainingOptions
) -> Iterator[ExaminedSeries]:
    """Examine every series as `check_ready` does, without raising what is wrong with one.

    Raises:
        ConfigurationError: a variable or frequency is unknown, or the range holds no batch.
        HistoricalDataError: the source cannot be read, or a table of many series.
    """
    return _examined(source, _with_names(source, options), _Grid.of(settings))


def _examined(
    source: Source, options: TrainingOptions, grid: "_Grid | None"
) -> Iterator[ExaminedSeries]:
    names = options.variables or ()
    for name in names:
        series, frequency, leave_out = None, "", _leaving_out(name, names)
        lag = lag_of(name, options.publication_lag_days)
        try:
            series = source.load(name)
            check_dates(series, leave_out)
            declared, holidays = options.frequencies.get(name), options.calendar.get(name)
            frequency = decide_frequency(series, declared, holidays)
            used, steps = rows_used(series, frequency), get_frequency(frequency)
            _check_some_used(series, used, frequency)
            check_publication(used, steps)
            bounds_of(name, options.bounds).check(used)
            if grid:
                _check_usable(used, steps, options, grid, leave_out)
                _check_horizons(used, steps, options.horizons)
            yield ExaminedSeries(name, series, frequency, lag, "")
        except StoreUnavailableError:
            raise
        except HistoricalDataError as error:
            yield ExaminedSeries(name, series, frequency, lag, str(error))


def _check_some_used(series: Series, used: Series, frequency: str) -> None:
    """Refuse a frequency that begins after the last row."""
    if not len(used.timestamps):
        raise HistoricalDataError(
            f"{series.source}: --frequencies says {series.variable}={frequency}, but the last row "
            f"is {series.row(-1)}: choose an earlier day, or remove it from --frequencies"
        )


def _listed(problems: Sequence[str]) -> str:
    more = len(problems) - _MOST_NAMED
    rest = [f"and {more} more series have a problem"] if more > 0 else []
    return "; ".join([*problems[:_MOST_NAMED], *rest])


def _leaving_out(name: str, names: Sequence[str]) -> str:
    """Say how a variable can be left out; empty if it is the only one."""
    return f"leave {name} out: name the others with --variables" if len(names) > 1 else ""


@dataclass(frozen=True)
class _Grid:
    """The windows of target dates of all batches: the first day, the last day and the settings."""

    first: np.datetime64
    last: np.datetime64
    settings: Settings

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Find the first and the last day that a batch predicts.

        Raises:
            ConfigurationError: the range holds no window.
        """
        # A trial of a few batches is not refused for a variable that the others predict.
        settings = settings.model_copy(update={"batch_limit": None})
        keys = batch_keys(settings)
        last = batch_of(settings, keys[-1], ()).end - timedelta(days=1)
        return cls(np.datetime64(keys[0]), np.datetime64(last), settings)

    def starts(self, days: Dates) -> Dates:
        """Return the first day of the window of each day."""
        return window_starts(days, self.settings.start_date, self.settings.batch_length)


def _check_usable(
    series: Series, frequency: Frequency, options: TrainingOptions, grid: _Grid, leave_out: str
) -> None:
    """Refuse a series that no batch can predict."""
    count = int(series.has_value.sum())
    if count < MINIMUM_HISTORY:
        fixes = ["add values", *([leave_out] if leave_out else [])]
        raise HistoricalDataError(
            f"{series.source}: {count} of its rows have a value, from {series.row(0)} to "
            f"{series.row(-1)}: {MINIMUM_HISTORY} are needed: {', or '.join(fixes)}"
        )
    reason = _never_predicted(series, frequency, options, grid)
    if reason:
        fixes = [reason[1], *([leave_out] if leave_out else [])]
        raise HistoricalDataError(
            f"{series.source}: {reason[0]}, so no batch predicts {series.variable}: "
            f"{', or '.join(fixes)}"
        )


def _check_horizons(series: Series, frequency: Frequency, horizons: Sequence[int]) -> None:
    """Refuse horizons that no date could have."""
    farthest = dates_ahead(series.timestamps, np.array([max(horizons)]), frequency)[0]
    if farthest > _LAST_DAY:
        raise HistoricalDataError(
            f"{series.source}: {max(horizons)} steps of a {frequency.name} series lead beyond the "
            "year 9999: choose smaller --horizons"
        )


def _never_predicted(
    series: Series, frequency: Frequency, options: TrainingOptions, grid: _Grid
) -> tuple[str, str] | None:
    """Return why no batch can predict a series, and what could be done; None if one can."""
    valued = np.flatnonzero(series.has_value)
    dates = series.timestamps
    span = f"{grid.first} to {grid.last}"
    if dates[valued[-1]] < grid.first:
        return (
            f"its last value, {series.row(valued[-1])}, lies before the first batch, {grid.first}",
            "choose an earlier --start-date",
        )
    if dates[valued[0]] > grid.last:
        return (
            f"its first value, {series.row(valued[0])}, lies after the last batch, {grid.last}",
            "choose a later --end-date",
        )
    inside = valued[(dates[valued] >= grid.first) & (dates[valued] <= grid.last)]
    if not len(inside):
        return (
            f"it has no value from {span}",
            "choose an earlier --start-date or a later --end-date",
        )
    if reason := _not_in_real_time(series, frequency, inside[-1]):
        return reason
    if not _reachable(series, frequency, options, grid.starts(dates[inside]), inside).any():
        nearest = min(options.horizons)
        return (
            f"{MINIMUM_HISTORY} observations must lie before a batch, in its history of "
            f"{options.history_days} days or more, and {nearest} step{'s' * (nearest > 1)} before "
            f"a value to predict, and no value from {span} has that",
            "choose a later --end-date, more --history-days or smaller --horizons",
        )
    return None


def _not_in_real_time(series: Series, frequency: Frequency, target: int) -> tuple[str, str] | None:
    """Return why no forecast of any target up to a row could be made in real time, and the fix.

    None where one could. Values that were all public on the first day of an archive were not
    forecast in real time.
    """
    given = series.published_at
    if given is None or np.isnat(given).all():
        return None
    published = publication_days(series, frequency)
    has_value = np.isfinite(series.values)
    days = forecast_days(published, has_value, frequency.period_over(series.timestamps))
    first = archive_start(published[has_value], MINIMUM_HISTORY)
    if np.isnat(first):
        return None
    origins = np.flatnonzero((days > first) & (np.cumsum(has_value) >= MINIMUM_HISTORY))
    if len(origins) and origins[0] < target:
        return None
    many = int((published[has_value] == first).sum())
    return (
        f"no value up to {series.row(target)} was published after a forecast of it could be made: "
        f"{MINIMUM_HISTORY} values must be public before, and the {many} that were public on "
        f"{first}, the first day of its releases, were not forecast in real time",
        "correct or leave out published_at",
    )


def _reachable(
    series: Series,
    frequency: Frequency,
    options: TrainingOptions,
    starts: Dates,
    targets: Ints,
) -> Bools:
    """Return for each target whether its batch has an origin from which it can be predicted.

    Args:
        series: the series.
        frequency: of the series.
        options: horizons and how far a batch looks back.
        starts: first day of the window of each target, [N].
        targets: rows to predict, [N].
    """
    dates = series.timestamps
    before = np.searchsorted(dates, starts)
    oldest = np.searchsorted(dates, history_starts(starts, options.history_days))
    enough = before - oldest >= MINIMUM_HISTORY
    # The last of the observations that must lie at or before an origin.
    enough_at = np.minimum(oldest + MINIMUM_HISTORY - 1, len(dates) - 1)
    steps = targets - enough_at
    if frequency.counts_periods:  # a period without a row is a step too
        steps = steps_between(dates[enough_at], dates[targets], frequency)
    return enough & (steps >= min(options.horizons))
