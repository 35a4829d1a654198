"""How often the 90 % interval of trust holds the true probability of being closer than naive.

    python -m benchmarks.trust

Simulates 400 series of each process, lets simple rules predict one target per batch at every
horizon, and prints the share of series whose interval after the last batch holds the true
probability, which is measured on long series of the same process. It should be near 0.90; 0.85 to
0.95 is the aim. The horizon 0 stands for all horizons together.

`SLOW` are rules that lag a random walk by dozens of steps: they are right or wrong for longer than
a block of trust lasts, so the evidence is overrated, and the interval holds the truth less often.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pulse_assets.array_types import Floats
from pulse_assets.retrodiction.trust import (
    block_pairs,
    credible_interval,
    overlapping_pairs,
    pair_wins,
    scan_trust,
)

HORIZONS: Final = (1, 3, 12)
#: Stands for all horizons together.
OVERALL: Final = 0
PROCESSES: Final = ("random walk", "ar 0.5", "ar 0.8", "ar 0.9", "white noise", "seasonal")
#: Rules whose dependence outlasts a block: the limit of the method, printed and not asserted.
SLOW: Final = ("mean 60",)
SERIES: Final = 400
BATCHES: Final = (40, 120, 400)
DISCOUNTS: Final = (0.98, 1.0)
BURN_IN: Final = 150
SEASON: Final = 12
#: Length and number of the series that the true probability is measured on.
LONG: Final = (60, 6000)


@dataclass(frozen=True)
class Cell:
    """The share of series whose interval holds the true probability."""

    process: str
    rule: str
    horizon: int
    batches: int
    discount: float
    truth: float
    coverage: float


def simulate(process: str, shape: tuple[int, int], seed: int) -> Floats:
    """Return independent series `[R, T]` with Gaussian shocks of size 1."""
    shocks = np.random.default_rng(seed).standard_normal(shape)
    if process == "random walk":
        return shocks.cumsum(axis=1)
    if process == "seasonal":
        return shocks + 1.5 * np.sin(2 * np.pi * np.arange(shape[1]) / SEASON)
    if process == "white noise":
        return shocks
    return _autoregression(shocks, float(process.removeprefix("ar ")))


def predictions(y: Floats, h: int) -> dict[str, Floats]:
    """Return each rule's forecast `[R, T]` h steps ahead from every origin; NaN at the start."""
    drift = np.full(y.shape, np.nan)
    drift[:, 60:] = y[:, 60:] + h * (y[:, 60:] - y[:, :-60]) / 60
    middle, smooth = _window_mean(y, 24), _smoothed(y, 0.3)
    return {
        "drift": drift,
        "mean 24": middle,
        "mean 60": _window_mean(y, 60),
        "ses": smooth,
        "ar 0.5": middle + 0.5**h * (y - middle),
        "ar 0.9": middle + 0.9**h * (y - middle),
        "ensemble": (drift + middle + smooth + y) / 4,
    }


def win_series(process: str, series: int, batches: int, seed: int) -> dict[tuple[str, int], Floats]:
    """Return by rule and horizon the result of each target `[R, B]`; sums at `OVERALL`."""
    y = simulate(process, (series, BURN_IN + batches), seed)
    found: dict[tuple[str, int], Floats] = {}
    for h in HORIZONS:
        naive = np.abs(y[:, h:] - y[:, :-h])[:, BURN_IN - h :]
        for rule, made in predictions(y, h).items():
            errors = np.abs(y[:, h:] - made[:, :-h])[:, BURN_IN - h :]
            found[rule, h] = pair_wins(errors, naive)
    for rule in {rule for rule, _ in found}:
        found[rule, OVERALL] = np.sum([found[rule, h] for h in HORIZONS], axis=0)
    return found


def true_probabilities(process: str, seed: int) -> dict[tuple[str, int], float]:
    """Measure the probability of a win on long series; over all horizons, of a pair of any."""
    series, length = LONG
    results = win_series(process, series, length, seed)
    pairs = {OVERALL: len(HORIZONS)}
    return {key: float(wins.mean() / pairs.get(key[1], 1)) for key, wins in results.items()}


