"""Rules that fail in every way that a process can, where the last value is HOSTILE_VALUE.

Elsewhere they forecast the last value, in the slow form. Each is named as its class.
"""

import ctypes
import importlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np


class MistakeError(Exception):
    pass


class UnprintableError(Exception):
    def __str__(self):
        raise SystemExit(9)


class Hostile:
    history_origins = 2

    @property
    def name(self):
        return type(self).__name__

    def fit_predict(self, y_past, horizons):
        if y_past[-1] == float(os.environ.get("HOSTILE_VALUE", "nan")):
            return self.fail(y_past, horizons)
        return [y_past[-1]] * len(horizons)

    def fail(self, y_past, horizons):
        raise MistakeError("a mistake\nof two lines")


class Raises(Hostile):
    pass


class RaisesUnprintable(Hostile):
    def fail(self, y_past, horizons):
        raise UnprintableError


class RaisesSurrogates(Hostile):
    def fail(self, y_past, horizons):
        raise MistakeError("\udcff" + "x" * 100_000)


class Exits(Hostile):
    def fail(self, y_past, horizons):
        sys.exit(0)


class Interrupts(Hostile):
    def fail(self, y_past, horizons):
        raise KeyboardInterrupt


class LeavesGenerator(Hostile):
    def fail(self, y_past, horizons):
        raise GeneratorExit


class RaisesBase(Hostile):
    def fail(self, y_past, horizons):
        raise BaseException("base")


class RunsOutOfMemory(Hostile):
    def fail(self, y_past, horizons):
        return np.empty(1 << 50)


class Recurses(Hostile):
    def fail(self, y_past, horizons):
        return self.fail(y_past, horizons)


class LeavesProcess(Hostile):
    def fail(self, y_past, horizons):
        os._exit(3)


class LeavesProcessWell(Hostile):
    def fail(self, y_past, horizons):
        os._exit(0)


class Segfaults(Hostile):
    def fail(self, y_past, horizons):
        ctypes.string_at(0)


class Kills(Hostile):
    def fail(self, y_past, horizons):
        os.kill(os.getpid(), signal.SIGKILL)


class Aborts(Hostile):
    def fail(self, y_past, horizons):
        os.abort()


class ClosesEverything(Hostile):
    def fail(self, y_past, horizons):
        os.closerange(0, 100)
        return [0.0] * len(horizons)


class TooMany(Hostile):
    def fail(self, y_past, horizons):
        return [1.0] * 99


class Nothing(Hostile):
    def fail(self, y_past, horizons):
        return None


class Ragged(Hostile):
    def fail(self, y_past, horizons):
        return [[1.0], 2.0]


class Words(Hostile):
    def fail(self, y_past, horizons):
        return ["1.0"] * len(horizons)


class Complex(Hostile):
    def fail(self, y_past, horizons):
        return np.full(len(horizons), 1 + 1j)


class MixedWords(Hostile):
    def fail(self, y_past, horizons):
        return np.array([1.0, *["2.0"] * (len(horizons) - 1)], dtype=object)


class Dates(Hostile):
    def fail(self, y_past, horizons):
        return np.full(len(horizons), np.datetime64("2020-01-01"))


class Infinite(Hostile):
    def fail(self, y_past, horizons):
        return [1.0, *[-np.inf] * (len(horizons) - 1)]


class Loops(Hostile):
    def fail(self, y_past, horizons):
        while True:
            pass


class Sleeps(Hostile):
    def fail(self, y_past, horizons):
        time.sleep(1e6)


class LoopsInC(Hostile):
    def fail(self, y_past, horizons):
        return sum(range(10**15))


class Stops(Hostile):
    def fail(self, y_past, horizons):
        os.kill(os.getpid(), signal.SIGSTOP)


class Silent(Hostile):
    """No failure: NaN says that there is no forecast."""

    def fail(self, y_past, horizons):
        return [np.nan] * len(horizons)


class Masked(Hostile):
    """No failure: what is masked is no forecast, whatever number lies below the mask."""

    def fail(self, y_past, horizons):
        return np.ma.masked_array([999] * len(horizons), mask=True)


class MaskedRows(Hostile):
    """The same in the fast form, as a list of rows."""

    def forecast(self, y, origins, horizons, season):
        rows = np.repeat(y[origins][:, None], len(horizons), axis=1)
        hidden = y[origins] == float(os.environ["HOSTILE_VALUE"])
        return [np.ma.masked_array(row, mask=hide) for row, hide in zip(rows, hidden, strict=True)]


class Alters(Hostile):
    """It forecasts, but changes what other rules rely on."""

    def fail(self, y_past, horizons):
        os.chdir("/")
        os.environ.clear()
        sys.path.clear()
        np.seterr(all="raise")
        return [y_past[-1]] * len(horizons)


class Relies(Hostile):
    """It needs its environment, its directory and its modules; its name follows `Alters`."""

    def fail(self, y_past, horizons):
        with np.errstate():
            np.array([1e300]) * 1e300
        found = os.environ["HOSTILE_VALUE"], Path("pyproject.toml").read_text()
        importlib.import_module("pulse_assets_tests.own_rules")
        return [y_past[-1]] * len(horizons) if all(found) else None


class Harmless(Hostile):
    """Odd, but it forecasts: what it prints, forks, changes and closes costs nothing."""

    def fail(self, y_past, horizons):
        last = float(y_past[-1])
        sys.stdout.write("{" * 1_000)
        sys.stdin.read()
        os.write(1, b"\n" * 100)
        if os.fork() == 0:
            return [7.0]
        if os.fork() == 0:
            time.sleep(1e6)
        count = len(horizons)
        y_past[:], horizons[:] = 0, 1
        signal.raise_signal(signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        sys.stdout.close()
        return [last] * count


class LeavesABomb(Hostile):
    """It forecasts, but what it leaves behind ends the process a moment later."""

    def fail(self, y_past, horizons):
        threading.Timer(0.05, os._exit, [5]).start()
        return [y_past[-1]] * len(horizons)


class Patient(Hostile):
    """It waits until a bomb has gone off."""

    def fail(self, y_past, horizons):
        time.sleep(0.2)
        return [y_past[-1]] * len(horizons)
