"""How often outcomes lay below each quantile over all batches, and how often they should."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import pandas as pd

from pulse_assets.result_records import Calibration, QuantileCounts
from pulse_assets.retrodiction.rules import ENSEMBLE

#: Largest distance of a share of outcomes from its level, chance apart.
MARGIN: Final = 0.05
#: Levels in a line of text or in a table.
LISTED_LEVELS: Final = 9

#: Significant digits of a share.
_DIGITS: Final = 6


@dataclass(frozen=True)
class LevelShare:
    """A share of outcomes that should be near a level.

    Attributes:
        level: nominal share, 0..1.
        share: of the outcomes.
        n: number of outcomes, at least 1.
    """

    level: float
    share: float
    n: int

    def expected(self, margin: float = MARGIN) -> tuple[float, float]:
        """Return the least and the largest share that is near the level: margin and chance.

        Chance is two standard deviations of the share of n independent outcomes.

        Example:
            >>> LevelShare(0.5, 0.52, 100).expected()
            (0.35, 0.65)
        """
        distance = margin + 2.0 * (self.level * (1.0 - self.level) / self.n) ** 0.5
        return max(0.0, self.level - distance), min(1.0, self.level + distance)

    def is_near(self, margin: float = MARGIN) -> bool:
        """Return whether the share is within a margin of the level, chance apart."""
        lower, upper = self.expected(margin)
        return lower <= self.share <= upper

    def describe(self, margin: float = MARGIN) -> str:
        """Return share and expectation in words.

        Example:
            >>> LevelShare(0.5, 0.7, 100).describe()
            '70.0 % of 100 observations (35.0 to 65.0 % expected)'
        """
        lower, upper = (100.0 * share for share in self.expected(margin))
        counted = f"{100.0 * self.share:.1f} % of {self.n:,} observations"
        return f"{counted} ({lower:.1f} to {upper:.1f} % expected)"

    @classmethod
    def of_sums(cls, rows: pd.DataFrame, column: str, level: float) -> Self | None:
        """Return the share of a column of `add_up` over some of its rows; None without outcomes."""
        n = int(rows[f"{column}_n"].sum()) if column in rows else 0
        return cls(level, float(rows[column].sum() / n), n) if n else None


def listed_levels(count: int) -> list[int]:
    """Return the indices of the levels to list: all, or some from the first to the last.

    Example:
        >>> listed_levels(3), listed_levels(99)
        ([0, 1, 2], [0, 12, 24, 37, 49, 61, 74, 86, 98])
    """
    if count <= LISTED_LEVELS:
        return list(range(count))
    return [round(i * (count - 1) / (LISTED_LEVELS - 1)) for i in range(LISTED_LEVELS)]


def describe_quantiles(calibration: Mapping[str, Any]) -> str:
    """Say how many outcomes lie below the quantiles of the ensemble.

    Args:
        calibration: the entry of `training_results`.

    Example:
        >>> counts = {"ensemble": {"n": 2000, "below": [0.098, 0.5125, 0.9]}}
        >>> describe_quantiles({"levels": [0.1, 0.5, 0.9], "models": counts})
        'quantiles: of 2,000 outcomes 9.8 51.2 90.0 % lie below those of 10 50 90 %'
    """
    counts = calibration["models"].get(ENSEMBLE)
    if counts is None:
        return ""
    listed = listed_levels(len(calibration["levels"]))
    shares = " ".join(f"{100.0 * counts['below'][i]:.1f}" for i in listed)
    levels = " ".join(f"{100.0 * calibration['levels'][i]:g}" for i in listed)
    return f"quantiles: of {counts['n']:,} outcomes {shares} % lie below those of {levels} %"


def is_symmetric(levels: Sequence[float]) -> bool:
    """Return whether levels are those of intervals and of the median, as `wis` needs.

    Example:
        >>> is_symmetric([0.1, 0.5, 0.9]), is_symmetric([0.1, 0.9]), is_symmetric([0.1, 0.5])
        (True, False, False)
    """
    ordered = np.array(levels)
    return 0.5 in levels and bool(np.allclose(ordered + ordered[::-1], 1.0))


def calibrate(over_all: pd.DataFrame, pooled: pd.DataFrame, levels: Sequence[float]) -> Calibration:
    """Count the outcomes below each quantile, for each model and for the ensemble's variables.

    Args:
        over_all: sums of `add_up`, the rules on leading indicators as one.
        pooled: sums of `add_up`.
        levels: of the quantiles, ascending.
    """
    ours = pooled[pooled["model"] == ENSEMBLE]
    return Calibration(
        levels=list(levels),
        models=_counts(over_all, "model", len(levels)),
        variables=_counts(ours, "variable", len(levels)),
    )


def _counts(sums: pd.DataFrame, by: str, levels: int) -> dict[str, QuantileCounts]:
    """Return the counts of each group of rows that has quantiles."""
    if not levels or "below_0" not in sums:
        return {}
    columns = [f"below_{level}" for level in range(levels)]
    totals = sums.groupby(by, observed=True)[[*columns, "below_0_n"]].sum()
    return {
        str(name): _of_counts(np.array(below), int(n))
        for name, *below, n in totals.itertuples()
        if n
    }


def _of_counts(below: np.ndarray, n: int) -> QuantileCounts:
    """Return shares and counts of `n` outcomes, of which `below` lie below each quantile."""
    return QuantileCounts(
        n=n,
        below=[float(f"{share:.{_DIGITS}g}") for share in below / n],
        pit=np.diff(below, prepend=0, append=n).round(3).tolist(),
    )
