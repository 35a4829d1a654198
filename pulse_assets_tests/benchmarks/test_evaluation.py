import doctest

from benchmarks import evaluation


def test_the_examples():
    found = doctest.testmod(evaluation)
    assert found.attempted > 0 and found.failed == 0
