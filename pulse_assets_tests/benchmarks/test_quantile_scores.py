"""Scores of quantiles: by hand, against closed forms and against utilsforecast."""

import doctest

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from utilsforecast import losses

from benchmarks import quantile_scores
from benchmarks.quantile_scores import (
    interval_coverage_by_horizon,
    quantile_coverage,
    scaled_interval_scores,
    scaled_quantile_losses,
)

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


def test_the_examples():
    assert doctest.testmod(quantile_scores).failed == 0


@pytest.fixture
def forecasts():
    """Observed `[S, H]`, quantiles `[S, L, H]`, scales `[S]` of 5 series."""
    rng = np.random.default_rng(1)
    quantiles = np.sort(rng.normal(size=(5, len(LEVELS), 4)), axis=1)
    return rng.normal(size=(5, 4)), quantiles, rng.uniform(0.5, 2.0, 5)


def test_losses_equal_utilsforecast(forecasts):
    """Its loss is without the factor 2; each series has two values, whose change is the scale."""
    observed, quantiles, scales = forecasts
    ours = scaled_quantile_losses(observed, quantiles, LEVELS, scales).mean(axis=1)
    names = [f"q{i}" for i in range(len(LEVELS))]
    frame = pd.DataFrame(
        {"unique_id": np.repeat(np.arange(5), 4), "ds": np.tile(np.arange(2, 6), 5)}
        | {"y": observed.ravel()}
        | {name: quantiles[:, i].ravel() for i, name in enumerate(names)}
    )
    past = np.stack([np.zeros(5), scales], axis=1).ravel()
    train = pd.DataFrame(
        {"unique_id": np.repeat(np.arange(5), 2), "ds": np.tile([0, 1], 5), "y": past}
    )
    theirs = losses.scaled_mqloss(frame, {"m": names}, np.array(LEVELS), 1, train)
    assert ours == pytest.approx(2.0 * theirs["m"].to_numpy())


def test_the_median_alone_has_the_scaled_absolute_error(forecasts):
    observed, quantiles, scales = forecasts
    found = scaled_quantile_losses(observed, quantiles[:, 3:4], (0.5,), scales)
    assert found == pytest.approx(np.abs(observed - quantiles[:, 3]) / scales[:, None])


def test_an_interval_score_is_made_of_the_losses_of_its_bounds(forecasts):
    """Over 2 / alpha: 2 (loss of l + loss of u) = alpha (u - l + 2 / alpha (misses))."""
    observed, quantiles, scales = forecasts
    lower, upper = quantiles[:, 0], quantiles[:, -1]
    bounds = np.stack([lower, upper], axis=1)
    of_bounds = 2.0 * scaled_quantile_losses(observed, bounds, (0.05, 0.95), scales)
    score = scaled_interval_scores(observed, lower, upper, 0.1, scales)
    assert 0.1 * score == pytest.approx(of_bounds)


def test_a_perfect_forecast_scores_zero(forecasts):
    observed, quantiles, scales = forecasts
    exact = np.broadcast_to(observed[:, None], quantiles.shape)
    assert (scaled_quantile_losses(observed, exact, LEVELS, scales) == 0.0).all()
    assert (scaled_interval_scores(observed, observed, observed, 0.05, scales) == 0.0).all()


def test_scores_have_no_unit(forecasts):
    observed, quantiles, scales = forecasts
    once = scaled_quantile_losses(observed, quantiles, LEVELS, scales)
    assert scaled_quantile_losses(
        8.0 * observed, 8.0 * quantiles, LEVELS, 8.0 * scales
    ) == pytest.approx(once)
    bounds = quantiles[:, 0], quantiles[:, -1]
    many = (8.0 * bound for bound in bounds)
    assert scaled_interval_scores(8.0 * observed, *many, 0.05, 8.0 * scales) == pytest.approx(
        scaled_interval_scores(observed, *bounds, 0.05, scales)
    )


def test_a_series_without_a_scale_has_no_score(forecasts):
    observed, quantiles, scales = forecasts
    scales = np.where(np.arange(5) == 2, np.nan, scales)
    found = scaled_quantile_losses(observed, quantiles, LEVELS, scales)
    assert np.isnan(found).all(axis=1).tolist() == [False, False, True, False, False]


def test_true_quantiles_cover_their_levels_and_have_the_smallest_loss():
    """Of the normal law; the expected loss of its quantiles is 2 pdf(quantile) each."""
    observed = np.random.default_rng(2).normal(size=(100_000, 1))
    true = norm.ppf(LEVELS)
    quantiles = np.broadcast_to(true[:, None], (len(observed), len(LEVELS), 1))
    coverage = quantile_coverage(observed, quantiles)
    assert coverage == pytest.approx(LEVELS, abs=0.005)
    ones = np.ones(len(observed))
    loss = scaled_quantile_losses(observed, quantiles, LEVELS, ones).mean()
    assert loss == pytest.approx(2.0 * norm.pdf(true).mean(), rel=0.01)
    for factor in (0.8, 1.2):
        assert scaled_quantile_losses(observed, factor * quantiles, LEVELS, ones).mean() > loss


def test_coverage_counts_outcomes_at_a_quantile_and_leaves_out_missing_ones():
    observed = np.array([[1.0, 2.0], [3.0, 4.0]])
    level = np.array([[1.0, 1.0], [5.0, np.nan]])
    none = np.full((2, 2), np.nan)
    found = quantile_coverage(observed, np.stack([level, none], axis=1))
    assert found[0] == pytest.approx(2 / 3)
    assert np.isnan(found[1])


def test_coverage_by_horizon():
    observed = np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]])
    lower = np.array([[1.0, 3.0, np.nan], [0.0, 3.0, np.nan]])
    found = interval_coverage_by_horizon(observed, lower, lower + 2.0)
    assert found[:2].tolist() == [0.5, 0.5]
    assert np.isnan(found[2])
