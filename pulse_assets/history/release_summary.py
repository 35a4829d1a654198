"""A summary of when the values of a series were public: releases, days, and what is assumed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pulse_assets.history.series import Series


@dataclass(frozen=True)
class ReleaseSummary:
    """When the values of a series were public.

    Attributes:
        releases: number of values that were released, later ones with a change included.
        revised: number of dates whose value has changed after its first release.
        first_published: first day of publication in the file, ISO 8601; None if it has none.
        last_published: the last one.
        assumed: number of dates whose day of publication the file does not have.
        publication: whether the days are in the file or assumed, in words.
    """

    releases: int
    revised: int
    first_published: str | None
    last_published: str | None
    assumed: int
    publication: str


def summarise_releases(series: Series, lag_days: int) -> ReleaseSummary:
    """Summarise the releases of a series.

    Args:
        series: the series.
        lag_days: days from the end of a period to the publication of its value, where the file does
            not say when it was.

    Example:
        >>> days = np.array(["2020-01-01", "2020-04-01"], "M8[D]")
        >>> summarise_releases(Series("gdp", days, np.ones(2)), 30).publication
        'assumed: 30 days after the period'
    """
    later = series.revisions
    published = [] if series.published_at is None else [series.published_at]
    days = np.concatenate([*published, *([later.published_at] if later else [])] or [[]])
    days = days[~np.isnat(days)] if len(days) else days
    return ReleaseSummary(
        releases=int((~np.isnan(series.values)).sum()) + (len(later.rows) if later else 0),
        revised=len(np.unique(later.rows)) if later else 0,
        first_published=str(days.min()) if len(days) else None,
        last_published=str(days.max()) if len(days) else None,
        assumed=_count_assumed(series),
        publication=_describe(series, lag_days),
    )


def describe_lags(lags: Sequence[int]) -> str:
    """Say how long after the period values are public.

    Example:
        >>> describe_lags([30, 0, 9]), describe_lags([1])
        ('0 to 30 days after the period', '1 day after the period')
    """
    low, high = min(lags), max(lags)
    days = f"{low} to {high}" if low < high else str(low)
    return f"{days} {'day' if high == 1 and low == 1 else 'days'} after the period"


def _count_assumed(series: Series) -> int:
    """Return the number of dates whose day of publication the file does not have."""
    given = series.published_at
    return len(series.values) if given is None else int(np.isnat(given).sum())


def _describe(series: Series, lag_days: int) -> str:
    """Say whether days of publication are in the file or assumed."""
    assumed, count = f"assumed: {describe_lags([lag_days])}", _count_assumed(series)
    if count == len(series.values):
        return assumed
    rest = f"; of {count:,} of {len(series.values):,} rows {assumed}" if count else ""
    return f"published_at in the file{rest}"
