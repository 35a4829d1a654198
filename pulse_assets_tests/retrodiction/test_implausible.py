"""Which values are implausible: by hand, and against a second detector in plain Python."""

from itertools import pairwise
from statistics import median

import numpy as np
import pytest
from hypothesis import strategies as st

from pulse_assets.retrodiction.implausible import find_implausible, implausible_values
from pulse_assets_tests.properties import holds_for_all
from pulse_assets_tests.retrodiction.examples import random_walk


class Plain:
    """The definition for the values of one pass, with every median taken anew."""

    def __init__(self, values, lag):
        self.filled, self.lag, self.changes = list(values), lag, []

    def surprise(self, last, t):
        change, expected = self.filled[t] - self.filled[last], 0.0
        if self.lag:
            expected = self.filled[t - self.lag] - self.filled[last - self.lag]
            if abs(change) <= abs(expected):
                return 0.0
        return abs(change - expected)

    def is_jump(self, size):
        moved = [change for change in self.changes if change]
        if len(moved) < 4 or size / 50 <= max(median(moved), median(moved[-50:])):
            return False
        return 2 * len(moved) >= len(self.changes) or size > 5 * max(moved)


def plain_head(values):
    """Return what reveals each of the first values, by their place."""
    revealed = {}
    for end in range(4, min(len(values), 12)):
        one, kept = Plain(values, 0), [i for i in range(end + 1) if i not in revealed]
        one.changes = [one.surprise(*pair) for pair in pairwise(kept)]
        last = kept[0]
        for i in kept[1:-1]:
            size = one.surprise(last, i)
            if one.is_jump(size) and one.surprise(last, i + 1) <= size / 4:
                revealed[i] = end
            else:
                last = i
        for first in (3, 2, 1) if end == 11 else ():
            known = not {first, first - 1} & revealed.keys()
            if known and one.is_jump(one.surprise(first - 1, first)):
                revealed = dict.fromkeys(range(first), end) | revealed  # the earlier stays
                break
    return revealed


def belongs(jumps, place):
    """Tell whether the last of the jumps is one of many, or of a season."""
    if len(jumps) > 6 and len(jumps) * 32 > place:
        return True
    near = {12: 0, 4: 0, 5: 0, 7: 0, 52: 1}
    return any(
        any(abs(place - season - other) <= slack for other in jumps)
        and any(abs(place - 2 * season - other) <= 2 * slack for other in jumps)
        for season, slack in near.items()
    )


def plain_pass(values, lag):
    """Return what reveals each implausible value, by their places among the known ones."""
    revealed, one, last = {} if lag else plain_head(values), Plain(values, lag), lag
    if not lag:
        kept = [i for i in range(min(len(values), 11)) if i not in revealed]
        one.changes = [one.surprise(*pair) for pair in pairwise(kept)]
        last = max(kept, default=0)
    waiting, jumps = [], sorted(revealed)
    for t in range(max(11, lag + 1), len(values)):
        size = one.surprise(last, t)
        if waiting:
            lowest = min(one.surprise(last, s) for s in waiting)
            if size > lowest / 4 and len(waiting) < 3 and one.is_jump(size):
                waiting.append(t)
                continue
            undone = size <= lowest / 4 and one.is_jump(lowest / (1 if len(waiting) == 1 else 4))
            jumps += waiting[:1] if undone else []
            if undone and belongs(jumps, waiting[0]):
                one.changes.append(lowest)
                waiting = []
            for s in waiting:
                if undone:
                    revealed[s] = t
                    drift = one.filled[s - lag] - one.filled[last - lag] if lag else 0.0
                    one.filled[s] = one.filled[last] + drift
                else:
                    one.changes.append(one.surprise(last, s))
                    last = s
            waiting, size = [], one.surprise(last, t)
        if one.is_jump(size):
            waiting = [t]
        else:
            one.changes.append(size)
            last = t
    return revealed


