"""What was public on a day: series as they were then, and the batches whose outcomes were known."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from pulse_assets.array_types import Bools, Dates
from pulse_assets.batches.windows import TrainingBatch
from pulse_assets.history.series import Revisions, Series


def series_as_of(series: Series, day: np.datetime64) -> Series:
    """Return a series as it was public on a day: its values, releases and others' forecasts of it.

    Args:
        series: with the day of publication of each value.
        day: the day.

    Example:
        >>> days = np.array(["2020-01-01", "2020-02-01"], "M8[D]")
        >>> cpi = Series("cpi", days, np.ones(2), days + np.timedelta64(40, "D"))
        >>> series_as_of(cpi, np.datetime64("2020-02-29")).timestamps.astype(str).tolist()
        ['2020-01-01']
    """
    published = _published(series)
    public = published <= day
    places = np.arange(1, len(public) + 1) if series.places is None else series.places
    return replace(
        series,
        timestamps=series.timestamps[public],
        values=series.values[public],
        published_at=published[public],
        places=places[public],
        revisions=_revisions_as_of(series.revisions, public, day),
        forecasts=tuple(
            each.take(each.made_at <= day) for each in series.forecasts if each.made_at.min() <= day
        ),
    )


def _published(series: Series) -> Dates:
    """Return the days of publication of a series.

    Raises:
        ValueError: it has none, see `with_publication`.
    """
    if series.published_at is None:
        raise ValueError(f"{series.variable} has no days of publication")
    return series.published_at


def _revisions_as_of(
    revisions: Revisions | None, public: Bools, day: np.datetime64
) -> Revisions | None:
    """Return the releases that were public on a day, of the rows that were."""
    if revisions is None:
        return None
    chosen = (revisions.published_at <= day) & public[revisions.rows]
    if not chosen.any():
        return None
    row = np.cumsum(public) - 1
    return replace(
        revisions,
        rows=row[revisions.rows[chosen]],
        values=revisions.values[chosen],
        published_at=revisions.published_at[chosen],
        places=None if revisions.places is None else revisions.places[chosen],
    )


def outcome_days(series: Series, score_against: str) -> Dates:
    """Return the day from which the outcome of each observation was known, [T]; NaT: there is none.

    Args:
        series: with the day of publication of each value.
        score_against: which release counts as the outcome: `first`, `latest` or its number; the
            last one where there are fewer.

    Example:
        >>> day = np.array(["2020-01-01"], "M8[D]")
        >>> later = Revisions(np.array([0]), np.ones(1), np.array(["2021-01-01"], "M8[D]"))
        >>> gdp = Series("gdp", day, np.zeros(1), day + np.timedelta64(120, "D"), revisions=later)
        >>> [str(outcome_days(gdp, release)[0]) for release in ("first", "latest")]
        ['2020-04-30', '2021-01-01']
    """
    valued = np.isfinite(series.values)
    days = np.where(valued, _published(series), np.datetime64("NaT", "D"))
    later = series.revisions
    if later is None:
        return days
    number = np.arange(len(later.rows)) - np.searchsorted(later.rows, later.rows) + 2
    number -= ~valued[later.rows]
    wanted = {"first": 1, "latest": len(number) + 2}
    chosen = number <= (wanted.get(score_against) or int(score_against))
    days[later.rows[chosen]] = later.published_at[chosen]  # of several the last one stays
    return days


def known_outcomes(
    batches: Iterable[TrainingBatch],
    series: Mapping[str, Series],
    score_against: str,
    day: np.datetime64,
) -> dict[str, set[str]]:
    """Return the batches of which all outcomes were known on a day, by variable.

    A window without any outcome today is none of them: a batch that has one is out of date.

    Args:
        batches: the windows of target dates.
        series: the variables, as they are today.
        score_against: which release counts as the outcome.
        day: the day.
    """
    windows = [*batches]
    ends = np.array([[batch.start, batch.end] for batch in windows], "M8[D]").reshape(-1, 2)
    complete: dict[str, set[str]] = {}
    for name, each in series.items():
        days, bounds = outcome_days(each, score_against), each.timestamps.searchsorted(ends)
        counts = [np.append(0, np.cumsum(which)) for which in (days > day, days <= day)]
        late, early = (count[bounds[:, 1]] - count[bounds[:, 0]] for count in counts)
        whole = (late == 0) & (early > 0)
        complete[name] = {windows[place].batch_id for place in np.flatnonzero(whole)}
    return complete


def known_metrics(
    metrics: Iterable[pa.Table], complete: Mapping[str, set[str]]
) -> Iterator[pa.Table]:
    """Yield the rows of `batch_metrics` of batches whose outcomes were known.

    Args:
        metrics: tables with the columns `batch` and `variable`.
        complete: from `known_outcomes`.
    """
    for table in metrics:
        codes = [_codes(table, name) for name in ("batch", "variable")]
        (batch, batches), (variable, variables) = codes
        allowed = np.zeros((len(batches) + 1, len(variables) + 1), bool)
        for column, name in enumerate(variables):
            own = complete.get(name, set())
            allowed[: len(batches), column] = [key in own for key in batches]
        yield table.filter(pa.array(allowed[batch, variable]))


def _codes(table: pa.Table, column: str) -> tuple[np.ndarray, Sequence[str]]:
    """Return the place of each row's name among the names of a column; null: after the last."""
    encoded = table[column].unify_dictionaries().combine_chunks()
    names = encoded.dictionary.to_pylist()
    return encoded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False), names
