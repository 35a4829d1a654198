"""Whatever forecasts are missing, the results are computed, without a warning, and can be shown."""

import numpy as np
from hypothesis import strategies as st

from pulse_assets.dagster.io_managers import to_json
from pulse_assets.report import build_report
from pulse_assets_tests.properties import holds_for_all
from pulse_assets_tests.report.made import MODELS, make_pairs, make_summary, make_tables

BATCHES = tuple(f"20{year:02d}-01-01" for year in range(10, 16))
PLACES = {
    "variable": ("gdp", "cpi"),
    "model": MODELS[1:],  # without naive there would be no pair
    "horizon": (1, 3),
    "batch": BATCHES,
}

#: What is taken out: the forecasts of one value of a column, or of all, where it is None.
HOLE = st.fixed_dictionaries(
    {column: st.sampled_from([None, *values]) for column, values in PLACES.items()}
)


def with_holes(pairs, holes):
    numbers = ["predicted", "error", "lower", "upper"]
    for hole in holes:
        inside = [pairs[name] == value for name, value in hole.items() if value is not None]
        pairs.loc[np.logical_and.reduce([[True] * len(pairs), *inside]), numbers] = np.nan
    return pairs


@holds_for_all(10, 25, holes=st.lists(HOLE, max_size=6))
def test_missing_forecasts_leave_results_that_can_be_stored_and_shown(holes):
    whole = make_pairs(PLACES["variable"], horizons=PLACES["horizon"], batches=BATCHES, days=2)
    pairs = with_holes(whole, holes)
    summary = make_summary(pairs)
    text = to_json(summary.results)
    assert "NaN" not in text
    assert "Infinity" not in text
    assert "nan" not in build_report(summary.results, make_tables(pairs, summary))
