"""Series to test on, and the plain forms of the rules that the fast ones must equal."""

import numpy as np

from pulse_assets.retrodiction import autoregression as ar
from pulse_assets.retrodiction import least_squares as ls
from pulse_assets.retrodiction.arrays import first_known
from pulse_assets.retrodiction.failures import RuleFailedError
from pulse_assets.retrodiction.indicators import Candidates, IndicatorRule
from pulse_assets.retrodiction.known_series import KnownSeries
from pulse_assets.retrodiction.request import ForecastRequest, History
from pulse_assets.retrodiction.rules import RULES, resolve_rules


def random_walk(length, seed=0):
    return np.cumsum(np.random.default_rng(seed).standard_normal(length))


def seasonal_walk(length, season=4, seed=0):
    return random_walk(length, seed) + 5.0 * np.sin(2 * np.pi * np.arange(length) / season) + 50.0


def rules(*names):
    return resolve_rules(names or list(RULES))


def all_rules(length, seed=9):
    """Every built-in rule and a rule with an indicator."""
    return [*rules(), IndicatorRule("ar_with_other", random_walk(length, seed))]


class InThisProcess:
    """A user's rule that is run here and not in a rule host, so that it may be a closure."""

    scale_free = False

    def __init__(self, rule):
        self.rule, self.name, self.guarded = rule, rule.name, rule.guarded
        self.history_origins = rule.history_origins

    def forecast(self, y, request):
        runs = [self.rule.run(*series, *request[-2:]) for series in request.split(y)]
        forecasts = np.concatenate([part for part, _ in runs])
        if failures := [failure for _, failed in runs for failure in failed]:
            raise RuleFailedError(self.name, forecasts, failures)
        return forecasts


def request_of(y, origins, horizons, season=1):
    """Request forecasts of one series."""
    return ForecastRequest.of([len(y)], [origins], horizons, season)


def everywhere(function, y, horizons, season, *args, **options):
    """A rule's forecasts `[T, H]` from every index, fitted to the series itself."""
    return function(History(y, y), request_of(y, range(len(y)), horizons, season), *args, **options)


def pick_best(losses):
    """Index of the smallest loss; the first of equals."""
    return min(range(len(losses)), key=lambda i: (losses[i], i))


def plain_trend(y, grid, discount):
    """Level, trend and constants after the last value, one combination of constants at a time."""
    states, losses = [], []
    for alpha, beta, phi in zip(*grid, strict=True):
        level, trend, loss = y[0], 0.0, 0.0
        for value in y[1:]:
            expected = level + phi * trend
            error = value - expected
            loss = discount * loss + abs(error)
            level, trend = expected + alpha * error, phi * trend + alpha * beta * error
        states.append((level, trend, alpha, phi))
        losses.append(loss)
    return states[pick_best(losses)]


def plain_autoregression(y, order, with_level, steps):
    """Forecasts from the last value, each fit anew by solving its normal equations."""
    weights, usual = [], []

    def row(path):
        level = [path[-1] - y[0]] if with_level else []
        return np.array([1.0, *level, *[path[-1 - i] - path[-2 - i] for i in range(order)]])

    def fit(t):
        x = np.array([row(y[: s + 1]) for s in range(order, t)])
        d = np.array([y[s + 1] - y[s] for s in range(order, t)])
        ages = ls.EVIDENCE_DISCOUNT ** np.arange(len(d) - 1, -1, -1.0)
        w = ages * weights
        gram = (x * w[:, None]).T @ x
        penalty = np.diag(np.diag(gram)) * ar.RIDGE / ages.sum()
        return np.linalg.solve(gram + penalty, (x * w[:, None]).T @ d)

    beta = np.zeros(1 + with_level + order)
    for t in range(order + 1, len(y)):
        error = abs(y[t] - y[t - 1] - row(y[:t]) @ beta)
        ages = ls.MEAN_ERROR_DISCOUNT ** np.arange(len(usual) - 1, -1, -1.0)
        limit = ls.OUTLIER * (ages @ usual) / ages.sum() if usual else 0.0
        unusual = len(usual) >= ls.ERRORS_KNOWN and error > limit
        weights.append(max(limit / error, ls.LEAST_WEIGHT) if unusual else 1.0)
        usual.append(weights[-1] * error)
        if (t - order - 1) % (1 + order) == 0:
            beta = fit(t)
    path = list(y)
    for _ in range(steps):
        path.append(path[-1] + row(path) @ beta)
    return np.array(path[len(y) :])


def screen_indicators(y, others, until, *, limit=3):
    """Return the rules on the leading indicators of `y` that are selected at an index."""
    series = {n: x if isinstance(x, KnownSeries) else KnownSeries.of(x) for n, x in others.items()}
    candidates = Candidates.of({name: x.at(until) for name, x in series.items()})
    names = candidates.select({"": y[: until + 1]}, limit=limit)[""]
    return [IndicatorRule.of(name, series[name], first_known(y)) for name in names]
