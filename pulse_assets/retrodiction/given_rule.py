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
        lower: lower bounds of their intervals, `[T, H]`; NaN where none are given: the interval is
            then that of their errors, as that of any rule.
        upper: upper bounds, NaN where `lower` is.
        start: index of the first value of the series that a request begins with.
        guarded: its forecasts are not clipped.
        scale_free: they are in the unit of the series.
        history_origins: None: it has forecasts over the whole history.
    """

    name: str
    predicted: Floats
    lower: Floats
    upper: Floats
    start: int = 0
    guarded: bool = False
    scale_free: bool = False
    history_origins: int | None = None

    def forecast(self, y: Floats, request: ForecastRequest) -> Floats:
        """Return the forecasts `[O, H]` from the origins of the one series; see `Rule`."""
        return self.predicted[request.origins + self.start]

    def replace_bounds(self, origins: Ints, lower: Floats, upper: Floats) -> None:
        """Replace the bounds of intervals by those that were given, where there are any.

        Args:
            origins: indices of the series, `[O]`.
            lower: lower bounds from the rule's errors, `[O, H]`, changed in place.
            upper: upper bounds likewise.
        """
        given = ~np.isnan(self.lower[origins])
        lower[given] = self.lower[origins][given]
        upper[given] = self.upper[origins][given]
