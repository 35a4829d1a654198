import doctest
import importlib
import pkgutil

import numpy as np
import pytest

from pulse_assets import retrodiction
from pulse_assets.retrodiction.arrays import carry_forward, scaled, unit_of

MODULES = [
    m.name for m in pkgutil.walk_packages(retrodiction.__path__, "pulse_assets.retrodiction.")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings(name):
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0


def test_carry_forward():
    y = np.array([np.nan, 1.0, np.nan, np.inf, 4.0])
    np.testing.assert_array_equal(carry_forward(y), [np.nan, 1, 1, 1, 4])
    assert carry_forward(np.empty(0)).shape == (0,)


@pytest.mark.parametrize(
    ("values", "unit"),
    [([0.0, -5.0, 99.0], 4.0), ([0.75], 0.5), ([0.0], 1.0), ([], 1.0), ([5e-324], 2.0**-500)],
)
def test_unit(values, unit):
    assert unit_of(np.array(values)) == unit


def test_scaled_values_stay_finite():
    values = np.array([[1e308, -1e308], [np.nan, 1.0], [np.inf, 3.0]])
    made = scaled(values, np.array([0, 2]), np.array([2.0**10, 5.0]))
    largest = np.finfo(float).max
    np.testing.assert_array_equal(made, [[largest, -largest], [np.nan, 1024], [np.nan, 15]])
    assert values[1, 1] == 1.0
