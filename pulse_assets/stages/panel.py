"""Forecast the variables of a panel; what they need of each other is computed once for all.

A forecast must not depend on which other origins are requested, because that set depends on later
data and on how batches are grouped. So leading indicators are selected, and slow rules restart, at
every `SCREENING_ROWS`th row of a series, whichever origins follow it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

import numpy as np

from pulse_assets.array_types import Dates, Floats, Ints
from pulse_assets.history.bounds import bounds_of
from pulse_assets.history.frequency import Frequency
from pulse_assets.retrodiction.arrays import first_known
from pulse_assets.retrodiction.failures import RuleFailure
from pulse_assets.retrodiction.given_rule import GivenRule
from pulse_assets.retrodiction.indicators import Candidates, IndicatorRule
from pulse_assets.retrodiction.known_series import KnownSeries
from pulse_assets.retrodiction.retrodict import Retrodiction, retrodict
from pulse_assets.retrodiction.rules import ENSEMBLES, INDICATOR_PREFIX, Rule
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.given_rows import GivenRows, Steps, given_rules
from pulse_assets.stages.observations import Observations
from pulse_assets.stages.variable_history import VariableHistory

#: Rows from one selection of leading indicators to the next. Slow rules restart there too.
SCREENING_ROWS: Final = 24

#: The selected leading indicators by variable and by the row at which they were selected.
Selected = Mapping[tuple[str, int], Sequence[str]]


@dataclass(frozen=True)
class SeriesRequest:
    """Which forecasts are requested of one variable.

    Attributes:
        name: the variable.
        dates: date of each of its rows, [T].
        known_days: day as of which other variables are read at each row, [T], ascending.
        series: its values, [T], and what each origin knows of them otherwise.
        frequency: its frequency.
        origins: rows of the last value known at each origin, ascending, [O].
        steps_ahead: steps from those rows to the targets, ascending, [S].
        given: somebody else's forecasts of it.
        labels: dates of its observations, targets after the last row included, see
            `Steps`.
    """

    name: str
    dates: Dates
    known_days: Dates
    series: KnownSeries
    frequency: Frequency
    origins: Ints
    steps_ahead: Ints
    given: GivenRows
    labels: Dates

    @classmethod
    def of(
        cls,
        name: str,
        history: VariableHistory,
        origins: Ints,
        steps_ahead: Ints,
        labels: Dates | None = None,
    ) -> Self:
        """Request forecasts of a variable, given its history; see the attributes.

        Args:
            name: the variable.
            history: its history.
            origins: see the attributes.
            steps_ahead: see the attributes.
            labels: see the attributes; None: those of the history.
        """
        return cls(
            name,
            history.available_history.dates,
            history.known_days,
            history.known_series,
            history.frequency,
            origins,
            steps_ahead,
            history.rows.given,
            history.observations.dates if labels is None else labels,
        )

    @property
    def screening_rows(self) -> list[int]:
        """Rows at which leading indicators are selected."""
        return np.unique(screening_rows(self.origins)).tolist()

    def without_given(self) -> Self:
        """Return the request as if nobody else had made forecasts."""
        return replace(self, given=GivenRows.none())

    def given_rules(self, levels: Sequence[float]) -> dict[str, GivenRule]:
        """Return the rules that repeat somebody else's forecasts, by name."""
        steps = Steps(self.dates, self.known_days, self.labels, self.frequency, self.steps_ahead)
        return given_rules(self.given, steps, first_known(self.series.values), levels)


@dataclass(frozen=True)
class SeriesForecasts:
    """The forecasts of one variable.

    Attributes:
        request: what was requested.
        retrodiction: forecasts [M, O, S]. Those of a leading indicator are NaN at origins for which
            it was not selected. The errors are those at the requested origins; a rule that failed
            only before them has one error, at the first of them.
        selected: names of the rules on leading indicators by screening row.
    """

    request: SeriesRequest
    retrodiction: Retrodiction
    selected: Mapping[int, Sequence[str]]

    def models_at(self, origins: Ints) -> list[int]:
        """Return the indices, in order of name, of the models that apply to some of the origins."""
        rows = np.unique(screening_rows(origins)).tolist()
        names = {name for row in rows for name in self.selected[row]}
        others = {name for chosen in self.selected.values() for name in chosen} - names
        given, last_day = self.request.given, self.request.known_days[origins].max()
        others |= {*given.models} - {*given.models_on(last_day)}
        models = enumerate(self.retrodiction.models)
        return [i for name, i in sorted((name, i) for i, name in models) if name not in others]


