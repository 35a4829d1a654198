"""One typing error is forgotten at once, and looks ahead of nobody."""

import numpy as np
import pytest
from hypothesis import strategies as st

from pulse_assets.retrodiction.implausible import as_known, implausible_values, vintages
from pulse_assets.retrodiction.retrodict import retrodict
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, resolve_rules
from pulse_assets.retrodiction.scores import mase_scale
from pulse_assets_tests.properties import holds_for_all
from pulse_assets_tests.retrodiction.examples import random_walk

RULES = resolve_rules(DEFAULT_MODELS)
TYPO, FROM = 200, 215


def walk(seed, length=300):
    return 100.0 + np.cumsum(np.random.default_rng(seed).normal(size=length))


def plain_implausible(values):
    """The definition in plain loops: value by value, with those that wait for a return."""
    found, sizes, last, waiting = [], [], np.nan, []

    def far(value):
        return len(sizes) >= 12 and 2 * sum(size < abs(value - last) / 50 for size in sizes) > len(
            sizes
        )

    def accept(value):
        nonlocal last
        if abs(value - last) > 0:
            sizes.append(abs(value - last))
        last = value

    for t, value in enumerate(values):
        if not np.isfinite(value):
            continue
        if waiting and abs(value - last) <= 0.2 * abs(values[waiting[0]] - last):
            found += waiting
            waiting = []
        elif waiting and (len(waiting) == 3 or not far(value)):
            for i in waiting:
                accept(values[i])
            waiting = []
        if far(value):
            waiting.append(t)
        else:
            accept(value)
    return found


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, []),
        ({50: 1000.0}, [50]),
        ({50: -1000.0}, [50]),
        ({50: 1000.0, 52: 1000.0}, [50, 52]),  # not the sound value between them
        ({50: np.nan, 51: 1000.0}, [51]),
        ({50: 1000.0, 51: np.nan}, [50]),
        ({50: 1000.0, 51: 1000.0}, [50, 51]),
        ({50: 1000.0, 51: -400.0, 52: 1000.0}, [50, 51, 52]),
        (dict.fromkeys(range(50, 54), 1000.0), []),  # four in a row
        ({50: 1000.0, 51: 300.0, 52: 40.0, 53: 30.0}, [50, 51]),
        ({99: 1000.0}, []),  # nothing has undone it yet
        ({5: 1000.0}, []),  # too little is known
        ({50: 45.0}, []),  # 45 times the usual change
        ({50: 60.0}, [50]),
    ],
)
def test_values_that_the_next_one_undoes(change, found):
    values = np.arange(100) % 2.0
    for at, value in change.items():
        values[at] = value
    assert implausible_values(values).tolist() == found == plain_implausible(values)


def test_a_series_that_rests_has_no_typing_errors_merely_because_it_moves():
    pegged, counts = np.full(200, 5.0), np.zeros(200)
    pegged[::10] += 0.25
    counts[::7] = np.arange(29) % 3 + 1.0
    assert implausible_values(pegged).tolist() == implausible_values(counts).tolist() == []


def test_a_step_that_stays_is_no_typing_error():
    values = np.arange(100) % 2.0
    values[50:] += 1000.0
    assert implausible_values(values).tolist() == []


@holds_for_all(
    200,
    3000,
    seed=st.integers(0, 2**32 - 1),
    length=st.integers(0, 80),
    typos=st.integers(0, 4),
    holes=st.sampled_from([0.0, 0.2]),
)
def test_the_detector_equals_its_definition_and_knows_no_later_value(seed, length, typos, holes):
    rng = np.random.default_rng(seed)
    values = np.cumsum(rng.normal(size=length)) if seed % 2 else rng.normal(size=length)
    if length:
        values[rng.integers(0, length, typos)] *= 10.0 ** rng.integers(1, 5)
    values[rng.random(length) < holes] = np.nan
    whole = implausible_values(values)
    assert whole.tolist() == plain_implausible(values)
    for end in range(length):
        early = implausible_values(values[:end]).tolist()
        assert early == whole[: len(early)].tolist()  # a later value takes none back
        assert early == plain_implausible(values[:end])


