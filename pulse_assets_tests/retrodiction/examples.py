"""Series to test on, and the plain forms of the rules that the fast ones must equal."""

import numpy as np

from pulse_assets.retrodiction.partners import PartnerRule
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, resolve_rules


def random_walk(length, seed=0):
    return np.cumsum(np.random.default_rng(seed).standard_normal(length))


def seasonal_walk(length, season=4, seed=0):
    return random_walk(length, seed) + 5.0 * np.sin(2 * np.pi * np.arange(length) / season) + 50.0


def rules(*names):
    return resolve_rules(names or DEFAULT_MODELS)


def all_rules(length, seed=9):
    """Every built-in rule and a partner rule."""
    return [*rules(), PartnerRule("ar_with_other", random_walk(length, seed))]


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
            loss = discount * loss + error**2
            level, trend = expected + alpha * error, phi * trend + alpha * beta * error
        states.append((level, trend, alpha, phi))
        losses.append(loss)
    return states[pick_best(losses)]


def plain_autoregression(y, order, with_level, settings, discount, steps):
    """Forecasts from the last value: each setting fitted anew by solving its normal equations."""

    def row(t):
        level = [y[t] - y[0]] if with_level else []
        return np.array([1.0, *level, *[y[t - i] - y[t - i - 1] for i in range(order)]])

    def fit(t, forgetting, ridge):
        x = np.array([row(s) for s in range(order, t)])
        d = np.array([y[s + 1] - y[s] for s in range(order, t)])
        w = forgetting ** np.arange(len(d) - 1, -1, -1.0)
        gram = (x * w[:, None]).T @ x
        return np.linalg.solve(
            gram + np.diag(np.diag(gram)) * ridge / w.sum(), (x * w[:, None]).T @ d
        )

    last = len(y) - 1
    losses = []
    for forgetting, ridge in settings:
        loss = 0.0
        for t in range(order + 1, last + 1):
            expected = row(t - 1) @ fit(t - 1, forgetting, ridge) if t - 1 > order else 0.0
            loss = discount * loss + (y[t] - y[t - 1] - expected) ** 2
        losses.append(loss)
    beta = fit(last, *settings[pick_best(losses)])
    path = list(y)
    for _ in range(steps):
        level = [path[-1] - y[0]] if with_level else []
        lags = [path[-1 - i] - path[-2 - i] for i in range(order)]
        path.append(path[-1] + np.array([1.0, *level, *lags]) @ beta)
    return np.array(path[len(y) :])
