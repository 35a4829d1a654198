"""Fit the prior shares of the built-in rules, `PERCENT` of `retrodiction/combination/prior.py`.

    python -m benchmarks.prior [--output DIRECTORY]

Prints the shares in percent by rule, kind of series and group of horizons, with those of the table
beside them where they differ. Used are the last forecasts of the series of M1 and M3, and forecasts
of the validation half of the monthly FRED series from four origins, three years apart. The
scale of a series of M1 and M3 is its mean absolute change over a season, that of a FRED series
the mean absolute error of `naive`.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from benchmarks import competition_series, fred
from benchmarks.evaluation import HORIZONS, last_origins
from benchmarks.setting import RESULTS
from pulse_assets.array_types import Floats, Ints
from pulse_assets.retrodiction.arrays import carry_forward
from pulse_assets.retrodiction.combination.prior import (
    BOTH_SIGNS,
    GROUP_ENDS,
    KINDS,
    PERCENT,
    kinds_of,
)
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, resolve_rules
from pulse_assets.retrodiction.walk_forward import walk_forward
from pulse_assets.retrodiction.winsorise import winsorise_changes

#: Months between two origins of a FRED series.
STEP: Final = 36
#: Months between two origins of `naive`, whose mean absolute error is the scale of a FRED series.
SCALE_STEP: Final = 3
#: Shares below this percentage are left out of the table.
SMALLEST_PERCENT: Final = 3
#: Steps of the fit, and the length of the first one.
STEPS, FIRST_STEP = 400, 2.0


class Case(NamedTuple):
    """The forecasts of one series from some origins.

    Attributes:
        kind: of the series at its last origin, see `kinds_of`.
        forecasts: of the rules `[M, O, H]`, over the scale of the series; NaN where none.
        observed: the outcomes `[O, H]`, over the same scale.
    """

    kind: int
    forecasts: Floats
    observed: Floats


def cases(cache: Path) -> Iterator[Case]:
    """Yield the cases of all series that tell a scale."""
    for group in competition_series.load("M1", "M3").values():
        for series in group:
            y, m, steps = series.history, series.season, len(series.future)
            scale = np.abs(y[m:] - y[:-m]).mean()
            if scale > 0.0:
                yield _case(y, np.array([len(y) - 1]), steps, m, series.future[None], scale)
    for name, y in fred.load(cache).items():
        if fred.in_validation_half(name):
            origins, every = last_origins(y, STEP), last_origins(y, SCALE_STEP)
            changes = y[every[:, None] + HORIZONS] - carry_forward(y)[every, None]
            outcomes, scale = y[origins[:, None] + HORIZONS], float(np.abs(changes).mean())
            steps = int(HORIZONS[-1])
            yield _case(y[: origins[-1] + 1], origins, steps, fred.SEASON, outcomes, scale)


def _case(
    y: Floats, origins: Ints, steps: int, season: int, outcomes: Floats, scale: float
) -> Case:
    known = y[int(np.isfinite(y).argmax()) :]
    robust = winsorise_changes(carry_forward(known), np.array([0]))
    made = walk_forward(y, origins, np.arange(1, steps + 1), season, resolve_rules(DEFAULT_MODELS))
    return Case(int(kinds_of(robust, known, season)[-1]), made / scale, outcomes / scale)


def fit(cases: Sequence[Case], first: int, last: int) -> Floats:
    """Return the shares `[M]` of the smallest mean absolute error at horizons first to last.

    By exponentiated gradient steps that become shorter. A rule without a forecast has the mean of
    the others'.
    """
    gaps, weights = [], []
    for case in cases:
        forecasts = case.forecasts[:, :, first - 1 : last]
        forecasts = np.where(np.isnan(forecasts), np.nanmean(forecasts, axis=0), forecasts)
        errors = (forecasts - case.observed[:, first - 1 : last]).reshape(len(forecasts), -1)
        gaps.append(errors)
        weights.append(np.full(errors.shape[1], 1.0 / case.observed.size))
    every, weight = np.concatenate(gaps, axis=1), np.concatenate(weights)
    used = np.isfinite(every).all(axis=0)
    every, weight = every[:, used], weight[used] / weight[used].sum()
    shares = np.full(len(every), 1.0 / len(every))
    best, smallest = shares, np.inf
    for step in range(STEPS):
        errors = shares @ every
        loss = float(weight @ np.abs(errors))
        if loss < smallest:
            best, smallest = shares, loss
        slope = every @ (weight * np.sign(errors))
        stride = FIRST_STEP / np.sqrt(step + 1.0) / np.abs(slope).max()
        shares = shares * np.exp(-stride * (slope - slope.min()))
        shares = shares / shares.sum()
    return best


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description="fit the prior shares of the built-in rules")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    by_kind: dict[int, list[Case]] = defaultdict(list)
    for case in cases(options.output / "cache"):
        if case.kind != BOTH_SIGNS:  # it has no shares
            by_kind[case.kind].append(case)
    starts = (1, *(end + 1 for end in GROUP_ENDS))
    ends = (*GROUP_ENDS, max(case.observed.shape[1] for of in by_kind.values() for case in of))
    percent = np.zeros((len(DEFAULT_MODELS), KINDS, len(starts)))
    for kind, every in by_kind.items():
        for group, (first, last) in enumerate(zip(starts, ends, strict=True)):
            far_enough = [case for case in every if case.observed.shape[1] >= first]
            # Without any series the shares are those of the horizons before.
            percent[:, kind, group] = (
                100.0 * fit(far_enough, first, last) if far_enough else percent[:, kind, group - 1]
            )
    rounded = np.round(percent).astype(int)
    rounded[rounded < SMALLEST_PERCENT] = 0
    for name, cells in zip(DEFAULT_MODELS, rounded, strict=True):
        table = np.array(PERCENT.get(name, np.zeros(cells.shape, int)))
        line = ", ".join(f"({', '.join(map(str, of_kind))})" for of_kind in cells.tolist())
        differs = "" if (cells == table).all() else f"  differs by up to {abs(cells - table).max()}"
        sys.stdout.write(f'"{name}": ({line}),{differs}\n')


if __name__ == "__main__":
    main()
