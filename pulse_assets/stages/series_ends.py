"""Last observation dates of the series, and the series that end too early."""

from collections.abc import Mapping
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.history.frequency import dates_ahead
from pulse_assets.history.frequency_names import get_frequency

#: Number of its own steps that a series may end before the date that it is compared with.
STALE_AFTER: Final = 4


def ends_before(last: Mapping[str, date], frequencies: Mapping[str, str], until: date) -> list[str]:
    """Return the names of the series that end more than `STALE_AFTER` steps before a date.

    Args:
        last: date of the last observation of each series.
        frequencies: frequency by series; a series without one, or with irregular dates, is
            not compared.
        until: the date to compare with.
    """
    names = []
    for name in sorted(set(last) & set(frequencies)):
        frequency, end = get_frequency(frequencies[name]), np.array([last[name]], "M8[D]")
        if frequency.calendar is None:
            continue
        (stale_date,) = dates_ahead(end, np.array([STALE_AFTER]), frequency)
        if stale_date < np.datetime64(until, "D"):
            names.append(name)
    return names


def early_ends(last: Mapping[str, date], frequencies: Mapping[str, str]) -> dict[str, str]:
    """Return a warning per series that ends much earlier than the latest series.

    The forecasts of such a series start earlier too, and most of their dates are in the past.

    Args:
        last: date of the last observation of each series.
        frequencies: frequency by series.
    """
    if not last:
        return {}
    latest = max(sorted(last), key=lambda name: last[name])
    early = ends_before(last, frequencies, last[latest])
    words = {name: get_frequency(frequencies[name]).name for name in early}
    return {
        name: f"{name} ends on {last[name]}, more than {STALE_AFTER} {words[name]} "
        f"steps before {latest} ({last[latest]}): its forecasts start that much earlier"
        for name in early
    }


def last_observations(forecasts: pa.Table) -> dict[str, date]:
    """Return the origin date of each variable's next forecasts: that of its last observation.

    Args:
        forecasts: rows of schema `NEXT_FORECASTS`.
    """
    predicted = forecasts.filter(pc.field("model").is_valid())
    rows = predicted.select(["variable", "origin_date"]).to_pylist()
    return {row["variable"]: row["origin_date"] for row in rows}


def left_out(forecasts: pa.Table) -> dict[str, str]:
    """Return the reason by variable for the variables without next forecasts.

    Args:
        forecasts: rows of schema `NEXT_FORECASTS`.
    """
    rows = forecasts.filter(pc.field("model").is_null()).select(["variable", "error"]).to_pylist()
    return {row["variable"]: row["error"] or "" for row in rows}