def plain_implausible(values, season):
    known = np.flatnonzero(np.isfinite(values))
    given = values[known].tolist()
    passes = [plain_pass(given, lag) for lag in ((0, season) if season > 3 else (0,))]
    found = {i: min(p[i] for p in passes if i in p) for i in sorted(set().union(*passes))}
    return [int(known[i]) for i in found], [int(known[t]) for t in found.values()]


def zigzag(changes, length=100):
    """0 1 0 1 ..., so that every change is 1, with other values at some places."""
    values = np.arange(length) % 2.0
    for at, value in changes.items():
        values[at] = value
    return values


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({50: 1000.0}, [50]),
        ({50: -1000.0}, [50]),
        ({50: 1000.0, 52: 1000.0}, [50, 52]),  # not the sound value between them
        ({50: np.nan, 51: 1000.0}, [51]),
        ({50: 1000.0, 51: np.nan}, [50]),
        ({50: 1000.0, 51: np.inf}, [50]),
        ({50: 1000.0, 51: 1000.0}, [50, 51]),
        ({50: 1000.0, 51: -400.0, 52: 1000.0}, [50, 51, 52]),
        ({50: 150.0, 51: 150.0}, []),  # of two in a row the jump must be 200 times the usual
        (dict.fromkeys(range(50, 54), 1000.0), []),  # four in a row
        ({50: 1000.0, 51: 150.0}, [50, 51]),
        ({50: 150.0, 51: 40.0}, []),  # the next value undoes less than three quarters of it
        ({50: 1000.0, 51: 40.0}, [50]),
        ({99: 1000.0}, []),  # nothing has undone it yet
        ({98: 1000.0}, [98]),
        ({50: 50.0}, []),  # 50 times the usual change
        ({50: 52.0}, [50]),
        ({0: 1000.0}, [0]),
        ({0: 1000.0, 1: 1000.0}, [0, 1]),
        ({0: 1000.0, 4: 1000.0}, [0, 4]),
        ({5: 1000.0}, [5]),
        ({11: 1000.0}, [11]),
        ({20: 1e3, 33: -1e3, 41: 1e6, 60: 1e2, 99: 1e3}, [20, 33, 41, 60]),
    ],
)
def test_jumps_that_are_undone(changes, found):
    values = zigzag(changes)
    assert implausible_values(values).tolist() == found
    assert plain_implausible(values, 1)[0] == found


def test_what_an_early_value_has_revealed_was_known_before_the_first_values_were_judged():
    values = zigzag({0: 1e3, 1: 1e9, 2: 1e3})
    places, revealed = find_implausible(values)
    assert places.tolist() == [0, 1, 2]
    assert revealed[1] < revealed[0] == revealed[2] == 11
    known_before = find_implausible(values[:11])
    assert [indices.tolist() for indices in known_before] == [[1], [revealed[1]]]


def test_short_series():
    for length in range(6):
        assert implausible_values(zigzag({}, length)).tolist() == []
    assert implausible_values(np.array([1.0, 2.0, 1.0, 2.0, 2000.0, 2.0])).tolist() == [4]
    # With fewer values known the first may as well belong to a level that was left.
    assert implausible_values(zigzag({0: 1000.0}, 11)).tolist() == []
    assert implausible_values(zigzag({0: 1000.0}, 12)).tolist() == [0]


def test_a_value_is_revealed_by_the_one_that_undoes_it():
    values = zigzag({0: 1000.0, 50: 1000.0, 51: np.nan, 70: 1000.0, 71: 1000.0})
    places, revealed = find_implausible(values)
    assert places.tolist() == [0, 50, 70, 71]
    assert revealed.tolist() == [11, 52, 72, 72]


def pegged():
    """A rate that moves by a quarter every tenth month."""
    return 5.0 + np.cumsum(np.where(np.arange(300) % 10 == 9, 0.25, 0.0))


