"""Rules of a user, for the tests: breakable on chosen dates, silent, slow, and deadly."""

import os
import signal
import time
from pathlib import Path

import numpy as np


def asked_again(origins):
    """Tell whether the look-ahead check makes the forecasts of one origin again."""
    return len(origins) == 1


class Breakable:
    """The last value; raises where that is one of BROKEN_VALUES, until that variable is unset."""

    name = "breakable"

    def forecast(self, y, origins, horizons, season):
        broken = [float(text) for text in os.environ.get("BROKEN_VALUES", "").split()]
        if y[origins[-1]] in broken and not asked_again(origins):
            raise ValueError(f"no forecast from {y[origins[-1]]:g}")
        return np.repeat(y[origins][:, None], len(horizons), axis=1)


class Shy:
    """The last value, but nothing after one of the largest moves so far."""

    name = "a_shy"
    silent_above = 0.7

    def forecast(self, y, origins, horizons, season):
        made = np.repeat(y[origins][:, None], len(horizons), 1).astype(float)
        for row, origin in enumerate(origins):
            moves = np.abs(np.diff(y[: origin + 1]))
            moves = moves[np.isfinite(moves)]
            if len(moves) and moves[-1] > np.quantile(moves, self.silent_above):
                made[row] = np.nan
        return made


class ShyOnceIn20(Shy):
    """The same, after 5 % of the moves."""

    silent_above = 0.95


class ShyOnceIn100(Shy):
    """The same, after 1 % of the moves."""

    silent_above = 0.99


class Unhurried:
    """The last value, after BATCH_SECONDS."""

    name = "unhurried"

    def forecast(self, y, origins, horizons, season):
        if not asked_again(origins):
            time.sleep(float(os.environ.get("BATCH_SECONDS", "0")))
        return np.repeat(y[origins][:, None], len(horizons), axis=1)


class Gated:
    """The last value, once the file GATE is there; it waits for that for two minutes."""

    name = "gated"

    def forecast(self, y, origins, horizons, season):
        gate, until = Path(os.environ["GATE"]), time.monotonic() + 120
        while not gate.exists():
            if time.monotonic() > until:
                raise TimeoutError(f"{gate} is not there")
            time.sleep(0.1)
        return np.repeat(y[origins][:, None], len(horizons), axis=1)


class Lethal(Unhurried):
    """Where the last value is LETHAL_VALUE it kills the worker, as running out of memory does.

    Each time it leaves a line in the file LETHAL_LOG.
    """

    def forecast(self, y, origins, horizons, season):
        lethal = y[origins[-1]] == float(os.environ.get("LETHAL_VALUE", "nan"))
        if lethal and not asked_again(origins):
            with Path(os.environ["LETHAL_LOG"]).open("a") as log:
                log.write(f"{os.getpid()}\n")
            os.kill(os.getppid(), signal.SIGKILL)
        return super().forecast(y, origins, horizons, season)


class Moody:
    """The last value; raises, exits or returns what is no forecast, as the value decides."""

    name = "moody"
    history_origins = 2

    def fit_predict(self, y_past, horizons):
        mood = int(abs(y_past[-1]) * 1000) % 40
        if mood == 0:
            raise ValueError("a bad day")
        if mood == 1:
            raise SystemExit
        return [y_past[-1]] * (len(horizons) + (mood == 2))


class Plain:
    """The median of the last five values, in the slow form."""

    name = "plain"

    def fit_predict(self, y_past, horizons):
        return [np.partition(y_past[-5:], len(y_past[-5:]) // 2)[len(y_past[-5:]) // 2]] * len(
            horizons
        )


class Busy:
    """The last value, after a twentieth of a second of the processor."""

    name = "busy"

    def forecast(self, y, origins, horizons, season):
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
        return np.repeat(y[origins][:, None], len(horizons), axis=1)
