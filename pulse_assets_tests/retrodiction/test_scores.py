from dataclasses import fields

import numpy as np
import pytest
from utilsforecast import losses

from pulse_assets import catalog
from pulse_assets.results import ModelResult
from pulse_assets.retrodiction.scores import (
    METRICS,
    Verified,
    count_below,
    leaderboard_skill,
    mase_scale,
    squared_scale,
)

NAN = np.nan


def verified(observed, predicted, lower=None, upper=None, scale=1.0, squared_scale=1.0):
    """Pairs whose quantiles at 0.1, 0.5 and 0.9 are the lower bound, forecast and upper bound."""
    observed, predicted = np.array(observed, float), np.array(predicted, float)
    lower = predicted if lower is None else np.array(lower, float)
    upper = predicted if upper is None else np.array(upper, float)
    return Verified(
        observed,
        predicted,
        lower,
        upper,
        np.array([lower, predicted, upper]),
        np.array([0.1, 0.5, 0.9]),
        np.broadcast_to(np.array(scale, float), observed.shape),
        np.broadcast_to(np.array(squared_scale, float), observed.shape),
    )


def made_pairs(factor=1.0):
    rng = np.random.default_rng(0)
    y, f, half = rng.standard_normal((3, 40)) + 5
    return verified(*(factor * a for a in (y, f, f - half, f + half, half)), factor**2 * half)


def sums_of(metric, pairs):
    """The sum of a score's numbers over the counted pairs, their number and absolute errors."""
    counted = pairs.counted
    total = np.where(counted, metric.of_pairs(pairs), 0.0).sum()
    return total, counted.sum(), pairs.errors[counted].sum()


def score_of(name, pairs):
    total, n, _ = sums_of(METRICS[name], pairs)
    return METRICS[name].score(total, n)


