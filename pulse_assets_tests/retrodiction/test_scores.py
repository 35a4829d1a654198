import numpy as np
import pytest
from utilsforecast import losses

from pulse_assets import catalog
from pulse_assets.retrodiction.scores import (
    METRICS,
    Verified,
    leaderboard_skill,
    mase_scale,
    squared_scale,
)

NAN = np.nan


def verified(observed, predicted, lower=None, upper=None, scale=1.0, squared_scale=1.0, level=0.9):
    observed, predicted = np.array(observed, float), np.array(predicted, float)
    return Verified(
        observed,
        predicted,
        predicted if lower is None else np.array(lower, float),
        predicted if upper is None else np.array(upper, float),
        np.broadcast_to(np.array(scale, float), observed.shape),
        np.broadcast_to(np.array(squared_scale, float), observed.shape),
        level,
    )


def made_pairs(factor=1.0):
    rng = np.random.default_rng(0)
    y, f, half = rng.standard_normal((3, 40)) + 5
    return verified(*(factor * a for a in (y, f, f - half, f + half, half)), factor**2 * half)


def test_the_metrics_are_those_of_the_stored_table():
    counts = {"n", "missing", "compared", "abs_error", "naive_abs_error", "wins", "weight"}
    numbers = [field.name for field in catalog.BATCH_METRICS if field.type == "double"]
    assert list(METRICS) == [name for name in numbers if name not in counts]
    assert all(name == metric.name for name, metric in METRICS.items())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bias", (1 + 7 - 2) / 3),
        ("mae", 10 / 3),
        ("rmse", 54**0.5 / 3**0.5),
        ("mase", (1 / 2 + 7 / 2 + 2 / 4) / 3),
        ("rmsse", ((1 + 49 + 4 / 4) / 3) ** 0.5),
        ("smape", 200 * (1 / 5 + 7 / 11 + 2 / 2) / 3),
        ("interval_score", (2 + (4 + 20 * 3) + (2 + 20 * 1)) / 3),
        ("msis", (2 / 2 + 64 / 2 + 22 / 4) / 3),
        ("coverage", 1 / 3),
        ("width", 8 / 3),
    ],
)
def test_hand_computed(name, expected):
    pairs = verified([2, 2, 2], [3, 9, 0], [2, 5, -1], [4, 9, 1], [2, 2, 4], [1, 1, 4])
    np.testing.assert_allclose(METRICS[name].function(pairs), expected, rtol=1e-12)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_perfect_forecast_scores_perfect(metric):
    assert metric.function(verified([1, -2, 0], [1, -2, 0])) == metric.perfect


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_units(metric):
    scaled = metric.function(made_pairs(8.0))
    np.testing.assert_allclose(scaled, 8.0**metric.unit_power * metric.function(made_pairs()))


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_missing_pairs_do_not_count(metric):
    gap = verified([1, NAN, 3, 4], [2, 5, NAN, 4], [1, 1, 1, 1], [3, 3, 3, 3])
    rest = verified([1, 4], [2, 4], [1, 1], [3, 3])
    assert metric.function(gap) == metric.function(rest)
    np.testing.assert_array_equal(gap.counted, [True, False, False, True])


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_no_pair_no_score(metric):
    assert np.isnan(metric.function(verified([NAN], [1.0])))
    assert np.isnan(metric.function(verified(np.empty(0), np.empty(0))))


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_rules_are_scored_side_by_side(metric):
    pairs = made_pairs()
    f, width = np.stack([pairs.predicted, pairs.predicted + 1]), np.array([[1.0], [2.0]])
    both = Verified(
        pairs.observed, f, f - width, f + width, pairs.scale, pairs.squared_scale, pairs.level
    )
    one = Verified(
        pairs.observed, f[1], f[1] - 2, f[1] + 2, pairs.scale, pairs.squared_scale, pairs.level
    )
    scores = metric.function(both)
    assert scores.shape == (2,)
    np.testing.assert_allclose(scores[1], metric.function(one), rtol=1e-12)


@pytest.mark.parametrize("name", ["mase", "msis", "rmsse"])
@pytest.mark.parametrize("scale", [0.0, NAN])
def test_no_scale_no_scaled_score(name, scale):
    pairs = verified([1, 2], [2, 2], scale=[1.0, scale], squared_scale=[1.0, scale])
    assert np.isnan(METRICS[name].function(pairs))


def test_no_interval_no_coverage():
    assert np.isnan(METRICS["coverage"].function(verified([1, 1], [1, 1], [0, NAN], [2, NAN])))


def test_squares_of_huge_errors_are_undefined_and_do_not_warn():
    assert np.isnan(METRICS["rmse"].function(verified([1e300], [-1e300])))


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
    theirs = {
        "bias": losses.bias(frame, ["f"]),
        "mae": losses.mae(frame, ["f"]),
        "rmse": losses.rmse(frame, ["f"]),
        "coverage": losses.coverage(frame, ["f"], level=90),
    }
    for name, table in theirs.items():
        np.testing.assert_allclose(METRICS[name].function(pairs), table["f"].item())
    # Theirs is 0..1, ours 0..200.
    np.testing.assert_allclose(
        METRICS["smape"].function(pairs), 200 * losses.smape(frame, ["f"])["f"].item()
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
