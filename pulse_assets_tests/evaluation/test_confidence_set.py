"""Model confidence sets and intervals of win rates, beside plain loops and by simulation."""

from itertools import permutations

import numpy as np
import pytest

from pulse_assets.evaluation import bootstrap
from pulse_assets.evaluation.bootstrap import (
    DRAWS,
    block_length,
    content_seed,
    draw_blocks,
    exact_parts,
)
from pulse_assets.evaluation.confidence_set import CONFIDENCE, confidence_set
from pulse_assets.evaluation.win_rate import (
    central_interval,
    resampled_means,
    resampled_win_rates,
)


def in_plain_words(losses, draws):
    """The algorithm of Hansen, Lunde and Nason (2011), two rules and one draw at a time."""
    count, mean = len(losses), losses.mean(axis=0)
    gap, drawn = {}, {}
    for i, j in permutations(range(losses.shape[1]), 2):
        difference = losses[:, i] - losses[:, j]
        gaps = [(draw * difference).sum() / count - (mean[i] - mean[j]) for draw in draws]
        spread = np.sqrt(np.mean(np.square(gaps)))
        gap[i, j], drawn[i, j] = (mean[i] - mean[j]) / spread, np.abs(gaps) / spread
    left, probability, largest = set(range(losses.shape[1])), {}, 0.0
    while len(left) > 1:
        pairs = list(permutations(left, 2))
        worst = max(pairs, key=gap.get)
        beyond = np.max([drawn[pair] for pair in pairs], axis=0) >= gap[worst]
        largest = max(largest, np.mean(beyond))
        probability[worst[0]] = largest
        left.remove(worst[0])
    return [probability.get(model, 1.0) for model in range(losses.shape[1])]


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_algorithm_in_plain_words(seed):
    rng = np.random.default_rng(seed)
    losses = np.abs(rng.normal(size=(60, 5))) * (1 + 0.15 * np.arange(5))
    draws = draw_blocks(60, 4, seed=seed, draws=199)
    assert confidence_set(losses, draws).tolist() == pytest.approx(in_plain_words(losses, draws))


def test_its_probabilities_are_those_of_arch():
    """MCS(losses, size=0.1, reps=9999, block_size=6, method="R", bootstrap="moving block"), arch
    8.0.0, whose random numbers are others."""
    rng = np.random.default_rng(0)
    losses = np.abs(rng.normal(size=(150, 7))) * (1 + 0.06 * np.arange(7))
    expected = [1.0, 0.558, 0.521, 0.558, 0.103, 0.001, 0.0]
    got = confidence_set(losses, draw_blocks(150, 6, seed=0, draws=4999))
    assert got == pytest.approx(expected, abs=0.025)


def test_the_set_holds_the_best_rule_as_often_as_it_says_and_leaves_bad_ones_out():
    """Of six rules two are best, by losses that are correlated in time."""
    level, size = np.array([1.0, 1.0, 1.1, 1.2, 1.5, 2.0]), []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        noise = rng.normal(size=(202, 6))
        losses = level + 0.4 * (noise[2:] + noise[1:-1] + noise[:-2])
        draws = draw_blocks(200, block_length(200, 3), seed, draws=299)
        size.append(confidence_set(losses - losses.min() + 0.0, draws) >= 1 - CONFIDENCE)
    share = np.mean(size, axis=0)
    both = np.all(np.array(size)[:, :2], axis=1).mean()
    assert both >= CONFIDENCE - 0.05
    assert share[5] == 0.0  # power: one standard deviation apart
    assert share[4] < 0.05


def test_a_hopeless_rule_keeps_no_other_one_in():
    """Each two rules are compared: the spread of the hopeless one says nothing of the others."""
    rng = np.random.default_rng(5)
    best, worse = np.abs(rng.normal(0.1, 0.02, 80)), np.abs(rng.normal(0.2, 0.02, 80))
    hopeless = np.abs(rng.normal(1.3, 1.5, 80))
    draws = draw_blocks(80, 4, seed=5)
    assert confidence_set(np.column_stack([best, worse, hopeless]), draws).tolist()[:2] == [1.0, 0]