def test_the_metrics_are_those_of_the_stored_table_and_of_the_leaderboards():
    columns = [*dict.fromkeys(metric.column for metric in METRICS.values())]
    assert [name for name in catalog.BATCH_METRICS.names if name in columns] == columns
    assert METRICS.keys() <= {field.name for field in fields(ModelResult)}
    assert all(name == metric.name for name, metric in METRICS.items())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mase", (1 / 2 + 7 / 2 + 2 / 4) / 3),
        ("rmsse", ((1 + 49 + 4 / 4) / 3) ** 0.5),
        ("coverage", 1 / 3),
        # Quantiles 2 3 4, 5 9 9 and -1 0 1; observed 2.
        ("pinball", (0 + 0.5 + 0.2 + 0.9 * 3 - 0.9 * 3 + 2.7 + 3.5 + 0.7 + 0.3 + 1 + 0.9) / 9),
        ("wis", 2 * (0.7 + 6.9 + 2.2) / 9),
        ("sql", 2 * (0.7 / 2 + 6.9 / 2 + 2.2 / 4) / 9),
    ],
)
def test_hand_computed(name, expected):
    pairs = verified([2, 2, 2], [3, 9, 0], [2, 5, -1], [4, 9, 1], [2, 2, 4], [1, 1, 4])
    np.testing.assert_allclose(score_of(name, pairs), expected, rtol=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_a_perfect_forecast_scores_perfect(name):
    assert score_of(name, verified([1, -2, 0], [1, -2, 0])) == METRICS[name].perfect


@pytest.mark.parametrize("name", METRICS)
def test_scores_have_no_unit_but_those_of_the_variable(name):
    unit = 8.0 if name in {"pinball", "wis"} else 1.0
    expected = unit * score_of(name, made_pairs())
    np.testing.assert_allclose(score_of(name, made_pairs(8.0)), expected)


@pytest.mark.parametrize("name", METRICS)
def test_missing_pairs_do_not_count(name):
    gap = verified([1, NAN, 3, 4], [2, 5, NAN, 4], [1, 1, 1, 1], [3, 3, 3, 3])
    rest = verified([1, 4], [2, 4], [1, 1], [3, 3])
    assert score_of(name, gap) == score_of(name, rest)
    np.testing.assert_array_equal(gap.counted, [True, False, False, True])


@pytest.mark.parametrize("name", METRICS)
def test_no_pair_no_score(name):
    assert np.isnan(score_of(name, verified([NAN], [1.0])))
    assert np.isnan(score_of(name, verified(np.empty(0), np.empty(0))))


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
@pytest.mark.parametrize("pairs", [made_pairs(), verified([1, 2], [1, 2])], ids=["made", "exact"])
def test_the_column_gives_the_sum_back(metric, pairs):
    total, n, errors = sums_of(metric, pairs)
    again = metric.to_total(metric.to_column(total, n, errors), n, errors)
    np.testing.assert_allclose(again, total, rtol=1e-14)


def test_the_column_of_equal_scales_is_that_scale():
    metric, pairs = METRICS["mase"], verified([1, 5], [2, 2], scale=[4, 4])
    assert metric.to_column(*sums_of(metric, pairs)) == 4.0


@pytest.mark.parametrize("name", ["mase", "rmsse", "sql"])
@pytest.mark.parametrize("scale", [0.0, NAN])
def test_no_scale_no_scaled_score(name, scale):
    pairs = verified([1, 2], [2, 2], scale=[1.0, scale], squared_scale=[1.0, scale])
    assert np.isnan(score_of(name, pairs))
    metric = METRICS[name]
    assert np.isnan(metric.to_column(*sums_of(metric, pairs)))


def test_no_interval_no_coverage():
    assert np.isnan(score_of("coverage", verified([1, 1], [1, 1], [0, NAN], [2, NAN])))


def test_without_one_of_its_quantiles_no_score_of_quantiles():
    pairs = verified([1, 1], [1, 1], [0, NAN], [2, 2])
    for name in ("pinball", "wis", "sql"):
        assert np.isnan(score_of(name, pairs))
    np.testing.assert_array_equal(count_below(pairs), [[0, NAN], [0.5, 0.5], [1, 1]])


def test_the_weighted_interval_score_is_that_of_its_definition():
    """Bracher et al. (2021): half the error of the median, alpha / 2 of each interval's score."""
    pairs = made_pairs()
    lower, upper, y = pairs.lower, pairs.upper, pairs.observed
    outside = np.maximum(lower - y, 0.0) + np.maximum(y - upper, 0.0)
    interval = upper - lower + 2.0 / 0.2 * outside
    expected = (pairs.errors / 2.0 + 0.1 * interval).mean() / 1.5
    assert score_of("wis", pairs) == pytest.approx(expected, rel=1e-12)


def test_squares_of_huge_errors_are_undefined_and_do_not_warn():
    assert np.isnan(score_of("rmsse", verified([1e300], [-1e300])))


def test_equal_utilsforecast():
    import pandas as pd

    pairs = made_pairs()
    frame = pd.DataFrame(
        {
            "unique_id": "a",
            "y": pairs.observed,
            "f": pairs.predicted,
            "f-lo-90": pairs.lower,
            "f-hi-90": pairs.upper,
        }
    )
    theirs = losses.coverage(frame, ["f"], level=90)["f"].item()
    np.testing.assert_allclose(score_of("coverage", pairs), theirs)
    np.testing.assert_allclose(
        score_of("mase", verified(pairs.observed, pairs.predicted)),
        losses.mae(frame, ["f"])["f"].item(),
    )
    np.testing.assert_allclose(
        score_of("rmsse", verified(pairs.observed, pairs.predicted)),
        losses.rmse(frame, ["f"])["f"].item(),
    )


def test_scales_by_hand():
    y = np.array([1.0, 3.0, 2.0, 2.0])
    np.testing.assert_allclose(mase_scale(y, [0, 1, 2, 3], 1), [NAN, 2, 1.5, 1])
    np.testing.assert_allclose(mase_scale(y, [1, 2, 3], 2), [NAN, 1, 1])
    np.testing.assert_allclose(squared_scale(y, [0, 1, 3]), [NAN, 4, 5 / 3])


def test_scales_leave_missing_differences_out():
    y = np.array([1.0, NAN, 2.0, 6.0])
    np.testing.assert_allclose(mase_scale(y, [1, 2, 3], 1), [NAN, NAN, 4])
    np.testing.assert_allclose(squared_scale(y, [2, 3]), [NAN, 16])


def test_scale_of_a_series_shorter_than_its_season():
    assert np.isnan(mase_scale(np.ones(3), [2], 12)).all()


def test_skill_by_hand():
    # Ratios 0.5 and 0.125: geometric mean 0.25.
    skill = leaderboard_skill(np.array([1.0, 1.0, NAN]), np.array([2.0, 8.0, 1.0]))
    assert skill == pytest.approx(0.75)


def test_skill_is_clipped():
    assert leaderboard_skill(np.array([0.0]), np.array([1.0])) == pytest.approx(0.99)
    assert leaderboard_skill(np.array([1.0]), np.array([0.0])) == pytest.approx(-99.0)
    assert leaderboard_skill(np.array([0.0]), np.array([0.0])) == 0.0


def test_no_task_no_comparison():
    assert np.isnan(leaderboard_skill(np.array([NAN]), np.array([1.0])))
