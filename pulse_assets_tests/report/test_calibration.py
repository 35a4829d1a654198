"""What the report says of calibration, from counts small enough to check by hand."""

import pytest

from pulse_assets.report.calibration import describe_section, read_calibration
from pulse_assets.stages.calibration import LevelShare, describe_quantiles


def results(coverage, median, n=10_000, levels=(0.1, 0.5, 0.9)):
    below = [0.1, median, 0.9][: len(levels)]
    counts = {"n": n, "below": below, "pit": [1] * (len(levels) + 1)}
    return {
        "models": [
            {"model": "naive", "coverage": 0.1},
            {"model": "ensemble", "coverage": coverage},
        ],
        "configuration": {"interval_level": 0.8},
        "calibration": {"levels": list(levels), "models": {"ensemble": counts}, "variables": {}},
    }


# Chance is 0.8 points at 80 % of 10,000 outcomes, and 1 point at 50 %.
@pytest.mark.parametrize(
    ("coverage", "width"),
    [
        (0.8, "about right"),
        (0.775, "about right"),
        (0.825, "about right"),
        (0.77, "a little too narrow"),
        (0.83, "a little too wide"),
        (0.74, "too narrow"),
        (0.86, "too wide"),
    ],
)
def test_intervals_are_called_too_narrow_or_too_wide(coverage, width):
    text = read_calibration(results(coverage, 0.5))
    assert text.startswith("Of 10\N{NARROW NO-BREAK SPACE}000 outcomes the 80 % intervals hold ")
    assert f" hold {100 * coverage:.1f} %: {width}; 50.0 % lie below the median" in text


@pytest.mark.parametrize(
    ("median", "height"),
    [
        (0.52, "neither too high nor too low"),
        (0.54, "a little too high"),
        (0.46, "a little too low"),
        (0.57, "too high"),
        (0.43, "too low"),
    ],
)
def test_forecasts_above_most_outcomes_are_called_too_high(median, height):
    text = read_calibration(results(0.8, median))
    assert text.endswith(f"{100 * median:.1f} % lie below the median: forecasts {height}.")


def test_without_coverage_or_median_nothing_is_said_of_it():
    assert read_calibration(results(None, 0.5)).startswith("Of 10\N{NARROW NO-BREAK SPACE}000 out")
    assert "intervals" not in read_calibration(results(None, 0.5))
    assert "median" not in read_calibration(results(0.8, 0.9, levels=(0.1, 0.9)))
    assert read_calibration(results(None, 0.9, levels=(0.1, 0.9))) == ""


def test_figures_are_told_in_words():
    section = describe_section(results(0.8, 0.52), ["gdp"])
    assert section
    shares, histogram = section.figures
    assert shares.alt.endswith("10.0 % at 10 %, 52.0 % at 50 %, 90.0 % at 90 %.")
    assert histogram.alt.endswith("the lowest first: 1, 1, 1, 1.")
    assert (section.levels, section.rows) == (["10", "50", "90"], [])


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        # 0.05 + 2 sqrt(0.25 / 100), + 2 sqrt(0.09 / 900), + 2 sqrt(0.0475 / 4750) is cut at 0
        (LevelShare(0.5, 0.5, 100), (0.35, 0.65)),
        (LevelShare(0.9, 0.9, 900), (0.83, 0.97)),
        (LevelShare(0.05, 0.05, 475), (0.0, 0.12)),
    ],
)
def test_a_share_may_be_off_by_a_margin_and_by_chance(share, expected):
    assert share.expected() == pytest.approx(expected)


def test_shares_at_the_ends_of_what_is_expected_are_near():
    assert LevelShare(0.5, 0.65, 100).is_near()
    assert not LevelShare(0.5, 0.651, 100).is_near()
    assert LevelShare(0.5, 0.35, 100).is_near()
    assert not LevelShare(0.5, 0.349, 100).is_near()


def test_of_many_levels_nine_are_named():
    levels = [level / 100 for level in range(1, 100)]
    counts = {"ensemble": {"n": 7, "below": levels}}
    assert describe_quantiles({"levels": levels, "models": counts}).endswith(
        "below those of 1 13 25 38 50 62 75 87 99 %"
    )
