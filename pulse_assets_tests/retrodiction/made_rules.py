"""Rules of a user: plain, unusual and wrong ones."""

import numpy as np

number = 7


class Last:
    name = "last"

    def forecast(self, y, origins, horizons, season):
        return np.repeat(y[origins][:, None], len(horizons), axis=1)


class Mean:
    name = "mean_of_past"
    history_origins = 3
    min_observations = 4

    def fit_predict(self, y_past, horizons):
        return np.full(len(horizons), y_past.mean())


class Peeking(Last):
    name = "peeking"

    def forecast(self, y, origins, horizons, season):
        return np.repeat(y[np.minimum(origins + 1, len(y) - 1)][:, None], len(horizons), axis=1)


class Wide(Last):
    name = "wide"

    def forecast(self, y, origins, horizons, season):
        return np.zeros((len(origins), 99))


class Words(Mean):
    name = "words"
    min_observations = 1

    def fit_predict(self, y_past, horizons):
        return ["up"] * len(horizons)


class Unguarded(Last):
    name = "unguarded"
    guarded = False

    def forecast(self, y, origins, horizons, season):
        return np.full((len(origins), len(horizons)), 1e9)


class Spoiler(Last):
    name = "spoiler"

    def forecast(self, y, origins, horizons, season):
        y[:], origins[:], horizons[:] = 0, 0, 1
        return np.zeros((len(origins), len(horizons)))


class Ensemble(Last):
    name = "ensemble"


class Naive(Last):
    name = "naive"


class Nameless:
    forecast = Last.forecast


class Idle:
    name = "idle"


class Patient(Last):
    name = "patient"
    min_observations = 4


class ThreeBack(Last):
    name = "three_back"
    min_observations = 4

    def forecast(self, y, origins, horizons, season):
        return np.stack([[y[: origin + 1][-4]] * len(horizons) for origin in origins])


class Numbered(Last):
    name = 7


class Unnamed(Last):
    name = ""


class Demanding(Last):
    def __init__(self, order):
        self.order = order