@pytest.mark.parametrize("factor", [1.5, 10, 1000, 1e6, 1e-3, 0.0, -1.0])
@pytest.mark.parametrize("horizon", [1, 3])
def test_the_ensemble_forgets_a_typing_error(factor, horizon):
    """Case 22: at most 1.10 of the error without it; here from three values after it."""
    with_typo, without = [], []
    origins = np.arange(TYPO + 3, 300 - horizon)
    for seed in range(4):
        y = walk(seed)
        spoilt = y.copy()
        spoilt[TYPO] *= factor
        for series, errors in ((y, without), (spoilt, with_typo)):
            made = retrodict(series, origins, [horizon], 12, RULES)
            ours = made.models.index("ensemble")
            errors.append(np.abs(made.predicted[ours, :, 0] - y[origins + horizon]))
    assert np.mean(with_typo) <= 1.03 * np.mean(without)
    late = origins >= FROM
    assert np.mean(with_typo, axis=0)[late].mean() <= 1.10 * np.mean(without, axis=0)[late].mean()


def test_two_wrong_values_in_a_row_are_forgotten_within_15_months():
    with_typo, without = [], []
    origins = np.arange(FROM, 299)
    for seed in range(4):
        y = walk(seed)
        spoilt = y.copy()
        spoilt[TYPO : TYPO + 2] *= [1000.0, 10.0]
        for series, errors in ((y, without), (spoilt, with_typo)):
            made = retrodict(series, origins, [1], 12, RULES)
            ours = made.models.index("ensemble")
            errors.append(np.abs(made.predicted[ours, :, 0] - y[origins + 1]))
    assert np.mean(with_typo) <= 1.10 * np.mean(without)


def test_intervals_forget_it_too():
    y = walk(1)
    spoilt = y.copy()
    spoilt[TYPO] *= 1000.0
    wide, usual = (
        (made.upper - made.lower)[made.models.index("ensemble")].mean()
        for made in (retrodict(s, range(FROM, 290), [1], 12, RULES) for s in (spoilt, y))
    )
    assert 0.9 * usual < wide < 1.1 * usual


def test_an_origin_sees_what_was_known_there():
    """At the typing error nobody knows that it is one; before and after it plays no part."""
    y = walk(2, 60)
    spoilt = y.copy()
    spoilt[40] *= 1000.0
    missing = y.copy()
    missing[40] = np.nan
    origins = [39, 40, 41, 45]
    made = retrodict(spoilt, origins, [1, 2], 12, RULES)
    at_it = retrodict(spoilt[:41], [39, 40], [1, 2], 12, RULES)
    later = retrodict(missing, origins, [1, 2], 12, RULES)
    for name in ("predicted", "lower", "upper", "weights"):
        ours, cut, without = (getattr(one, name) for one in (made, at_it, later))
        np.testing.assert_array_equal(ours[:, 1], cut[:, 1])
        np.testing.assert_array_equal(ours[:, [0, 2, 3]], without[:, [0, 2, 3]])
    naive = made.models.index("naive")
    assert made.predicted[naive, :, 0].tolist() == [y[39], spoilt[40], y[41], y[45]]


def test_no_value_after_an_origin_changes_its_forecasts():
    y = random_walk(80)
    y[[30, 50, 60]] *= 1000.0
    whole = retrodict(y, range(20, 79), [1, 3], 4, RULES)
    for row, origin in enumerate(range(20, 79)):
        alone = retrodict(y[: origin + 1], [20, origin], [1, 3], 4, RULES)
        np.testing.assert_array_equal(whole.predicted[:, row], alone.predicted[:, 1])
        np.testing.assert_array_equal(whole.weights[:, row], alone.weights[:, 1])
        np.testing.assert_array_equal(whole.upper[:, row], alone.upper[:, 1])


def test_scales_are_those_known_at_the_origin():
    y = np.arange(60) % 2.0
    y[40] = 1000.0
    origins = np.array([39, 40, 41])
    scales = as_known(y, origins, lambda known, at: mase_scale(known, at, 1))
    assert scales[0] == scales[2] == 1.0
    assert scales[1] == mase_scale(y[:41], [40], 1)[0] > 20


def test_a_series_without_them_is_not_copied():
    y = walk(0)
    ((same, of),) = vintages(y, np.array([5, 250]))
    assert same is y
    assert of.all()
