"""The 90 % interval of trust holds the true probability in 85 to 95 % of simulated series."""

import numpy as np
import pytest

from benchmarks import trust

#: Rules of which no interval is too narrow; a mean lags a random walk for longer than a block.
RULES = {
    "random walk": ("drift", "ses", "ar 0.9", "ensemble"),
    "ar 0.5": ("drift", "mean 24", "ses", "ar 0.5", "ar 0.9", "ensemble"),
    "ar 0.9": ("drift", "mean 24", "ses", "ar 0.5", "ar 0.9", "ensemble"),
}


@pytest.mark.slow
@pytest.mark.parametrize("process", RULES)
def test_the_interval_holds_the_truth_in_85_to_95_percent_of_400_series(process):
    cells = list(trust.measure([process], batches=[400]))
    assert {cell.horizon for cell in cells} == {1, 3, 12, trust.OVERALL}
    chosen = [cell for cell in cells if cell.rule in RULES[process]]
    assert len(chosen) == len(RULES[process]) * 4 * 2
    for cell in chosen:
        assert 0.85 <= cell.coverage <= 0.95, cell


def test_the_share_of_series_that_hold_the_truth():
    always = np.ones((2, 100))
    assert trust.coverage_of(always, 1, 0.98, 0.99, [100]) == {100: 1.0}
    assert trust.coverage_of(always, 1, 0.98, 0.5, [100]) == {100: 0.0}


def test_wins_are_of_the_same_target_at_every_horizon():
    found = trust.win_series("white noise", 3, 50, 1)
    assert {wins.shape for wins in found.values()} == {(3, 50)}
    parts = [found["ses", h] for h in trust.HORIZONS]
    np.testing.assert_array_equal(found["ses", trust.OVERALL], np.sum(parts, axis=0))


def test_the_table_has_a_line_per_process_rule_and_horizon():
    cells = list(trust.measure(["random walk"], batches=[4], discounts=[1.0], series=5))
    lines = trust.table(cells).splitlines()
    assert len(lines) == 2 + len(cells)
    assert lines[0].split()[-3:] == ["1.0", "x", "4"]
