"""Where the series and their next forecasts start and end, and which series end too early."""

from collections.abc import Mapping
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.history.frequency import dates_ahead, get_frequency

#: Steps of its own frequency that a series may end before the date that it is compared with.
STALE_AFTER: Final = 4


def ends_before(last: Mapping[str, date], frequencies: Mapping[str, str], until: date) -> list[str]:
    """Return the series that end more than `STALE_AFTER` of their own steps before a date.

    Args:
        last: date of the last observation of each series.
        frequencies: frequency by series; a series without one is not compared.
        until: the date to compare with.
    """
    found = []
    for name in sorted(set(last) & set(frequencies)):
        frequency, end = get_frequency(frequencies[name]), np.datetime64(last[name], "D")
        (reached,) = dates_ahead(end, np.array([STALE_AFTER]), frequency)
        if reached < np.datetime64(until, "D"):
            found.append(name)
    return found


def early_ends(last: Mapping[str, date], frequencies: Mapping[str, str]) -> dict[str, str]:
    """Return a sentence for each series that ends much earlier than the latest of all series.

    Its forecasts start so much earlier, and mostly lie before today.

    Args:
        last: date of the last observation of each series.
        frequencies: frequency by series.
    """
    if not last:
        return {}
    latest = max(sorted(last), key=lambda name: last[name])
    early = ends_before(last, frequencies, last[latest])
    return {
        name: f"{name} ends on {last[name]}, more than {STALE_AFTER} {frequencies[name]} "
        f"steps before {latest} ({last[latest]}): its forecasts start that much earlier"
        for name in early
    }


def last_observations(forecasts: pa.Table) -> dict[str, date]:
    """Return the date from which the forecasts of each variable start.

    Args:
        forecasts: rows of schema `NEXT_FORECASTS`.
    """
    made = forecasts.filter(pc.field("model").is_valid()).select(["variable", "origin_date"])
    return {row["variable"]: row["origin_date"] for row in made.to_pylist()}


def left_out(forecasts: pa.Table) -> dict[str, str]:
    """Return why variables have no next forecast, by variable.

    Args:
        forecasts: rows of schema `NEXT_FORECASTS`.
    """
    rows = forecasts.filter(pc.field("model").is_null()).select(["variable", "error"]).to_pylist()
    return {row["variable"]: row["error"] or "" for row in rows}