def test_equal_rules_have_equal_probabilities_and_a_set_of_equal_rules_is_whole():
    rng = np.random.default_rng(1)
    loss = np.abs(rng.normal(size=80))
    draws = draw_blocks(80, 5, seed=1)
    assert confidence_set(np.column_stack([loss] * 3), draws).tolist() == [1.0] * 3
    first, second, worse = confidence_set(np.column_stack([loss, loss, loss + 1.0]), draws)
    assert first == second == 1.0
    assert worse == 0.0


def test_neither_unit_nor_order_of_rules_matters():
    rng = np.random.default_rng(2)
    losses = np.abs(rng.normal(size=(50, 6))) * (1 + 0.1 * np.arange(6))
    draws = draw_blocks(50, 4, seed=3)
    expected = confidence_set(losses, draws)
    assert confidence_set(losses * 2.0**40, draws).tolist() == expected.tolist()
    order = np.array([3, 1, 5, 0, 2, 4])
    assert confidence_set(losses[:, order], draws).tolist() == expected[order].tolist()


def test_a_history_has_each_number_of_dates_and_blocks_are_whole():
    draws = draw_blocks(10, 3, seed=7)
    assert draws.shape == (DRAWS, 10)
    assert (draws.sum(axis=1) == 10).all()
    assert draws[:, 4].mean() > draws[:, 0].mean() > 0.3  # the ends are in fewer blocks
    assert (draw_blocks(10, 3, seed=7) == draws).all()
    assert (draw_blocks(10, 3, seed=8) != draws).any()
    assert len({content_seed("a", "b"), content_seed("ab"), content_seed("b", "a")}) == 3


@pytest.mark.parametrize(("count", "block"), [(10, 3), (501, 1), (7, 7)])
def test_histories_do_not_depend_on_how_many_are_counted_together(monkeypatch, count, block):
    drawn = draw_blocks(count, block, seed=7)
    for together in (1, 7, 10 * DRAWS):
        monkeypatch.setattr(bootstrap, "_TOGETHER", together)
        assert draw_blocks(count, block, seed=7).tolist() == drawn.tolist()


def test_sums_of_exact_parts_do_not_depend_on_their_order():
    losses = np.abs(np.random.default_rng(4).normal(size=(400, 21)))
    exact = exact_parts(losses)
    assert (exact.sum(axis=0) == exact[::-1].cumsum(axis=0)[-1]).all()
    assert exact / exact.max() == pytest.approx(losses / losses.max(), abs=1e-10)
    assert (exact_parts(np.zeros((3, 2))) == 0.0).all()


def test_an_interval_holds_the_win_rate_about_as_often_as_it_says():
    """One rule of true win rate 1/2 at one horizon: its draws win half the time, on average."""
    lower, upper = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        errors = np.abs(rng.normal(size=(120, 1, 4)))
        reference = np.abs(rng.normal(size=(120, 1, 4)))
        drawn = resampled_win_rates(errors, reference, draw_blocks(120, 5, seed, draws=199))
        ends = central_interval(drawn)
        lower.append(ends[0][0])
        upper.append(ends[1][0])
    assert np.mean((np.array(lower) <= 0.5) & (np.array(upper) >= 0.5)) >= 0.9
    assert np.mean(np.array(upper) - lower) < 1.0


def test_a_rule_without_a_comparison_has_no_win_rate():
    errors = np.array([[[1.0, 1.0], [np.nan, np.nan], [3.0, np.nan]]])
    reference = np.array([[[2.0, 1.0], [2.0, 1.0], [2.0, 1.0]]])
    rates = resampled_win_rates(errors, reference, np.ones((1, 1)))[0]
    assert rates.tolist() == pytest.approx([0.75, np.nan, 0.0], nan_ok=True)


def test_resampled_variables_may_lack_a_rule():
    drawn = resampled_means(np.array([[1.0], [0.0]]), np.array([[1.0], [0.0]]), np.eye(2) * 2)
    assert drawn.ravel() == pytest.approx([1.0, np.nan], nan_ok=True)
    assert [end.tolist() for end in central_interval(drawn)] == [[1.0], [1.0]]