def coverage_of(
    wins: Floats, horizon: int, discount: float, truth: float, batches: Sequence[int]
) -> dict[int, float]:
    """Return the share of series whose interval holds `truth` after so many batches.

    Args:
        wins: of each series and batch `[R, B]`.
        horizon: steps ahead, or `OVERALL`.
        discount: share of the evidence that is kept from batch to batch.
        truth: the true probability.
        batches: after how many to look.
    """
    horizons = list(HORIZONS) if horizon == OVERALL else [horizon]
    compared = np.full(wins.T.shape, float(len(horizons)))
    a, b = scan_trust(
        wins.T,
        compared,
        discount,
        block=np.full(len(wins), block_pairs(horizons)),
        overlap=np.full(len(wins), overlapping_pairs(horizons)),
    )
    at = np.array(batches) - 1
    lower, upper = credible_interval(a[at], b[at])
    held = ((lower <= truth) & (truth <= upper)).mean(axis=1)
    return dict(zip(batches, held.tolist(), strict=True))


def measure(
    processes: Sequence[str] = PROCESSES,
    batches: Sequence[int] = BATCHES,
    discounts: Sequence[float] = DISCOUNTS,
    series: int = SERIES,
    seed: int = 7,
) -> Iterator[Cell]:
    """Yield the coverage of every process, rule, horizon, number of batches and discount."""
    for process in processes:
        truths = true_probabilities(process, seed + 1)
        results = win_series(process, series, max(batches), seed)
        for (rule, horizon), wins in sorted(results.items()):
            truth = truths[rule, horizon]
            for discount in discounts:
                held = coverage_of(wins, horizon, discount, truth, batches)
                for count, share in held.items():
                    yield Cell(process, rule, horizon, count, discount, truth, share)


def table(cells: Sequence[Cell]) -> str:
    """Lay the coverage out: a line per process, rule and horizon, a column per setting."""
    settings = sorted({(cell.discount, cell.batches) for cell in cells})
    lines: dict[tuple[str, str, int], dict[tuple[float, int], Cell]] = {}
    for cell in cells:
        line = lines.setdefault((cell.process, cell.rule, cell.horizon), {})
        line[cell.discount, cell.batches] = cell
    head = "".join(f"{f'{discount} x {count}':>12}" for discount, count in settings)
    text = [f"{'process':<12} {'rule':<9} {'h':>3} {'truth':>6}{head}"]
    text += [_line(key, line, settings) for key, line in lines.items()]
    inside = [0.85 <= cell.coverage <= 0.95 for cell in cells if cell.rule not in SLOW]
    return "\n".join([*text, f"within 0.85..0.95: {np.mean(inside):.2f} (without {SLOW[0]})"])


def _line(
    key: tuple[str, str, int],
    line: Mapping[tuple[float, int], Cell],
    settings: Sequence[tuple[float, int]],
) -> str:
    process, rule, horizon = key
    shares = "".join(f"{line[setting].coverage:>12.3f}" for setting in settings)
    name = "all" if horizon == OVERALL else str(horizon)
    return f"{process:<12} {rule:<9} {name:>3} {line[settings[0]].truth:>6.3f}{shares}"


def _autoregression(shocks: Floats, phi: float) -> Floats:
    y = shocks.copy()
    y[:, 0] /= np.sqrt(1 - phi**2)
    for t in range(1, y.shape[1]):
        y[:, t] += phi * y[:, t - 1]
    return y


def _window_mean(y: Floats, size: int) -> Floats:
    means = np.full(y.shape, np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(y, size, axis=1)
    means[:, size - 1 :] = windows.mean(axis=2)
    return means


def _smoothed(y: Floats, alpha: float) -> Floats:
    level = y.copy()
    for t in range(1, y.shape[1]):
        level[:, t] = alpha * y[:, t] + (1 - alpha) * level[:, t - 1]
    return level


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description="Coverage of the interval of trust on simulated series."
    )
    parser.add_argument("--series", type=int, default=SERIES, help="series of a process")
    parser.add_argument("--seed", type=int, default=7, help="of the random numbers")
    arguments = parser.parse_args()
    cells = list(measure(series=arguments.series, seed=arguments.seed))
    sys.stdout.write(table(cells) + "\n")


if __name__ == "__main__":
    main()
