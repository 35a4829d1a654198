"""Figures can be drawn of any range of dates; a warning would be an error here."""

import pandas as pd
import pytest

from pulse_assets.report.figures import draw_trust


@pytest.mark.parametrize("days", [1, 3, 10, 45, 120, 400, 800, 980, 1060, 1500, 12000])
def test_every_range_of_dates_has_ticks(days):
    batches = pd.to_datetime(["2001-03-05", "2001-03-05"]) + pd.to_timedelta([0, days], unit="D")
    line = pd.DataFrame({"batch": batches, "trust": [0.4, 0.6], "lower": 0.3, "upper": 0.7})
    svg = draw_trust({"ensemble": line})
    assert svg.startswith("<svg")
    assert svg.count("<text") >= 6 + 2 + 2  # numbers on the y axis, two titles, two dates
