"""The least and the largest value of a variable: how they are written, and what they refuse."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pulse_assets.errors import ConfigurationError, HistoricalDataError
from pulse_assets.history.bounds import ANY_VALUE, Bounds, bounds_of
from pulse_assets.history.samples import BUNDLED, bundled_bounds
from pulse_assets.history.series import Revisions, Series
from pulse_assets.history.source import open_source
from pulse_assets.storage.s3 import AWS

ENDS = st.floats(allow_nan=False, allow_infinity=False)
DAYS = (np.datetime64("2020-01") + np.arange(5)).astype("M8[D]")


def series(*values, **changes):
    dates = DAYS[: len(values)]
    return Series("people", dates, np.array(values, float), file="people.csv", **changes)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("0:100", (0, 100)),
        ("0:", (0, math.inf)),
        (":100", (-math.inf, 100)),
        ("-5:-1.5", (-5, -1.5)),
        (" 0 : 1e3 ", (0, 1000)),
    ],
)
def test_a_text_names_one_end_or_both(text, ends):
    assert Bounds.parse(text) == ends


@pytest.mark.parametrize(
    "text",
    ["", ":", "5", "a:b", "0:x", "1:0", "1:1", "0:1:2", "nan:", ":nan", "inf:", "-inf:inf", "0-1"],
)
def test_what_is_no_pair_of_bounds_is_refused_with_an_example(text):
    with pytest.raises(ConfigurationError) as caught:
        Bounds.parse(text)
    assert repr(text) in str(caught.value)
    assert "0:100, 0: or :100" in str(caught.value)


@given(least=ENDS, most=ENDS)
def test_the_text_of_bounds_names_exactly_them(least, most):
    assume(least < most)
    for bounds in (Bounds(least, most), Bounds(least), Bounds(most=most)):
        assert Bounds.parse(bounds.text) == bounds


def test_the_text_is_as_a_user_writes_it():
    assert Bounds.parse("0.0:100").text == "0:100"
    assert Bounds.parse("0:1234567").text == "0:1234567"


def test_values_on_the_bounds_and_missing_ones_pass():
    Bounds(0, 10).check(series(0, 10, np.nan, 5))
    ANY_VALUE.check(series(-1e308, 1e308))


@pytest.mark.parametrize(
    ("text", "values", "named"),
    [
        ("0:", (3, -2.5, -9), "row 2 (2020-02-01) has the value -2.5"),
        (":100", (3, 4, 100.0000001), "row 3 (2020-03-01) has the value 100.0000001"),
        ("0:1234567", (1234567, 1234568), "row 2 (2020-02-01) has the value 1234568"),
    ],
)
def test_the_first_value_outside_is_named(text, values, named):
    with pytest.raises(HistoricalDataError) as caught:
        Bounds.parse(text).check(series(*values))
    assert str(caught.value) == (
        f"people.csv: {named}, which lies outside the bounds {text} of people: correct the value "
        "or the bounds"
    )


def test_a_later_release_outside_is_named_with_its_own_place():
    later = Revisions(np.array([1, 1]), np.array([4.0, -4.0]), DAYS[2:4], np.array([8, 9]))
    made = series(1, 2, 3, unit="line", places=np.array([2, 3, 4]), revisions=later)
    with pytest.raises(HistoricalDataError, match=r"line 9 \(2020-02-01\) has the value -4,"):
        Bounds(0).check(made)


def test_a_variable_without_bounds_can_have_any_value():
    assert bounds_of("growth", {"people": "0:"}) is ANY_VALUE


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_series_lie_inside_their_bounds(name):
    source = open_source(name, AWS)
    bounds = bundled_bounds(name)
    assert bounds.keys() <= {*source.variables()}
    assert source.usual_bounds() == bounds != {}
    for variable in bounds:
        bounds_of(variable, bounds).check(source.load(variable))


def test_series_that_can_be_negative_have_no_bounds():
    assert not {"gdp_growth", "us_10y_yield"} & bundled_bounds("sample").keys()
    assert bundled_bounds("my_data") == {}
