"""Series to test on, and the plain forms of the rules that the fast ones must equal."""

import numpy as np

from pulse_assets.retrodiction import autoregression as ar
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
            loss = discount * loss + abs(error)
            level, trend = expected + alpha * error, phi * trend + alpha * beta * error
        states.append((level, trend, alpha, phi))
        losses.append(loss)
    return states[pick_best(losses)]


def plain_autoregression(y, order, with_level, steps):
    """Forecasts from the last value: each setting fitted anew by solving its normal equations."""
    settings = list(zip(ar.DISCOUNTS, ar.RIDGES, strict=True))
    weights, usual, losses = [], [], np.zeros(len(settings))

    def row(path):
        level = [path[-1] - y[0]] if with_level else []
        return np.array([1.0, *level, *[path[-1 - i] - path[-2 - i] for i in range(order)]])

    def fit(t, forgetting, ridge):
        x = np.array([row(y[: s + 1]) for s in range(order, t)])
        d = np.array([y[s + 1] - y[s] for s in range(order, t)])
        ages = forgetting ** np.arange(len(d) - 1, -1, -1.0)
        w = ages * weights
        gram = (x * w[:, None]).T @ x
        penalty = np.diag(np.diag(gram)) * ridge / ages.sum()
        return np.linalg.solve(gram + penalty, (x * w[:, None]).T @ d)

    fits = [np.zeros(1 + with_level + order)] * len(settings)
    for t in range(order + 1, len(y)):
        errors = y[t] - y[t - 1] - np.array([row(y[:t]) @ beta for beta in fits])
        error = abs(errors[losses.argmin()])
        ages = ar.USUAL_DISCOUNT ** np.arange(len(usual) - 1, -1, -1.0)
        limit = ar.OUTLIER * (ages @ usual) / ages.sum() if usual else 0.0
        unusual = len(usual) >= ar.USUAL_START and error > limit
        weights.append(max(limit / error, ar.LEAST_WEIGHT) if unusual else 1.0)
        usual.append(weights[-1] * error)
        losses = ar.LOSS_DISCOUNT * losses + errors**2
        if (t - order - 1) % (1 + order // ar.ORDERS_A_REFIT) == 0:
            fits = [fit(t, *setting) for setting in settings]
    path = list(y)
    for _ in range(steps):
        path.append(path[-1] + row(path) @ fits[losses.argmin()])
    return np.array(path[len(y) :])
