"""A rule that repeats the forecasts that somebody else has made."""

from dataclasses import dataclass

import numpy as np

from pulse_assets.array_types import Floats, Ints
from pulse_assets.retrodiction.request import ForecastRequest


@dataclass(frozen=True, eq=False)
class GivenRule:
    """The forecasts of a survey, a committee or another program; NaN where it is silent.

    They are taken as they are: no clipping, no fit, whatever the series was revised to.

    Attributes:
        name: of those who made them.
        predicted: the newest forecasts known at each index of the series, `[T, H]`, in its unit.
        quantiles: their quantiles, `[L, T, H]`; NaN where none is given: it is then that of their
            errors, as that of any rule.
        start: index of the first value of the series that a request begins with.
        guarded: its forecasts are not clipped.
        scale_free: they are in the unit of the series.
        history_origins: None: it has forecasts over the whole history.
    """

    name: str
    predicted: Floats
    quantiles: Floats
    start: int = 0
    guarded: bool = False
    scale_free: bool = False
    history_origins: int | None = None

    def forecast(self, y: Floats, request: ForecastRequest) -> Floats:
        """Return the forecasts `[O, H]` from the origins of the one series; see `Rule`."""
        return self.predicted[request.origins + self.start]

    def with_own_quantiles(self, origins: Ints, quantiles: Floats) -> Floats:
        """Return the quantiles that were given, and at other levels those of the rule's errors.

        The latter are moved between the given ones of the neighbouring levels.

        Args:
            origins: indices of the series, `[O]`.
            quantiles: from the rule's errors, `[L, O, H]`, ascending over `L`.

        Returns:
            The same shape; ascending where all are known.
        """
        given = self.quantiles[:, origins]
        least = np.fmax.accumulate(given, axis=0)
        most = np.fmin.accumulate(given[::-1], axis=0)[::-1]
        mixed = np.where(np.isnan(given), quantiles, given)
        between = np.fmin(np.fmax(mixed, least), most)
        mixed = np.where(np.isnan(mixed), mixed, between)
        complete = np.isfinite(mixed).all(axis=0)
        return np.where(complete, np.sort(mixed, axis=0), mixed)
