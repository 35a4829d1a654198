"""The series that end too early, and those without next forecasts."""

from collections.abc import Mapping
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa

from pulse_assets.array_types import Dates
from pulse_assets.history.frequency import dates_ahead
from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.history.series import Series

#: Number of its own steps that a series may end before the date that it is compared with.
STALE_AFTER: Final = 4


def ends_before(
    dates: Mapping[str, Dates], frequencies: Mapping[str, str], until: date
) -> list[str]:
    """Return the names of the series that end more than `STALE_AFTER` steps before a date.

    A step of an irregular series is the median gap between its dates.

    Args:
        dates: of the observations of each series, in order, [T].
        frequencies: frequency by series; a series without one is not compared.
        until: the date to compare with.
    """
    names = []
    for name in sorted(set(dates) & set(frequencies)):
        frequency = get_frequency(frequencies[name])
        (stale_date,) = dates_ahead(dates[name], np.array([STALE_AFTER]), frequency)
        if stale_date < np.datetime64(until, "D"):
            names.append(name)
    return names


def early_ends(dates: Mapping[str, Dates], frequencies: Mapping[str, str]) -> dict[str, str]:
    """Return a warning per series that ends much earlier than the latest series.

    The forecasts of such a series start earlier too, and most of their dates are in the past.

    Args:
        dates: of the observations of each series, in order, [T].
        frequencies: frequency by series.
    """
    if not dates:
        return {}
    last = {name: of[-1].item() for name, of in dates.items()}
    latest = max(sorted(last), key=lambda name: last[name])
    early = ends_before(dates, frequencies, last[latest])
    words = {name: get_frequency(frequencies[name]).name for name in early}
    return {
        name: f"{name} ends on {last[name]}, more than {STALE_AFTER} {words[name]} "
        f"steps before {latest} ({last[latest]}): its forecasts start that much earlier"
        for name in early
    }


def observed_dates(series: Mapping[str, Series], forecasts: pa.Table) -> dict[str, Dates]:
    """Return the dates of each variable up to the origin of its next forecasts, if it has some.

    Args:
        series: by variable.
        forecasts: rows of schema `NEXT_FORECASTS`.
    """
    predicted = forecasts.filter(forecasts["model"].is_valid())
    rows = predicted.select(["variable", "origin_date"]).to_pylist()
    last = {row["variable"]: np.datetime64(row["origin_date"]) for row in rows}
    every = {name: series[name].timestamps for name in last}
    return {name: dates[dates <= last[name]] for name, dates in every.items()}


def left_out(forecasts: pa.Table) -> dict[str, str]:
    """Return the reason by variable for the variables without next forecasts.

    Args:
        forecasts: rows of schema `NEXT_FORECASTS`.
    """
    rows = forecasts.filter(forecasts["model"].is_null()).select(["variable", "error"]).to_pylist()
    return {row["variable"]: row["error"] or "" for row in rows}
