"""Properties that are tried on some cases in the default set of tests and on many in the slow."""

import pytest
from hypothesis import given, settings


def holds_for_all(fast, slow, **strategies):
    """Make a test of a property: `fast` cases by default, `slow` cases in the slow set."""

    def decorate(check):
        def prove(cases):
            def fresh(**drawn):  # hypothesis keeps the settings on the function itself
                check(**drawn)

            given(**strategies)(settings(max_examples=cases, deadline=None)(fresh))()

        prove.__name__, prove.__doc__ = check.__name__, check.__doc__
        many = pytest.param(slow, marks=pytest.mark.slow)
        return pytest.mark.parametrize("cases", [fast, many])(prove)

    return decorate