def screening_rows(origins: Ints) -> Ints:
    """Return the row at which the leading indicators of each origin are selected, [O]."""
    return origins // SCREENING_ROWS * SCREENING_ROWS


@dataclass(frozen=True)
class Panel:
    """The observations of all variables, each of which may be a leading indicator of the others."""

    observations: Mapping[str, Observations]

    def known_on(self, days: Dates) -> dict[str, KnownSeries]:
        """Return what was known of each variable on each day, [T]."""
        return {name: rows.as_known_on(days) for name, rows in self.observations.items()}

    def select_indicators(self, requests: Iterable[SeriesRequest], limit: int) -> Selected:
        """Select the leading indicators of each variable at its screening rows.

        Variables whose rows became known on the same days share one table of candidates. What was
        known on the days of one variable is held for the next rows of its days alone, because a
        panel may have as many calendars as variables.

        Args:
            requests: the variables and their origins.
            limit: the largest number of indicators of a variable; 0: none are looked for.
        """
        selected: dict[tuple[str, int], Sequence[str]] = defaultdict(tuple)
        if not limit:
            return selected
        alike: dict[tuple[int, bytes], list[SeriesRequest]] = {}
        for request in requests:
            for row in request.screening_rows:
                known_days = request.known_days[: row + 1].tobytes()
                alike.setdefault((row, known_days), []).append(request)
        calendar, others = b"", dict[str, KnownSeries]()
        for (row, _), members in sorted(alike.items(), key=lambda item: _calendar(item[1])):
            if (days := _calendar(members)) != calendar:
                calendar, others = days, self.known_on(members[0].known_days)
            candidates = Candidates.of({name: x.at(row) for name, x in others.items()})
            own = {request.name: request.series.at(row) for request in members}
            for name, indicators in candidates.select(own, limit=limit).items():
                selected[name, row] = indicators
        return selected


def _calendar(members: Sequence[SeriesRequest]) -> bytes:
    """Return the days of the first member, by which members are ordered."""
    return members[0].known_days.tobytes()


def forecast_series(
    request: SeriesRequest,
    panel: Panel,
    selected: Selected,
    rules: Sequence[Rule],
    options: TrainingOptions,
) -> SeriesForecasts:
    """Forecast one variable by every rule, its leading indicators and the ensembles.

    Args:
        request: the variable, its origins and steps.
        panel: the observations of all variables.
        selected: from `Panel.select_indicators`.
        rules: the rules.
        options: ensemble method, quantiles, bounds, indicators and what a rule's error does.

    Raises:
        RuleError: a rule failed and `on_rule_error` is `fail`.
    """
    given = request.given_rules(options.quantile_levels)
    segments = _segments(request, selected, slow=any(r.history_origins is not None for r in rules))
    parts = [
        retrodict(
            request.series,
            np.append(segment.first_row, request.origins[segment.origins]),
            request.steps_ahead,
            request.frequency.season,
            [
                *rules,
                *(given[name] for name in segment.given),
                *_indicator_rules(request, panel, segment),
            ],
            ensemble=options.ensemble,
            levels=options.quantile_levels,
            bounds=bounds_of(request.name, options.bounds),
            strict=options.on_rule_error == "fail",
        )
        for segment in segments
    ]
    joined = _join(parts, [segment.origins for segment in segments], len(request.origins))
    errors = _errors_at_origins(request.origins, request.dates, parts)
    rows = request.screening_rows
    names = {row: [INDICATOR_PREFIX + n for n in selected[request.name, row]] for row in rows}
    return SeriesForecasts(request, replace(joined, errors=errors), names)


