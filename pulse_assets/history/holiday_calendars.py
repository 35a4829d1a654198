"""Holidays of markets and countries, from the `holidays` package: an optional extra."""

from functools import lru_cache
from typing import Any, Final

import numpy as np

from pulse_assets.array_types import Dates
from pulse_assets.errors import ConfigurationError

#: Years whose holidays are read; other years have none.
_YEARS: Final = range(1900, 2101)


@lru_cache(maxsize=64)
def holidays_of(calendar: str) -> Dates:
    """Return the holidays of a calendar from 1900 to 2100, in order.

    Args:
        calendar: a market such as NYSE or ECB, a country such as US, or a part of it, US-NY.

    Raises:
        ConfigurationError: the package is not installed, or does not have the calendar.
    """
    days = sorted(_read(calendar))
    return np.array(days, "M8[D]")


def _read(calendar: str) -> Any:  # noqa: ANN401 - a mapping of an optional package
    try:
        import holidays  # pyright: ignore[reportMissingImports] - an optional extra
    except ImportError:
        raise ConfigurationError(
            f"calendar {calendar!r} needs the package holidays: pip install "
            "'pulse-assets[calendars]', on all workers too"
        ) from None
    try:
        return holidays.financial_holidays(calendar, years=_YEARS)
    except NotImplementedError:
        country, _, part = calendar.partition("-")
    try:
        return holidays.country_holidays(country, subdiv=part or None, years=_YEARS)
    except NotImplementedError:
        raise ConfigurationError(
            f"calendar {calendar!r} is unknown: choose a market such as NYSE, LSE or ECB, a "
            "country such as US, or a part of it such as DE-BY, of the package holidays"
        ) from None
