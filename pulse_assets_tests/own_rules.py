"""Rules of a user, for the tests: one that can be broken on chosen dates, one that kills."""

import os
import signal

import numpy as np


class Breakable:
    """The last value; raises where that is one of BROKEN_VALUES, until that variable is unset."""

    name = "breakable"

    def forecast(self, y, origins, horizons, season):
        broken = [float(text) for text in os.environ.get("BROKEN_VALUES", "").split()]
        if y[origins[-1]] in broken:
            raise ValueError(f"no forecast from {y[origins[-1]]:g}")
        return np.repeat(y[origins][:, None], len(horizons), axis=1)


class Lethal:
    """Kills its process, as running out of memory does."""

    name = "lethal"

    def forecast(self, y, origins, horizons, season):
        os.kill(os.getpid(), signal.SIGKILL)
