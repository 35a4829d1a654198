"""The check that no model has two forecasts of one period, made on one day, under two dates."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from pulse_assets.array_types import Dates, Ints
from pulse_assets.errors import HistoricalDataError
from pulse_assets.history.frequency import Frequency
from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.history.given_forecasts import GivenForecasts
from pulse_assets.history.same_period import periods_of
from pulse_assets.history.source import Source

#: A place in the order of levels, for the point forecast, which has none.
_POINT: Final = -1.0


def check_forecast_targets(source: Source, frequencies: Mapping[str, str]) -> None:
    """Refuse two forecasts of one period by one model that were made on one day.

    Equal dates are refused when the file is read. 2020-01-01 and 2020-03-31 are one quarter, too,
    and only one of the two forecasts could count.

    Args:
        source: has the forecasts.
        frequencies: frequency by variable; forecasts of others are not looked at.

    Raises:
        HistoricalDataError: there are two; the message names file and rows.
    """
    for variables in source.forecasts().values():
        for variable in sorted(variables.keys() & frequencies.keys()):
            frequency = get_frequency(frequencies[variable])
            _check_targets(variables[variable], source.load(variable).timestamps, frequency)


def _check_targets(given: GivenForecasts, labels: Dates, frequency: Frequency) -> None:
    periods = periods_of(given.target_dates, frequency)
    if periods is None:
        return
    days = (given.made_at, given.origin_dates)
    levels = np.nan_to_num(given.quantiles, nan=_POINT)
    keys: list[Ints] = [column.view(np.int64) for column in (*days, levels)]
    order = np.lexsort((given.target_dates, periods, *keys))
    same = np.logical_and.reduce([np.diff(key[order]) == 0 for key in (*keys, periods)])
    # Two rows of the series may lie in one week: then each has a forecast of its own.
    is_label = np.isin(given.target_dates[order], labels)
    twice = np.flatnonzero(same & ~(is_label[1:] & is_label[:-1]))
    if not len(twice):
        return
    first, second = sorted(order[twice[0] : twice[0] + 2].tolist(), key=given.places.__getitem__)
    raise HistoricalDataError(
        f"{given.file}: {given.unit} {given.places[first]} and {given.places[second]}, "
        f"{given.variable}: {given.target_dates[first]} and {given.target_dates[second]} are one "
        f"period of a {frequency.name} series, forecast on one day: keep one"
    )
