"""What each origin knows of a series with implausible values."""

import numpy as np
from hypothesis import strategies as st

from pulse_assets.retrodiction.implausible import find_implausible
from pulse_assets.retrodiction.known_series import KnownSeries, versions
from pulse_assets.retrodiction.scores import mase_scale
from pulse_assets_tests.properties import holds_for_all


def spoilt_walk(seed, length, typos):
    rng = np.random.default_rng(seed)
    values = 20.0 + np.cumsum(rng.normal(size=length))
    values[rng.integers(0, length, typos)] *= 1000.0
    values[rng.random(length) < 0.1] = np.nan
    return values


def plainly_known(values, origin, season):
    """The values up to an origin, less the values that are implausible by then."""
    known = values[: origin + 1].copy()
    places, _ = find_implausible(known, season)
    known[places] = np.nan
    begun = np.flatnonzero(np.isfinite(values))[0]
    if begun in places:
        known[begun] = known[np.isfinite(known)][0]
    return known


@holds_for_all(
    60,
    600,
    seed=st.integers(0, 2**32 - 1),
    length=st.integers(30, 80),
    typos=st.integers(0, 5),
    season=st.sampled_from([1, 12]),
)
def test_an_origin_knows_what_its_own_past_reveals(seed, length, typos, season):
    values = spoilt_walk(seed, length, typos)
    begun = np.flatnonzero(np.isfinite(values))[0]
    origins = np.arange(begun, length)
    series = KnownSeries.of(values, season)
    other = KnownSeries.of(spoilt_walk(seed + 1, length, typos))
    times_yielded = np.zeros(len(origins), int)
    for (known, beside), of in versions([series, other], origins):
        times_yielded += of
        for origin in origins[of]:
            expected = plainly_known(values, origin, season)
            np.testing.assert_array_equal(known[: origin + 1], expected)
            np.testing.assert_array_equal(series.at(origin), expected)
            np.testing.assert_array_equal(beside[: origin + 1], other.at(origin))
    assert (times_yielded == 1).all()


def test_a_series_without_implausible_values_is_not_copied():
    values = 20.0 + np.cumsum(np.random.default_rng(0).normal(size=100))
    (((known,), of),) = versions([KnownSeries.of(values)], np.array([5, 50]))
    assert known is values
    assert of.all()


def test_an_observation_that_is_carried_forward_goes_from_everywhere():
    """A quarterly indicator beside months: each value stands for three."""
    quarters = np.arange(30) % 2.0
    quarters[[0, 20]] = 1000.0
    rows = np.repeat(np.arange(-1, 30), 3)[2:]
    series = KnownSeries.of(quarters).carried(rows)
    places, revealed = series.implausible
    assert places.tolist() == [1, 2, 3, 61, 62, 63]
    assert revealed.tolist() == [34, 34, 34, 64, 64, 64]  # the first month that shows it
    assert series.at(63)[[1, 60, 63]].tolist() == [1.0, 1.0, 1000.0]
    assert np.isnan(series.at(64)[[0, 2, 3, 61, 62, 63]]).all()
    assert series.at(33)[[1, 2, 3]].tolist() == [1000.0] * 3


def test_scales_are_those_known_at_the_origin():
    values = np.arange(60) % 2.0
    values[40] = 1000.0
    origins = np.array([39, 40, 41])
    scales = KnownSeries.of(values).measure(origins, lambda known, at: mase_scale(known, at, 1))
    assert scales[0] == scales[2] == 1.0
    assert scales[1] == mase_scale(values[:41], [40], 1)[0] > 20.0
