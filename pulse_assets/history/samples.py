"""The sources inside the package, and how long after its period each of their values was public."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Final


@dataclass(frozen=True)
class BundledSource:
    """A source inside the package.

    Attributes:
        folder: its folder in the package, whose README says where the figures come from.
        publication_lag_days: days from the end of a period to the publication of its value, by
            variable; none for variables whose files have `published_at`. A period ends on its last
            day if that is its label, else on the first day of the next period.
        bounds: the least and the largest possible value, by variable.
    """

    folder: str
    publication_lag_days: Mapping[str, int] = field(default_factory=dict)
    bounds: Mapping[str, str] = field(default_factory=dict)


#: The bundled sources by the word that names them in the setting `source`.
BUNDLED: Final[Mapping[str, BundledSource]] = {
    # The files of `sample` hold one vintage each, without days of publication. These lags are those
    # of the first releases in the calendars of the agencies, rounded up: late is no look-ahead.
    "sample": BundledSource(
        "sample_data",
        {
            # An index is public when the market closes.
            "spx_close": 0,
            # Monthly averages of daily rates: the rate of the last day is published on the next
            # working day, which is the fourth of the month at the latest.
            "fed_funds_rate": 3,
            "us_10y_yield": 3,
            # BLS, The Employment Situation: a Friday from the 1st to the 10th.
            "unemployment_rate": 9,
            # BLS, Consumer Price Index: around the middle of the month.
            "inflation_rate": 15,
            # Federal Reserve Board, G.17: around the 16th.
            "industrial_production": 16,
            # BEA, the advance estimate of GDP: at the end of the month after the quarter.
            "gdp_growth": 30,
        },
        {"unemployment_rate": "0:100", "spx_close": "0:", "industrial_production": "0:"},
    ),
    # Every value has its releases, with the days on which they were public.
    "sample-uk": BundledSource("sample_data_uk", bounds={"unemployment_rate": "0:100"}),
}


def bundled_folder(uri: str) -> str | None:
    """Return the folder of a bundled source; None if there is none of that name.

    Example:
        >>> bundled_folder("my_data") is None
        True
    """
    if uri not in BUNDLED:
        return None
    return str(resources.files("pulse_assets") / BUNDLED[uri].folder)


def bundled_lags(uri: str) -> Mapping[str, int]:
    """Return the publication lags of a bundled source in days, by variable; none for others.

    Example:
        >>> bundled_lags("sample")["gdp_growth"], bundled_lags("my_data")
        (30, {})
    """
    return BUNDLED[uri].publication_lag_days if uri in BUNDLED else {}


def bundled_bounds(uri: str) -> Mapping[str, str]:
    """Return the bounds of the variables of a bundled source; none for others.

    Example:
        >>> bundled_bounds("sample")["unemployment_rate"], bundled_bounds("my_data")
        ('0:100', {})
    """
    return BUNDLED[uri].bounds if uri in BUNDLED else {}
