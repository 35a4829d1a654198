import numpy as np

from benchmarks.fred_cases import forecast_once


def test_origins_are_taken_in_turn_and_gaps_are_filled():
    """Of 240 months the last 120 are to forecast: the first origin is the 119th, index 119."""
    y = np.arange(240.0)
    y[:3] = np.nan
    y[50] = np.nan
    cases = forecast_once({f"s{i}": y for i in range(11)})
    assert [case.history[-1] for case in cases] == [*range(119, 228, 12), 119]
    assert cases[1].future.tolist() == list(range(132, 144))
    assert cases[0].history[0] == 3.0
    assert cases[0].history[47] == cases[0].history[46] == 49.0
    assert {case.season for case in cases} == {12}
