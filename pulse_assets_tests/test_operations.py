"""The lines that docs/operations.md explains are lines that the program prints."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import pulse_assets

PACKAGE = Path(pulse_assets.__file__).parent
PAGE = (PACKAGE.parent / "docs" / "operations.md").read_text(encoding="utf-8")
INCIDENTS = PAGE.partition("## Incidents")[2]
LINES = [
    line
    for row in re.findall(r"^\| (`.+?) \|", INCIDENTS, re.M)
    for line in re.findall(r"`([^`]+)`(?:, |$)", row)
]
#: What Dagster, the operating system and the library of lock files say.
OTHERS = {
    *("Daemon", "not running"),
    "No space left on device",
    "The file lock",
    "could not be acquired.",
}


@cache
def texts():
    """The texts in the package's source, and the parts of those that hold values."""
    return {
        " ".join(node.value.split())
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def parts(line):
    """The parts of a line between names and values, each the length of a few words."""
    pieces = re.split(r"\.\.\.|: |\(|\)|'", line)
    return [piece.strip() for piece in pieces if len(piece.strip()) > 5]


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_an_incident_exists(line):
    unknown = [part for part in parts(line) if not any(part in text for text in texts())]
    assert parts(line)
    assert {*unknown} <= OTHERS


def test_all_incidents_are_looked_up():
    assert len(LINES) >= 19
