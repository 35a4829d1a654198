"""The page docs/trials.md names tests that are there."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = (HERE.parent / "docs" / "trials.md").read_text("utf-8")
NAMED = re.findall(r"`([\w/]+\.py)(?: -k (\w+|\"[^\"]+\"))?`", PAGE)


def test_tests_are_named():
    assert len(NAMED) > 30


@pytest.mark.parametrize(("file", "chosen"), sorted({*NAMED} - {("deploy/one_machine.py", "")}))
def test_a_trial_names_a_test_that_is_there(file, chosen):
    names = " ".join(re.findall(r"^def (test_\w+)", (HERE / file).read_text("utf-8"), re.MULTILINE))
    for word in chosen.strip('"').split(" or "):
        assert word in f"{file} {names}"
