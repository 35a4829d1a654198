"""The page about data formats names the columns, frequencies and limits that the code has."""

import re

import pytest

from pulse_assets.history.forecast_file import NAMES
from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.history.layouts import LONG_NAMES
from pulse_assets.history.readers import MAX_BYTES, MAX_TABLE_BYTES
from pulse_assets.stages.variable_history import MINIMUM_HISTORY
from pulse_assets_tests.docs.pages import DOCS

PAGE = (DOCS / "guide" / "data_formats.md").read_text(encoding="utf-8")
GUIDE = (DOCS / "guide" / "own_data.md").read_text(encoding="utf-8")


def section(title):
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(title):
    """The cells of the table of a section, row by row, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_each_name_of_a_column_is_there():
    names = {name for choices in (*LONG_NAMES.values(), *NAMES.values()) for name in choices}
    assert [name for name in sorted(names) if f"`{name}`" not in PAGE] == []


@pytest.mark.parametrize("row", rows("Frequencies"), ids=lambda row: row[0])
def test_frequencies_have_these_names_and_seasons(row):
    names = re.findall(r"`([^`]+)`", row[1])
    seasons = {get_frequency(name).season for name in names}
    if row[2] != "its days":
        assert seasons == {int(number) for number in re.findall(r"\d+", row[2])}


def test_limits():
    sizes = f"above {MAX_BYTES // 10**6} MB is refused"
    assert sizes in PAGE
    assert sizes in GUIDE
    assert f"above {MAX_TABLE_BYTES // 10**9} GB" in PAGE
    assert f"fewer than {MINIMUM_HISTORY} values" in PAGE
