"""One historical variable: dates and values, validated by the readers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Series:
    """The observations of one variable, in order of date, at most one a day.

    Args:
        variable: its name.
        timestamps: dates of the observations, [T], datetime64[D].
        values: the observations, [T]; NaN where there is none.
        published_at: first day on which each value was known, [T], datetime64[D]; NaT where it was
            known at once, None where that holds for all.
    """

    variable: str
    timestamps: NDArray[np.datetime64]
    values: NDArray[np.float64]
    published_at: NDArray[np.datetime64] | None = None

    def __post_init__(self) -> None:
        """Make the arrays read-only: one series serves all batches of a process."""
        for array in (self.timestamps, self.values, self.published_at):
            if array is not None:
                array.flags.writeable = False