class _Segment(NamedTuple):
    """Origins that are forecast with the same leading indicators and given forecasts.

    Attributes:
        first_row: the first row at which they were selected, and from which slow rules start.
        indicators: names of the leading indicators, ordered.
        given: names of those whose first forecast was made by then, ordered.
        origins: index of the segment's origins among those requested.
    """

    first_row: int
    indicators: tuple[str, ...]
    given: tuple[str, ...]
    origins: Ints


def _segments(request: SeriesRequest, selected: Selected, *, slow: bool) -> list[_Segment]:
    """Split the origins by their rules; with `slow` rules also at each screening.

    How many rules run together decides in which order their forecasts are added, so no origin may
    run with the forecasts of somebody who spoke only after it.
    """
    rows = screening_rows(request.origins)
    first_made = np.array([*request.given.first_made.values()], "M8[D]")
    counts = first_made.searchsorted(request.known_days[request.origins], side="right")
    by_key: dict[tuple[tuple[str, ...], int, int | None], list[Ints]] = {}
    for row, count in sorted({*zip(rows.tolist(), counts.tolist(), strict=True)}):
        indicators = tuple(sorted(selected[request.name, row]))
        members = np.flatnonzero((rows == row) & (counts == count))
        by_key.setdefault((indicators, count, row if slow else None), []).append(members)
    models = [*request.given.first_made]
    return [
        _Segment(
            int(rows[parts[0][0]]), names, tuple(sorted(models[:count])), np.concatenate(parts)
        )
        for (names, count, _), parts in by_key.items()
    ]


def _indicator_rules(
    request: SeriesRequest, panel: Panel, segment: _Segment
) -> Iterator[IndicatorRule]:
    """Return the rules on the leading indicators of a segment."""
    start = first_known(request.series.values)
    for name in segment.indicators:
        known_series = panel.observations[name].as_known_on(request.known_days)
        yield IndicatorRule.of(name, known_series, start)


def _join(parts: Sequence[Retrodiction], origins: Sequence[Ints], length: int) -> Retrodiction:
    """Return the forecasts of all segments, [..., M, O, S], each without its screening row.

    Args:
        parts: the forecasts of each segment; the first origin is its screening row.
        origins: index of the origins of each segment among all.
        length: number of origins, O.
    """
    own = {name for part in parts for name in part.models[: -len(ENSEMBLES)]}
    models = (*sorted(own, key=_rules_first), *ENSEMBLES)

    def joined(values_of: Callable[[Retrodiction], Floats], absent: float) -> Floats:
        *levels, _, _, steps = values_of(parts[0]).shape
        whole = np.full((*levels, len(models), length, steps), absent)
        for part, where in zip(parts, origins, strict=True):
            places = np.array([models.index(name) for name in part.models])
            whole[..., places[:, None], where, :] = values_of(part)[..., 1:, :]
        return whole

    return Retrodiction(
        models,
        predicted=joined(lambda part: part.predicted, np.nan),
        quantiles=joined(lambda part: part.quantiles, np.nan),
        weights=joined(lambda part: part.weights, 0.0),
    )


def _rules_first(name: str) -> tuple[bool, str]:
    """Return a sort key that does not depend on which indicators other origins have."""
    return name.startswith(INDICATOR_PREFIX), name


def _errors_at_origins(
    origins: Ints, dates: Dates, parts: Sequence[Retrodiction]
) -> tuple[RuleFailure, ...]:
    """Return the failures at the requested origins, and one per rule that failed only before."""
    failures = {(failure.model, failure.origin): failure for p in parts for failure in p.errors}
    requested = set(origins.tolist())
    errors = [failure for failure in failures.values() if failure.origin in requested]
    reported = {failure.model for failure in errors}
    for failure in failures.values():
        if failure.model not in reported:
            reported.add(failure.model)
            message = f"{failure.message} (from the earlier origin {dates[failure.origin]})"
            errors.append(failure._replace(origin=int(origins[0]), message=message))
    return tuple(sorted(errors))
