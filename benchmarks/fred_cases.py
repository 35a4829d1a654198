"""The monthly FRED series as a set like those of the competitions: each is forecast once."""

from collections.abc import Mapping

import numpy as np

from benchmarks import fred
from benchmarks.competition_series import CompetitionSeries
from benchmarks.evaluation import HORIZONS, last_origins
from pulse_assets.array_types import Floats
from pulse_assets.retrodiction.arrays import carry_forward

#: Months between two origins.
STEP = 12


def forecast_once(series: Mapping[str, Floats]) -> list[CompetitionSeries]:
    """Return each series up to one of ten origins, and the 12 months after it.

    The origins lie a year apart and are taken in turn, so that no single year decides. Gaps are
    filled by the last value.
    """
    made = []
    for number, y in enumerate(series.values()):
        origins = last_origins(y, STEP)
        origin = origins[number % len(origins)]
        filled = carry_forward(y[: origin + 1])
        known = filled[int(np.isfinite(filled).argmax()) :]
        made.append(CompetitionSeries(known, y[origin + HORIZONS], fred.SEASON))
    return made
