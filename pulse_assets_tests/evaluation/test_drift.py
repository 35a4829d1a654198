"""Alarms: the charts by hand and by simulation."""

import numpy as np
import pytest

from pulse_assets.evaluation.drift import (
    FALSE_ALARM,
    MEMORY,
    coverage_drift,
    first_below,
    loss_limit,
)


def share_of_alarms(covered_probability, *, batches=200, series=1500, targets=1, steps=1):
    """Share of simulated series whose chart is above its threshold after the last batch."""
    rng = np.random.default_rng(3)
    hits = rng.random((series, batches, targets)) < covered_probability
    if steps > 1:  # outcomes of overlapping forecasts: each is that of its window
        hits = np.repeat(hits[:, ::steps], steps, axis=1)[:, :batches]
    n = np.full(batches, float(targets))
    drifts = [coverage_drift(hit.sum(axis=1).astype(float), n, 0.9, steps) for hit in hits]
    return np.mean([drift is not None for drift in drifts])


@pytest.mark.parametrize(("targets", "steps"), [(1, 1), (5, 1), (1, 3)])
def test_right_intervals_alarm_as_rarely_as_promised(targets, steps):
    assert share_of_alarms(0.9, targets=targets, steps=steps) <= 2 * FALSE_ALARM + 0.003


def test_wrong_intervals_alarm():
    assert share_of_alarms(0.75, targets=1, series=200) > 0.75
    assert share_of_alarms(0.8, targets=5, series=200) > 0.8
    assert share_of_alarms(1.0, targets=5, series=2) == 1.0  # too wide


def test_the_first_bad_batch_is_where_the_drift_starts():
    rng = np.random.default_rng(1)
    right = (rng.random(300) < 0.9).astype(float)
    wrong = (rng.random(60) < 0.4).astype(float)
    drift = coverage_drift(np.concatenate([right, wrong]), np.ones(360), 0.9)
    assert 280 <= drift.first <= 303
    assert drift.share == pytest.approx(0.4, abs=0.15)
    healed = np.concatenate([right, wrong, np.ones(400) * (rng.random(400) < 0.9)])
    assert coverage_drift(healed, np.ones(760), 0.9) is None


@pytest.mark.parametrize("level", [0.3, 0.5, 0.95])
def test_any_level_has_a_chart_on_both_sides(level):
    n = np.full(400, 10.0)
    assert coverage_drift(n * level, n, level) is None
    assert coverage_drift(n * 0.0, n, level).share == 0.0
    assert coverage_drift(n * 1.0, n, level).share == 1.0


def test_a_loss_is_above_its_range_in_one_of_forty_cases():
    losses = np.random.default_rng(2).exponential(size=(2000, 131))
    above = [row[-1] > loss_limit(row[:-1]) for row in losses]
    assert np.mean(above) == pytest.approx(0.025, abs=0.01)


def test_the_range_is_that_of_the_latest_losses():
    """Of 120 losses the limit is that of rank 117.975, rounded up: the third largest."""
    losses = np.concatenate([np.full(500, 99.0), np.arange(1.0, MEMORY + 1)])
    assert loss_limit(losses) == 118.0
    assert loss_limit(np.append(np.arange(39.0), np.nan)) is None


def test_a_fall_that_is_over_is_none():
    assert first_below(np.array([0.1, 0.9]), 0.5) is None
    assert first_below(np.array([]), 0.5) is None
    assert first_below(np.array([0.1, 0.2]), 0.5) == 0