@pytest.mark.parametrize(("factor", "found"), [(1000.0, [155]), (0.001, []), (1.1, [])])
def test_a_pegged_rate_is_judged_by_the_changes_that_it_made(factor, found):
    values = pegged()
    values[155] *= factor
    assert implausible_values(values).tolist() == found


def test_counts_with_many_zeros_are_not_implausible_because_most_changes_are_0():
    rng = np.random.default_rng(0)
    counts = np.where(rng.random(600) < 0.15, rng.poisson(3.0, 600), 0.0)
    few = np.zeros(300)
    few[[40, 90, 91, 200]] = [3.0, 1.0, 8.0, 2.0]
    assert implausible_values(counts).tolist() == implausible_values(few).tolist() == []


def test_steps_and_crises_are_not_undone():
    step, crisis = zigzag({}), zigzag({})
    step[50:] += 1000.0
    crisis[50:60] -= [900.0, 700.0, 600.0, 500.0, 400.0, 300.0, 200.0, 100.0, 50.0, 25.0]
    assert implausible_values(step).tolist() == implausible_values(crisis).tolist() == []


def test_a_series_that_grows_is_judged_by_its_latest_changes():
    rng = np.random.default_rng(0)
    index = np.exp(np.linspace(0.0, 9.0, 6000) + 0.01 * np.cumsum(rng.standard_normal(6000)))
    assert implausible_values(index).tolist() == []
    index[5000] *= 10.0
    assert implausible_values(index).tolist() == [5000]


@pytest.mark.parametrize(("season", "every"), [(12, 12), (4, 4), (7, 7), (52, 52), (1, 21)])
def test_jumps_that_recur_belong_to_the_series(season, every):
    values = 50.0 + 0.1 * random_walk(20 * every)
    values[every - 1 :: every] += 60.0
    found = implausible_values(values, season).tolist()
    assert len(found) <= (2 if every == season else 6)
    assert {(i + 1) % every for i in found} <= {0}


def test_a_season_that_hides_a_jump_is_taken_away():
    t = np.arange(240)
    values = 100.0 + 10.0 * np.sin(2.0 * np.pi * t / 12.0) + 0.3 * random_walk(240)
    values[150] += 80.0
    assert implausible_values(values).tolist() == []
    assert implausible_values(values, 12).tolist() == [150]


@pytest.mark.parametrize("factor", [2.0**300, 2.0**-300, -1.0])
def test_units(factor):
    values = random_walk(200) + 20.0
    values[[3, 60, 100, 101]] *= 1000.0
    for season in (1, 12):
        for one, other in zip(
            find_implausible(values, season), find_implausible(values * factor, season), strict=True
        ):
            assert one.tolist() == other.tolist()
            assert len(one) == 4


@holds_for_all(
    150,
    1500,
    seed=st.integers(0, 2**32 - 1),
    length=st.integers(0, 90),
    typos=st.integers(0, 9),
    last=st.sampled_from([6, 90]),
    holes=st.sampled_from([0.0, 0.2]),
    still=st.sampled_from([0.0, 0.3, 0.8]),
    season=st.sampled_from([1, 4, 7, 12]),
)
def test_the_detector_equals_its_definition_and_knows_no_later_value(
    seed, length, typos, last, holes, still, season
):
    rng = np.random.default_rng(seed)
    values = 20.0 + np.cumsum(rng.normal(size=length) * (rng.random(length) >= still))
    if length:
        places = rng.integers(0, min(length, last), typos)
        values[places] *= rng.choice([1000.0, 1e6, 10.0, 1.5, -1.0, 0.0], typos)
    values[rng.random(length) < holes] = np.nan
    places, revealed = find_implausible(values, season)
    assert (places.tolist(), revealed.tolist()) == plain_implausible(values, season)
    for end in range(length):
        early, by = find_implausible(values[:end], season)
        known = revealed < end
        assert early.tolist() == places[known].tolist()
        assert by.tolist() == revealed[known].tolist()
