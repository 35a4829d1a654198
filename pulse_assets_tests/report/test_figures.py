"""Figures can be drawn of any range of dates; a warning would be an error here."""

import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from pulse_assets.report.figures import (
    draw_calibration,
    draw_pit,
    draw_skill,
    draw_trust,
    fan_of,
    interval_pairs,
)
from pulse_assets.report.svg import Box, Line, Panel, chart


@pytest.mark.parametrize("days", [1, 3, 10, 45, 120, 400, 800, 980, 1060, 1500, 12000])
def test_every_range_of_dates_has_ticks(days):
    batches = pd.to_datetime(["2001-03-05", "2001-03-05"]) + pd.to_timedelta([0, days], unit="D")
    line = pd.DataFrame({"batch": batches, "trust": [0.4, 0.6], "lower": 0.3, "upper": 0.7})
    svg = draw_trust({"ensemble": line})
    assert svg.startswith("<svg")
    assert svg.count("<text") >= 6 + 2 + 2  # numbers on the y axis, two titles, two dates


@pytest.mark.parametrize("width", [150.0, 300.0, 700.0])
@pytest.mark.parametrize("days", [1, 10, 45, 68, 75, 120, 400, 980, 1500, 12000, 300_000])
def test_texts_of_dates_do_not_overlap(days, width):
    x = np.datetime64("2022-11-07") + np.array([0, days])
    panel = Panel([Line("observed", x, np.array([1.0, 2.0]))])
    svg = chart((width + 75.0, 190.0), [(panel, Box(63.0, 16.0, width, 130.0))])
    texts = re.findall(r'<text x="([\d.]+)"[^>]*>(\d{4,}(?:-\d\d)*)</text>', svg)
    assert texts
    # A digit of the page's font is 0.64 of its height of 10.5 points, a hyphen less.
    ends = [(float(at), 0.64 * 10.5 * len(text) / 2.0) for at, text in texts]
    for (left, half), (right, other) in pairwise(ends):
        assert left + half < right - other


@pytest.mark.parametrize(
    "values", [[0.0], [5.0, 5.0], [1e-12, 3e-12], [1e9, 3e9], [1e6, 1e6 + 1e-3]]
)
def test_every_range_of_numbers_has_short_ticks(values):
    x, y = np.arange(len(values)), np.array(values)
    svg = chart((374.4, 187.2), [(Panel([Line("ensemble", x, y)]), Box(63.0, 16.0, 300.0, 130.0))])
    texts = re.findall(r'text-anchor="end"[^>]*>([^<]*)</text>', svg)
    assert 3 <= len(set(texts)) == len(texts) <= 10
    assert max(map(len, texts)) <= 8


def test_lines_break_where_values_are_missing_or_too_large():
    y = np.array([1.0, 2.0, np.nan, 3.0, 1e200, *range(10)])
    panel = Panel([Line("observed", np.arange(len(y)), y)])
    svg = chart((374.4, 187.2), [(panel, Box(63.0, 16.0, 300.0, 130.0))])
    style = 'fill="none" stroke="currentColor" stroke-width="0.9"'
    (path,) = re.findall(rf'<path d="([^"]*)" {style}', svg)
    assert path.count("M") == 3
    assert path.count("L") == 1 + 0 + 9


def test_the_line_of_naive_is_in_sight_of_every_skill():
    rows = pd.DataFrame({"horizon": [1, 12], "skill": [0.8, 0.9]})
    assert ">0</text>" in draw_skill({"ensemble": rows})


def heights(svg, style):
    """Height of each point of the paths of one style, in points."""
    paths = re.findall(rf'<path d="([^"]*)" {style}', svg)
    return [[float(y) for y in re.findall(r"(?<=[ V])[\d.]+", path)] for path in paths]


def test_bars_and_the_expected_heights_share_an_axis():
    # 40 outcomes, of which a quarter, a quarter and a half are expected
    svg = draw_pit(np.array([0.25, 0.5]), np.array([10.0, 20.0, 10.0]))
    (bars,) = heights(svg, 'fill="var')
    ground, first, second = bars[0], bars[1], bars[4]
    assert ground - second == pytest.approx(2 * (ground - first), abs=0.02)
    (expected,) = heights(svg, 'fill="none" stroke="currentColor" stroke-width="0.9"')
    assert expected == [first, first, first, first, second, second]
    assert re.findall(r">(\d+)</text>", svg)[:4] == ["0", "25", "50", "100"]


def test_of_many_bins_few_ends_have_a_text():
    levels = np.arange(1, 100) / 100.0
    svg = draw_pit(levels, np.full(100, 10.0))
    texts = re.findall(r'text-anchor="middle"[^>]*>([\d.]+)</text>', svg)
    assert texts == [str(level) for level in range(0, 100, 9)]


def test_calibrated_shares_lie_on_the_diagonal():
    levels, grid = np.array([0.0, 0.5, 1.0]), np.arange(101) / 100.0
    svg = draw_calibration(levels, levels, (grid - 0.05, grid + 0.05))
    (diagonal,) = re.findall(r'd="M([\d.]+ [\d.]+)L([\d.]+ [\d.]+)" fill="none"', svg)
    (line,) = re.findall(r'd="M([^"]*)" fill="none" stroke="var\(--first', svg)
    assert (line.split("L")[0], line.split("L")[2]) == diagonal
    assert svg.count("<circle") == 3  # none at the ends of the diagonal


@pytest.mark.parametrize(
    ("levels", "pairs"),
    [
        ([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95], [(0, 6), (1, 5), (2, 4)]),
        ([0.05, 0.5, 0.6, 0.95], [(0, 3)]),
        ([0.3, 0.5], []),
    ],
)
def test_intervals_are_pairs_of_levels_that_add_up_to_one(levels, pairs):
    assert interval_pairs(levels) == pairs
    rows = pd.DataFrame({"day": pd.to_datetime(["2020-01-01"]), "quantiles": [levels]})
    bands = fan_of(rows, "day", levels)
    assert [(band.lower[0], band.upper[0]) for band in bands] == [
        (levels[lower], levels[upper]) for lower, upper in pairs
    ]
    overlap = 1.0 - np.prod([1.0 - band.opacity for band in bands])
    assert overlap == pytest.approx({3: 0.5, 1: 0.22, 0: 0.0}[len(pairs)])
